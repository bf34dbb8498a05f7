/* Each allocation of a model's whole life fails once in turn: an error, nothing leaked, nothing
 * half-written, everything that was there as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "life.h"
#include "support/fault_allocator.h"

static lrnn_status live(life *l, const life_kind *kind, const lrnn_allocator *allocator,
                        const char *model_path, const char *checkpoint_path)
{
    LIFE_TRY(life_begin(l, kind, allocator));
    LIFE_TRY(life_make_second(l, allocator));
    LIFE_TRY(lrnn_model_save(l->second, model_path));
    l->third = LIFE_BAD;
    LIFE_TRY(lrnn_model_load(&l->third, model_path, allocator));
    l->state = LIFE_BAD;
    LIFE_TRY(lrnn_state_create(&l->state, l->third, NULL));
    l->published = LIFE_BAD;
    LIFE_TRY(lrnn_trainer_snapshot(&l->published, l->trainer));
    lrnn_checkpoint all = life_checkpoint(l);
    LIFE_TRY(lrnn_checkpoint_save(&all, checkpoint_path, "a note"));
    return lrnn_checkpoint_load(&all, checkpoint_path);
}

/* Whatever lies in the folder under the two names is whole, and there is nothing else. */
static void expect_whole_files(const scratch *folder, const char *model_path,
                               const char *checkpoint_path)
{
    size_t files = 0;
    for (int i = 0; i < 2; i++) {
        const char *path = i == 0 ? model_path : checkpoint_path;
        FILE *file = fopen(path, "rb");
        if (file != NULL) {
            lrnn_model *model;
            fclose(file);
            assert_int_equal(lrnn_model_load(&model, path, NULL), LRNN_OK);
            lrnn_model_destroy(model);
            files++;
        }
    }
    assert_int_equal(scratch_files(folder, false), files);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    static life l;
    for (int k = 0; k < LIFE_KINDS; k++) {
        for (size_t n = 1;; n++) {
            scratch folder = scratch_create();
            char model_path[512], checkpoint_path[512];
            snprintf(model_path, sizeof model_path, "%s", scratch_path(&folder, "model"));
            snprintf(checkpoint_path, sizeof checkpoint_path, "%s",
                     scratch_path(&folder, "checkpoint"));
            fault_allocator fault;
            fault_allocator_start(&fault, n);
            lrnn_status status =
                live(&l, &life_kinds[k], &fault.allocator, model_path, checkpoint_path);
            bool failed = fault_allocator_failed(&fault);
            life_end(&l);
            assert_int_equal(fault_allocator_live(&fault), 0);
            expect_whole_files(&folder, model_path, checkpoint_path);
            scratch_destroy(&folder);
            assert_int_equal(status, failed ? LRNN_ERR_MEMORY : LRNN_OK);
            if (!failed) {
                assert_true(n > 30); /* it did need memory */
                break;
            }
        }
    }
}

/* ---- objects that were there ---- */

typedef struct view {
    float parameters[4096], h[256], c[256];
    size_t position;
    uint64_t updates;
    double rate;
} view;

static view look(const life *l)
{
    view v;
    lrnn_model *model;
    memset(&v, 0, sizeof v);
    assert_int_equal(lrnn_trainer_snapshot(&model, l->trainer), LRNN_OK);
    assert_int_equal(lrnn_model_copy_parameter(v.parameters, 4096, model, NULL), LRNN_OK);
    lrnn_model_destroy(model);
    lrnn_trainer_export_state(v.h, NULL, l->trainer);
    (void)lrnn_trainer_export_state(NULL, v.c, l->trainer); /* only an LSTM has it */
    v.position = lrnn_batches_position(l->batches);
    v.updates = lrnn_optimizer_updates(l->optimizer);
    v.rate = lrnn_optimizer_learning_rate(l->optimizer);
    return v;
}

static void a_checkpoint_that_cannot_be_loaded_changes_nothing(void **state)
{
    (void)state;
    static life l;
    static view before, after;
    scratch folder = scratch_create();
    for (int k = 0; k < LIFE_KINDS; k++) {
        const char *path = scratch_path(&folder, "checkpoint");
        fault_allocator fault;
        fault_allocator_start(&fault, 0);
        assert_int_equal(life_begin(&l, &life_kinds[k], &fault.allocator), LRNN_OK);
        lrnn_checkpoint all = life_checkpoint(&l);
        assert_int_equal(lrnn_checkpoint_save(&all, path, NULL), LRNN_OK);
        assert_int_equal(life_next(&l, &life_kinds[k]), LRNN_OK);
        assert_int_equal(lrnn_trainer_step(l.trainer, l.optimizer, &l.window, NULL), LRNN_OK);
        lrnn_optimizer_set_learning_rate(l.optimizer, 0.5);
        before = look(&l);
        size_t there = fault_allocator_live(&fault);
        for (size_t n = 1;; n++) {
            fault_allocator_fail_next(&fault, n);
            lrnn_status status = lrnn_checkpoint_load(&all, path);
            bool failed = fault_allocator_failed(&fault);
            fault_allocator_fail_next(&fault, 0);
            assert_int_equal(fault_allocator_live(&fault), there);
            after = look(&l);
            if (!failed) {
                assert_int_equal(status, LRNN_OK);
                assert_memory_not_equal(&before, &after, sizeof before);
                break;
            }
            assert_int_equal(status, LRNN_ERR_MEMORY);
            assert_memory_equal(&before, &after, sizeof before);
        }
        life_end(&l);
        assert_int_equal(fault_allocator_live(&fault), 0);
    }
    scratch_destroy(&folder);
}

static void a_failed_save_keeps_the_file_that_was_there(void **state)
{
    (void)state;
    static life l;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "model");
    fault_allocator fault;
    fault_allocator_start(&fault, 0);
    assert_int_equal(life_begin(&l, &life_kinds[0], &fault.allocator), LRNN_OK);
    assert_int_equal(lrnn_model_save(l.model, path), LRNN_OK);
    size_t length, again;
    unsigned char *bytes = life_read(path, &length), *found;
    lrnn_checkpoint all = life_checkpoint(&l);
    size_t there = fault_allocator_live(&fault);
    for (size_t n = 1;; n++) {
        fault_allocator_fail_next(&fault, n);
        lrnn_status status = lrnn_checkpoint_save(&all, path, "note");
        if (!fault_allocator_failed(&fault)) {
            assert_int_equal(status, LRNN_OK);
            break;
        }
        assert_int_equal(status, LRNN_ERR_MEMORY);
        assert_int_equal(fault_allocator_live(&fault), there);
        assert_int_equal(scratch_files(&folder, false), 1);
        found = life_read(path, &again);
        assert_int_equal(again, length);
        assert_memory_equal(found, bytes, length);
        free(found);
    }
    free(bytes);
    life_end(&l);
    scratch_destroy(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(a_checkpoint_that_cannot_be_loaded_changes_nothing),
        cmocka_unit_test(a_failed_save_keeps_the_file_that_was_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
