/* What is beside the objects in a checkpoint: the note and the best model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/expect.h"
#include "../support/fault_allocator.h"
#include "../support/safetensors_bytes.h"
#include "../support/scratch.h"
#include "../support/twins.h"
#include "lrnn.h"

static void start(twins *pair)
{
    lrnn_model_options of = twin_model();
    lrnn_trainer_options options = twin_trainer();
    twins_start(pair, &of, &options);
}

static lrnn_checkpoint describe(const twins *pair, const lrnn_model *best)
{
    lrnn_checkpoint all;
    EXPECT_OK(lrnn_checkpoint_init(&all, sizeof all));
    all.trainer = pair->trainer[0];
    all.best = best;
    return all;
}

static void a_note_needs_its_length_and_one(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "c");
    char note[8];
    size_t length;
    twins pair;
    start(&pair);
    lrnn_checkpoint all = describe(&pair, NULL);
    EXPECT_OK(lrnn_checkpoint_save(&all, path, "four"));
    memset(note, 'x', sizeof note);
    EXPECT_OK(lrnn_checkpoint_read_note(note, 5, &length, path));
    assert_int_equal(length, 4);
    assert_memory_equal(note, "four\0xxx", 8);
    memset(note, 'x', sizeof note);
    EXPECT_FAILURE(lrnn_checkpoint_read_note(note, 4, &length, path), LRNN_ERR_TOO_SMALL, "4");
    assert_memory_equal(note, "xxxxxxxx", 8);
    twins_finish(&pair);
    scratch_destroy(&folder);
}

/* A model that differs from the trainer's in one size. */
static lrnn_model *other(size_t vocab, size_t embedding, size_t outputs)
{
    lrnn_model_options of = twin_model();
    lrnn_model *model;
    of.vocab_size = vocab;
    of.embedding_size = embedding;
    of.output_size = outputs;
    EXPECT_OK(lrnn_model_create(&model, &of));
    return model;
}

static void the_best_model_is_of_the_same_architecture(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "c");
    twins pair;
    start(&pair);
    lrnn_model *others[] = {other(TWIN_V + 1, 4, TWIN_V), other(TWIN_V, 5, TWIN_V),
                            other(TWIN_V, 4, TWIN_V + 1)};
    for (size_t i = 0; i < 3; i++) {
        lrnn_checkpoint all = describe(&pair, others[i]);
        EXPECT_FAILURE(lrnn_checkpoint_save(&all, path, NULL), LRNN_ERR_INVALID, "best");
        lrnn_model_destroy(others[i]);
    }
    twins_finish(&pair);
    scratch_destroy(&folder);
}

static void the_best_model_takes_memory_of_its_own_alone(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "c");
    fault_allocator fault;
    lrnn_model *best;
    twins pair;
    start(&pair);
    lrnn_checkpoint all = describe(&pair, pair.model);
    EXPECT_OK(lrnn_checkpoint_save(&all, path, NULL));
    for (size_t n = 1;; n++) {
        fault_allocator_start(&fault, n);
        lrnn_status status = lrnn_checkpoint_load_best(&best, path, &fault.allocator);
        if (!fault_allocator_failed(&fault)) {
            EXPECT_OK(status);
            break;
        }
        assert_int_equal(status, LRNN_ERR_MEMORY);
        assert_null(best);
        assert_int_equal(fault_allocator_live(&fault), 0);
    }
    expect_same_parameters(best, pair.model);
    lrnn_model_destroy(best);
    assert_int_equal(fault_allocator_live(&fault), 0);
    all.best = NULL;
    EXPECT_OK(lrnn_checkpoint_save(&all, path, NULL));
    fault_allocator_start(&fault, 0);
    EXPECT_FAILURE(lrnn_checkpoint_load_best(&best, path, &fault.allocator), LRNN_ERR_NOT_FOUND,
                   path);
    assert_int_equal(fault_allocator_live(&fault), 0);
    twins_finish(&pair);
    scratch_destroy(&folder);
}

static void momentum_that_was_not_saved_is_refused(void **state)
{
    (void)state;
    static const int32_t kinds[] = {LRNN_OPTIMIZER_SGD, LRNN_OPTIMIZER_RMSPROP};
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "c");
    twins pair;
    start(&pair);
    lrnn_checkpoint all = describe(&pair, NULL);
    for (size_t i = 0; i < 2; i++) {
        lrnn_optimizer *optimizers[2];
        lrnn_optimizer_options options;
        EXPECT_OK(lrnn_optimizer_options_init(&options, sizeof options));
        options.kind = kinds[i];
        for (size_t k = 0; k < 2; k++) {
            options.momentum = k == 0 ? 0 : 0.5;
            EXPECT_OK(lrnn_optimizer_create(&optimizers[k], lrnn_model_parameter_count(pair.model),
                                            &options));
        }
        for (size_t k = 0; k < 2; k++) {
            all.optimizer = optimizers[k];
            EXPECT_OK(lrnn_checkpoint_save(&all, path, NULL));
            EXPECT_OK(lrnn_checkpoint_load(&all, path));
            all.optimizer = optimizers[1 - k];
            EXPECT_FAILURE(lrnn_checkpoint_load(&all, path), LRNN_ERR_INVALID, "momentum");
        }
        lrnn_optimizer_destroy(optimizers[0]);
        lrnn_optimizer_destroy(optimizers[1]);
    }
    twins_finish(&pair);
    scratch_destroy(&folder);
}

/* Replaces the first `from` in a file by `to`, which is as long. */
static void change(const char *path, const char *from, const char *to)
{
    size_t length, size = strlen(from);
    unsigned char *bytes = undigested_bytes(&length, path);
    size_t at = 0;
    while (at + size <= length && memcmp(bytes + at, from, size) != 0) {
        at++;
    }
    assert_true(at + size <= length && strlen(to) == size);
    memcpy(bytes + at, to, size);
    scratch_write(path, bytes, length);
    free(bytes);
}

static void moments_are_numbers_of_the_right_kind(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "c");
    twins pair;
    start(&pair);
    lrnn_checkpoint all = describe(&pair, NULL);
    all.optimizer = pair.optimizer[0];
    EXPECT_OK(lrnn_checkpoint_save(&all, path, NULL));
    change(path, "\"checkpoint.optimizer.v\":{\"dtype\":\"F32\"",
           "\"checkpoint.optimizer.v\":{\"dtype\":\"I32\"");
    EXPECT_FAILURE(lrnn_checkpoint_load(&all, path), LRNN_ERR_FORMAT, "checkpoint.optimizer.v");
    twins_finish(&pair);
    scratch_destroy(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_note_needs_its_length_and_one),
        cmocka_unit_test(the_best_model_is_of_the_same_architecture),
        cmocka_unit_test(the_best_model_takes_memory_of_its_own_alone),
        cmocka_unit_test(momentum_that_was_not_saved_is_refused),
        cmocka_unit_test(moments_are_numbers_of_the_right_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
