/* Checked sizes, aligned blocks through the caller's allocator, and the arena. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "support/fault_allocator.h"

static void sizes_that_fit_are_exact(void **state)
{
    (void)state;
    size_t result;
    assert_true(size_multiply(&result, 1000, 1000) && result == 1000000);
    assert_true(size_multiply(&result, 0, SIZE_MAX - 1) && result == 0);
    assert_true(size_multiply(&result, SIZE_MAX / 2, 2) && result == SIZE_MAX - 1);
    assert_true(size_add(&result, SIZE_MAX - 2, 1) && result == SIZE_MAX - 1);
}

static void an_overflow_survives_whatever_the_chain_does_next(void **state)
{
    (void)state;
    size_t result;
    assert_false(size_multiply(&result, SIZE_MAX / 2, 3));
    assert_int_equal(result, SIZE_MAX);
    assert_false(size_multiply(&result, result, 1));
    assert_false(size_add(&result, result, 0));
    assert_false(size_multiply(&result, result, 0));
    assert_false(size_multiply(&result, 0, result));
    assert_int_equal(result, SIZE_MAX);
    assert_false(size_add(&result, SIZE_MAX - 1, 2));
    assert_int_equal(result, SIZE_MAX);
}

static void blocks_are_aligned_zeroed_and_writable_to_the_last_byte(void **state)
{
    (void)state;
    fault_allocator fault;
    fault_allocator_start(&fault, 0);
    for (size_t bytes = 0; bytes < 300; bytes++) {
        unsigned char *block = memory_allocate(&fault.allocator, bytes, 1, "test");
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % MEMORY_ALIGNMENT, 0);
        for (size_t i = 0; i < bytes; i++) {
            assert_int_equal(block[i], 0);
        }
        memset(block, 0xff, bytes);
        memory_release(&fault.allocator, block);
    }
    memory_release(&fault.allocator, NULL);
    assert_int_equal(fault_allocator_live(&fault), 0);
}

/* Those of the system's allocator that are worth large pages, too. */
static void large_blocks_are_aligned_zeroed_and_writable_to_the_last_byte(void **state)
{
    (void)state;
    const size_t sizes[] = {(1 << 20) - 1, 1 << 20, (2 << 20) + 1, (3 << 20) - 1, 5 << 20};
    lrnn_allocator allocator;
    assert_int_equal(allocator_read(&allocator, NULL), LRNN_OK);
    for (size_t round = 0; round < 2; round++) {
        unsigned char *blocks[5];
        for (size_t i = 0; i < 5; i++) {
            blocks[i] = memory_allocate(&allocator, sizes[i], 1, "test");
            assert_non_null(blocks[i]);
            assert_int_equal((uintptr_t)blocks[i] % MEMORY_ALIGNMENT, 0);
            assert_int_equal(blocks[i][0], 0);
            assert_memory_equal(blocks[i], blocks[i] + 1, sizes[i] - 1); /* all are the first */
            memset(blocks[i], 0xff, sizes[i]);
        }
        for (size_t i = 0; i < 5; i++) {
            assert_int_equal(blocks[i][sizes[i] - 1], 0xff);
            memory_release(&allocator, blocks[i]);
        }
    }
}

static void *allocate_crooked(void *user, size_t bytes)
{
    static _Alignas(64) unsigned char room[4096];
    size_t *shift = user;
    return bytes + *shift <= sizeof room ? room + *shift : NULL;
}

static void release_crooked(void *user, void *pointer)
{
    unsigned char **released = (unsigned char **)((size_t *)user + 1);
    *released = pointer;
}

static void blocks_are_aligned_wherever_the_allocator_puts_them(void **state)
{
    (void)state;
    for (size_t shift = 0; shift < 64; shift += sizeof(void *)) {
        struct {
            size_t shift;
            unsigned char *released;
        } user = {shift, NULL};
        lrnn_allocator allocator = {sizeof allocator, &user, allocate_crooked, release_crooked};
        unsigned char *block = memory_allocate(&allocator, 100, 1, "test");
        assert_int_equal((uintptr_t)block % MEMORY_ALIGNMENT, 0);
        memset(block, 0xff, 100);
        memory_release(&allocator, block);
        assert_ptr_equal(user.released, allocate_crooked(&user, 1));
    }
}

static void sizes_beyond_memory_are_refused_without_asking_for_them(void **state)
{
    (void)state;
    fault_allocator fault;
    fault_allocator_start(&fault, 0);
    assert_null(memory_allocate(&fault.allocator, SIZE_MAX / 2, 3, "weights"));
    assert_null(memory_allocate(&fault.allocator, SIZE_MAX - 10, 1, "weights"));
    assert_null(memory_allocate(&fault.allocator, (size_t)PTRDIFF_MAX, 1, "weights"));
    assert_int_equal(fault_allocator_calls(&fault), 0);
    assert_non_null(strstr(lrnn_last_error(), "weights"));
    fault_allocator_start(&fault, 1);
    assert_null(memory_allocate(&fault.allocator, 10, 4, "weights"));
    assert_string_equal(lrnn_last_error(), "weights: no memory for 40 bytes");
}

typedef struct thing {
    double *first;
    char *second;
    float *third;
} thing;

static void lay_out(thing *made, arena *from)
{
    made->first = arena_take(from, 3, sizeof(double));
    made->second = arena_take(from, 65, 1);
    made->third = arena_take(from, 0, sizeof(float));
}

static void an_arena_counts_first_and_then_hands_out_aligned_pieces(void **state)
{
    (void)state;
    fault_allocator fault;
    fault_allocator_start(&fault, 0);
    arena all = {0};
    thing made;
    lay_out(&made, &all);
    assert_null(made.first);
    assert_int_equal(all.used, 64 + 128);
    assert_int_equal(arena_allocate(&all, &fault.allocator, "thing"), LRNN_OK);
    lay_out(&made, &all);
    assert_int_equal((uintptr_t)made.first % MEMORY_ALIGNMENT, 0);
    assert_ptr_equal(made.second, (char *)made.first + 64);
    assert_ptr_equal(made.third, (char *)made.second + 128);
    memset(made.second, 0xff, 65);
    assert_int_equal(fault_allocator_calls(&fault), 1);
    memory_release(&fault.allocator, all.base);
    assert_int_equal(fault_allocator_live(&fault), 0);
}

static void an_arena_that_overflowed_is_not_allocated(void **state)
{
    (void)state;
    static const size_t counts[] = {SIZE_MAX, SIZE_MAX / 8 + 1, SIZE_MAX / 8 - 2};
    fault_allocator fault;
    fault_allocator_start(&fault, 0);
    for (size_t i = 0; i < 3; i++) {
        arena all = {0};
        arena_take(&all, 100, 1);
        arena_take(&all, counts[i], 8);
        arena_take(&all, 1, 1);
        assert_int_equal(arena_allocate(&all, &fault.allocator, "state"), LRNN_ERR_MEMORY);
        assert_non_null(strstr(lrnn_last_error(), "state"));
    }
    assert_int_equal(fault_allocator_calls(&fault), 0);
}

static void an_allocator_is_read_whole_or_refused(void **state)
{
    (void)state;
    fault_allocator fault;
    lrnn_allocator read;
    fault_allocator_start(&fault, 0);
    assert_int_equal(allocator_read(&read, NULL), LRNN_OK);
    void *block = read.allocate(read.user, 10);
    assert_non_null(block);
    read.release(read.user, block);
    assert_int_equal(allocator_read(&read, &fault.allocator), LRNN_OK);
    assert_ptr_equal(read.user, &fault);
    lrnn_allocator bad = fault.allocator;
    bad.size = 0;
    assert_int_equal(allocator_read(&read, &bad), LRNN_ERR_INVALID);
    bad.size = 8192;
    assert_int_equal(allocator_read(&read, &bad), LRNN_ERR_INVALID);
    bad = fault.allocator;
    bad.release = NULL;
    assert_int_equal(allocator_read(&read, &bad), LRNN_ERR_INVALID);
    bad = fault.allocator;
    bad.allocate = NULL;
    assert_int_equal(allocator_read(&read, &bad), LRNN_ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_that_fit_are_exact),
        cmocka_unit_test(an_overflow_survives_whatever_the_chain_does_next),
        cmocka_unit_test(blocks_are_aligned_zeroed_and_writable_to_the_last_byte),
        cmocka_unit_test(large_blocks_are_aligned_zeroed_and_writable_to_the_last_byte),
        cmocka_unit_test(blocks_are_aligned_wherever_the_allocator_puts_them),
        cmocka_unit_test(sizes_beyond_memory_are_refused_without_asking_for_them),
        cmocka_unit_test(an_arena_counts_first_and_then_hands_out_aligned_pieces),
        cmocka_unit_test(an_arena_that_overflowed_is_not_allocated),
        cmocka_unit_test(an_allocator_is_read_whole_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
