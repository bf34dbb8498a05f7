/* Random bytes through the safetensors reader: what is taken lies inside the file, can be found by
 * name and can be written again. */
#include "fuzz.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "format/safetensors.h"

static void check_tensor(const safetensors *file, const tensor_view *view,
                         const unsigned char *expected)
{
    size_t count = 1;
    real last;
    FUZZ_CHECK(view->data == expected);
    FUZZ_CHECK(safetensors_find(file, view->name) == view);
    FUZZ_CHECK(utf8_valid_prefix(view->name, strlen(view->name)) == strlen(view->name));
    FUZZ_CHECK(view->rank <= SAFETENSORS_MAX_RANK);
    for (size_t i = 0; i < view->rank; i++) {
        FUZZ_CHECK(size_multiply(&count, count, view->shape[i]));
    }
    FUZZ_CHECK(count == view->count);
    if (count > 0) {
        lrnn_status status = tensor_read(&last, view, count - 1, 1);
        FUZZ_CHECK(status == (view->dtype <= TENSOR_BF16 ? LRNN_OK : LRNN_ERR_FORMAT));
    }
}

static void check_rewriting(const safetensors *file, const lrnn_allocator *allocator)
{
    safetensors_writer *writer;
    safetensors *again;
    void *bytes;
    size_t length;
    FUZZ_CHECK(safetensors_writer_create(&writer, allocator) == LRNN_OK);
    for (size_t i = 0; i < safetensors_count(file); i++) {
        const tensor_view *view = safetensors_tensor(file, i);
        FUZZ_CHECK(safetensors_writer_tensor(writer, view->name, view->dtype, view->rank,
                                             view->shape, view->data) == LRNN_OK);
    }
    FUZZ_CHECK(safetensors_writer_memory(writer, &bytes, &length) == LRNN_OK);
    FUZZ_CHECK(safetensors_parse(&again, allocator, "again", bytes, length) == LRNN_OK);
    FUZZ_CHECK(safetensors_count(again) == safetensors_count(file));
    safetensors_destroy(again);
    memory_release(allocator, bytes);
    safetensors_writer_destroy(writer);
}

static void fuzz_one(const unsigned char *bytes, size_t length)
{
    lrnn_allocator allocator;
    safetensors *file;
    FUZZ_CHECK(allocator_read(&allocator, NULL) == LRNN_OK);
    lrnn_status status = safetensors_parse(&file, &allocator, "fuzz", bytes, length);
    if (status != LRNN_OK) {
        FUZZ_CHECK(status == LRNN_ERR_FORMAT && file == NULL);
        return;
    }
    size_t count = safetensors_count(file);
    const unsigned char *expected = count > 0 ? safetensors_tensor(file, 0)->data : NULL;
    for (size_t i = 0; i < count; i++) {
        const tensor_view *view = safetensors_tensor(file, i);
        check_tensor(file, view, expected);
        expected += view->count * tensor_dtype_size(view->dtype);
    }
    size_t value_length;
    const char *value = safetensors_metadata(file, "note", &value_length);
    FUZZ_CHECK(value == NULL || utf8_valid_prefix(value, value_length) == value_length);
    check_rewriting(file, &allocator);
    safetensors_destroy(file);
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
        "{\"__metadata__\":{\"note\":\"\\u00e9\\n\",\"b\":\"\"},\"a\":{\"dtype\":\"F32\",\"shape\":"
        "[2,1],\"data_offsets\":[0,8]},\"\\u0062\":{\"dtype\":\"F16\",\"shape\":[],"
        "\"data_offsets\":[8,10]},\"c\":{\"dtype\":\"I8\",\"shape\":[0,2],\"data_offsets\":[10,10]}"
        "}",
        "{\"z\":{\"dtype\":\"U8\",\"shape\":[5],\"data_offsets\":[5,10]},"
        "\"a\":{\"dtype\":\"BOOL\",\"shape\":[1,5],\"data_offsets\":[0,5]}}"};
    static const char *const words[] = {
        "\"F64\"",
        "\"BF16\"",
        "\"U8\"",
        "[0,0]",
        "[10,10]",
        "[]",
        "0",
        "18446744073709551615",
        "1,",
        "\\u0000",
        "\\ud83d\\ude00",
        "\"dtype\"",
        "\"shape\"",
        "\"data_offsets\"",
        "\"__metadata__\":{},",
        "\"n\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},"};
    fuzz_input seeds[2];
    for (size_t i = 0; i < 2; i++) {
        seeds[i].bytes = safetensors_bytes(&seeds[i].length, headers[i], strlen(headers[i]), 10);
    }
    int result = fuzz_main(argc, argv, seeds, 2, words, sizeof words / sizeof words[0], repair);
    free(seeds[0].bytes);
    free(seeds[1].bytes);
    return result;
}
#endif
