/* Models whose matrices are bfloat16: the numbers they keep, their files, what becomes of them in
 * training, and the memory they take. */
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

#include "lrnn.h"
#include "support/fault_allocator.h"
#include "support/safetensors_bytes.h"
#include "support/scratch.h"
#include "support/weight_types.h"

/* ---- numbers ---- */

/* By arithmetic: 8 bits from the leading one on. Normal numbers. */
static float nearest(float x)
{
    int exponent;
    double fraction = frexp((double)x, &exponent);
    return (float)ldexp(nearbyint(ldexp(fraction, 8)), exponent - 8);
}

static void matrices_are_rounded_to_nearest_and_vectors_left_alone(void **state)
{
    (void)state;
    FOR_KINDS(k)
    {
        lrnn_model *model = create(k, LRNN_WEIGHT_FLOAT32);
        lrnn_model *half = convert(model, LRNN_WEIGHT_BFLOAT16);
        float *before = values_of(model), *after = values_of(half);
        assert_int_equal(type_of(model), LRNN_WEIGHT_FLOAT32);
        assert_int_equal(type_of(half), LRNN_WEIGHT_BFLOAT16);
        for (size_t i = 0; i < lrnn_model_tensor_count(half); i++) {
            lrnn_parameter p;
            EXPECT_OK(lrnn_parameter_init(&p, sizeof p));
            EXPECT_OK(lrnn_model_get_parameter(&p, half, i));
            float *alone = malloc(p.count * sizeof *alone);
            assert_non_null(alone);
            EXPECT_OK(lrnn_model_copy_parameter(alone, p.count, half, p.name));
            assert_memory_equal(alone, after + p.offset, p.count * sizeof *alone);
            free(alone);
            for (size_t at = p.offset; at < p.offset + p.count; at++) {
                assert_true(after[at] == (p.rank == 2 ? nearest(before[at]) : before[at]));
            }
        }
        free(before);
        free(after);
        lrnn_model_destroy(model);
        lrnn_model_destroy(half);
    }
}

static void a_model_may_be_made_with_bfloat16_at_once(void **state)
{
    (void)state;
    lrnn_model *direct = create(&kinds[1], LRNN_WEIGHT_BFLOAT16);
    lrnn_model *model = create(&kinds[1], LRNN_WEIGHT_FLOAT32);
    lrnn_model *half = convert(model, LRNN_WEIGHT_BFLOAT16);
    expect_same_values(direct, half);
    lrnn_model_destroy(direct);
    lrnn_model_destroy(model);
    lrnn_model_destroy(half);
}

static void converting_to_what_a_model_is_shares_it(void **state)
{
    (void)state;
    for (int32_t type = LRNN_WEIGHT_FLOAT32; type <= LRNN_WEIGHT_BFLOAT16; type++) {
        lrnn_model *model = create(&kinds[0], type), *same = convert(model, type);
        assert_ptr_equal(model, same);
        lrnn_model_destroy(model);
        assert_int_equal(type_of(same), type);
        lrnn_model_destroy(same);
    }
}

/* 3.4e38 would round to infinity; 3.38953139e38 is the largest bfloat16. */
static void a_number_too_large_for_bfloat16_is_named(void **state)
{
    (void)state;
    lrnn_model *model = create(&kinds[0], LRNN_WEIGHT_FLOAT32), *large, *made = model;
    lrnn_tensor tensors[8];
    lrnn_model_options o = options_of(&kinds[0], LRNN_WEIGHT_FLOAT32);
    float *values = values_of(model);
    size_t count = lrnn_model_tensor_count(model);
    for (size_t i = 0; i < count; i++) {
        lrnn_parameter p;
        EXPECT_OK(lrnn_parameter_init(&p, sizeof p));
        EXPECT_OK(lrnn_model_get_parameter(&p, model, i));
        EXPECT_OK(lrnn_tensor_init(&tensors[i], sizeof tensors[i]));
        tensors[i].name = p.name;
        tensors[i].values = values + p.offset;
        tensors[i].rank = p.rank;
        tensors[i].shape[0] = p.shape[0];
        tensors[i].shape[1] = p.shape[1];
        values[p.offset + 2] = p.rank == 2 ? 3.38953139e38f : 3.4e38f;
    }
    o.weight_type = LRNN_WEIGHT_BFLOAT16;
    EXPECT_OK(lrnn_model_create_from_tensors(&large, &o, tensors, count));
    lrnn_model_destroy(large);
    ((float *)(uintptr_t)tensors[1].values)[0] = 3.4e38f;
    EXPECT_FAILURE(lrnn_model_create_from_tensors(&made, &o, tensors, count), LRNN_ERR_NUMERIC,
                   "rnn.weight_hh_l0", "value 0", "bfloat16");
    ((float *)(uintptr_t)tensors[1].values)[0] = 0;
    ((float *)(uintptr_t)tensors[1].values)[5] = -3.4e38f;
    EXPECT_FAILURE(lrnn_model_create_from_tensors(&made, &o, tensors, count), LRNN_ERR_NUMERIC,
                   "rnn.weight_hh_l0", "value 5", "-3.4e+38", "bfloat16");
    assert_null(made);
    o.weight_type = LRNN_WEIGHT_FLOAT32;
    EXPECT_OK(lrnn_model_create_from_tensors(&large, &o, tensors, count));
    made = model;
    EXPECT_FAILURE(lrnn_model_convert(&made, large, LRNN_WEIGHT_BFLOAT16), LRNN_ERR_NUMERIC,
                   "rnn.weight_hh_l0", "value 5");
    assert_null(made);
    lrnn_model_destroy(large);
    lrnn_model_destroy(model);
    free(values);
}

static void wrong_arguments_are_named(void **state)
{
    (void)state;
    lrnn_model *model = create(&kinds[0], LRNN_WEIGHT_FLOAT32), *made = model;
    EXPECT_FAILURE(lrnn_model_convert(NULL, model, LRNN_WEIGHT_BFLOAT16), LRNN_ERR_INVALID,
                   "converted");
    EXPECT_FAILURE(lrnn_model_convert(&made, NULL, LRNN_WEIGHT_BFLOAT16), LRNN_ERR_INVALID,
                   "model");
    assert_null(made);
    made = model;
    EXPECT_FAILURE(lrnn_model_convert(&made, model, 3), LRNN_ERR_INVALID, "weight_type", "found 3");
    assert_null(made);
    EXPECT_FAILURE(lrnn_model_convert(&made, model, -1), LRNN_ERR_INVALID, "weight_type");
    lrnn_model_destroy(model);
}

/* ---- files ---- */

static void a_file_brings_the_type_and_every_bit_back(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "half.lrnn");
    FOR_KINDS(k)
    {
        lrnn_model *half = create(k, LRNN_WEIGHT_BFLOAT16), *loaded, *parsed;
        EXPECT_OK(lrnn_model_save(half, path));
        EXPECT_OK(lrnn_model_load(&loaded, path, NULL));
        assert_int_equal(type_of(loaded), LRNN_WEIGHT_BFLOAT16);
        expect_same_values(half, loaded);
        size_t length;
        unsigned char *bytes = file_bytes(&length, path);
        EXPECT_OK(lrnn_model_load_memory(&parsed, bytes, length, NULL));
        assert_int_equal(type_of(parsed), LRNN_WEIGHT_BFLOAT16);
        expect_same_values(half, parsed);
        free(bytes);
        lrnn_model_destroy(half);
        lrnn_model_destroy(loaded);
        lrnn_model_destroy(parsed);
    }
    scratch_destroy(&folder);
}

static void the_file_is_half_as_long(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "length.lrnn");
    lrnn_model *half = create(&kinds[2], LRNN_WEIGHT_BFLOAT16);
    lrnn_model *plain = convert(half, LRNN_WEIGHT_FLOAT32);
    size_t short_length, long_length;
    EXPECT_OK(lrnn_model_save(half, path));
    free(file_bytes(&short_length, path));
    EXPECT_OK(lrnn_model_save(plain, path));
    free(file_bytes(&long_length, path));
    assert_in_range(long_length * 100 / short_length, 195, 200);
    lrnn_model_destroy(half);
    lrnn_model_destroy(plain);
    scratch_destroy(&folder);
}

static void pytorch_gets_bfloat16_tensors_and_may_give_them_back(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "export.safetensors");
    lrnn_model *half = create(&kinds[1], LRNN_WEIGHT_BFLOAT16), *read;
    lrnn_import_options o;
    lrnn_model_options architecture = options_of(&kinds[1], LRNN_WEIGHT_BFLOAT16);
    EXPECT_OK(lrnn_model_export(half, path, NULL));
    EXPECT_OK(lrnn_model_import(&read, path, NULL));
    assert_int_equal(type_of(read), LRNN_WEIGHT_FLOAT32);
    expect_same_values(half, read);
    lrnn_model_destroy(read);
    EXPECT_OK(lrnn_import_options_init(&o, sizeof o));
    o.model = &architecture;
    EXPECT_OK(lrnn_model_import(&read, path, &o));
    assert_int_equal(type_of(read), LRNN_WEIGHT_BFLOAT16);
    expect_same_values(half, read);
    lrnn_model_destroy(read);
    lrnn_model_destroy(half);
    scratch_destroy(&folder);
}

/* ---- training ---- */

typedef struct training {
    lrnn_trainer *trainer;
    lrnn_optimizer *optimizer;
    lrnn_checkpoint all;
} training;

static training train_start(const lrnn_model *model)
{
    training t;
    lrnn_trainer_options o;
    EXPECT_OK(lrnn_trainer_options_init(&o, sizeof o));
    o.batch = B;
    o.steps = T - 1;
    EXPECT_OK(lrnn_trainer_create(&t.trainer, model, &o));
    EXPECT_OK(lrnn_optimizer_create(&t.optimizer, lrnn_model_parameter_count(model), NULL));
    EXPECT_OK(lrnn_checkpoint_init(&t.all, sizeof t.all));
    t.all.trainer = t.trainer;
    t.all.optimizer = t.optimizer;
    return t;
}

static double train_step(training *t)
{
    lrnn_sequences s;
    lrnn_train_result result;
    EXPECT_OK(lrnn_sequences_init(&s, sizeof s));
    EXPECT_OK(lrnn_train_result_init(&result, sizeof result));
    s.batch = B;
    s.steps = T - 1;
    s.tokens = tokens;
    s.targets = tokens + B;
    EXPECT_OK(lrnn_trainer_step(t->trainer, t->optimizer, &s, &result));
    return result.loss_sum;
}

static void train_end(training *t)
{
    lrnn_trainer_destroy(t->trainer);
    lrnn_optimizer_destroy(t->optimizer);
}

static lrnn_model *snapshot(const training *t)
{
    lrnn_model *made;
    EXPECT_OK(lrnn_trainer_snapshot(&made, t->trainer));
    return made;
}

static void training_is_float32_and_snapshots_are_rounded(void **state)
{
    (void)state;
    lrnn_model *half = create(&kinds[1], LRNN_WEIGHT_BFLOAT16);
    lrnn_model *plain = convert(half, LRNN_WEIGHT_FLOAT32);
    training left = train_start(half), right = train_start(plain);
    for (int i = 0; i < 3; i++) {
        assert_true(train_step(&left) == train_step(&right));
    }
    lrnn_model *rounded = snapshot(&left), *exact = snapshot(&right);
    assert_int_equal(type_of(rounded), LRNN_WEIGHT_BFLOAT16);
    assert_int_equal(type_of(exact), LRNN_WEIGHT_FLOAT32);
    lrnn_model *expected = convert(exact, LRNN_WEIGHT_BFLOAT16);
    expect_same_values(rounded, expected);
    lrnn_model_destroy(rounded);
    lrnn_model_destroy(exact);
    lrnn_model_destroy(expected);
    train_end(&left);
    train_end(&right);
    lrnn_model_destroy(half);
    lrnn_model_destroy(plain);
}

static void a_checkpoint_keeps_what_rounding_would_lose(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "half.checkpoint");
    lrnn_model *half = create(&kinds[1], LRNN_WEIGHT_BFLOAT16), *served;
    training whole = train_start(half), resumed;
    train_step(&whole);
    EXPECT_OK(lrnn_checkpoint_save(&whole.all, path, NULL));

    /* What the file holds is a model, too, of the same type. */
    lrnn_model *published = snapshot(&whole);
    EXPECT_OK(lrnn_model_load(&served, path, NULL));
    assert_int_equal(type_of(served), LRNN_WEIGHT_BFLOAT16);
    expect_same_values(served, published);

    resumed = train_start(served);
    EXPECT_OK(lrnn_checkpoint_load(&resumed.all, path));
    for (int i = 0; i < 3; i++) {
        assert_true(train_step(&whole) == train_step(&resumed));
    }
    lrnn_model *left = snapshot(&whole), *right = snapshot(&resumed);
    expect_same_values(left, right);
    lrnn_model_destroy(left);
    lrnn_model_destroy(right);
    lrnn_model_destroy(published);
    lrnn_model_destroy(served);
    lrnn_model_destroy(half);
    train_end(&whole);
    train_end(&resumed);
    scratch_destroy(&folder);
}

/* ---- memory ---- */

static size_t bytes_of(const kind *k, int32_t weight_type)
{
    fault_allocator counting;
    lrnn_model_options o = options_of(k, weight_type);
    lrnn_model *model;
    fault_allocator_start(&counting, 0);
    o.allocator = &counting.allocator;
    EXPECT_OK(lrnn_model_create(&model, &o));
    size_t bytes = atomic_load(&counting.bytes);
    lrnn_model_destroy(model);
    assert_int_equal(fault_allocator_live(&counting), 0);
    return bytes;
}

static void a_model_takes_half_the_memory(void **state)
{
    (void)state;
    const kind *k = &kinds[2];
    assert_in_range(bytes_of(k, LRNN_WEIGHT_FLOAT32) * 100 / bytes_of(k, LRNN_WEIGHT_BFLOAT16), 190,
                    200);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    FOR_KINDS(k)
    {
        fault_allocator fault;
        lrnn_model_options o = options_of(k, LRNN_WEIGHT_FLOAT32);
        lrnn_model *model, *made;
        fault_allocator_start(&fault, 0);
        o.allocator = &fault.allocator;
        EXPECT_OK(lrnn_model_create(&model, &o));
        size_t live = fault_allocator_live(&fault);
        for (size_t n = 1;; n++) {
            fault.fail_at = atomic_load(&fault.calls) + n;
            made = model;
            lrnn_status status = lrnn_model_convert(&made, model, LRNN_WEIGHT_BFLOAT16);
            if (status == LRNN_OK) {
                assert_true(n > 4);
                break;
            }
            assert_int_equal(status, LRNN_ERR_MEMORY);
            assert_null(made);
            assert_int_equal(fault_allocator_live(&fault), live);
        }
        lrnn_model_destroy(made);
        lrnn_model_destroy(model);
        assert_int_equal(fault_allocator_live(&fault), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matrices_are_rounded_to_nearest_and_vectors_left_alone),
        cmocka_unit_test(a_model_may_be_made_with_bfloat16_at_once),
        cmocka_unit_test(converting_to_what_a_model_is_shares_it),
        cmocka_unit_test(a_number_too_large_for_bfloat16_is_named),
        cmocka_unit_test(wrong_arguments_are_named),
        cmocka_unit_test(a_file_brings_the_type_and_every_bit_back),
        cmocka_unit_test(the_file_is_half_as_long),
        cmocka_unit_test(pytorch_gets_bfloat16_tensors_and_may_give_them_back),
        cmocka_unit_test(training_is_float32_and_snapshots_are_rounded),
        cmocka_unit_test(a_checkpoint_keeps_what_rounding_would_lose),
        cmocka_unit_test(a_model_takes_half_the_memory),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
