#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#include "base/memory.h"
#include "format/safetensors.h"
#include "support/fault_allocator.h"
#include "support/safetensors_bytes.h"
#include "support/scratch.h"
#include "support/tensor_bytes.h"

#ifndef SOURCE_ROOT
#define SOURCE_ROOT "."
#endif
#define GOLDEN SOURCE_ROOT "/tests/golden/safetensors/"

static const float weights[6] = {0, 0.25f, 0.5f, 0.75f, 1, 1.25f};
static const float bias[2] = {0.5f, -0.25f};

static safetensors_writer *create(const lrnn_allocator *allocator)
{
    safetensors_writer *writer;
    assert_int_equal(safetensors_writer_create(&writer, allocator), LRNN_OK);
    return writer;
}

/* The content of plain.safetensors. */
static lrnn_status add_plain(safetensors_writer *writer)
{
    static const char note[] = "tabs\tand \"quotes\", é\n";
    lrnn_status status = safetensors_writer_metadata(writer, "note", note, sizeof note - 1);
    if (status == LRNN_OK) {
        status = safetensors_writer_tensor(writer, "head.bias", TENSOR_F32, 1, (size_t[]){2}, bias);
    }
    if (status == LRNN_OK) {
        status = safetensors_writer_tensor(writer, "rnn.weight_ih_l0", TENSOR_F32, 2,
                                           (size_t[]){2, 3}, weights);
    }
    return status;
}

/* What the writer makes, read back. */
static safetensors *read_back(safetensors_writer *writer)
{
    safetensors *file;
    static void *bytes; /* the file's, until the next one */
    size_t length;
    lrnn_allocator standard;
    assert_int_equal(allocator_read(&standard, NULL), LRNN_OK);
    memory_release(&standard, bytes);
    assert_int_equal(safetensors_writer_memory(writer, &bytes, &length), LRNN_OK);
    if (safetensors_parse(&file, NULL, "memory", bytes, length) != LRNN_OK) {
        fail_msg("%s", lrnn_last_error());
    }
    return file;
}

static void the_bytes_are_those_of_the_python_package(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "plain");
    size_t length, expected_length;
    unsigned char *expected = file_bytes(&expected_length, GOLDEN "plain.safetensors");
    safetensors_writer *writer = create(NULL);
    assert_int_equal(add_plain(writer), LRNN_OK);
    assert_int_equal(safetensors_writer_save(writer, path), LRNN_OK);
    safetensors_writer_destroy(writer);
    unsigned char *bytes = file_bytes(&length, path);
    assert_int_equal(length, expected_length);
    assert_memory_equal(bytes, expected, length);
    free(bytes);
    free(expected);
    scratch_destroy(&folder);
}

static void memory_and_file_have_the_same_bytes(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    fault_allocator fault;
    void *memory;
    size_t length, file_length;
    fault_allocator_start(&fault, 0);
    safetensors_writer *writer = create(&fault.allocator);
    assert_int_equal(add_plain(writer), LRNN_OK);
    assert_int_equal(safetensors_writer_memory(writer, &memory, &length), LRNN_OK);
    assert_int_equal(safetensors_writer_save(writer, scratch_path(&folder, "file")), LRNN_OK);
    unsigned char *bytes = file_bytes(&file_length, scratch_path(&folder, "file"));
    assert_int_equal(length, file_length);
    assert_memory_equal(memory, bytes, length);
    memory_release(&fault.allocator, memory);
    safetensors_writer_destroy(writer);
    assert_int_equal(fault_allocator_live(&fault), 0);
    free(bytes);
    scratch_destroy(&folder);
}

static void every_golden_file_survives_a_round_trip(void **state)
{
    (void)state;
    static const char *const paths[] = {GOLDEN "floats.safetensors", GOLDEN "integers.safetensors",
                                        GOLDEN "plain.safetensors"};
    for (size_t p = 0; p < 3; p++) {
        safetensors *file, *back;
        safetensors_writer *writer = create(NULL);
        assert_int_equal(safetensors_open(&file, NULL, paths[p]), LRNN_OK);
        for (size_t i = 0; i < safetensors_count(file); i++) {
            const tensor_view *view = safetensors_tensor(file, i);
            void *numbers = safetensors_writer_room(writer, view->count, 8);
            assert_non_null(numbers);
            assert_int_equal(tensor_numbers(numbers, view, 0, view->count), LRNN_OK);
            assert_int_equal(safetensors_writer_tensor(writer, view->name, view->dtype, view->rank,
                                                       view->shape, numbers),
                             LRNN_OK);
        }
        back = read_back(writer);
        assert_int_equal(safetensors_count(back), safetensors_count(file));
        for (size_t i = 0; i < safetensors_count(file); i++) {
            const tensor_view *a = safetensors_tensor(file, i);
            const tensor_view *b = safetensors_find(back, a->name);
            assert_non_null(b);
            assert_int_equal(a->dtype, b->dtype);
            assert_int_equal(a->rank, b->rank);
            assert_memory_equal(a->shape, b->shape, sizeof a->shape);
            assert_memory_equal(bytes_of(a), bytes_of(b), a->count * tensor_dtype_size(a->dtype));
        }
        safetensors_destroy(back);
        safetensors_destroy(file);
        safetensors_writer_destroy(writer);
    }
}

static void every_tensor_is_aligned_to_its_numbers(void **state)
{
    (void)state;
    static const unsigned char zeros[8 * 3] = {0};
    safetensors_writer *writer = create(NULL);
    for (tensor_dtype dtype = TENSOR_BOOL + 1; dtype-- > TENSOR_F64;) {
        assert_int_equal(safetensors_writer_tensor(writer, tensor_dtype_name(dtype), dtype, 1,
                                                   (size_t[]){3}, zeros),
                         LRNN_OK);
    }
    safetensors *file = read_back(writer);
    const unsigned char *start = bytes_of(safetensors_tensor(file, 0));
    for (size_t i = 0; i < safetensors_count(file); i++) {
        const tensor_view *view = safetensors_tensor(file, i);
        assert_int_equal((size_t)(bytes_of(view) - start) % tensor_dtype_size(view->dtype), 0);
    }
    safetensors_destroy(file);
    safetensors_writer_destroy(writer);
}

static void tensors_of_one_width_keep_their_order(void **state)
{
    (void)state;
    static const char *const names[] = {"z", "a", "m", "b"};
    safetensors_writer *writer = create(NULL);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(
            safetensors_writer_tensor(writer, names[i], TENSOR_F32, 0, NULL, &weights[i]), LRNN_OK);
    }
    safetensors *file = read_back(writer);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(safetensors_tensor(file, i)->name, names[i]);
        float number;
        assert_int_equal(tensor_numbers(&number, safetensors_tensor(file, i), 0, 1), LRNN_OK);
        assert_true(number == weights[i]);
    }
    safetensors_destroy(file);
    safetensors_writer_destroy(writer);
}

static void metadata_is_sorted_so_that_order_does_not_matter(void **state)
{
    (void)state;
    static const char *const keys[] = {"b", "", "abc", "é", "a"};
    void *bytes[2];
    size_t length[2];
    lrnn_allocator standard;
    assert_int_equal(allocator_read(&standard, NULL), LRNN_OK);
    for (size_t k = 0; k < 2; k++) {
        safetensors_writer *writer = create(NULL);
        for (size_t i = 0; i < 5; i++) {
            const char *key = keys[k == 0 ? i : 4 - i];
            assert_int_equal(safetensors_writer_metadata(writer, key, key, strlen(key)), LRNN_OK);
        }
        assert_int_equal(safetensors_writer_memory(writer, &bytes[k], &length[k]), LRNN_OK);
        safetensors_writer_destroy(writer);
    }
    assert_int_equal(length[0], length[1]);
    assert_memory_equal(bytes[0], bytes[1], length[0]);
    memory_release(&standard, bytes[0]);
    memory_release(&standard, bytes[1]);
}

static void metadata_comes_back_byte_for_byte(void **state)
{
    (void)state;
    static const char value[] = "\0\1\x1f\"\\/\b\f\n\r\t\x7f é€😀 \0";
    safetensors_writer *writer = create(NULL);
    size_t length;
    char *large = malloc(1000000);
    assert_non_null(large);
    memset(large, '\n', 1000000);
    assert_int_equal(safetensors_writer_metadata(writer, "ké\"y", value, sizeof value), LRNN_OK);
    assert_int_equal(safetensors_writer_metadata(writer, "none", NULL, 0), LRNN_OK);
    assert_int_equal(safetensors_writer_metadata(writer, "large", large, 1000000), LRNN_OK);
    safetensors *file = read_back(writer);
    const char *back = safetensors_metadata(file, "ké\"y", &length);
    assert_int_equal(length, sizeof value);
    assert_memory_equal(back, value, sizeof value);
    assert_string_equal(safetensors_metadata(file, "none", &length), "");
    back = safetensors_metadata(file, "large", &length);
    assert_int_equal(length, 1000000);
    assert_memory_equal(back, large, 1000000);
    free(large);
    safetensors_destroy(file);
    safetensors_writer_destroy(writer);
}

static void the_data_begins_at_a_multiple_of_eight(void **state)
{
    (void)state;
    lrnn_allocator standard;
    assert_int_equal(allocator_read(&standard, NULL), LRNN_OK);
    for (size_t n = 0; n < 20; n++) {
        char name[21] = {0};
        void *bytes;
        size_t length;
        safetensors_writer *writer = create(NULL);
        memset(name, 'n', n);
        assert_int_equal(safetensors_writer_tensor(writer, name, TENSOR_F32, 0, NULL, weights),
                         LRNN_OK);
        assert_int_equal(safetensors_writer_memory(writer, &bytes, &length), LRNN_OK);
        assert_int_equal((length - 4) % 8, 0);
        memory_release(&standard, bytes);
        safetensors_writer_destroy(writer);
    }
}

static void an_empty_writer_makes_an_empty_file(void **state)
{
    (void)state;
    safetensors_writer *writer = create(NULL);
    safetensors *file = read_back(writer);
    assert_int_equal(safetensors_count(file), 0);
    assert_null(safetensors_metadata(file, "", NULL));
    safetensors_destroy(file);
    safetensors_writer_destroy(writer);
}

static void what_the_format_cannot_hold_is_refused(void **state)
{
    (void)state;
    safetensors_writer *writer = create(NULL);
    const size_t ones[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    const size_t huge[2] = {SIZE_MAX / 2, 4};
    assert_int_equal(add_plain(writer), LRNN_OK);
    assert_int_equal(safetensors_writer_tensor(writer, "head.bias", TENSOR_F32, 1, ones, bias),
                     LRNN_ERR_INVALID);
    assert_non_null(strstr(lrnn_last_error(), "head.bias"));
    assert_int_equal(safetensors_writer_tensor(writer, "__metadata__", TENSOR_F32, 1, ones, bias),
                     LRNN_ERR_INVALID);
    assert_int_equal(safetensors_writer_tensor(writer, "t\xff", TENSOR_F32, 1, ones, bias),
                     LRNN_ERR_INVALID);
    assert_int_equal(safetensors_writer_tensor(writer, "t", TENSOR_F32, 9, ones, bias),
                     LRNN_ERR_INVALID);
    assert_int_equal(safetensors_writer_tensor(writer, "t", TENSOR_F32, 1, ones, NULL),
                     LRNN_ERR_INVALID);
    assert_int_equal(safetensors_writer_tensor(writer, "t", TENSOR_F32, 2, huge, bias),
                     LRNN_ERR_MEMORY);
    assert_int_equal(
        safetensors_writer_tensor(writer, "t", TENSOR_U8, 1, (size_t[]){SIZE_MAX}, bias),
        LRNN_ERR_MEMORY);
    assert_int_equal(safetensors_writer_metadata(writer, "note", "x", 1), LRNN_ERR_INVALID);
    assert_int_equal(safetensors_writer_metadata(writer, "k\x80", "x", 1), LRNN_ERR_INVALID);
    assert_int_equal(safetensors_writer_metadata(writer, "k", "ab\xc0", 3), LRNN_ERR_INVALID);
    assert_non_null(strstr(lrnn_last_error(), "byte 2"));
    safetensors *file = read_back(writer);
    assert_int_equal(safetensors_count(file), 2);
    assert_null(safetensors_metadata(file, "k", NULL));
    safetensors_destroy(file);
    safetensors_writer_destroy(writer);
}

static void a_header_beyond_the_limit_is_refused(void **state)
{
    (void)state;
    const size_t length = 17000000; /* six bytes each when escaped */
    scratch folder = scratch_create();
    safetensors_writer *writer = create(NULL);
    char *value = calloc(length, 1);
    assert_non_null(value);
    assert_int_equal(safetensors_writer_metadata(writer, "k", value, length), LRNN_OK);
    free(value);
    assert_int_equal(safetensors_writer_save(writer, scratch_path(&folder, "file")),
                     LRNN_ERR_UNSUPPORTED);
    assert_int_equal(scratch_files(&folder, false), 0);
    safetensors_writer_destroy(writer);
    scratch_destroy(&folder);
}

static lrnn_status write_all(const lrnn_allocator *allocator, const char *path)
{
    safetensors_writer *writer;
    void *bytes = NULL;
    size_t length;
    lrnn_status status = safetensors_writer_create(&writer, allocator);
    if (status == LRNN_OK) {
        status = add_plain(writer);
    }
    if (status == LRNN_OK) {
        status = safetensors_writer_memory(writer, &bytes, &length);
        memory_release(allocator, bytes);
    }
    if (status == LRNN_OK) {
        status = safetensors_writer_save(writer, path);
    }
    safetensors_writer_destroy(writer);
    return status;
}

static void each_allocation_may_fail(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    fault_allocator fault;
    for (size_t n = 1;; n++) {
        fault_allocator_start(&fault, n);
        lrnn_status status = write_all(&fault.allocator, scratch_path(&folder, "file"));
        assert_int_equal(fault_allocator_live(&fault), 0);
        if (!fault_allocator_failed(&fault)) {
            assert_int_equal(status, LRNN_OK);
            assert_true(n > 4);
            break;
        }
        assert_int_equal(status, LRNN_ERR_MEMORY);
        assert_int_equal(scratch_files(&folder, false), 0);
    }
    scratch_destroy(&folder);
}

/* A writer whose call failed for want of memory goes on as if the call had not been made. */
static void a_failed_call_leaves_the_writer_as_it_was(void **state)
{
    (void)state;
    fault_allocator fault;
    fault_allocator_start(&fault, 0);
    safetensors_writer *writer = create(&fault.allocator);
    assert_int_equal(add_plain(writer), LRNN_OK);
    size_t added = 0;
    for (size_t i = 0; i < 100; i++) {
        char name[64];
        snprintf(name, sizeof name, "a tensor with quite a long name, number %zu", i);
        fault_allocator_fail_next(&fault, i % 3);
        lrnn_status status =
            i % 2 ? safetensors_writer_tensor(writer, name, TENSOR_F32, 0, NULL, weights)
                  : safetensors_writer_metadata(writer, name, name, strlen(name));
        assert_int_equal(status, fault_allocator_failed(&fault) ? LRNN_ERR_MEMORY : LRNN_OK);
        added += status == LRNN_OK && i % 2;
    }
    fault_allocator_fail_next(&fault, 0);
    void *bytes;
    size_t length;
    safetensors *file;
    assert_int_equal(safetensors_writer_memory(writer, &bytes, &length), LRNN_OK);
    assert_int_equal(safetensors_parse(&file, NULL, "memory", bytes, length), LRNN_OK);
    assert_int_equal(safetensors_count(file), 2 + added);
    safetensors_destroy(file);
    memory_release(&fault.allocator, bytes);
    safetensors_writer_destroy(writer);
    assert_int_equal(fault_allocator_live(&fault), 0);
}

static void a_save_that_fails_says_why(void **state)
{
    (void)state;
    safetensors_writer *writer = create(NULL);
    assert_int_equal(add_plain(writer), LRNN_OK);
    assert_int_equal(safetensors_writer_save(writer, "/no/such/folder/file"), LRNN_ERR_IO);
    assert_non_null(strstr(lrnn_last_error(), "/no/such/folder/file"));
    assert_non_null(strstr(lrnn_last_error(), strerror(ENOENT)));
    if (access("/dev/full", W_OK) == 0) {
        assert_int_equal(safetensors_writer_save(writer, "/dev/full"), LRNN_ERR_IO);
        assert_non_null(strstr(lrnn_last_error(), strerror(ENOSPC)));
    }
    safetensors_writer_destroy(writer);
}

/* ---- kill -9 -------------------------------------------------------------------------------- */

enum { NUMBERS = 20000 };

/* Saves a tensor whose elements all are `number`. */
static bool save_number(const char *path, float number)
{
    static float numbers[NUMBERS];
    safetensors_writer *writer;
    for (size_t i = 0; i < NUMBERS; i++) {
        numbers[i] = number;
    }
    if (safetensors_writer_create(&writer, NULL) != LRNN_OK) {
        return false;
    }
    bool saved = safetensors_writer_tensor(writer, "numbers", TENSOR_F32, 1, (size_t[]){NUMBERS},
                                           numbers) == LRNN_OK &&
                 safetensors_writer_save(writer, path) == LRNN_OK;
    safetensors_writer_destroy(writer);
    return saved;
}

/* The number that was saved; the file has to be whole. */
static real load_number(const char *path)
{
    static real numbers[NUMBERS];
    safetensors *file;
    if (safetensors_open(&file, NULL, path) != LRNN_OK) {
        fail_msg("%s", lrnn_last_error());
    }
    const tensor_view *view = safetensors_find(file, "numbers");
    assert_non_null(view);
    assert_int_equal(tensor_read(numbers, view, 0, NUMBERS), LRNN_OK);
    for (size_t i = 1; i < NUMBERS; i++) {
        assert_true(numbers[i] == numbers[0]);
    }
    safetensors_destroy(file);
    return numbers[0];
}

static void a_process_killed_while_saving_leaves_a_whole_file(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "file");
    assert_true(save_number(path, 0));
    for (long kill_at = 0; kill_at < 25; kill_at++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            for (int n = 1; save_number(path, (float)(1000 * kill_at + n)); n++) {
            }
            _exit(1);
        }
        real before = load_number(path);
        while (load_number(path) == before) { /* until the child is saving */
        }
        nanosleep(&(struct timespec){0, kill_at * 137000}, NULL);
        assert_int_equal(kill(child, SIGKILL), 0);
        int how;
        assert_int_equal(waitpid(child, &how, 0), child);
        assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
        assert_true(load_number(path) > 0);
    }
    scratch_destroy(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bytes_are_those_of_the_python_package),
        cmocka_unit_test(memory_and_file_have_the_same_bytes),
        cmocka_unit_test(every_golden_file_survives_a_round_trip),
        cmocka_unit_test(every_tensor_is_aligned_to_its_numbers),
        cmocka_unit_test(tensors_of_one_width_keep_their_order),
        cmocka_unit_test(metadata_is_sorted_so_that_order_does_not_matter),
        cmocka_unit_test(metadata_comes_back_byte_for_byte),
        cmocka_unit_test(the_data_begins_at_a_multiple_of_eight),
        cmocka_unit_test(an_empty_writer_makes_an_empty_file),
        cmocka_unit_test(what_the_format_cannot_hold_is_refused),
        cmocka_unit_test(a_header_beyond_the_limit_is_refused),
        cmocka_unit_test(each_allocation_may_fail),
        cmocka_unit_test(a_failed_call_leaves_the_writer_as_it_was),
        cmocka_unit_test(a_save_that_fails_says_why),
        cmocka_unit_test(a_process_killed_while_saving_leaves_a_whole_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
