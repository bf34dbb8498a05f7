/* The head in slices: losses and gradients against plain sums in double. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "lrnn.h"

#define F 5 /* numbers the head reads; there is nothing between it and the input */

typedef struct head_case {
    size_t batch, steps, outputs;
    double smoothing;
    int32_t loss;
} head_case;

typedef struct head_data {
    head_case of;
    size_t rows;
    float *features, *weights, *values; /* values: targets of squared error */
    int32_t *targets, *lengths;
    lrnn_model *model;
    float *parameters; /* weight [O,F], bias [O] */
} head_data;

static double draw(uint64_t stream, size_t i)
{
    return random_normal(1, stream, i);
}

static float *draw_all(uint64_t stream, size_t count)
{
    float *x = malloc(count * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < count; i++) {
        x[i] = (float)draw(stream, i);
    }
    return x;
}

static head_data head_data_create(head_case of)
{
    head_data d = {.of = of, .rows = of.batch * of.steps};
    lrnn_model_options options;
    assert_int_equal(lrnn_model_options_init(&options, sizeof options), LRNN_OK);
    options.feature_size = F;
    options.layers = 0;
    options.output_size = of.outputs;
    assert_int_equal(lrnn_model_create(&d.model, &options), LRNN_OK);
    size_t count = lrnn_model_parameter_count(d.model);
    d.parameters = malloc(count * sizeof *d.parameters);
    assert_int_equal(lrnn_model_copy_parameter(d.parameters, count, d.model, NULL), LRNN_OK);
    d.features = draw_all(1, d.rows * F);
    d.values = draw_all(2, of.loss == LRNN_LOSS_SQUARED_ERROR ? d.rows * of.outputs : 1);
    d.weights = draw_all(3, d.rows);
    d.targets = malloc(d.rows * sizeof *d.targets);
    d.lengths = malloc(of.batch * sizeof *d.lengths);
    for (size_t i = 0; i < d.rows; i++) {
        d.weights[i] = i % 7 == 3 ? 0 : fabsf(d.weights[i]);
        d.targets[i] = i % 11 == 5 ? -1 : (int32_t)(i * 7919 % of.outputs);
    }
    for (size_t b = 0; b < of.batch; b++) {
        d.lengths[b] = (int32_t)(b % 3 == 1 && of.steps > 1 ? of.steps - 1 : of.steps);
    }
    return d;
}

static void head_data_destroy(head_data *d)
{
    lrnn_model_destroy(d->model);
    free(d->parameters);
    free(d->features);
    free(d->values);
    free(d->weights);
    free(d->targets);
    free(d->lengths);
}

/* Returns the loss sum; gradients of weight and bias. */
static double train_once(const head_data *d, size_t threads, float *gradients)
{
    lrnn_trainer_options options;
    lrnn_trainer *trainer;
    lrnn_sequences s;
    lrnn_train_result result;
    float *lent;
    size_t count;
    assert_int_equal(lrnn_trainer_options_init(&options, sizeof options), LRNN_OK);
    options.batch = d->of.batch;
    options.steps = d->of.steps;
    options.threads = threads;
    options.loss = d->of.loss;
    options.label_smoothing = d->of.smoothing;
    options.reduction = LRNN_REDUCTION_SUM;
    assert_int_equal(lrnn_trainer_create(&trainer, d->model, &options), LRNN_OK);
    assert_int_equal(lrnn_sequences_init(&s, sizeof s), LRNN_OK);
    s.batch = d->of.batch;
    s.steps = d->of.steps;
    s.features = d->features;
    s.lengths = d->lengths;
    s.targets = d->targets;
    s.target_values = d->of.loss == LRNN_LOSS_SQUARED_ERROR ? d->values : NULL;
    s.weights = d->weights;
    assert_int_equal(lrnn_train_result_init(&result, sizeof result), LRNN_OK);
    assert_int_equal(lrnn_trainer_forward(trainer, &s, &result), LRNN_OK);
    assert_int_equal(lrnn_trainer_backward(trainer, NULL), LRNN_OK);
    assert_int_equal(lrnn_trainer_get_gradients(&lent, &count, trainer), LRNN_OK);
    memcpy(gradients, lent, count * sizeof *gradients);
    lrnn_trainer_destroy(trainer);
    return result.loss_sum;
}

/* y becomes the gradient of the row's loss, which is returned. */
static double plain_row(const head_data *d, size_t row, double *y)
{
    size_t O = d->of.outputs;
    double e = d->of.smoothing, greatest = -INFINITY, sum = 0, loss = 0;
    if (d->of.loss == LRNN_LOSS_SQUARED_ERROR) {
        for (size_t o = 0; o < O; o++) {
            double difference = y[o] - (double)d->values[row * O + o];
            loss += difference * difference / (double)O;
            y[o] = 2 * difference / (double)O;
        }
        return loss;
    }
    for (size_t o = 0; o < O; o++) {
        greatest = y[o] > greatest ? y[o] : greatest;
    }
    for (size_t o = 0; o < O; o++) {
        sum += exp(y[o] - greatest);
    }
    double log_sum = greatest + log(sum);
    for (size_t o = 0; o < O; o++) {
        double share = e / (double)O + (o == (size_t)d->targets[row] ? 1 - e : 0);
        loss += share * (log_sum - y[o]);
        y[o] = exp(y[o] - log_sum) - share;
    }
    return loss;
}

static double plain(const head_data *d, double *gradients)
{
    size_t O = d->of.outputs;
    double loss = 0, *y = malloc(O * sizeof *y);
    memset(gradients, 0, O * (F + 1) * sizeof *gradients);
    for (size_t row = 0; row < d->rows; row++) {
        bool idle = (int32_t)(row % d->of.steps) >= d->lengths[row / d->of.steps];
        bool ignored = d->of.loss == LRNN_LOSS_CROSS_ENTROPY && d->targets[row] < 0;
        double weight = idle || ignored ? 0 : (double)d->weights[row];
        if (weight == 0) {
            continue;
        }
        for (size_t o = 0; o < O; o++) {
            y[o] = (double)d->parameters[O * F + o];
            for (size_t f = 0; f < F; f++) {
                y[o] += (double)d->parameters[o * F + f] * (double)d->features[row * F + f];
            }
        }
        loss += weight * plain_row(d, row, y);
        for (size_t o = 0; o < O; o++) {
            gradients[O * F + o] += weight * y[o];
            for (size_t f = 0; f < F; f++) {
                gradients[o * F + f] += weight * y[o] * (double)d->features[row * F + f];
            }
        }
    }
    free(y);
    return loss;
}

static void check(head_case of)
{
    head_data d = head_data_create(of);
    size_t count = of.outputs * (F + 1);
    double *expected = malloc(count * sizeof *expected);
    float *found = malloc(count * sizeof *found), *again = malloc(count * sizeof *again);
    double loss = plain(&d, expected), most = 0;
    double sum = train_once(&d, 1, found);
    assert_true(fabs(sum - loss) <= 1e-6 * loss);
    for (size_t i = 0; i < count; i++) {
        most = fabs(expected[i]) > most ? fabs(expected[i]) : most;
    }
    for (size_t i = 0; i < count; i++) {
        if (!(fabs((double)found[i] - expected[i]) <= 2e-6 * most)) {
            fail_msg("gradient %zu of %zu outputs: expected %g, found %g", i, of.outputs,
                     expected[i], (double)found[i]);
        }
    }
    for (size_t threads = 2; threads <= 5; threads += 3) {
        assert_true(train_once(&d, threads, again) == sum);
        assert_memory_equal(again, found, count * sizeof *found);
    }
    free(expected);
    free(found);
    free(again);
    head_data_destroy(&d);
}

static void one_slice_is_judged_as_plain_sums_are(void **state)
{
    (void)state;
    check((head_case){3, 70, 97, 0, LRNN_LOSS_CROSS_ENTROPY});
    check((head_case){1, 1, 1, 0, LRNN_LOSS_CROSS_ENTROPY});
    check((head_case){7, 9, 1000, 0.1, LRNN_LOSS_CROSS_ENTROPY});
    check((head_case){7, 9, 30, 0, LRNN_LOSS_SQUARED_ERROR});
}

static void many_slices_are_judged_as_plain_sums_are(void **state)
{
    (void)state;
    check((head_case){3, 70, 1025, 0, LRNN_LOSS_CROSS_ENTROPY});
    check((head_case){2, 5, 7000, 0.2, LRNN_LOSS_CROSS_ENTROPY});
    check((head_case){3, 40, 1600, 0, LRNN_LOSS_SQUARED_ERROR});
}

static void many_blocks_are_judged_as_plain_sums_are(void **state)
{
    (void)state;
    check((head_case){11, 30, 20000, 0.1, LRNN_LOSS_CROSS_ENTROPY});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_slice_is_judged_as_plain_sums_are),
        cmocka_unit_test(many_slices_are_judged_as_plain_sums_are),
        cmocka_unit_test(many_blocks_are_judged_as_plain_sums_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
