/* How initial parameters are drawn where the options say so: range, orthogonal matrices, biases. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/expect.h"
#include "../support/scratch.h"
#include "lrnn.h"

static lrnn_model_options small(int32_t cell)
{
    lrnn_model_options options;
    EXPECT_OK(lrnn_model_options_init(&options, sizeof options));
    options.vocab_size = 23;
    options.embedding_size = 17;
    options.hidden_size = 19;
    options.layers = 2;
    options.cell = cell;
    options.bidirectional = 1;
    options.padding_token = 3;
    return options;
}

/* All parameters of a new model with these options, to be freed. */
static float *draw(const lrnn_model_options *options, lrnn_model **model)
{
    EXPECT_OK(lrnn_model_create(model, options));
    size_t count = lrnn_model_parameter_count(*model);
    float *values = malloc(count * sizeof *values);
    assert_non_null(values);
    EXPECT_OK(lrnn_model_copy_parameter(values, count, *model, NULL));
    return values;
}

static lrnn_parameter tensor(const lrnn_model *model, size_t index)
{
    lrnn_parameter parameter;
    EXPECT_OK(lrnn_parameter_init(&parameter, sizeof parameter));
    EXPECT_OK(lrnn_model_get_parameter(&parameter, model, index));
    return parameter;
}

static void a_range_is_that_of_every_parameter(void **state)
{
    (void)state;
    for (int32_t cell = 0; cell <= LRNN_CELL_GRU; cell++) {
        lrnn_model_options options = small(cell);
        options.initial_range = 0.08;
        lrnn_model *model;
        float *values = draw(&options, &model);
        for (size_t i = 0; i < lrnn_model_tensor_count(model); i++) {
            lrnn_parameter t = tensor(model, i);
            double sum = 0, squares = 0, largest = 0;
            for (size_t k = t.offset; k < t.offset + t.count; k++) {
                sum += (double)values[k];
                squares += (double)values[k] * (double)values[k];
                largest = fmax(largest, fabs((double)values[k]));
            }
            double n = (double)t.count, padding = i == 0 ? 22.0 / 23 : 1;
            assert_true(largest < 0.0800001 && largest > 0.05);
            assert_true(fabs(sum / n) < 4 * 0.08 / sqrt(3 * n));
            assert_true(fabs(squares / n / (0.08 * 0.08 / 3 * padding) - 1) < 4 / sqrt(n));
        }
        for (size_t k = 0; k < options.embedding_size; k++) {
            assert_true(values[3 * options.embedding_size + k] == 0);
        }
        free(values);
        lrnn_model_destroy(model);
    }
}

/* Largest |row a . row b - (a == b)| of a [rows,columns] matrix, or of its columns. */
static double distance(const float *values, size_t rows, size_t columns)
{
    bool tall = rows > columns;
    size_t count = tall ? columns : rows, length = tall ? rows : columns;
    double worst = 0;
    for (size_t a = 0; a < count; a++) {
        for (size_t b = 0; b < count; b++) {
            double sum = a == b ? -1 : 0;
            for (size_t k = 0; k < length; k++) {
                size_t x = tall ? k * columns + a : a * columns + k;
                size_t y = tall ? k * columns + b : b * columns + k;
                sum += (double)values[x] * (double)values[y];
            }
            worst = fmax(worst, fabs(sum));
        }
    }
    return worst;
}

static void recurrent_matrices_are_orthogonal_and_nothing_else_changes(void **state)
{
    (void)state;
    for (int32_t cell = 0; cell <= LRNN_CELL_GRU + 1; cell++) {
        bool projected = cell > LRNN_CELL_GRU;
        lrnn_model_options options = small(projected ? LRNN_CELL_LSTM : cell);
        options.projection_size = projected ? 7 : 0;
        lrnn_model *model, *plain;
        float *before = draw(&options, &plain);
        options.orthogonal = 1;
        float *values = draw(&options, &model);
        size_t found = 0;
        for (size_t i = 0; i < lrnn_model_tensor_count(model); i++) {
            lrnn_parameter t = tensor(model, i);
            if (strstr(t.name, "weight_hh") == NULL) {
                assert_memory_equal(values + t.offset, before + t.offset, t.count * sizeof *values);
                continue;
            }
            found++;
            for (size_t row = 0; row < t.shape[0]; row += options.hidden_size) {
                const float *gate = values + t.offset + row * t.shape[1];
                assert_true(distance(gate, options.hidden_size, t.shape[1]) < 1e-6);
                assert_true(fabs((double)gate[0]) < 0.999); /* not the identity */
            }
        }
        assert_int_equal(found, 4);
        free(values);
        free(before);
        lrnn_model_destroy(model);
        lrnn_model_destroy(plain);
    }
}

/* Nearly dependent vectors are what one pass alone would leave askew. */
static void large_matrices_are_orthogonal_too(void **state)
{
    (void)state;
    lrnn_model_options options = small(LRNN_CELL_RNN_TANH);
    options.hidden_size = 300;
    options.layers = 1;
    options.orthogonal = 1;
    lrnn_model *model;
    float *values = draw(&options, &model);
    lrnn_parameter t = tensor(model, 2);
    assert_string_equal(t.name, "rnn.weight_hh_l0");
    assert_true(distance(values + t.offset, 300, 300) < 1e-6);
    free(values);
    lrnn_model_destroy(model);
}

static void forget_gates_start_with_their_bias(void **state)
{
    (void)state;
    lrnn_model_options options = small(LRNN_CELL_LSTM);
    lrnn_model *model, *plain;
    float *before = draw(&options, &plain);
    options.forget_bias = 1.5;
    float *values = draw(&options, &model);
    size_t H = options.hidden_size, set = 0, count = lrnn_model_parameter_count(model);
    for (size_t i = 0; i < lrnn_model_tensor_count(model); i++) {
        lrnn_parameter t = tensor(model, i);
        if (strstr(t.name, "rnn.bias") == NULL) {
            continue;
        }
        float expected = strstr(t.name, "bias_ih") != NULL ? 1.5F : 0;
        for (size_t k = t.offset + H; k < t.offset + 2 * H; k++) {
            assert_true(values[k] == expected);
            before[k] = values[k];
            set++;
        }
    }
    assert_int_equal(set, 2 * 4 * H);
    assert_memory_equal(values, before, count * sizeof *values); /* all else is as it was */
    free(values);
    free(before);
    lrnn_model_destroy(model);
    lrnn_model_destroy(plain);
}

static void a_file_remembers_them(void **state)
{
    (void)state;
    lrnn_model_options options = small(LRNN_CELL_LSTM), loaded;
    options.initial_range = 0.1;
    options.forget_bias = -0.5;
    options.orthogonal = 1;
    lrnn_model *model, *again;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "initialization.lrnn");
    EXPECT_OK(lrnn_model_create(&model, &options));
    EXPECT_OK(lrnn_model_save(model, path));
    EXPECT_OK(lrnn_model_load(&again, path, NULL));
    EXPECT_OK(lrnn_model_options_init(&loaded, sizeof loaded));
    EXPECT_OK(lrnn_model_get_options(&loaded, again));
    assert_true(loaded.initial_range == 0.1 && loaded.forget_bias == -0.5);
    assert_int_equal(loaded.orthogonal, 1);
    lrnn_model_destroy(model);
    lrnn_model_destroy(again);
    scratch_destroy(&folder);
}

static void expect_refused(const lrnn_model_options *options, const char *words, int line)
{
    const char *const list[] = {words, NULL};
    lrnn_model *model = NULL;
    lrnn_allocator_init(NULL, 0);
    expect_failure_at(lrnn_model_create(&model, options), LRNN_ERR_INVALID, list,
                      "lrnn_model_create", __FILE__, line);
    assert_null(model);
}

#define REFUSE(cell_, words, ...)                                                                  \
    do {                                                                                           \
        lrnn_model_options options = small(cell_);                                                 \
        __VA_ARGS__;                                                                               \
        expect_refused(&options, words, __LINE__);                                                 \
    } while (0)

static void what_does_not_fit_is_refused_by_name(void **state)
{
    (void)state;
    REFUSE(LRNN_CELL_LSTM, "initial_range: expected a finite number of at least 0",
           options.initial_range = -0.1);
    REFUSE(LRNN_CELL_LSTM, "initial_range: ", options.initial_range = (double)NAN);
    REFUSE(LRNN_CELL_LSTM, "forget_bias: expected a finite number",
           options.forget_bias = (double)INFINITY);
    REFUSE(LRNN_CELL_GRU, "forget_bias: needs LSTM", options.forget_bias = 1);
    REFUSE(LRNN_CELL_RNN_TANH, "forget_bias: needs LSTM", options.forget_bias = 1);
    REFUSE(LRNN_CELL_RNN_RELU, "forget_bias: needs LSTM", options.forget_bias = 1);
    REFUSE(LRNN_CELL_LSTM, "forget_bias: needs LSTM layers with bias", options.forget_bias = 1,
           options.bias = 0);
    REFUSE(LRNN_CELL_LSTM, "forget_bias: needs LSTM layers", options.forget_bias = 1,
           options.layers = 0);
    REFUSE(LRNN_CELL_LSTM, "orthogonal: needs recurrent layers", options.orthogonal = 1,
           options.layers = 0);
    REFUSE(LRNN_CELL_LSTM, "orthogonal", options.orthogonal = 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_range_is_that_of_every_parameter),
        cmocka_unit_test(recurrent_matrices_are_orthogonal_and_nothing_else_changes),
        cmocka_unit_test(large_matrices_are_orthogonal_too),
        cmocka_unit_test(forget_gates_start_with_their_bias),
        cmocka_unit_test(a_file_remembers_them),
        cmocka_unit_test(what_does_not_fit_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
