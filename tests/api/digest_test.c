/* Damage is seen: whatever byte of a file of ours changes, reading it fails or gives the same. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <lrnn.h>

#include "../support/expect.h"
#include "../support/safetensors_bytes.h"
#include "../support/scratch.h"

static lrnn_model *small_model(int32_t weight_type)
{
    lrnn_model_options options;
    lrnn_model *model, *converted;
    EXPECT_OK(lrnn_model_options_init(&options, sizeof options));
    options.cell = LRNN_CELL_GRU;
    options.vocab_size = 5;
    options.embedding_size = 3;
    options.hidden_size = 4;
    options.output_size = 5;
    EXPECT_OK(lrnn_model_create(&model, &options));
    EXPECT_OK(lrnn_model_convert(&converted, model, weight_type));
    lrnn_model_destroy(model);
    return converted;
}

static size_t header_end(const unsigned char *bytes)
{
    return 8 + bytes[0] + 256 * (size_t)bytes[1];
}

/* A changed byte of the header may still be the same model: one of its final spaces, or the key
 * under which the digests stand. Then saving gives the bytes that the model has. */
static void expect_same_model(const lrnn_model *loaded, const scratch *folder,
                              const unsigned char *bytes, size_t length)
{
    char path[512];
    size_t again_length;
    snprintf(path, sizeof path, "%s", scratch_path(folder, "again"));
    EXPECT_OK(lrnn_model_save(loaded, path));
    unsigned char *again = file_bytes(&again_length, path);
    assert_int_equal(again_length, length);
    assert_memory_equal(again, bytes, length);
    free(again);
}

static void every_changed_bit_of_a_model_is_seen(void **state)
{
    (void)state;
    static const int32_t kinds[] = {LRNN_WEIGHT_FLOAT32, LRNN_WEIGHT_BFLOAT16};
    scratch folder = scratch_create();
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        lrnn_model *model = small_model(kinds[k]), *loaded;
        const char *path = scratch_path(&folder, "model");
        size_t length, refused = 0;
        EXPECT_OK(lrnn_model_save(model, path));
        unsigned char *bytes = file_bytes(&length, path);
        unsigned char *kept = file_bytes(&length, path);
        for (size_t at = 0; at < length; at++) {
            bytes[at] ^= (unsigned char)(1u << at % 8);
            lrnn_status status = lrnn_model_load_memory(&loaded, bytes, length, NULL);
            bytes[at] = kept[at];
            if (status != LRNN_OK) {
                assert_null(loaded);
                refused++;
                continue;
            }
            assert_true(at < header_end(kept));
            expect_same_model(loaded, &folder, kept, length);
            lrnn_model_destroy(loaded);
        }
        assert_true(refused > length - 64);
        free(bytes);
        free(kept);
        lrnn_model_destroy(model);
    }
    scratch_destroy(&folder);
}

static void the_damaged_tensor_and_the_file_are_named(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    lrnn_model *model = small_model(LRNN_WEIGHT_FLOAT32);
    const char *path = scratch_path(&folder, "model");
    size_t length;
    EXPECT_OK(lrnn_model_save(model, path));
    lrnn_model_destroy(model);
    unsigned char *bytes = file_bytes(&length, path);
    bytes[length - 1] ^= 1; /* the last number of the last tensor */
    scratch_write(path, bytes, length);
    EXPECT_FAILURE(lrnn_model_load(&model, path, NULL), LRNN_ERR_FORMAT, path, "head.bias",
                   "damaged", "digest");
    bytes[length - 1] ^= 1;
    scratch_write(path, bytes, length);
    EXPECT_OK(lrnn_model_load(&model, path, NULL));
    lrnn_model_destroy(model);
    free(bytes);
    scratch_destroy(&folder);
}

static void another_kind_of_digest_is_refused(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    lrnn_model *model = small_model(LRNN_WEIGHT_FLOAT32);
    const char *path = scratch_path(&folder, "model");
    size_t length;
    EXPECT_OK(lrnn_model_save(model, path));
    lrnn_model_destroy(model);
    unsigned char *bytes = file_bytes(&length, path), *at = bytes + 8;
    while (memcmp(at, "xxh3:", 5) != 0) {
        at++;
    }
    memcpy(at, "xxh4:", 5);
    EXPECT_FAILURE(lrnn_model_load_memory(&model, bytes, length, NULL), LRNN_ERR_FORMAT,
                   "lrnn.digest", "xxh3:");
    free(bytes);
    scratch_destroy(&folder);
}

/* Made by tests/golden/digest.py: with any other bytes in a sum, both ways round, our files would
 * agree with each other and with nobody else. */
static void digests_are_those_that_the_page_describes(void **state)
{
    (void)state;
    lrnn_model *model;
    EXPECT_OK(lrnn_model_load(&model, SOURCE_ROOT "/tests/golden/digest.safetensors", NULL));
    lrnn_model_destroy(model);
}

static void a_file_without_digests_loads(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    lrnn_model *model = small_model(LRNN_WEIGHT_FLOAT32), *loaded;
    const char *path = scratch_path(&folder, "model");
    size_t length;
    EXPECT_OK(lrnn_model_save(model, path));
    unsigned char *bytes = undigested_bytes(&length, path);
    EXPECT_OK(lrnn_model_load_memory(&loaded, bytes, length, NULL));
    lrnn_model_destroy(loaded);
    lrnn_model_destroy(model);
    free(bytes);
    scratch_destroy(&folder);
}

/* ---- checkpoints ---- */

typedef struct training {
    lrnn_model *model;
    lrnn_trainer *trainer;
    lrnn_optimizer *optimizer;
    lrnn_checkpoint all;
} training;

static training start_training(void)
{
    training t = {.model = small_model(LRNN_WEIGHT_FLOAT32)};
    lrnn_trainer_options options;
    lrnn_optimizer_options rule;
    EXPECT_OK(lrnn_trainer_options_init(&options, sizeof options));
    EXPECT_OK(lrnn_optimizer_options_init(&rule, sizeof rule));
    options.batch = 1;
    options.steps = 2;
    EXPECT_OK(lrnn_trainer_create(&t.trainer, t.model, &options));
    EXPECT_OK(lrnn_optimizer_create(&t.optimizer, lrnn_model_parameter_count(t.model), &rule));
    EXPECT_OK(lrnn_checkpoint_init(&t.all, sizeof t.all));
    t.all.trainer = t.trainer;
    t.all.optimizer = t.optimizer;
    return t;
}

static void end_training(training *t)
{
    lrnn_optimizer_destroy(t->optimizer);
    lrnn_trainer_destroy(t->trainer);
    lrnn_model_destroy(t->model);
}

static void every_changed_byte_of_a_checkpoint_is_seen(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    char path[512], again[512];
    training t = start_training();
    size_t length, again_length, loads = 0;
    snprintf(path, sizeof path, "%s", scratch_path(&folder, "checkpoint"));
    snprintf(again, sizeof again, "%s", scratch_path(&folder, "again"));
    EXPECT_OK(lrnn_checkpoint_save(&t.all, path, "a note"));
    unsigned char *bytes = file_bytes(&length, path);
    for (size_t at = 8; at < length; at++) {
        unsigned char kept = bytes[at];
        bytes[at] ^= (unsigned char)(1u << at % 8);
        scratch_write(path, bytes, length);
        bytes[at] = kept;
        if (lrnn_checkpoint_load(&t.all, path) == LRNN_OK) {
            EXPECT_OK(lrnn_checkpoint_save(&t.all, again, "a note"));
            unsigned char *now = file_bytes(&again_length, again);
            assert_int_equal(again_length, length);
            assert_memory_equal(now, bytes, length);
            free(now);
            loads++;
        }
    }
    assert_true(loads < 64);
    free(bytes);
    end_training(&t);
    scratch_destroy(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_changed_bit_of_a_model_is_seen),
        cmocka_unit_test(the_damaged_tensor_and_the_file_are_named),
        cmocka_unit_test(another_kind_of_digest_is_refused),
        cmocka_unit_test(digests_are_those_that_the_page_describes),
        cmocka_unit_test(a_file_without_digests_loads),
        cmocka_unit_test(every_changed_byte_of_a_checkpoint_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
