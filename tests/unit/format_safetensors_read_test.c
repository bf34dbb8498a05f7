#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "format/safetensors.h"
#include "support/fault_allocator.h"
#include "support/safetensors_bytes.h"
#include "support/scratch.h"
#include "support/tensor_bytes.h"

#ifndef SOURCE_ROOT
#define SOURCE_ROOT "."
#endif
#define GOLDEN SOURCE_ROOT "/tests/golden/safetensors/"

static safetensors *load(const char *path)
{
    safetensors *file;
    if (safetensors_open(&file, NULL, path) != LRNN_OK) {
        fail_msg("%s", lrnn_last_error());
    }
    return file;
}

static void assert_tensor(const safetensors *file, const char *name, tensor_dtype dtype,
                          size_t rank, const size_t *shape)
{
    const tensor_view *view = safetensors_find(file, name);
    size_t count = 1;
    assert_non_null(view);
    assert_string_equal(view->name, name);
    assert_int_equal(view->dtype, dtype);
    assert_int_equal(view->rank, rank);
    for (size_t i = 0; i < rank; i++) {
        assert_int_equal(view->shape[i], shape[i]);
        count *= shape[i];
    }
    assert_int_equal(view->count, count);
}

static void every_dtype_of_a_python_file_is_read(void **state)
{
    (void)state;
    safetensors *file = load(GOLDEN "integers.safetensors");
    static const struct {
        const char *name;
        tensor_dtype dtype;
        int is_signed;
    } integers[] = {
        {"i8", TENSOR_I8, 1},   {"i16", TENSOR_I16, 1}, {"i32", TENSOR_I32, 1},
        {"i64", TENSOR_I64, 1}, {"u8", TENSOR_U8, 0},   {"u16", TENSOR_U16, 0},
        {"u32", TENSOR_U32, 0}, {"u64", TENSOR_U64, 0},
    };
    for (size_t i = 0; i < 8; i++) {
        size_t size = tensor_dtype_size(integers[i].dtype);
        const size_t rank = integers[i].is_signed ? 1 : 2;
        assert_tensor(file, integers[i].name, integers[i].dtype, rank,
                      integers[i].is_signed ? (size_t[]){5, 0} : (size_t[]){3, 1});
        const tensor_view *view = safetensors_find(file, integers[i].name);
        const unsigned char minus_one[8] = {255, 255, 255, 255, 255, 255, 255, 255};
        const unsigned char third[8] = {255};
        assert_int_equal(bytes_of(view)[size], 1);
        assert_memory_equal(bytes_of(view) + 2 * size, integers[i].is_signed ? minus_one : third,
                            size);
    }
    assert_tensor(file, "scalar", TENSOR_I32, 0, NULL);
    assert_tensor(file, "empty", TENSOR_F32, 2, (size_t[]){0, 3});
    assert_tensor(file, "empty.too", TENSOR_I64, 2, (size_t[]){5, 0});
    assert_tensor(file, "bool", TENSOR_BOOL, 1, (size_t[]){3});
    assert_memory_equal(bytes_of(safetensors_find(file, "bool")), "\1\0\1", 3);
    assert_tensor(file, "größe/€😀", TENSOR_U8, 5, (size_t[]){1, 2, 1, 3, 4});
    assert_int_equal(safetensors_count(file), 13);
    assert_string_equal(safetensors_name(file), GOLDEN "integers.safetensors");
    safetensors_destroy(file);
}

static void metadata_of_a_python_file_is_read(void **state)
{
    (void)state;
    safetensors *file = load(GOLDEN "integers.safetensors");
    size_t length;
    assert_string_equal(safetensors_metadata(file, "plain", &length), "text");
    assert_int_equal(length, 4);
    assert_string_equal(safetensors_metadata(file, "", NULL), "empty key");
    assert_string_equal(safetensors_metadata(file, "empty", &length), "");
    assert_int_equal(length, 0);
    assert_string_equal(safetensors_metadata(file, "unicode", NULL), "é € 😀 א");
    assert_string_equal(safetensors_metadata(file, "größe", NULL), "schlüssel");
    assert_string_equal(safetensors_metadata(file, "json", NULL), "{\"a\": [\"b\\n\", 1]}");
    const char *controls = safetensors_metadata(file, "controls", &length);
    assert_int_equal(length, 32 + 4);
    for (int i = 0; i < 32; i++) {
        assert_int_equal(controls[i], i);
    }
    assert_string_equal(controls + 32, "\"\\/\x7f");
    assert_null(safetensors_metadata(file, "plai", &length));
    assert_null(safetensors_metadata(file, "plain ", NULL));
    safetensors_destroy(file);
}

static void memory_reads_as_the_file_does(void **state)
{
    (void)state;
    size_t length;
    unsigned char *bytes = file_bytes(&length, GOLDEN "floats.safetensors");
    safetensors *file = load(GOLDEN "floats.safetensors"), *parsed;
    assert_int_equal(safetensors_parse(&parsed, NULL, "memory", bytes, length), LRNN_OK);
    assert_string_equal(safetensors_name(parsed), "memory");
    assert_int_equal(safetensors_count(parsed), safetensors_count(file));
    for (size_t i = 0; i < safetensors_count(file); i++) {
        const tensor_view *a = safetensors_tensor(file, i), *b = safetensors_tensor(parsed, i);
        assert_string_equal(a->name, b->name);
        assert_memory_equal(bytes_of(a), bytes_of(b), a->count * tensor_dtype_size(a->dtype));
    }
    safetensors_destroy(file);
    safetensors_destroy(parsed);
    free(bytes);
}

/* Copies plain.safetensors there; returns its length. */
static size_t copy_plain(const char *path)
{
    size_t length;
    unsigned char *bytes = file_bytes(&length, GOLDEN "plain.safetensors");
    scratch_write(path, bytes, length);
    free(bytes);
    return length;
}

/* What is lost after the header is told when it is read. */
static void a_file_that_becomes_shorter_is_told(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "shorter");
    size_t length = copy_plain(path);
    safetensors *file = load(path);
    const tensor_view *last = safetensors_tensor(file, safetensors_count(file) - 1);
    real *values = malloc(last->count * sizeof *values);
    assert_non_null(values);
    assert_int_equal(tensor_read(values, last, 0, last->count), LRNN_OK);
    assert_int_equal(truncate(path, (off_t)length - 1), 0);
    assert_int_equal(tensor_read(values, last, 0, last->count), LRNN_ERR_IO);
    assert_non_null(strstr(lrnn_last_error(), path));
    assert_int_equal(tensor_read(values, last, 0, last->count - 1), LRNN_OK);
    assert_int_equal(tensor_read(values, last, last->count, 1), LRNN_ERR_INVALID);
    free(values);
    safetensors_destroy(file);
    scratch_destroy(&folder);
}

static void a_file_cut_short_is_refused_at_every_length(void **state)
{
    (void)state;
    static const char *const paths[] = {GOLDEN "integers.safetensors", GOLDEN "plain.safetensors"};
    for (size_t p = 0; p < 2; p++) {
        size_t length;
        unsigned char *bytes = file_bytes(&length, paths[p]);
        for (size_t cut = 0; cut < length; cut++) {
            unsigned char *copy = malloc(cut + (cut == 0));
            safetensors *file;
            assert_non_null(copy);
            memcpy(copy, bytes, cut);
            assert_int_equal(safetensors_parse(&file, NULL, "cut", copy, cut), LRNN_ERR_FORMAT);
            assert_null(file);
            free(copy);
        }
        free(bytes);
    }
}

static void a_file_on_disk_that_is_cut_short_is_refused(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "cut");
    size_t length = copy_plain(path);
    while (length-- > 0) {
        safetensors *file;
        assert_int_equal(truncate(path, (off_t)length), 0);
        assert_int_equal(safetensors_open(&file, NULL, path), LRNN_ERR_FORMAT);
        assert_null(file);
        assert_non_null(strstr(lrnn_last_error(), path));
    }
    scratch_destroy(&folder);
}

/* Reads all of a file's bytes, so that a sanitizer sees where they lie. */
static unsigned read_everything(const safetensors *file)
{
    unsigned sum = 0;
    for (size_t i = 0; i < safetensors_count(file); i++) {
        const tensor_view *view = safetensors_tensor(file, i);
        const unsigned char *bytes = bytes_of(view);
        for (size_t k = 0; k < view->count * tensor_dtype_size(view->dtype); k++) {
            sum += bytes[k];
        }
        assert_ptr_equal(safetensors_find(file, view->name), view);
    }
    return sum;
}

/* A flipped bit may change a name or a letter of the metadata, which nobody can see; everything
 * else has to be refused, and what is taken has to be whole. */
static void flipped_bits_of_a_header_are_refused_or_harmless(void **state)
{
    (void)state;
    size_t length, refused = 0, taken = 0;
    unsigned char *bytes = file_bytes(&length, GOLDEN "plain.safetensors");
    size_t header = 8 + bytes[0];
    safetensors *whole = load(GOLDEN "plain.safetensors");
    unsigned sum = read_everything(whole);
    safetensors_destroy(whole);
    for (size_t i = 0; i < header; i++) {
        for (unsigned change = 1; change < 256; change++) {
            safetensors *file;
            bytes[i] ^= (unsigned char)change;
            lrnn_status status = safetensors_parse(&file, NULL, "flipped", bytes, length);
            if (status == LRNN_OK) {
                assert_int_equal(read_everything(file), sum);
                safetensors_destroy(file);
                taken++;
            } else {
                assert_int_equal(status, LRNN_ERR_FORMAT);
                assert_null(file);
                refused++;
            }
            bytes[i] ^= (unsigned char)change;
        }
    }
    free(bytes);
    assert_true(refused > taken);
    assert_true(taken > 0);
}

static void each_allocation_may_fail(void **state)
{
    (void)state;
    fault_allocator fault;
    size_t length, n;
    unsigned char *bytes = file_bytes(&length, GOLDEN "integers.safetensors");
    for (int from_file = 0; from_file < 2; from_file++) {
        for (n = 1;; n++) {
            safetensors *file;
            fault_allocator_start(&fault, n);
            lrnn_status status =
                from_file ? safetensors_open(&file, &fault.allocator, GOLDEN "integers.safetensors")
                          : safetensors_parse(&file, &fault.allocator, "memory", bytes, length);
            if (!fault_allocator_failed(&fault)) {
                assert_int_equal(status, LRNN_OK);
                safetensors_destroy(file);
                assert_int_equal(fault_allocator_live(&fault), 0);
                break;
            }
            assert_int_equal(status, LRNN_ERR_MEMORY);
            assert_null(file);
            assert_int_equal(fault_allocator_live(&fault), 0);
        }
        assert_in_range(n, 2, 5);
    }
    free(bytes);
}

static void a_refused_file_leaves_no_memory_behind(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "{\"t\":1}",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
        "{\"__metadata__\":{\"a\":1}}",
        "{\"__metadata__\":1}",
        "{\"a\":",
        "{\"\\u0000\":{}}"};
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        fault_allocator fault;
        size_t length;
        safetensors *file;
        unsigned char *bytes = safetensors_bytes(&length, headers[i], strlen(headers[i]), 2);
        fault_allocator_start(&fault, 0);
        assert_int_equal(safetensors_parse(&file, &fault.allocator, "made", bytes, length),
                         LRNN_ERR_FORMAT);
        assert_int_equal(fault_allocator_live(&fault), 0);
        free(bytes);
    }
}

/* A sparse file of a terabyte with a wrong header must be refused before its room is asked for. */
static void a_huge_wrong_file_costs_nothing(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "huge");
    FILE *stream = fopen(path, "wb");
    assert_non_null(stream);
    assert_int_equal(fwrite("\2\0\0\0\0\0\0\0{}", 1, 10, stream), 10);
    fclose(stream);
    if (truncate(path, (off_t)1 << 40) == 0) {
        fault_allocator fault;
        safetensors *file;
        fault_allocator_start(&fault, 4);
        assert_int_equal(safetensors_open(&file, &fault.allocator, path), LRNN_ERR_FORMAT);
        assert_int_equal(fault_allocator_live(&fault), 0);
    }
    scratch_destroy(&folder);
}

static void what_cannot_be_read_is_named_with_the_reason(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    safetensors *file;
    const char *path = scratch_path(&folder, "pipe");
    assert_int_equal(safetensors_open(&file, NULL, path), LRNN_ERR_IO);
    assert_null(file);
    assert_non_null(strstr(lrnn_last_error(), path));
    assert_non_null(strstr(lrnn_last_error(), strerror(ENOENT)));
    assert_int_equal(safetensors_open(&file, NULL, folder.folder), LRNN_ERR_IO);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(safetensors_open(&file, NULL, path), LRNN_ERR_IO);
    assert_int_equal(safetensors_open(&file, NULL, "/dev/zero"), LRNN_ERR_IO);
    assert_int_equal(safetensors_open(&file, NULL, "/dev/null"), LRNN_ERR_IO);
    scratch_destroy(&folder);
}

static void an_empty_file_is_refused(void **state)
{
    (void)state;
    safetensors *file;
    assert_int_equal(safetensors_parse(&file, NULL, "empty", "", 0), LRNN_ERR_FORMAT);
    assert_int_equal(safetensors_parse(&file, NULL, "short", "1234567", 7), LRNN_ERR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_dtype_of_a_python_file_is_read),
        cmocka_unit_test(metadata_of_a_python_file_is_read),
        cmocka_unit_test(memory_reads_as_the_file_does),
        cmocka_unit_test(a_file_that_becomes_shorter_is_told),
        cmocka_unit_test(a_file_cut_short_is_refused_at_every_length),
        cmocka_unit_test(a_file_on_disk_that_is_cut_short_is_refused),
        cmocka_unit_test(flipped_bits_of_a_header_are_refused_or_harmless),
        cmocka_unit_test(each_allocation_may_fail),
        cmocka_unit_test(a_refused_file_leaves_no_memory_behind),
        cmocka_unit_test(a_huge_wrong_file_costs_nothing),
        cmocka_unit_test(what_cannot_be_read_is_named_with_the_reason),
        cmocka_unit_test(an_empty_file_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
