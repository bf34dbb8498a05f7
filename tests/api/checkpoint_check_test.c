/* Checkpoints held against themselves. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/expect.h"
#include "support/fault_allocator.h"
#include "support/safetensors_bytes.h"
#include "support/scratch.h"

/* A checkpoint of everything after one step. `averages`: with an average of the parameters. */
static void save_checkpoint(const char *path, int32_t optimizer_kind, bool averages)
{
    static const int32_t ids[] = {0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2};
    lrnn_model_options m;
    lrnn_optimizer_options o;
    lrnn_schedule_options c;
    lrnn_batches_options b;
    lrnn_trainer_options t;
    lrnn_checkpoint all;
    lrnn_sequences s;
    lrnn_model *model, *best;
    EXPECT_OK(lrnn_model_options_init(&m, sizeof m));
    EXPECT_OK(lrnn_optimizer_options_init(&o, sizeof o));
    EXPECT_OK(lrnn_schedule_options_init(&c, sizeof c));
    EXPECT_OK(lrnn_batches_options_init(&b, sizeof b));
    EXPECT_OK(lrnn_trainer_options_init(&t, sizeof t));
    EXPECT_OK(lrnn_checkpoint_init(&all, sizeof all));
    EXPECT_OK(lrnn_sequences_init(&s, sizeof s));
    m.vocab_size = m.output_size = 5;
    m.embedding_size = m.hidden_size = 3;
    m.layers = 2;
    o.kind = optimizer_kind;
    t.batch = b.batch = 2;
    t.steps = b.steps = 3;
    c.kind = LRNN_SCHEDULE_PLATEAU;
    EXPECT_OK(lrnn_model_create(&model, &m));
    m.seed = 9;
    EXPECT_OK(lrnn_model_create(&best, &m));
    EXPECT_OK(lrnn_trainer_create(&all.trainer, model, &t));
    EXPECT_OK(lrnn_optimizer_create(&all.optimizer, lrnn_model_parameter_count(model), &o));
    EXPECT_OK(lrnn_schedule_create(&all.schedule, &c));
    EXPECT_OK(lrnn_batches_create(&all.batches, ids, sizeof ids / sizeof *ids, &b));
    all.best = best;
    if (averages) {
        EXPECT_OK(lrnn_trainer_set_average(all.trainer, 1));
    }
    EXPECT_OK(lrnn_batches_next(all.batches, &s));
    EXPECT_OK(lrnn_trainer_step(all.trainer, all.optimizer, &s, NULL));
    EXPECT_OK(lrnn_checkpoint_save(&all, path, "a note"));
    lrnn_batches_destroy(all.batches);
    lrnn_schedule_destroy(all.schedule);
    lrnn_optimizer_destroy(all.optimizer);
    lrnn_trainer_destroy(all.trainer);
    lrnn_model_destroy(best);
    lrnn_model_destroy(model);
}

static void whole_checkpoints_are_sound(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "checkpoint");
    for (int32_t kind = 0; kind <= LRNN_OPTIMIZER_ADAMW; kind++) {
        save_checkpoint(path, kind, kind % 2 == 1);
        EXPECT_OK(lrnn_checkpoint_check(path, NULL));
    }
    EXPECT_OK(lrnn_checkpoint_check(SOURCE_ROOT "/tests/files/0.1/checkpoint.safetensors", NULL));
    scratch_destroy(&folder);
}

/* Every byte of every section, not only of the model. */
static void a_changed_byte_of_any_array_is_seen(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    char path[512];
    size_t length;
    snprintf(path, sizeof path, "%s", scratch_path(&folder, "checkpoint"));
    save_checkpoint(path, LRNN_OPTIMIZER_ADAM, true);
    unsigned char *bytes = file_bytes(&length, path);
    for (size_t i = 8 + safetensors_header_length(bytes); i < length; i += 3) {
        bytes[i] ^= 1;
        scratch_write(path, bytes, length);
        EXPECT_FAILURE(lrnn_checkpoint_check(path, NULL), LRNN_ERR_FORMAT, path, "is damaged");
        bytes[i] ^= 1;
    }
    free(bytes);
    scratch_destroy(&folder);
}

/* ---- files without digests, so that what is in them is looked at ---- */

static unsigned char *find(unsigned char *bytes, size_t length, const char *text)
{
    for (size_t i = 0; i + strlen(text) <= length; i++) {
        if (memcmp(bytes + i, text, strlen(text)) == 0) {
            return bytes + i;
        }
    }
    fail_msg("'%s' is not in the file", text);
    return NULL;
}

/* Overwrites what follows a text of the header. */
static void refused(const char *path, const char *after, const char *to, lrnn_status status,
                    const char *why)
{
    size_t length, kept_length;
    unsigned char *bytes = undigested_bytes(&length, path), *kept = file_bytes(&kept_length, path);
    memcpy(find(bytes, length, after) + strlen(after), to, strlen(to));
    scratch_write(path, bytes, length);
    EXPECT_FAILURE(lrnn_checkpoint_check(path, NULL), status, path, why);
    scratch_write(path, kept, kept_length);
    free(bytes);
    free(kept);
}

static void numbers_that_cannot_be_are_named(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    char path[512];
    snprintf(path, sizeof path, "%s", scratch_path(&folder, "checkpoint"));
    save_checkpoint(path, LRNN_OPTIMIZER_ADAM, true);
    refused(path, "optimizer.learning_rate\":\"", "x", LRNN_ERR_FORMAT, "optimizer.learning_rate");
    refused(path, "optimizer.learning_rate\":\"", "-", LRNN_ERR_FORMAT, "at least 0");
    refused(path, "schedule.learning_rate\":\"", "-", LRNN_ERR_FORMAT, "schedule: learning_rate");
    refused(path, "optimizer.kind\":\"", "9", LRNN_ERR_FORMAT, "optimizer: kind");
    refused(path, "schedule.kind\":\"", "9", LRNN_ERR_FORMAT, "schedule: kind");
    refused(path, "trainer.carried\":\"", "1", LRNN_ERR_FORMAT, "rows of the carried state");
    refused(path, "batches.position\":\"", "x", LRNN_ERR_FORMAT, "batches.position");
    scratch_destroy(&folder);
}

/* Overwrites the first value of an array. */
static void refused_value(const char *path, const char *name, float value, const char *why)
{
    size_t length, kept_length;
    unsigned char *bytes = undigested_bytes(&length, path), *kept = file_bytes(&kept_length, path);
    char key[80];
    snprintf(key, sizeof key, "\"%s\":{", name);
    const char *at = (const char *)find(bytes, length, key);
    at = strstr(at, "data_offsets\":[") + strlen("data_offsets\":[");
    safetensors_put_float(bytes + 8 + safetensors_header_length(bytes) + strtoul(at, NULL, 10),
                          value);
    scratch_write(path, bytes, length);
    EXPECT_FAILURE(lrnn_checkpoint_check(path, NULL), LRNN_ERR_NUMERIC, path, name, why);
    scratch_write(path, kept, kept_length);
    free(bytes);
    free(kept);
}

static void values_that_cannot_be_are_named(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    char path[512];
    snprintf(path, sizeof path, "%s", scratch_path(&folder, "checkpoint"));
    save_checkpoint(path, LRNN_OPTIMIZER_ADAM, true);
    refused_value(path, "head.weight", NAN, "value 0");
    refused_value(path, "checkpoint.optimizer.m", NAN, "not finite");
    refused_value(path, "checkpoint.optimizer.v", INFINITY, "not finite");
    refused_value(path, "checkpoint.optimizer.v", -1, "negative");
    refused_value(path, "checkpoint.trainer.h", NAN, "not finite");
    refused_value(path, "checkpoint.trainer.average", INFINITY, "not finite");
    refused_value(path, "checkpoint.best.head.bias", NAN, "not finite");
    scratch_destroy(&folder);
}

static void a_best_model_that_would_not_load_is_named(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    char path[512];
    snprintf(path, sizeof path, "%s", scratch_path(&folder, "checkpoint"));
    save_checkpoint(path, LRNN_OPTIMIZER_SGD, false);
    refused(path, "checkpoint.best.head.b", "x", LRNN_ERR_FORMAT,
            "checkpoint.best.head.bias is missing");
    scratch_destroy(&folder);
}

static void what_is_no_checkpoint_is_refused(void **state)
{
    (void)state;
    EXPECT_FAILURE(lrnn_checkpoint_check(SOURCE_ROOT "/tests/files/0.1/model.safetensors", NULL),
                   LRNN_ERR_FORMAT, "not a checkpoint");
    EXPECT_FAILURE(lrnn_checkpoint_check("/nowhere/x", NULL), LRNN_ERR_IO, "/nowhere/x");
    EXPECT_FAILURE(lrnn_checkpoint_check(NULL, NULL), LRNN_ERR_INVALID, "path is NULL");
}

static void no_memory_leaves_nothing_behind(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "checkpoint");
    save_checkpoint(path, LRNN_OPTIMIZER_ADAM, true);
    for (size_t n = 1;; n++) {
        fault_allocator fault;
        fault_allocator_start(&fault, n);
        lrnn_status status = lrnn_checkpoint_check(path, &fault.allocator);
        assert_int_equal(fault_allocator_live(&fault), 0);
        if (!fault_allocator_failed(&fault)) {
            assert_int_equal(status, LRNN_OK);
            assert_true(n > 10);
            break;
        }
        assert_int_equal(status, LRNN_ERR_MEMORY);
    }
    scratch_destroy(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_checkpoints_are_sound),
        cmocka_unit_test(a_changed_byte_of_any_array_is_seen),
        cmocka_unit_test(numbers_that_cannot_be_are_named),
        cmocka_unit_test(values_that_cannot_be_are_named),
        cmocka_unit_test(a_best_model_that_would_not_load_is_named),
        cmocka_unit_test(what_is_no_checkpoint_is_refused),
        cmocka_unit_test(no_memory_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
