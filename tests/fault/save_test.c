/* Saving where it cannot be done, and being killed in the middle of it. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "life.h"

static lrnn_model *make_model(uint64_t seed, size_t hidden)
{
    lrnn_model_options o;
    lrnn_model *model;
    lrnn_model_options_init(&o, sizeof o);
    o.vocab_size = 11;
    o.hidden_size = hidden;
    o.seed = seed;
    assert_int_equal(lrnn_model_create(&model, &o), LRNN_OK);
    return model;
}

static void expect_io_error(lrnn_status status, const char *path)
{
    assert_int_equal(status, LRNN_ERR_IO);
    assert_non_null(strstr(lrnn_last_error(), path));
}

static void a_folder_that_is_not_there_is_an_error_with_the_path(void **state)
{
    (void)state;
    static life l;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "missing/model");
    assert_int_equal(life_begin(&l, &life_kinds[0], NULL), LRNN_OK);
    lrnn_checkpoint all = life_checkpoint(&l);
    expect_io_error(lrnn_model_save(l.model, path), path);
    expect_io_error(lrnn_checkpoint_save(&all, path, NULL), path);
    expect_io_error(lrnn_checkpoint_load(&all, path), path);
    expect_io_error(lrnn_model_load(&l.third, path, NULL), path);
    assert_null(l.third);
    life_end(&l);
    scratch_destroy(&folder);
}

static void a_folder_in_the_place_of_the_file_is_an_error(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "model");
    assert_int_equal(mkdir(path, 0700), 0);
    lrnn_model *model = make_model(1, 8), *loaded;
    expect_io_error(lrnn_model_save(model, path), path);
    assert_int_equal(lrnn_model_load(&loaded, path, NULL), LRNN_ERR_IO);
    assert_int_equal(scratch_files(&folder, false), 1);
    assert_int_equal(rmdir(path), 0);
    lrnn_model_destroy(model);
    scratch_destroy(&folder);
}

/* A limit on the size of files stands for the full disk. */
static void a_disk_that_fills_up_keeps_the_old_file(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "model");
    lrnn_model *small = make_model(1, 4), *large = make_model(2, 100), *loaded;
    assert_int_equal(lrnn_model_save(small, path), LRNN_OK);
    struct rlimit before, low;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    low = before;
    low.rlim_cur = 20000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    lrnn_status status = lrnn_model_save(large, path);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    expect_io_error(status, path);
    assert_non_null(strstr(lrnn_last_error(), strerror(EFBIG)));
    assert_int_equal(scratch_files(&folder, false), 1);
    assert_int_equal(lrnn_model_load(&loaded, path, NULL), LRNN_OK);
    assert_int_equal(lrnn_model_parameter_count(loaded), lrnn_model_parameter_count(small));
    lrnn_model_destroy(loaded);
    lrnn_model_destroy(small);
    lrnn_model_destroy(large);
    scratch_destroy(&folder);
}

static void a_folder_without_permission_to_write_is_an_error(void **state)
{
    (void)state;
    if (geteuid() == 0) {
        skip(); /* may write everywhere */
    }
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "model");
    lrnn_model *model = make_model(1, 8);
    assert_int_equal(chmod(folder.folder, 0500), 0);
    lrnn_status status = lrnn_model_save(model, path);
    chmod(folder.folder, 0700);
    expect_io_error(status, path);
    lrnn_model_destroy(model);
    scratch_destroy(&folder);
}

/* The file is one of the two models, whole, whenever the process that saves them in turns dies. */
static void a_process_killed_while_saving_leaves_a_whole_file(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "model");
    lrnn_model *models[2] = {make_model(1, 60), make_model(2, 90)};
    assert_int_equal(lrnn_model_save(models[0], path), LRNN_OK);
    for (int round = 0; round < 12; round++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            for (int i = 0;; i = 1 - i) {
                if (lrnn_model_save(models[i], path) != LRNN_OK) {
                    _exit(1);
                }
            }
        }
        struct timespec pause = {0, 3000000 + round * 1700000};
        nanosleep(&pause, NULL);
        int how;
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, &how, 0), child);
        assert_true(WIFSIGNALED(how));
        lrnn_model *loaded;
        assert_int_equal(lrnn_model_load(&loaded, path, NULL), LRNN_OK);
        size_t count = lrnn_model_parameter_count(loaded);
        int which = count == lrnn_model_parameter_count(models[1]);
        float *found = malloc(count * sizeof *found), *expected = malloc(count * sizeof *found);
        assert_int_equal(lrnn_model_copy_parameter(found, count, loaded, NULL), LRNN_OK);
        assert_int_equal(lrnn_model_copy_parameter(expected, count, models[which], NULL), LRNN_OK);
        assert_memory_equal(found, expected, count * sizeof *found);
        free(found);
        free(expected);
        lrnn_model_destroy(loaded);
    }
    lrnn_model_destroy(models[0]);
    lrnn_model_destroy(models[1]);
    scratch_destroy(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_that_is_not_there_is_an_error_with_the_path),
        cmocka_unit_test(a_folder_in_the_place_of_the_file_is_an_error),
        cmocka_unit_test(a_disk_that_fills_up_keeps_the_old_file),
        cmocka_unit_test(a_folder_without_permission_to_write_is_an_error),
        cmocka_unit_test(a_process_killed_while_saving_leaves_a_whole_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
