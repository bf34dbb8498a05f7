#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lrnn.h"
#include "support/safetensors_bytes.h"
#include "support/scratch.h"

static lrnn_model *create(int32_t cell, size_t projection)
{
    lrnn_model_options options;
    lrnn_model *model;
    assert_int_equal(lrnn_model_options_init(&options, sizeof options), LRNN_OK);
    options.vocab_size = 5;
    options.embedding_size = 3;
    options.hidden_size = 4;
    options.projection_size = projection;
    options.layers = 2;
    options.cell = cell;
    assert_int_equal(lrnn_model_create(&model, &options), LRNN_OK);
    return model;
}

/* Copies a file whose tensor `name` has one column more, zeros at its end: a file that is whole and
 * whose other tensors are where its header says. free() takes it. */
static unsigned char *widened(size_t *length, const unsigned char *bytes, size_t given_length,
                              const char *name)
{
    char *header = calloc(1, given_length), *out = calloc(1, given_length + 4096), key[64];
    size_t header_length = bytes[0] + 256u * bytes[1], rows = 0, columns = 0, begin = 0, end = 0;
    assert_true(header != NULL && out != NULL);
    memcpy(header, bytes + 8, header_length);
    snprintf(key, sizeof key, "\"%s\":{\"dtype\":\"F32\",\"shape\":[", name);
    const char *entry = strstr(header, key);
    assert_non_null(entry);
    assert_int_equal(sscanf(entry + strlen(key), "%zu,%zu],\"data_offsets\":[%zu,%zu", &rows,
                            &columns, &begin, &end),
                     4);
    size_t more = rows * sizeof(float);
    char *to = out;
    for (const char *from = header; *from != '\0';) {
        size_t a, b;
        static const char offsets[] = "\"data_offsets\":[";
        if (from == entry + strlen(key)) {
            from += strcspn(from, "]");
            to += sprintf(to, "%zu,%zu", rows, columns + 1);
        } else if (strncmp(from, offsets, sizeof offsets - 1) == 0 &&
                   sscanf(from + sizeof offsets - 1, "%zu,%zu", &a, &b) == 2) {
            from += strcspn(from, "]");
            to +=
                sprintf(to, "%s%zu,%zu", offsets, a >= end ? a + more : a, b >= end ? b + more : b);
        } else {
            *to++ = *from++;
        }
    }
    size_t new_header = (size_t)(to - out), data = given_length - 8 - header_length;
    *length = 8 + new_header + data + more;
    unsigned char *made = calloc(1, *length);
    assert_non_null(made);
    made[0] = (unsigned char)new_header;
    made[1] = (unsigned char)(new_header >> 8);
    memcpy(made + 8, out, new_header);
    const unsigned char *from = bytes + 8 + header_length;
    memcpy(made + 8 + new_header, from, end);
    memcpy(made + 8 + new_header + end + more, from + end, data - end);
    free(header);
    free(out);
    return made;
}

static void assert_columns_matter(lrnn_model *model)
{
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "model");
    assert_int_equal(lrnn_model_save(model, path), LRNN_OK);
    size_t length;
    unsigned char *bytes = undigested_bytes(&length, path);
    for (size_t i = 0; i < lrnn_model_tensor_count(model); i++) {
        lrnn_parameter parameter;
        lrnn_model *loaded = model;
        size_t wide_length;
        assert_int_equal(lrnn_parameter_init(&parameter, sizeof parameter), LRNN_OK);
        assert_int_equal(lrnn_model_get_parameter(&parameter, model, i), LRNN_OK);
        if (parameter.rank == 2) {
            unsigned char *wide = widened(&wide_length, bytes, length, parameter.name);
            lrnn_status status = lrnn_model_load_memory(&loaded, wide, wide_length, NULL);
            assert_int_equal(status, LRNN_ERR_FORMAT);
            assert_null(loaded);
            assert_non_null(strstr(lrnn_last_error(), parameter.name));
            free(wide);
        }
    }
    free(bytes);
    scratch_destroy(&folder);
    lrnn_model_destroy(model);
}

static void a_column_too_many_is_seen_in_every_tensor(void **state)
{
    (void)state;
    assert_columns_matter(create(LRNN_CELL_GRU, 0));
    assert_columns_matter(create(LRNN_CELL_LSTM, 2));
}

/* The number that the next file will get. */
static int next_descriptor(void)
{
    int descriptor = dup(0);
    assert_true(descriptor > 0);
    close(descriptor);
    return descriptor;
}

static void reading_leaves_no_file_open_and_closes_none_of_others(void **state)
{
    (void)state;
    static const char *const files[] = {"pytorch/rnn_relu.pt", "pytorch/rnn_relu.safetensors",
                                        "pytorch/legacy.pt", "safetensors/plain.safetensors"};
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "model");
    lrnn_model *model = create(LRNN_CELL_GRU, 0), *loaded;
    assert_int_equal(lrnn_model_save(model, path), LRNN_OK);
    size_t length;
    unsigned char *bytes = file_bytes(&length, path);
    int before = next_descriptor();
    assert_int_equal(lrnn_model_load_memory(&loaded, bytes, length, NULL), LRNN_OK);
    lrnn_model_destroy(loaded);
    assert_int_not_equal(fcntl(0, F_GETFD), -1);
    assert_int_equal(lrnn_model_load(&loaded, path, NULL), LRNN_OK);
    lrnn_model_destroy(loaded);
    assert_int_equal(next_descriptor(), before);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char name[512];
        snprintf(name, sizeof name, "%s/tests/golden/%s", SOURCE_ROOT, files[i]);
        if (lrnn_model_import(&loaded, name, NULL) == LRNN_OK) {
            lrnn_model_destroy(loaded);
        }
        assert_int_equal(next_descriptor(), before);
    }
    free(bytes);
    lrnn_model_destroy(model);
    scratch_destroy(&folder);
}

static void every_byte_of_the_header_length_counts(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "model");
    lrnn_model *model = create(LRNN_CELL_GRU, 0), *loaded;
    assert_int_equal(lrnn_model_save(model, path), LRNN_OK);
    size_t length;
    unsigned char *bytes = file_bytes(&length, path);
    for (size_t i = 2; i < 8; i++) {
        bytes[i]++;
        scratch_write(path, bytes, length);
        assert_int_equal(lrnn_model_load(&loaded, path, NULL), LRNN_ERR_FORMAT);
        assert_int_equal(lrnn_model_load_memory(&loaded, bytes, length, NULL), LRNN_ERR_FORMAT);
        bytes[i]--;
    }
    free(bytes);
    lrnn_model_destroy(model);
    scratch_destroy(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_column_too_many_is_seen_in_every_tensor),
        cmocka_unit_test(reading_leaves_no_file_open_and_closes_none_of_others),
        cmocka_unit_test(every_byte_of_the_header_length_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
