/* Random safetensors files through lrnn_model_import: what is taken computes, can be saved and
 * loaded, and gives its tensors their names back. */
#include "fuzz.h"

#include "lrnn.h"
#include "support/scratch.h"

static scratch folder;

static void write_bytes(const char *path, const unsigned char *bytes, size_t length)
{
    FILE *file = fopen(path, "wb");
    FUZZ_CHECK(file != NULL && fwrite(bytes, 1, length, file) == length && fclose(file) == 0);
}

static size_t parameters(const lrnn_model *model)
{
    return lrnn_model_parameter_count(model);
}

/* The model again, from what is exported of it. */
static lrnn_model *through_export(const lrnn_model *model, const char *path)
{
    lrnn_model *again;
    lrnn_import_options options;
    lrnn_model_options architecture;
    FUZZ_CHECK(lrnn_import_options_init(&options, sizeof options) == LRNN_OK);
    FUZZ_CHECK(lrnn_model_options_init(&architecture, sizeof architecture) == LRNN_OK);
    FUZZ_CHECK(lrnn_model_get_options(&architecture, model) == LRNN_OK);
    FUZZ_CHECK(lrnn_model_export(model, path, NULL) == LRNN_OK);
    options.model = &architecture;
    FUZZ_CHECK(lrnn_model_import(&again, path, &options) == LRNN_OK);
    return again;
}

static void fuzz_one(const unsigned char *bytes, size_t length)
{
    lrnn_model *model, *loaded, *again;
    const char *path = scratch_path(&folder, "in"), *out = scratch_path(&folder, "out");
    write_bytes(path, bytes, length);
    lrnn_status status = lrnn_model_import(&model, path, NULL);
    if (status != LRNN_OK) {
        FUZZ_CHECK(status == LRNN_ERR_FORMAT || status == LRNN_ERR_UNSUPPORTED ||
                   status == LRNN_ERR_NUMERIC);
        FUZZ_CHECK(model == NULL);
        return;
    }
    FUZZ_CHECK(lrnn_model_save(model, out) == LRNN_OK);
    FUZZ_CHECK(lrnn_model_load(&loaded, out, NULL) == LRNN_OK);
    again = through_export(loaded, out);
    FUZZ_CHECK(parameters(loaded) == parameters(model) && parameters(again) == parameters(model));
    lrnn_model_destroy(model);
    lrnn_model_destroy(loaded);
    lrnn_model_destroy(again);
}

#ifndef LRNN_LIBFUZZER
/* States the header's length anew: it ends with the last brace. */
static void repair(fuzz_input *input)
{
    size_t end = input->length;
    while (end > 8 && input->bytes[end - 1] != '}') {
        end--;
    }
    uint64_t header = end > 8 ? end - 8 : 0;
    for (size_t i = 0; i < 8 && i < input->length; i++) {
        input->bytes[i] = (unsigned char)(header >> (8 * i));
    }
}

int main(int argc, char **argv)
{
    static const char *const headers[] = {
        "{\"emb.weight\":{\"dtype\":\"U8\",\"shape\":[2,1],\"data_offsets\":[0,2]}}",
        ("{\"__metadata__\":{\"fc.weight\":\"emb.weight\"},"
         "\"emb.weight\":{\"dtype\":\"F16\",\"shape\":[2,1],\"data_offsets\":[0,4]},"
         "\"rnn.weight_hh_l0\":{\"dtype\":\"F16\",\"shape\":[3,1],\"data_offsets\":[4,10]},"
         "\"rnn.weight_ih_l0\":{\"dtype\":\"BF16\",\"shape\":[3,1],\"data_offsets\":[10,16]}}"),
        ("{\"weight_hh_l0\":{\"dtype\":\"F16\",\"shape\":[1,1],\"data_offsets\":[0,2]},"
         "\"weight_ih_l0\":{\"dtype\":\"F16\",\"shape\":[1,2],\"data_offsets\":[2,6]},"
         "\"weight_hh_l0_reverse\":{\"dtype\":\"F16\",\"shape\":[1,1],\"data_offsets\":[6,8]},"
         "\"weight_ih_l0_reverse\":{\"dtype\":\"F16\",\"shape\":[1,2],\"data_offsets\":[8,12]},"
         "\"h.weight\":{\"dtype\":\"F16\",\"shape\":[1,2],\"data_offsets\":[12,16]}}"),
        ("{\"c.weight_hh\":{\"dtype\":\"F16\",\"shape\":[4,1],\"data_offsets\":[0,8]},"
         "\"c.weight_ih\":{\"dtype\":\"F16\",\"shape\":[4,1],\"data_offsets\":[8,16]}}")};
    static const char *const words[] = {
        "weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0", "weight_hr_l0", "_l1",
        "_l1000",       "_l9999",       "_reverse",   ".weight",    ".bias",        ".",
        "emb",          "F32",          "F64",        "[1]",        "[1,1]",        "[0,1]"};
    enum { SEEDS = sizeof headers / sizeof *headers };
    fuzz_input seeds[SEEDS];
    for (size_t i = 0; i < SEEDS; i++) {
        seeds[i].bytes =
            safetensors_bytes(&seeds[i].length, headers[i], strlen(headers[i]), i == 0 ? 2 : 16);
    }
    folder = scratch_create();
    int result = fuzz_main(argc, argv, seeds, SEEDS, words, sizeof words / sizeof words[0], repair);
    scratch_destroy(&folder);
    for (size_t i = 0; i < SEEDS; i++) {
        free(seeds[i].bytes);
    }
    return result;
}
#endif
