/* The reader of stored zip files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "format/zip.h"
#include "support/torch_bytes.h"

static lrnn_allocator allocator;

static int set_up(void **unused)
{
    (void)unused;
    return allocator_read(&allocator, NULL) == LRNN_OK ? 0 : 1;
}

/* The checksum of "123456789" is the check value of CRC-32/ISO-HDLC. */
static unsigned char *small_zip(size_t *length, bool wide)
{
    zip_builder zip = {0};
    zip_add(&zip, "b/two", "123456789", 9, 0xcbf43926);
    zip_add(&zip, "a", "", 0, 0);
    zip_add(&zip, "b/one", "x", 1, 0x11111111);
    unsigned char *bytes = zip_finish(&zip, wide);
    *length = zip.length;
    return bytes;
}

static void entries_are_found_by_name(void **unused)
{
    (void)unused;
    for (int wide = 0; wide < 2; wide++) {
        size_t length;
        zip_file zip;
        unsigned char *bytes = small_zip(&length, wide != 0);
        assert_int_equal(zip_open(&zip, &allocator, "zip", bytes, length), LRNN_OK);
        assert_int_equal(zip.count, 3);
        zip_entry *two = zip_find(&zip, "b/two", 5);
        assert_non_null(two);
        assert_int_equal(two->length, 9);
        assert_memory_equal(two->data, "123456789", 9);
        assert_int_equal(zip_find(&zip, "a", 1)->length, 0);
        assert_null(zip_find(&zip, "b/tw", 4));
        assert_null(zip_find(&zip, "b/twoo", 6));
        zip_close(&zip);
        free(bytes);
    }
}

static void checksums_are_compared_where_there_are_any(void **unused)
{
    (void)unused;
    size_t length;
    zip_file zip;
    unsigned char *bytes = small_zip(&length, false);
    assert_int_equal(zip_open(&zip, &allocator, "zip", bytes, length), LRNN_OK);
    assert_int_equal(zip_check(&zip, zip_find(&zip, "b/two", 5)), LRNN_OK);
    assert_int_equal(zip_check(&zip, zip_find(&zip, "a", 1)), LRNN_OK);
    assert_int_equal(zip_check(&zip, zip_find(&zip, "b/one", 5)), LRNN_ERR_FORMAT);
    assert_non_null(strstr(lrnn_last_error(), "'b/one'"));
    zip_close(&zip);
    free(bytes);
}

/* The zip with `number` of `size` bytes written at `at`, counted from the end if negative. */
static void is_refused(bool wide, ptrdiff_t at, uint64_t number, size_t size, const char *why)
{
    size_t length;
    zip_file zip;
    unsigned char *bytes = small_zip(&length, wide);
    unsigned char *place = at < 0 ? bytes + length + at : bytes + at;
    for (size_t i = 0; i < size; i++) {
        place[i] = (unsigned char)(number >> (8 * i));
    }
    lrnn_status status = zip_open(&zip, &allocator, "zip", bytes, length);
    if (status == LRNN_OK) { /* then of one of its entries */
        for (size_t i = 0; i < zip.count && status == LRNN_OK; i++) {
            status = zip.entries[i].compressed ? zip_check(&zip, &zip.entries[i]) : LRNN_OK;
        }
        zip_close(&zip);
    }
    free(bytes);
    assert_int_equal(status, LRNN_ERR_FORMAT);
    if (strstr(lrnn_last_error(), why) == NULL) {
        fail_msg("'%s' is not in: %s", why, lrnn_last_error());
    }
}

static void what_is_wrong_is_said(void **unused)
{
    (void)unused;
    enum { END = -22, END64 = -22 - 20 - 56, ONE = END - 51, A = ONE - 47, TWO = A - 51 };
    is_refused(false, END, 0, 4, "cut off");
    is_refused(false, END + 4, 1, 2, "part of several");
    is_refused(false, END + 10, 4, 2, "part of several");
    is_refused(false, END + 20, 1, 2, "comment");
    is_refused(false, END + 12, 1, 4, "not where it should be");
    is_refused(false, END + 16, UINT32_MAX, 4, "not where it should be");
    is_refused(false, END + 8, 0x20002, 4, "more entries than it says");
    is_refused(false, ONE, 0, 4, "is none");
    is_refused(false, ONE + 8, 1, 2, "encrypted");
    is_refused(false, ONE + 10, 8, 2, "compressed");
    is_refused(false, ONE + 20, 2, 4, "compressed");
    is_refused(false, ONE + 28, 60, 2, "cut off");
    is_refused(false, ONE + 34, 1, 2, "another file");
    is_refused(false, ONE + 42, 1, 4, "not that of the directory");
    is_refused(false, ONE + 42, UINT32_MAX, 4, "past the end");
    is_refused(false, ONE + 46, 'x', 1, "not that of the directory");
    is_refused(false, TWO + 20, UINT64_C(0x3b0000003b), 8, "overlaps");
    is_refused(false, TWO + 20, UINT64_C(0x3ff000003ff), 8, "past the end");
    is_refused(true, END64, 0, 4, "no Zip64 record");
    is_refused(true, END64 + 32, 2, 8, "no Zip64 record");
    is_refused(true, END64 + 48, UINT64_MAX - 3, 8, "not where it should be");
    is_refused(true, END64 + 56 + 8, 0, 8, "not before the locator");
    is_refused(true, END + 8, 0x20002, 4, "disagree");
    is_refused(true, END64 - 26, 25, 2, "extra fields");
}

static void a_name_may_be_there_only_once(void **unused)
{
    (void)unused;
    zip_builder zip = {0};
    zip_file file;
    zip_add(&zip, "a", "x", 1, 0);
    zip_add(&zip, "a", "y", 1, 0);
    unsigned char *bytes = zip_finish(&zip, false);
    assert_int_equal(zip_open(&file, &allocator, "zip", bytes, zip.length), LRNN_ERR_FORMAT);
    assert_non_null(strstr(lrnn_last_error(), "twice"));
    free(bytes);
}

static void a_part_of_a_file_is_refused_and_no_change_leaves_it(void **unused)
{
    (void)unused;
    for (int wide = 0; wide < 2; wide++) {
        size_t length;
        zip_file zip;
        unsigned char *bytes = small_zip(&length, wide != 0);
        for (size_t cut = 0; cut < length; cut++) {
            unsigned char *part = malloc(cut + (cut == 0));
            assert_non_null(part);
            memcpy(part, bytes, cut);
            assert_int_equal(zip_open(&zip, &allocator, "zip", part, cut), LRNN_ERR_FORMAT);
            free(part);
        }
        for (size_t at = 0; at < 8 * length; at++) {
            bytes[at / 8] ^= (unsigned char)(1u << at % 8);
            if (zip_open(&zip, &allocator, "zip", bytes, length) == LRNN_OK) {
                for (size_t i = 0; i < zip.count; i++) {
                    const zip_entry *entry = &zip.entries[i];
                    assert_true(entry->data >= bytes && entry->data <= bytes + length);
                    assert_true(entry->length <= (size_t)(bytes + length - entry->data));
                }
                zip_close(&zip);
            }
            bytes[at / 8] ^= (unsigned char)(1u << at % 8);
        }
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_found_by_name),
        cmocka_unit_test(checksums_are_compared_where_there_are_any),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(a_name_may_be_there_only_once),
        cmocka_unit_test(a_part_of_a_file_is_refused_and_no_change_leaves_it),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
