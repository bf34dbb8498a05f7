/* Files on Windows: paths beyond MAX_PATH and outside the code page, both separators, names in use.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/system.h"
#include "format/atomic_file.h"
#include "format/file_windows.h"
#include "format/input_file.h"
#include "support/scratch.h"

static scratch folder;

static int setup(void **state)
{
    (void)state;
    folder = scratch_create();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    scratch_destroy(&folder);
    return 0;
}

static lrnn_status replace(const char *path, const char *text)
{
    static atomic_file file;
    lrnn_status status = atomic_file_open(&file, path);
    if (status == LRNN_OK) {
        status = atomic_file_write(&file, text, strlen(text));
    }
    return status == LRNN_OK ? atomic_file_commit(&file) : status;
}

static void assert_contains(const char *path, const char *text)
{
    input_file file;
    char found[64] = {0};
    assert_int_equal(input_file_open(&file, path), LRNN_OK);
    assert_int_equal(file.length, strlen(text));
    assert_int_equal(input_file_read(&file, found, file.length, 0), LRNN_OK);
    assert_string_equal(found, text);
    input_file_close(&file);
}

static void remove_file(const char *path)
{
    wchar_t wide[FILE_WINDOWS_PATH];
    assert_true(file_windows_path(wide, path));
    assert_true(DeleteFileW(wide));
}

static void a_path_is_utf8(void **state)
{
    (void)state;
    const char *path = scratch_path(&folder, "gr\xc3\xb6\xc3\x9f"
                                             "e \xe6\x96\x87.txt");
    assert_int_equal(replace(path, "one"), LRNN_OK);
    assert_int_equal(replace(path, "two"), LRNN_OK);
    assert_contains(path, "two");
    WIN32_FIND_DATAW found;
    wchar_t pattern[FILE_WINDOWS_PATH];
    assert_true(file_windows_path(pattern, scratch_path(&folder, "*.txt")));
    HANDLE list = FindFirstFileW(pattern, &found);
    assert_true(list != INVALID_HANDLE_VALUE);
    assert_int_equal(wcscmp(found.cFileName, L"gr\u00f6\u00dfe \u6587.txt"), 0);
    FindClose(list);
    remove_file(path);
    assert_int_equal(replace(scratch_path(&folder, "\xff"), "x"), LRNN_ERR_IO);
}

static void a_path_may_be_longer_than_max_path(void **state)
{
    (void)state;
    char path[700];
    wchar_t wide[FILE_WINDOWS_PATH];
    snprintf(path, sizeof path, "%s", folder.folder);
    size_t lengths[4], levels = 0;
    while (levels < 4) {
        lengths[levels++] = strlen(path);
        snprintf(path + strlen(path), 130, "/%0120d", (int)levels);
        assert_true(file_windows_path(wide, path));
        assert_true(CreateDirectoryW(wide, NULL));
    }
    size_t length = strlen(path);
    snprintf(path + length, 16, "/file");
    assert_int_equal(replace(path, "far away"), LRNN_OK);
    assert_contains(path, "far away");
    remove_file(path);
    while (levels > 0) {
        path[length] = '\0';
        assert_true(file_windows_path(wide, path));
        assert_true(RemoveDirectoryW(wide));
        length = lengths[--levels];
    }
}

static void either_separator_ends_a_folder(void **state)
{
    (void)state;
    char path[300];
    snprintf(path, sizeof path, "%s\\file", folder.folder);
    assert_int_equal(replace(path, "x"), LRNN_OK);
    assert_int_equal(scratch_files(&folder, false), 1);
    assert_contains(scratch_path(&folder, "file"), "x");
}

static void the_null_device_is_written_to(void **state)
{
    (void)state;
    assert_int_equal(replace("NUL", "x"), LRNN_OK);
}

/* Its name is taken while it is open: nobody else can delete it before. */
static void what_the_dead_leave_is_gone_and_what_the_living_write_stays(void **state)
{
    (void)state;
    static atomic_file living;
    const char *path = scratch_path(&folder, "file");
    FILE *dead = fopen(scratch_path(&folder, ".lrnn-data-0123456789abcdef.tmp"), "w");
    assert_non_null(dead);
    fclose(dead);
    assert_int_equal(atomic_file_open(&living, path), LRNN_OK);
    assert_int_equal(scratch_files(&folder, false), 1);
    assert_int_equal(atomic_file_write(&living, "living", 6), LRNN_OK);
    assert_int_equal(replace(path, "new"), LRNN_OK);
    assert_int_equal(scratch_files(&folder, false), 2);
    assert_int_equal(atomic_file_commit(&living), LRNN_OK);
    assert_contains(path, "living");
    assert_int_equal(scratch_files(&folder, false), 1);
}

static void an_aborted_file_leaves_nothing(void **state)
{
    (void)state;
    static atomic_file file;
    assert_int_equal(atomic_file_open(&file, scratch_path(&folder, "file")), LRNN_OK);
    atomic_file_abort(&file);
    assert_int_equal(scratch_files(&folder, false), 0);
}

/* ---- threads, as the pool uses them ---- */

static system_once once = SYSTEM_ONCE_INIT;
static int calls;

static void count_call(void)
{
    calls++;
}

static void what_is_called_once_is_called_once(void **state)
{
    (void)state;
    system_call_once(&once, count_call);
    system_call_once(&once, count_call);
    assert_int_equal(calls, 1);
}

#define unit(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        unit(a_path_is_utf8),
        unit(a_path_may_be_longer_than_max_path),
        unit(either_separator_ends_a_folder),
        unit(the_null_device_is_written_to),
        unit(what_the_dead_leave_is_gone_and_what_the_living_write_stays),
        unit(an_aborted_file_leaves_nothing),
        cmocka_unit_test(what_is_called_once_is_called_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
