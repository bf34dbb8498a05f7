#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* O_TMPFILE */
#endif
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "format/atomic_file.h"
#include "support/safetensors_bytes.h"
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

/* Where the system knows files without a name, and this test is not about the others. */
static size_t has_temporary_name(void)
{
#if defined(O_TMPFILE) && !defined(NAMED)
    int descriptor = access("/proc/self/fd", X_OK) == 0
                         ? open(folder.folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600)
                         : -1;
    if (descriptor >= 0) {
        close(descriptor);
        return 0;
    }
#endif
    return 1;
}

static lrnn_status replace(const char *path, const char *text)
{
    static atomic_file file;
    lrnn_status status = atomic_file_open(&file, path);
    if (status == LRNN_OK) {
        status = atomic_file_write(&file, text, strlen(text));
    }
    if (status == LRNN_OK) {
        status = atomic_file_commit(&file);
    }
    if (status != LRNN_OK) {
        assert_int_equal(file.descriptor, -1);
    }
    return status;
}

static void assert_contains(const char *path, const char *text)
{
    size_t length;
    unsigned char *bytes = file_bytes(&length, path);
    assert_int_equal(length, strlen(text));
    assert_memory_equal(bytes, text, length);
    free(bytes);
}

static mode_t mode_of(const char *path)
{
    struct stat about;
    assert_int_equal(lstat(path, &about), 0);
    return about.st_mode;
}

static void a_file_is_made_and_replaced(void **state)
{
    (void)state;
    const char *path = scratch_path(&folder, "file");
    assert_int_equal(replace(path, "one"), LRNN_OK);
    assert_contains(path, "one");
    assert_int_equal(replace(path, ""), LRNN_OK);
    assert_contains(path, "");
    assert_int_equal(replace(path, "three"), LRNN_OK);
    assert_contains(path, "three");
    assert_int_equal(scratch_files(&folder, false), 1);
}

static void the_target_is_untouched_until_commit(void **state)
{
    (void)state;
    static atomic_file file;
    const char *path = scratch_path(&folder, "file");
    assert_int_equal(replace(path, "old"), LRNN_OK);
    assert_int_equal(atomic_file_open(&file, path), LRNN_OK);
    assert_int_equal(atomic_file_write(&file, "new", 3), LRNN_OK);
    assert_contains(path, "old");
    assert_int_equal(scratch_files(&folder, false), 1 + has_temporary_name());
    assert_int_equal(atomic_file_commit(&file), LRNN_OK);
    assert_contains(path, "new");
    assert_int_equal(scratch_files(&folder, false), 1);
}

static void two_writers_do_not_meet(void **state)
{
    (void)state;
    static atomic_file first, second;
    const char *path = scratch_path(&folder, "file");
    assert_int_equal(atomic_file_open(&first, path), LRNN_OK);
    assert_int_equal(atomic_file_open(&second, path), LRNN_OK);
    assert_int_equal(atomic_file_write(&first, "first", 5), LRNN_OK);
    assert_int_equal(atomic_file_write(&second, "second", 6), LRNN_OK);
    assert_int_equal(atomic_file_commit(&second), LRNN_OK);
    assert_contains(path, "second");
    assert_int_equal(atomic_file_commit(&first), LRNN_OK);
    assert_contains(path, "first");
}

static void a_new_file_has_the_mode_that_the_umask_leaves(void **state)
{
    (void)state;
    mode_t before = umask(027);
    assert_int_equal(replace(scratch_path(&folder, "file"), "x"), LRNN_OK);
    umask(before);
    assert_int_equal(mode_of(scratch_path(&folder, "file")) & 07777, 0640);
}

static void an_existing_file_keeps_its_mode(void **state)
{
    (void)state;
    const char *path = scratch_path(&folder, "file");
    assert_int_equal(replace(path, "x"), LRNN_OK);
    static const mode_t modes[] = {0600, 0644, 0664, 0777, 0400};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        assert_int_equal(chmod(path, modes[i]), 0);
        assert_int_equal(replace(path, "y"), LRNN_OK);
        assert_int_equal(mode_of(path) & 07777, modes[i]);
    }
}

static void a_symbolic_link_stays_and_its_file_is_replaced(void **state)
{
    (void)state;
    const char *file = scratch_path(&folder, "file"), *link = scratch_path(&folder, "link");
    assert_int_equal(replace(file, "old"), LRNN_OK);
    assert_int_equal(symlink("middle", link), 0);
    assert_int_equal(symlink(file, scratch_path(&folder, "middle")), 0);
    assert_int_equal(replace(link, "new"), LRNN_OK);
    assert_true(S_ISLNK(mode_of(link)));
    assert_true(S_ISREG(mode_of(file)));
    assert_contains(file, "new");
}

static void a_link_to_nothing_gets_its_file(void **state)
{
    (void)state;
    const char *link = scratch_path(&folder, "link");
    assert_int_equal(symlink("not-yet", link), 0);
    assert_int_equal(replace(link, "new"), LRNN_OK);
    assert_true(S_ISLNK(mode_of(link)));
    assert_contains(scratch_path(&folder, "not-yet"), "new");
}

static void a_link_elsewhere_puts_the_temporary_file_there(void **state)
{
    (void)state;
    static atomic_file file;
    scratch other = scratch_create();
    assert_int_equal(symlink(scratch_path(&other, "file"), scratch_path(&folder, "link")), 0);
    assert_int_equal(atomic_file_open(&file, scratch_path(&folder, "link")), LRNN_OK);
    assert_int_equal(scratch_files(&folder, false), 1);
    assert_int_equal(scratch_files(&other, false), has_temporary_name());
    assert_int_equal(atomic_file_commit(&file), LRNN_OK);
    assert_contains(scratch_path(&other, "file"), "");
    scratch_destroy(&other);
}

static void links_in_a_circle_are_an_error(void **state)
{
    (void)state;
    assert_int_equal(symlink("b", scratch_path(&folder, "a")), 0);
    assert_int_equal(symlink("a", scratch_path(&folder, "b")), 0);
    assert_int_equal(replace(scratch_path(&folder, "a"), "x"), LRNN_ERR_IO);
    assert_int_equal(scratch_files(&folder, false), 2);
}

static void a_path_in_the_current_folder_needs_no_slash(void **state)
{
    (void)state;
    char here[4096];
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(folder.folder), 0);
    assert_int_equal(replace("file", "x"), LRNN_OK);
    assert_int_equal(chdir(here), 0);
    assert_contains(scratch_path(&folder, "file"), "x");
}

static void the_longest_name_is_fine_and_a_longer_one_an_error(void **state)
{
    (void)state;
    char name[257] = {0};
    memset(name, 'n', 255);
    assert_int_equal(replace(scratch_path(&folder, name), "x"), LRNN_OK);
    name[255] = 'n';
    assert_int_equal(replace(scratch_path(&folder, name), "x"), LRNN_ERR_IO);
    static char path[ATOMIC_FILE_PATH + 10];
    memset(path, 'n', sizeof path - 1);
    assert_int_equal(replace(path, "x"), LRNN_ERR_IO);
    assert_int_equal(scratch_files(&folder, false), 1);
}

static void the_message_has_the_path_and_the_reason(void **state)
{
    (void)state;
    assert_int_equal(replace(scratch_path(&folder, "none/file"), "x"), LRNN_ERR_IO);
    assert_non_null(strstr(lrnn_last_error(), scratch_path(&folder, "none/file")));
    assert_non_null(strstr(lrnn_last_error(), strerror(ENOENT)));
    assert_int_equal(replace(folder.folder, "x"), LRNN_ERR_IO);
    assert_non_null(strstr(lrnn_last_error(), strerror(EISDIR)));
    assert_int_equal(replace("", "x"), LRNN_ERR_IO);
    assert_int_equal(replace(scratch_path(&folder, ""), "x"), LRNN_ERR_IO);
}

static void a_pipe_is_refused(void **state)
{
    (void)state;
    assert_int_equal(mkfifo(scratch_path(&folder, "pipe"), 0600), 0);
    assert_int_equal(replace(scratch_path(&folder, "pipe"), "x"), LRNN_ERR_IO);
    assert_true(S_ISFIFO(mode_of(scratch_path(&folder, "pipe"))));
}

static void devices_are_written_to_and_never_replaced(void **state)
{
    (void)state;
#ifdef _WIN32
    skip(); /* it has no /dev; format_windows_test writes to NUL */
#endif
    assert_int_equal(replace("/dev/null", "x"), LRNN_OK);
    assert_true(S_ISCHR(mode_of("/dev/null")));
    if (access("/dev/full", W_OK) != 0) {
        skip();
    }
    assert_int_equal(replace("/dev/full", "x"), LRNN_ERR_IO);
    assert_non_null(strstr(lrnn_last_error(), strerror(ENOSPC)));
    assert_true(S_ISCHR(mode_of("/dev/full")));
}

/* A limit on the size of files makes write give less than asked for, then EFBIG. */
static void a_write_that_runs_out_of_room_leaves_the_old_file(void **state)
{
    (void)state;
    const char *path = scratch_path(&folder, "file");
    char text[10001];
    struct rlimit before, small;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(replace(path, "old"), LRNN_OK);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 4096;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    lrnn_status status = replace(path, text);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(status, LRNN_ERR_IO);
    assert_non_null(strstr(lrnn_last_error(), strerror(EFBIG)));
    assert_contains(path, "old");
    assert_int_equal(scratch_files(&folder, false), 1);
}

static void a_folder_without_permission_is_an_error(void **state)
{
    (void)state;
    if (geteuid() == 0) {
        skip();
    }
    assert_int_equal(chmod(folder.folder, 0500), 0);
    lrnn_status status = replace(scratch_path(&folder, "file"), "x");
    assert_int_equal(chmod(folder.folder, 0700), 0);
    assert_int_equal(status, LRNN_ERR_IO);
    assert_int_equal(scratch_files(&folder, false), 0);
}

/* A folder takes the name between open and commit: renaming fails and leaves nothing behind. */
static void a_commit_that_cannot_rename_is_an_error(void **state)
{
    (void)state;
    static atomic_file file;
    const char *path = scratch_path(&folder, "file");
    assert_int_equal(atomic_file_open(&file, path), LRNN_OK);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(atomic_file_commit(&file), LRNN_ERR_IO);
    assert_int_equal(scratch_files(&folder, false), 1);
    assert_int_equal(rmdir(path), 0);
}

/* A writer that is killed leaves nothing, or what the next one clears away; not the file of a
 * writer that lives. */
static void what_the_dead_leave_is_gone_and_what_the_living_write_stays(void **state)
{
    (void)state;
    static atomic_file living, dead;
    const char *path = scratch_path(&folder, "file");
    assert_int_equal(atomic_file_open(&living, path), LRNN_OK);
    assert_int_equal(atomic_file_write(&living, "living", 6), LRNN_OK);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        raise(atomic_file_open(&dead, path) == LRNN_OK ? SIGKILL : SIGTERM);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(scratch_files(&folder, false), 2 * has_temporary_name());
    assert_int_equal(replace(path, "new"), LRNN_OK);
    assert_int_equal(scratch_files(&folder, false), 1 + has_temporary_name());
    assert_int_equal(atomic_file_commit(&living), LRNN_OK);
    assert_contains(path, "living");
    assert_int_equal(scratch_files(&folder, false), 1);
}

/* In a folder that all may write to. */
static void a_pipe_with_a_name_of_ours_holds_nobody_up(void **state)
{
    (void)state;
    const char *pipe = scratch_path(&folder, ".lrnn-data-0.tmp");
    assert_int_equal(mkfifo(pipe, 0600), 0);
    alarm(20);
    assert_int_equal(replace(scratch_path(&folder, "file"), "x"), LRNN_OK);
    alarm(0);
    assert_contains(scratch_path(&folder, "file"), "x");
    assert_true(S_ISFIFO(mode_of(pipe)));
}

#define unit(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        unit(a_file_is_made_and_replaced),
        unit(the_target_is_untouched_until_commit),
        unit(two_writers_do_not_meet),
        unit(a_new_file_has_the_mode_that_the_umask_leaves),
        unit(an_existing_file_keeps_its_mode),
        unit(a_symbolic_link_stays_and_its_file_is_replaced),
        unit(a_link_to_nothing_gets_its_file),
        unit(a_link_elsewhere_puts_the_temporary_file_there),
        unit(links_in_a_circle_are_an_error),
        unit(a_path_in_the_current_folder_needs_no_slash),
        unit(the_longest_name_is_fine_and_a_longer_one_an_error),
        unit(the_message_has_the_path_and_the_reason),
        unit(a_pipe_is_refused),
        unit(devices_are_written_to_and_never_replaced),
        unit(a_write_that_runs_out_of_room_leaves_the_old_file),
        unit(a_folder_without_permission_is_an_error),
        unit(a_commit_that_cannot_rename_is_an_error),
        unit(a_pipe_with_a_name_of_ours_holds_nobody_up),
        unit(what_the_dead_leave_is_gone_and_what_the_living_write_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
