/* What is written has reached the disk before it has its name, and the name before the call
 * returns: this program has an fsync of its own, which sees what it is asked for and when. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../support/expect.h"
#include "../support/scratch.h"
#include "lrnn.h"

/* What fsync has seen, and how it answers: the next `failures` calls of that kind with `reason`. */
static struct {
    const char *path; /* of the file that is saved */
    size_t files, folders;
    bool named_early, named_late; /* the file had its name when it, or its folder, was synced */
    off_t length;
    int reason, failures;
    bool fail_folder;
} seen;

int fsync(int descriptor)
{
    struct stat about, named;
    assert_int_equal(fstat(descriptor, &about), 0);
    bool folder = S_ISDIR(about.st_mode);
    bool exists = stat(seen.path, &named) == 0;
    if (folder) {
        seen.folders++;
        seen.named_late = exists;
    } else {
        seen.files++;
        seen.named_early = exists && named.st_ino == about.st_ino;
        seen.length = about.st_size;
    }
    if (seen.failures > 0 && seen.fail_folder == folder) {
        seen.failures--;
        errno = seen.reason;
        return -1;
    }
    return 0;
}

static lrnn_model *create(void)
{
    lrnn_model_options options;
    lrnn_model *model;
    EXPECT_OK(lrnn_model_options_init(&options, sizeof options));
    options.vocab_size = 3;
    options.embedding_size = options.hidden_size = 2;
    EXPECT_OK(lrnn_model_create(&model, &options));
    return model;
}

/* Saves a model while the next `failures` syncs of a file or of a folder fail. */
static lrnn_status save(const char *path, int reason, int failures, bool folder)
{
    lrnn_model *model = create();
    memset(&seen, 0, sizeof seen);
    seen.path = path;
    seen.reason = reason;
    seen.failures = failures;
    seen.fail_folder = folder;
    lrnn_status status = lrnn_model_save(model, path);
    lrnn_model_destroy(model);
    return status;
}

static void file_then_name_then_folder(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "model");
    struct stat about;
    for (int again = 0; again < 2; again++) {
        EXPECT_OK(save(path, 0, 0, false));
        assert_int_equal(seen.files, 1);
        assert_int_equal(seen.folders, 1);
        assert_false(seen.named_early);
        assert_true(seen.named_late);
        assert_int_equal(stat(path, &about), 0);
        assert_int_equal(seen.length, about.st_size); /* all of it */
    }
    scratch_destroy(&folder);
}

static void a_file_that_does_not_reach_the_disk_gets_no_name(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "model");
    EXPECT_FAILURE(save(path, EIO, 1, false), LRNN_ERR_IO, path);
    assert_int_equal(scratch_files(&folder, false), 0);
    assert_int_equal(seen.folders, 0);
    EXPECT_OK(save(path, EINTR, 3, false));
    assert_int_equal(seen.files, 4);
    scratch_destroy(&folder);
}

static void a_folder_that_does_not_reach_the_disk_is_an_error(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "model");
    EXPECT_FAILURE(save(path, EIO, 1, true), LRNN_ERR_IO, "folder");
    assert_int_equal(scratch_files(&folder, false), 1);
    EXPECT_OK(save(path, EINTR, 2, true));
    assert_int_equal(seen.folders, 3);
    EXPECT_OK(save(path, EINVAL, 1, true)); /* file systems that cannot are forgiven */
    scratch_destroy(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_then_name_then_folder),
        cmocka_unit_test(a_file_that_does_not_reach_the_disk_gets_no_name),
        cmocka_unit_test(a_folder_that_does_not_reach_the_disk_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
