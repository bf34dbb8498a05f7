/* Models from given tensors and from files: what comes in comes out, and what is wrong is named. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/expect.h"
#include "../support/safetensors_bytes.h"
#include "../support/scratch.h"
#include "lrnn.h"

enum { V = 5, E = 3, H = 4, TENSORS = 7 };

static lrnn_model_options small(void)
{
    lrnn_model_options options;
    EXPECT_OK(lrnn_model_options_init(&options, sizeof options));
    options.vocab_size = V;
    options.embedding_size = E;
    options.hidden_size = H;
    options.dropout = 0.25;
    return options;
}

static lrnn_model *create(void)
{
    lrnn_model_options options = small();
    lrnn_model *model;
    EXPECT_OK(lrnn_model_create(&model, &options));
    return model;
}

/* ---- given tensors ---- */

/* The parameters of a model as tensors, last one first; `values` backs them. */
static void tensors_of(lrnn_tensor *tensors, float *values, const lrnn_model *model)
{
    for (size_t i = 0; i < TENSORS; i++) {
        lrnn_parameter parameter;
        lrnn_tensor *tensor = &tensors[TENSORS - 1 - i];
        EXPECT_OK(lrnn_parameter_init(&parameter, sizeof parameter));
        EXPECT_OK(lrnn_model_get_parameter(&parameter, model, i));
        EXPECT_OK(lrnn_tensor_init(tensor, sizeof *tensor));
        tensor->name = parameter.name;
        tensor->values = values + parameter.offset;
        tensor->rank = parameter.rank;
        memcpy(tensor->shape, parameter.shape, sizeof tensor->shape);
    }
}

static void given_tensors_are_the_parameters(void **state)
{
    (void)state;
    lrnn_model *model = create(), *copy;
    lrnn_model_options options = small();
    options.seed = 99;
    lrnn_tensor tensors[TENSORS];
    size_t count;
    float *values = parameters_of(model, &count);
    assert_int_equal(lrnn_model_tensor_count(model), TENSORS);
    tensors_of(tensors, values, model);
    EXPECT_OK(lrnn_model_create_from_tensors(&copy, &options, tensors, TENSORS));
    memset(values, 0, count * sizeof *values); /* they were copied */
    expect_same_parameters(copy, model);
    free(values);
    lrnn_model_destroy(copy);
    lrnn_model_destroy(model);
}

#define REFUSE(given, count, status, ...)                                                          \
    do {                                                                                           \
        lrnn_model *refused = nowhere();                                                           \
        EXPECT_FAILURE(lrnn_model_create_from_tensors(&refused, &options, given, count), status,   \
                       __VA_ARGS__);                                                               \
        assert_null(refused);                                                                      \
    } while (0)

static void tensors_that_do_not_fit_are_named(void **state)
{
    (void)state;
    lrnn_model *model = create();
    lrnn_model_options options = small();
    lrnn_tensor tensors[TENSORS + 1], *last = &tensors[TENSORS - 1];
    size_t count;
    float *values = parameters_of(model, &count);
    tensors_of(tensors, values, model);
    assert_string_equal(last->name, "embedding.weight");
    REFUSE(tensors, TENSORS - 1, LRNN_ERR_INVALID, "embedding.weight", "missing");
    REFUSE(NULL, 0, LRNN_ERR_INVALID, "missing");
    tensors[TENSORS] = tensors[0];
    REFUSE(tensors, TENSORS + 1, LRNN_ERR_INVALID, "head.bias", "twice");
    last->name = "embedding";
    REFUSE(tensors, TENSORS, LRNN_ERR_NOT_FOUND, "tensor 6", "'embedding'");
    last->name = NULL;
    REFUSE(tensors, TENSORS, LRNN_ERR_NOT_FOUND, "tensor 6", "NULL");
    last->name = "embedding.weight";
    last->shape[0] = E;
    last->shape[1] = V;
    REFUSE(tensors, TENSORS, LRNN_ERR_INVALID, "embedding.weight", "[5,3]", "[3,5]");
    last->shape[0] = V;
    last->shape[1] = E;
    last->shape[1] = E + 1;
    REFUSE(tensors, TENSORS, LRNN_ERR_INVALID, "embedding.weight", "[5,3]", "[5,4]");
    last->shape[1] = E;
    last->rank = 1;
    REFUSE(tensors, TENSORS, LRNN_ERR_INVALID, "embedding.weight", "rank 2", "rank 1");
    last->rank = 2;
    last->values = NULL;
    REFUSE(tensors, TENSORS, LRNN_ERR_INVALID, "embedding.weight", "NULL");
    last->values = values;
    lrnn_model *out;
    EXPECT_SIZE_CHECKED(last, lrnn_tensor,
                        lrnn_model_create_from_tensors(&out, &options, tensors, TENSORS));
    static const float wrong[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        values[V * E + 2] = wrong[i];
        REFUSE(tensors, TENSORS, LRNN_ERR_NUMERIC, "rnn.weight_ih_l0", "value 2");
    }
    values[V * E + 2] = 0;
    options.dropout = 2;
    REFUSE(tensors, TENSORS, LRNN_ERR_INVALID, "dropout", "found 2");
    free(values);
    lrnn_model_destroy(model);
}

/* ---- files ---- */

static void a_file_gives_the_model_back(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "model");
    lrnn_vocab *vocab;
    static const char *const labels[] = {"\"", "\\", "\x01", "\xc3\xa9", "a b"};
    EXPECT_OK(lrnn_vocab_create_from_labels(&vocab, labels, V, NULL));
    lrnn_model_options options = small(), before, after;
    options.input_vocab = options.output_vocab = vocab;
    options.cell = LRNN_CELL_GRU;
    options.feature_size = 2;
    options.bidirectional = 1;
    options.head = LRNN_HEAD_FINAL;
    options.bias = 0;
    options.seed = UINT64_MAX;
    options.dropout = 0.1;
    options.padding_token = 3;
    lrnn_model *model, *loaded;
    EXPECT_OK(lrnn_model_create(&model, &options));
    EXPECT_OK(lrnn_model_save(model, path));
    assert_int_equal(scratch_files(&folder, false), 1);
    EXPECT_OK(lrnn_model_load(&loaded, path, NULL));
    expect_same_parameters(loaded, model);
    EXPECT_OK(lrnn_model_options_init(&before, sizeof before));
    EXPECT_OK(lrnn_model_options_init(&after, sizeof after));
    EXPECT_OK(lrnn_model_get_options(&before, model));
    EXPECT_OK(lrnn_model_get_options(&after, loaded));
    assert_ptr_equal(after.input_vocab, after.output_vocab);
    for (int32_t id = 0; id < V; id++) {
        const char *token;
        EXPECT_OK(lrnn_vocab_get_token(&token, NULL, after.input_vocab, id));
        assert_string_equal(token, labels[id]);
    }
    after.input_vocab = after.output_vocab = vocab;
    assert_memory_equal(&after, &before, sizeof after);
    lrnn_model_destroy(loaded);
    lrnn_model_destroy(model);
    lrnn_vocab_destroy(vocab);
    scratch_destroy(&folder);
}

static void what_cannot_be_read_or_written_is_named(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *missing = scratch_path(&folder, "missing");
    const char *nested = scratch_path(&folder, "no/such");
    lrnn_model *model = nowhere();
    EXPECT_FAILURE(lrnn_model_load(&model, missing, NULL), LRNN_ERR_IO, missing, "No such file");
    assert_null(model);
    EXPECT_FAILURE(lrnn_model_load(&model, folder.folder, NULL), LRNN_ERR_IO, folder.folder);
    EXPECT_FAILURE(lrnn_model_load(&model, NULL, NULL), LRNN_ERR_INVALID, "path is NULL");
    EXPECT_FAILURE(lrnn_model_load(NULL, missing, NULL), LRNN_ERR_INVALID, "model is NULL");
    EXPECT_FAILURE(lrnn_model_load_memory(&model, NULL, 0, NULL), LRNN_ERR_INVALID,
                   "bytes is NULL");
    EXPECT_FAILURE(lrnn_model_load_memory(NULL, "", 0, NULL), LRNN_ERR_INVALID, "model is NULL");
    lrnn_allocator allocator = {.size = 0};
    EXPECT_FAILURE(lrnn_model_load(&model, missing, &allocator), LRNN_ERR_INVALID,
                   "lrnn_allocator");
    EXPECT_FAILURE(lrnn_model_load_memory(&model, "", 0, &allocator), LRNN_ERR_INVALID,
                   "lrnn_allocator");
    model = create();
    EXPECT_FAILURE(lrnn_model_save(model, nested), LRNN_ERR_IO, nested, "No such file");
    EXPECT_FAILURE(lrnn_model_save(model, NULL), LRNN_ERR_INVALID, "path is NULL");
    EXPECT_FAILURE(lrnn_model_save(NULL, missing), LRNN_ERR_INVALID, "model is NULL");
    assert_int_equal(scratch_files(&folder, false), 0);
    lrnn_model_destroy(model);
    scratch_destroy(&folder);
}

/* ---- files that were changed ---- */

typedef struct changed_file {
    scratch folder;
    unsigned char *bytes;
    size_t length;
} changed_file;

/* Replaces the first `from` of the header by `to`. */
static unsigned char *with_header(size_t *length, const changed_file *file, const char *from,
                                  const char *to)
{
    size_t header = safetensors_header_length(file->bytes), room = header + strlen(to) + 1;
    char *text = malloc(room), *made = malloc(room);
    assert_true(text != NULL && made != NULL);
    memcpy(text, file->bytes + 8, header);
    text[header] = '\0';
    char *at = strstr(text, from);
    assert_non_null(at);
    snprintf(made, room, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    size_t data = file->length - 8 - header;
    unsigned char *bytes = safetensors_bytes(length, made, strlen(made), data);
    memcpy(bytes + *length - data, file->bytes + 8 + header, data);
    free(text);
    free(made);
    return bytes;
}

/* A size of which no multiple is one. */
#if SIZE_MAX == UINT64_MAX
#define TOO_LARGE "18446744073709551614"
#else
#define TOO_LARGE "4294967294"
#endif

/* The bytes give this failure from memory and from a file, which is named. */
static void expect_load_failure(const changed_file *file, const unsigned char *bytes, size_t length,
                                lrnn_status status, const char *const *words)
{
    const char *path = scratch_path(&file->folder, "changed");
    scratch_write(path, bytes, length);
    lrnn_model *model = nowhere();
    EXPECT_FAILURE(lrnn_model_load_memory(&model, bytes, length, NULL), status, words[0], words[1]);
    assert_null(model);
    model = nowhere();
    EXPECT_FAILURE(lrnn_model_load(&model, path, NULL), status, words[0], words[1], path);
    assert_null(model);
}

static changed_file save(lrnn_model *model)
{
    changed_file file = {.folder = scratch_create()};
    const char *path = scratch_path(&file.folder, "model");
    EXPECT_OK(lrnn_model_save(model, path));
    file.bytes = undigested_bytes(&file.length, path);
    lrnn_model_destroy(model);
    return file;
}

static void finish(changed_file *file)
{
    free(file->bytes);
    scratch_destroy(&file->folder);
}

typedef struct change {
    const char *from, *to;
    lrnn_status status;
    const char *words[2];
} change;

static void expect_changes_fail(const changed_file *file, const change *changes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t length;
        unsigned char *bytes = with_header(&length, file, changes[i].from, changes[i].to);
        expect_load_failure(file, bytes, length, changes[i].status, changes[i].words);
        free(bytes);
    }
}

static void wrong_metadata_is_named_by_its_key(void **state)
{
    (void)state;
    static const change changes[] = {
        {"lrnn.format\":\"1", "lrnn.format\":\"3", LRNN_ERR_UNSUPPORTED, {"format '3'", "1"}},
        {"lrnn.format", "other.format", LRNN_ERR_FORMAT, {"lrnn.format", "missing"}},
        {"lrnn.vocab_size\":\"5", "lrnn.vocab_size\":\"x", LRNN_ERR_FORMAT, {"vocab_size", "'x'"}},
        {"lrnn.vocab_size", "vocab_size", LRNN_ERR_FORMAT, {"lrnn.vocab_size", "missing"}},
        {"lrnn.embedding_size", "x", LRNN_ERR_FORMAT, {"lrnn.embedding_size", "missing"}},
        {"lrnn.feature_size", "x", LRNN_ERR_FORMAT, {"lrnn.feature_size", "missing"}},
        {"lrnn.hidden_size\":\"4", "lrnn.hidden_size\":\"0", LRNN_ERR_FORMAT, {"hidden_size", "0"}},
        {"lrnn.layers", "x", LRNN_ERR_FORMAT, {"lrnn.layers", "missing"}},
        {"lrnn.output_size", "x", LRNN_ERR_FORMAT, {"lrnn.output_size", "missing"}},
        {"lrnn.seed\":\"1", "lrnn.seed\":\"-1", LRNN_ERR_FORMAT, {"lrnn.seed", "'-1'"}},
        {"lrnn.cell\":\"lstm", "lrnn.cell\":\"elman", LRNN_ERR_FORMAT, {"lrnn.cell", "'elman'"}},
        {"lrnn.head\":\"steps", "lrnn.head\":\"first", LRNN_ERR_FORMAT, {"lrnn.head", "'first'"}},
        {"lrnn.bias\":\"1", "lrnn.bias\":\"2", LRNN_ERR_FORMAT, {"lrnn.bias", "found '2'"}},
        {"lrnn.bidirectional", "x", LRNN_ERR_FORMAT, {"lrnn.bidirectional", "missing"}},
        {"lrnn.dropout\":\"0.25", "lrnn.dropout\":\"1", LRNN_ERR_FORMAT, {"dropout", "found 1"}},
        {"lrnn.dropout\":\"0.25", "lrnn.dropout\":\"?", LRNN_ERR_FORMAT, {"lrnn.dropout", "'?'"}},
        {"lrnn.kind", "lrnn.input_vocab", LRNN_ERR_FORMAT, {"lrnn.input_vocab", "vocabulary"}},
        {"lrnn.kind", "lrnn.output_vocab", LRNN_ERR_FORMAT, {"lrnn.output_vocab", "vocabulary"}},
        {"lrnn.kind\":\"model",
         "lrnn.weight_type\":\"int4",
         LRNN_ERR_FORMAT,
         {"lrnn.weight_type", "'int4'"}},
        {"lrnn.kind\":\"model", "lrnn.padding_token\":\"5", LRNN_ERR_FORMAT, {"padding", "5"}},
        {"lrnn.kind\":\"model",
         "lrnn.padding_token\":\"2147483648",
         LRNN_ERR_FORMAT,
         {"lrnn.padding_token", "2147483648"}},
        {"lrnn.kind\":\"model", "lrnn.projection_size\":\"4", LRNN_ERR_FORMAT, {"projection", "4"}},
        {"lrnn.kind\":\"model",
         "lrnn.hidden_sizes\":\"x",
         LRNN_ERR_FORMAT,
         {"hidden_sizes", "'x'"}},
        {"lrnn.kind\":\"model",
         "lrnn.hidden_sizes\":\"4,4",
         LRNN_ERR_FORMAT,
         {"hidden_sizes", "1"}},
    };
    changed_file file = save(create());
    expect_changes_fail(&file, changes, sizeof changes / sizeof *changes);
    finish(&file);
}

/* A number that is not what the tensors say is the file's fault, whatever it would ask for. */
static void metadata_that_lies_about_the_tensors_is_named(void **state)
{
    (void)state;
    static const char *const lies[][2] = {
        {"lrnn.vocab_size\":\"5", "6"},
        {"lrnn.vocab_size\":\"5", "0"},
        {"lrnn.vocab_size\":\"5", "2147483647"},
        {"lrnn.embedding_size\":\"3", "4"},
        {"lrnn.embedding_size\":\"3", "0"},
        {"lrnn.embedding_size\":\"3", "2147483647"},
        {"lrnn.feature_size\":\"0", "1"},
        {"lrnn.feature_size\":\"0", "2147483647"},
        {"lrnn.hidden_size\":\"4", "5"},
        {"lrnn.hidden_size\":\"4", "536870911"},
        {"lrnn.hidden_size\":\"4", "0"},
        {"lrnn.layers\":\"1", "0"},
        {"lrnn.layers\":\"1", "2"},
        {"lrnn.layers\":\"1", "1024"},
        {"lrnn.output_size\":\"5", "4"},
        {"lrnn.output_size\":\"5", "2147483647"},
        {"lrnn.bias\":\"1", "0"},
        {"lrnn.bidirectional\":\"0", "1"},
        {"lrnn.cell\":\"lstm", "gru"},
        {"lrnn.hidden_size\":\"4", TOO_LARGE},
    };
    changed_file file = save(create());
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        char key[32], changed[64];
        snprintf(key, sizeof key, "%.*s", (int)strcspn(lies[i][0], "\""), lies[i][0]);
        snprintf(changed, sizeof changed, "%s\":\"%s", key, lies[i][1]);
        expect_changes_fail(&file, &(change){lies[i][0], changed, LRNN_ERR_FORMAT, {key, "tensor"}},
                            1);
    }
    expect_changes_fail(&file,
                        &(change){"lrnn.kind\":\"model",
                                  "lrnn.hidden_sizes\":\"536870911",
                                  LRNN_ERR_FORMAT,
                                  {"lrnn.hidden_sizes is 536870911", "rnn.weight_hh_l0"}},
                        1);
    expect_changes_fail(&file,
                        &(change){"lrnn.kind\":\"model",
                                  "lrnn.projection_size\":\"3",
                                  LRNN_ERR_FORMAT,
                                  {"lrnn.projection_size", "rnn.weight_hr_l0"}},
                        1);
    finish(&file);
}

static void wrong_tensors_are_named(void **state)
{
    (void)state;
    static const change changes[] = {
        {"head.bias", "head.base", LRNN_ERR_FORMAT, {"head.bias", "missing"}},
        {"\"head.weight\":{\"dtype\":\"F32\",\"shape\":[5,4]",
         "\"head.weight\":{\"dtype\":\"F32\",\"shape\":[4,5]",
         LRNN_ERR_FORMAT,
         {"lrnn.output_size is 5", "tensor head.weight has shape [4,5]"}},
        {"\"head.bias\":{\"dtype\":\"F32\",\"shape\":[5]",
         "\"head.bias\":{\"dtype\":\"F32\",\"shape\":[5,1]",
         LRNN_ERR_FORMAT,
         {"tensor head.bias: expected rank 1, shape [5,0]", "found rank 2, shape [5,1]"}},
        {"\"head.weight\":{\"dtype\":\"F32\",\"shape\":[5,4]",
         "\"head.weight\":{\"dtype\":\"F32\",\"shape\":[20]",
         LRNN_ERR_FORMAT,
         {"head.weight", "found rank 1, shape [20,0]"}},
        {"\"head.weight\":{\"dtype\":\"F32\"",
         "\"head.weight\":{\"dtype\":\"I32\"",
         LRNN_ERR_FORMAT,
         {"head.weight", "I32"}},
        {"lrnn.head\":\"steps", "lrnn.head\":\"none", LRNN_ERR_FORMAT, {"head.weight", "belong"}},
    };
    changed_file file = save(create());
    expect_changes_fail(&file, changes, sizeof changes / sizeof *changes);
    finish(&file);
}

static void a_parameter_that_is_not_finite_is_refused(void **state)
{
    (void)state;
    static const float wrong[] = {NAN, INFINITY};
    changed_file file = save(create());
    for (size_t i = 0; i < 2; i++) {
        safetensors_put_float(file.bytes + 8 + safetensors_header_length(file.bytes) + 4, wrong[i]);
        expect_load_failure(&file, file.bytes, file.length, LRNN_ERR_NUMERIC,
                            (const char *const[]){"embedding.weight", "value 1"});
    }
    finish(&file);
}

static void what_is_no_safetensors_file_is_refused(void **state)
{
    (void)state;
    changed_file file = save(create());
    const char *const words[] = {"", ""};
    expect_load_failure(&file, file.bytes, 0, LRNN_ERR_FORMAT, words);
    expect_load_failure(&file, file.bytes, file.length - 1, LRNN_ERR_FORMAT, words);
    expect_load_failure(&file, (const unsigned char *)"# a text, no model\n", 19, LRNN_ERR_FORMAT,
                        words);
    finish(&file);
}

/* What their own tests leave open. */
static void import_and_export_name_what_is_wrong(void **state)
{
    (void)state;
    lrnn_model *model = create(), *imported = nowhere();
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "state_dict");
    const char *missing = scratch_path(&folder, "missing");
    const char *nested = scratch_path(&folder, "no/such");
    lrnn_export_options out;
    lrnn_import_options in;
    EXPECT_OK(lrnn_export_options_init(&out, sizeof out));
    EXPECT_OK(lrnn_import_options_init(&in, sizeof in));
    EXPECT_FAILURE(lrnn_model_export(model, nested, NULL), LRNN_ERR_IO, nested);
    EXPECT_FAILURE(lrnn_model_export(NULL, path, NULL), LRNN_ERR_INVALID, "model is NULL");
    EXPECT_FAILURE(lrnn_model_export(model, NULL, NULL), LRNN_ERR_INVALID, "path is NULL");
    EXPECT_SIZE_CHECKED(&out, lrnn_export_options, lrnn_model_export(model, path, &out));
    out.embedding = out.head = "both";
    EXPECT_FAILURE(lrnn_model_export(model, path, &out), LRNN_ERR_INVALID, "both.weight");
    out.embedding = "\xff";
    EXPECT_FAILURE(lrnn_model_export(model, path, &out), LRNN_ERR_INVALID, "UTF-8");
    assert_int_equal(scratch_files(&folder, false), 0);

    EXPECT_OK(lrnn_model_export(model, path, NULL));
    EXPECT_FAILURE(lrnn_model_import(&imported, missing, NULL), LRNN_ERR_IO, missing);
    assert_null(imported);
    EXPECT_FAILURE(lrnn_model_import(NULL, path, NULL), LRNN_ERR_INVALID, "model is NULL");
    EXPECT_FAILURE(lrnn_model_import(&imported, NULL, NULL), LRNN_ERR_INVALID, "path is NULL");
    EXPECT_SIZE_CHECKED(&in, lrnn_import_options, lrnn_model_import(&imported, path, &in));
    in.cell = 4;
    EXPECT_FAILURE(lrnn_model_import(&imported, path, &in), LRNN_ERR_INVALID, "cell", "found 4");
    EXPECT_OK(lrnn_model_import(&imported, path, NULL));
    expect_same_parameters(imported, model);
    lrnn_model_destroy(imported);
    EXPECT_OK(lrnn_model_save(model, path));
    EXPECT_FAILURE(lrnn_model_import(&imported, path, NULL), LRNN_ERR_UNSUPPORTED, path,
                   "lrnn_model_load");
    assert_null(imported);
    lrnn_model_destroy(model);
    scratch_destroy(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_tensors_are_the_parameters),
        cmocka_unit_test(tensors_that_do_not_fit_are_named),
        cmocka_unit_test(a_file_gives_the_model_back),
        cmocka_unit_test(what_cannot_be_read_or_written_is_named),
        cmocka_unit_test(wrong_metadata_is_named_by_its_key),
        cmocka_unit_test(metadata_that_lies_about_the_tensors_is_named),
        cmocka_unit_test(wrong_tensors_are_named),
        cmocka_unit_test(a_parameter_that_is_not_finite_is_refused),
        cmocka_unit_test(what_is_no_safetensors_file_is_refused),
        cmocka_unit_test(import_and_export_name_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
