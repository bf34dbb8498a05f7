/* Making models and asking them: options, given tensors, parameters by name and by index. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/expect.h"
#include "lrnn.h"

enum { V = 5, E = 3, H = 4, L = 2, O = 6 };

static lrnn_model_options small(void)
{
    lrnn_model_options options;
    EXPECT_OK(lrnn_model_options_init(&options, sizeof options));
    options.vocab_size = V;
    options.embedding_size = E;
    options.hidden_size = H;
    options.layers = L;
    options.output_size = O;
    return options;
}

static lrnn_model *create(const lrnn_model_options *options)
{
    lrnn_model *model;
    EXPECT_OK(lrnn_model_create(&model, options));
    return model;
}

static lrnn_vocab *labels(size_t count)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    lrnn_vocab *vocab;
    EXPECT_OK(lrnn_vocab_create_from_labels(&vocab, names, count, NULL));
    return vocab;
}

/* ---- options ---- */

static void structs_of_another_size_are_refused(void **state)
{
    (void)state;
    EXPECT_SIZE_RULES(lrnn_sequences);
    EXPECT_SIZE_RULES(lrnn_model_options);
    EXPECT_SIZE_RULES(lrnn_tensor);
    EXPECT_SIZE_RULES(lrnn_parameter);
    EXPECT_SIZE_RULES(lrnn_import_options);
    EXPECT_SIZE_RULES(lrnn_export_options);
    lrnn_model_options options = small();
    lrnn_model *model;
    EXPECT_SIZE_CHECKED(&options, lrnn_model_options, lrnn_model_create(&model, &options));
    assert_null(model);
    EXPECT_SIZE_CHECKED(&options, lrnn_model_options,
                        lrnn_model_create_from_tensors(&model, &options, NULL, 0));
    model = create(&options);
    EXPECT_SIZE_CHECKED(&options, lrnn_model_options, lrnn_model_get_options(&options, model));
    lrnn_parameter parameter;
    EXPECT_OK(lrnn_parameter_init(&parameter, sizeof parameter));
    EXPECT_SIZE_CHECKED(&parameter, lrnn_parameter, lrnn_model_get_parameter(&parameter, model, 0));
    EXPECT_SIZE_CHECKED(&parameter, lrnn_parameter,
                        lrnn_model_find_parameter(&parameter, model, "head.bias"));
    lrnn_model_destroy(model);
}

static void the_defaults_are_the_documented_ones(void **state)
{
    (void)state;
    lrnn_model_options options;
    EXPECT_OK(lrnn_model_options_init(&options, sizeof options));
    lrnn_model_options expected = {
        .size = sizeof options,
        .vocab_size = LRNN_AUTO,
        .embedding_size = 64,
        .hidden_size = 128,
        .layers = 1,
        .output_size = LRNN_AUTO,
        .cell = LRNN_CELL_LSTM,
        .head = LRNN_HEAD_STEPS,
        .bias = 1,
        .seed = 1,
        .padding_token = -1,
    };
    assert_memory_equal(&options, &expected, sizeof options);
    lrnn_sequences sequences, nothing = {.size = sizeof sequences};
    EXPECT_OK(lrnn_sequences_init(&sequences, sizeof sequences));
    assert_memory_equal(&sequences, &nothing, sizeof sequences);
    lrnn_tensor tensor, no_tensor = {.size = sizeof tensor};
    EXPECT_OK(lrnn_tensor_init(&tensor, sizeof tensor));
    assert_memory_equal(&tensor, &no_tensor, sizeof tensor);
    lrnn_parameter parameter, no_parameter = {.size = sizeof parameter};
    EXPECT_OK(lrnn_parameter_init(&parameter, sizeof parameter));
    assert_memory_equal(&parameter, &no_parameter, sizeof parameter);
}

static void refuse_at(const lrnn_model_options *options, const char *const *words, int line)
{
    lrnn_model *model = (lrnn_model *)(uintptr_t)options;
    lrnn_allocator_init(NULL, 0);
    expect_failure_at(lrnn_model_create(&model, options), LRNN_ERR_INVALID, words,
                      "lrnn_model_create", __FILE__, line);
    assert_null(model);
}

/* With one field changed, and the words that the line of detail must have. */
#define REFUSE(field, value, ...)                                                                  \
    do {                                                                                           \
        const char *const words[] = {#field, __VA_ARGS__, NULL};                                   \
        lrnn_model_options changed = small();                                                      \
        changed.field = value;                                                                     \
        refuse_at(&changed, words, __LINE__);                                                      \
    } while (0)

#define TOO_LARGE ((size_t)INT32_MAX + 1)

static void a_field_out_of_range_is_named_with_both_values(void **state)
{
    (void)state;
    REFUSE(vocab_size, TOO_LARGE, "expected 0..2147483647", "found 2147483648");
    REFUSE(embedding_size, TOO_LARGE, "found 2147483648");
    REFUSE(feature_size, TOO_LARGE, "found 2147483648");
    REFUSE(hidden_size, 0, "expected 1..", "found 0");
    REFUSE(hidden_size, TOO_LARGE, "found 2147483648");
    REFUSE(layers, 1025, "expected 0..1024", "found 1025");
    REFUSE(output_size, 0, "expected 1..", "found 0");
    REFUSE(output_size, TOO_LARGE, "found 2147483648");
    REFUSE(cell, 4, "expected 0..3", "found 4");
    REFUSE(cell, -1, "found -1");
    REFUSE(head, 4, "expected 0..3", "found 4");
    REFUSE(head, -1, "found -1");
    REFUSE(bidirectional, 2, "expected 0..1", "found 2");
    REFUSE(bias, -1, "expected 0..1", "found -1");
    REFUSE(dropout, 1, "expected 0 <= dropout < 1", "found 1");
    REFUSE(dropout, -0.5, "found -0.5");
    REFUSE(dropout, (double)NAN, "found");
    REFUSE(projection_size, H, "hidden_size", "expected 1..3", "found 4");
    REFUSE(padding_token, V, "expected -1..4", "found 5");
    REFUSE(padding_token, -2, "found -2");
    REFUSE(weight_type, 3, "expected 0..2", "found 3");
    REFUSE(weight_type, -1, "found -1");
}

static void fields_that_do_not_fit_are_both_named(void **state)
{
    (void)state;
    lrnn_vocab *vocab = labels(3);
    REFUSE(input_vocab, vocab, "vocab_size is 5", "has 3 tokens");
    REFUSE(output_vocab, vocab, "output_size is 6", "has 3 tokens");
    lrnn_model_options options = small();
    options.vocab_size = 0;
    refuse_at(&options, (const char *const[]){"vocab_size", "feature_size", NULL}, __LINE__);
    options.feature_size = 2;
    options.output_size = LRNN_AUTO;
    refuse_at(&options, (const char *const[]){"output_size", "vocab_size", NULL}, __LINE__);
    options.output_size = O;
    options.padding_token = 1;
    refuse_at(&options, (const char *const[]){"padding_token", "embedding", NULL}, __LINE__);
    options = small();
    options.layers = 0;
    options.head = LRNN_HEAD_NONE;
    refuse_at(&options, (const char *const[]){"layers", "head", NULL}, __LINE__);
    options.head = LRNN_HEAD_FINAL;
    refuse_at(&options, (const char *const[]){"layers", "head", NULL}, __LINE__);
    options = small();
    options.cell = LRNN_CELL_GRU;
    options.projection_size = 2;
    refuse_at(&options, (const char *const[]){"projection_size", "LSTM", NULL}, __LINE__);
    lrnn_vocab_destroy(vocab);
}

static void sizes_that_are_not_read_are_given_back_as_zero(void **state)
{
    (void)state;
    lrnn_model *model;
    lrnn_model_options options = small(), found = small();
    options.layers = 0;
    options.bidirectional = 1;
    options.dropout = 0;
    EXPECT_OK(lrnn_model_create(&model, &options));
    EXPECT_OK(lrnn_model_get_options(&found, model));
    assert_true(found.layers == 0 && found.hidden_size == 0 && found.bidirectional == 0);
    lrnn_model_destroy(model);
}

static void a_model_that_no_memory_can_hold_is_refused(void **state)
{
    (void)state;
    lrnn_model_options options = small();
    options.vocab_size = INT32_MAX;
    options.embedding_size = INT32_MAX;
    lrnn_model *model = (lrnn_model *)(uintptr_t)&options;
    EXPECT_FAILURE(lrnn_model_create(&model, &options), LRNN_ERR_MEMORY, "model");
    assert_null(model);
}

static void an_allocator_must_be_whole(void **state)
{
    (void)state;
    lrnn_allocator allocator;
    EXPECT_OK(lrnn_allocator_init(&allocator, sizeof allocator));
    lrnn_model_options options = small();
    options.allocator = &allocator;
    lrnn_model *model;
    EXPECT_SIZE_CHECKED(&allocator, lrnn_allocator, lrnn_model_create(&model, &options));
    allocator.release = NULL;
    EXPECT_FAILURE(lrnn_model_create(&model, &options), LRNN_ERR_INVALID, "allocator", "release");
    assert_null(model);
}

static void a_missing_argument_is_named(void **state)
{
    (void)state;
    lrnn_model_options options = small();
    lrnn_model *model = (lrnn_model *)(uintptr_t)&options;
    EXPECT_FAILURE(lrnn_model_create(NULL, &options), LRNN_ERR_INVALID, "model is NULL");
    EXPECT_FAILURE(lrnn_model_create(&model, NULL), LRNN_ERR_INVALID, "options is NULL");
    assert_null(model);
    EXPECT_FAILURE(lrnn_model_create_from_tensors(NULL, &options, NULL, 0), LRNN_ERR_INVALID,
                   "model is NULL");
    EXPECT_FAILURE(lrnn_model_create_from_tensors(&model, NULL, NULL, 0), LRNN_ERR_INVALID,
                   "options is NULL");
    EXPECT_FAILURE(lrnn_model_create_from_tensors(&model, &options, NULL, 1), LRNN_ERR_INVALID,
                   "tensors is NULL");
    EXPECT_FAILURE(lrnn_model_get_options(&options, NULL), LRNN_ERR_INVALID, "model is NULL");
    model = create(&options);
    EXPECT_FAILURE(lrnn_model_get_options(NULL, model), LRNN_ERR_INVALID, "options is NULL");
    lrnn_model_destroy(model);
    lrnn_model_destroy(NULL);
    assert_null(lrnn_model_share(NULL));
    assert_null(lrnn_model_input_vocab(NULL));
    assert_null(lrnn_model_output_vocab(NULL));
    assert_int_equal(lrnn_model_output_size(NULL), 0);
    assert_int_equal(lrnn_model_tensor_count(NULL), 0);
    assert_int_equal(lrnn_model_parameter_count(NULL), 0);
}

/* ---- made ---- */

static void a_seed_is_one_draw_of_the_parameters(void **state)
{
    (void)state;
    lrnn_model_options options = small();
    lrnn_model *one = create(&options), *same = create(&options);
    options.seed = 2;
    lrnn_model *other = create(&options);
    expect_same_parameters(one, same);
    size_t count;
    float *x = parameters_of(one, &count), *y = parameters_of(other, &count);
    size_t equal = 0;
    for (size_t i = 0; i < count; i++) {
        equal += x[i] == y[i];
    }
    assert_true(equal < count / 100);
    free(x);
    free(y);
    lrnn_model_destroy(one);
    lrnn_model_destroy(same);
    lrnn_model_destroy(other);
}

/* Mean and variance of a tensor, and its largest absolute value. */
static void measure(const lrnn_model *model, const char *name, double *mean, double *variance,
                    double *largest)
{
    lrnn_parameter parameter;
    EXPECT_OK(lrnn_parameter_init(&parameter, sizeof parameter));
    EXPECT_OK(lrnn_model_find_parameter(&parameter, model, name));
    float *values = malloc(parameter.count * sizeof *values);
    assert_non_null(values);
    EXPECT_OK(lrnn_model_copy_parameter(values, parameter.count, model, name));
    double sum = 0, squares = 0, n = (double)parameter.count;
    *largest = 0;
    for (size_t i = 0; i < parameter.count; i++) {
        double v = (double)values[i];
        sum += v;
        squares += v * v;
        *largest = fabs(v) > *largest ? fabs(v) : *largest;
    }
    *mean = sum / n;
    *variance = squares / n - *mean * *mean;
    free(values);
}

static void parameters_are_drawn_from_the_documented_distributions(void **state)
{
    (void)state;
    lrnn_model_options options = small();
    options.vocab_size = 80;
    options.embedding_size = 50;
    options.hidden_size = 25;
    options.output_size = 100;
    options.cell = LRNN_CELL_RNN_TANH;
    options.bidirectional = 1;
    lrnn_model *model = create(&options);
    double mean, variance, largest;
    measure(model, "embedding.weight", &mean, &variance, &largest); /* normal(0,1) */
    assert_true(fabs(mean) < 0.1 && fabs(variance - 1) < 0.1 && largest > 2.5 && largest < 6);
    measure(model, "rnn.weight_ih_l0", &mean, &variance, &largest); /* +-1/sqrt(25) */
    assert_true(fabs(mean) < 0.02 && fabs(variance - 0.04 / 3) < 0.0015);
    assert_true(largest <= 0.2 && largest > 0.19);
    measure(model, "head.weight", &mean, &variance, &largest); /* +-1/sqrt(50) */
    assert_true(fabs(mean) < 0.01 && fabs(variance - 0.02 / 3) < 0.0005);
    assert_true(largest <= sqrt(0.02) + 1e-8 && largest > 0.13);
    measure(model, "head.bias", &mean, &variance, &largest);
    assert_true(largest <= sqrt(0.02) + 1e-8 && largest > 0.1);
    lrnn_model_destroy(model);
}

static void get_options_resolves_sizes_and_lends_vocabularies(void **state)
{
    (void)state;
    lrnn_vocab *in = labels(4), *out = labels(7);
    lrnn_allocator allocator;
    EXPECT_OK(lrnn_allocator_init(&allocator, sizeof allocator));
    lrnn_model_options options = small(), found;
    options.allocator = &allocator;
    options.input_vocab = in;
    options.output_vocab = out;
    options.vocab_size = options.output_size = LRNN_AUTO;
    options.dropout = 0.25;
    options.cell = LRNN_CELL_GRU;
    lrnn_model *model = create(&options);
    lrnn_vocab_destroy(in);
    lrnn_vocab_destroy(out);
    EXPECT_OK(lrnn_model_options_init(&found, sizeof found));
    EXPECT_OK(lrnn_model_get_options(&found, model));
    options.allocator = NULL;
    options.vocab_size = 4;
    options.output_size = 7;
    assert_memory_equal(&found, &options, sizeof found);
    assert_ptr_equal(lrnn_model_input_vocab(model), in);
    assert_ptr_equal(lrnn_model_output_vocab(model), out);
    assert_int_equal(lrnn_vocab_size(lrnn_model_output_vocab(model)), 7);
    assert_int_equal(lrnn_model_output_size(model), 7);
    lrnn_model_destroy(model);

    options = small();
    options.output_size = LRNN_AUTO;
    model = create(&options);
    assert_int_equal(lrnn_model_output_size(model), V);
    assert_null(lrnn_model_input_vocab(model));
    assert_null(lrnn_model_output_vocab(model));
    lrnn_model_destroy(model);
}

static void without_a_head_the_output_is_as_wide_as_h(void **state)
{
    (void)state;
    lrnn_model_options options = small();
    options.head = LRNN_HEAD_NONE;
    options.bidirectional = 1;
    options.projection_size = 3;
    lrnn_model *model = create(&options);
    assert_int_equal(lrnn_model_output_size(model), 2 * 3);
    lrnn_model_destroy(model);
}

static void a_shared_model_lives_until_the_last_hold_goes(void **state)
{
    (void)state;
    lrnn_model_options options = small();
    lrnn_model *model = create(&options), *hold = lrnn_model_share(model);
    assert_ptr_equal(hold, model);
    lrnn_state *running;
    EXPECT_OK(lrnn_state_create(&running, model, NULL));
    lrnn_model_destroy(model);
    assert_int_equal(lrnn_model_output_size(hold), O);
    lrnn_model_destroy(hold);
    const int32_t token = 1;
    float outputs[O];
    EXPECT_OK(lrnn_state_step(running, &token, NULL, outputs));
    lrnn_state_destroy(running);
}

/* ---- parameters ---- */

typedef struct shape {
    const char *name;
    size_t rows, columns; /* no columns: rank 1 */
} shape;

static void expect_parameters(const lrnn_model *model, const shape *expected, size_t count)
{
    size_t offset = 0;
    assert_int_equal(lrnn_model_tensor_count(model), count);
    for (size_t i = 0; i < count; i++) {
        lrnn_parameter by_index, by_name;
        EXPECT_OK(lrnn_parameter_init(&by_index, sizeof by_index));
        EXPECT_OK(lrnn_parameter_init(&by_name, sizeof by_name));
        EXPECT_OK(lrnn_model_get_parameter(&by_index, model, i));
        EXPECT_OK(lrnn_model_find_parameter(&by_name, model, expected[i].name));
        assert_memory_equal(&by_index, &by_name, sizeof by_index);
        assert_string_equal(by_index.name, expected[i].name);
        assert_int_equal(by_index.rank, expected[i].columns > 0 ? 2 : 1);
        assert_int_equal(by_index.shape[0], expected[i].rows);
        assert_int_equal(by_index.shape[1], expected[i].columns);
        assert_int_equal(by_index.offset, offset);
        size_t values = expected[i].rows * (expected[i].columns > 0 ? expected[i].columns : 1);
        assert_int_equal(by_index.count, values);
        offset += values;
    }
    assert_int_equal(lrnn_model_parameter_count(model), offset);
}

static void parameters_lie_in_the_documented_order(void **state)
{
    (void)state;
    static const shape all[] = {
        {"embedding.weight", V, E},
        {"rnn.weight_ih_l0", 4 * H, E + 2},
        {"rnn.weight_hh_l0", 4 * H, 3},
        {"rnn.bias_ih_l0", 4 * H, 0},
        {"rnn.bias_hh_l0", 4 * H, 0},
        {"rnn.weight_hr_l0", 3, H},
        {"rnn.weight_ih_l0_reverse", 4 * H, E + 2},
        {"rnn.weight_hh_l0_reverse", 4 * H, 3},
        {"rnn.bias_ih_l0_reverse", 4 * H, 0},
        {"rnn.bias_hh_l0_reverse", 4 * H, 0},
        {"rnn.weight_hr_l0_reverse", 3, H},
        {"head.weight", O, 6},
        {"head.bias", O, 0},
    };
    static const shape few[] = {
        {"rnn.weight_ih_l0", 3 * H, V},
        {"rnn.weight_hh_l0", 3 * H, H},
        {"rnn.weight_ih_l1", 3 * H, H},
        {"rnn.weight_hh_l1", 3 * H, H},
    };
    lrnn_model_options options = small();
    options.layers = 1;
    options.feature_size = 2;
    options.projection_size = 3;
    options.bidirectional = 1;
    lrnn_model *model = create(&options);
    expect_parameters(model, all, sizeof all / sizeof *all);
    lrnn_model_destroy(model);
    options = small();
    options.cell = LRNN_CELL_GRU;
    options.embedding_size = 0;
    options.bias = 0;
    options.head = LRNN_HEAD_NONE;
    model = create(&options);
    expect_parameters(model, few, sizeof few / sizeof *few);
    lrnn_model_destroy(model);
}

static void what_is_no_parameter_is_refused(void **state)
{
    (void)state;
    lrnn_model_options options = small();
    lrnn_model *model = create(&options);
    lrnn_parameter parameter, before;
    EXPECT_OK(lrnn_parameter_init(&parameter, sizeof parameter));
    before = parameter;
    EXPECT_FAILURE(lrnn_model_get_parameter(&parameter, model, 11), LRNN_ERR_INVALID, "index",
                   "expected 0..10", "found 11");
    EXPECT_FAILURE(lrnn_model_get_parameter(NULL, model, 0), LRNN_ERR_INVALID, "parameter is NULL");
    EXPECT_FAILURE(lrnn_model_get_parameter(&parameter, NULL, 0), LRNN_ERR_INVALID,
                   "model is NULL");
    EXPECT_FAILURE(lrnn_model_find_parameter(&parameter, model, "head.biases"), LRNN_ERR_NOT_FOUND,
                   "head.biases");
    EXPECT_FAILURE(lrnn_model_find_parameter(NULL, model, "head.bias"), LRNN_ERR_INVALID,
                   "parameter is NULL");
    EXPECT_FAILURE(lrnn_model_find_parameter(&parameter, NULL, "head.bias"), LRNN_ERR_INVALID,
                   "model is NULL");
    EXPECT_FAILURE(lrnn_model_find_parameter(&parameter, model, NULL), LRNN_ERR_INVALID,
                   "name is NULL");
    assert_memory_equal(&parameter, &before, sizeof parameter);
    lrnn_model_destroy(model);
}

static void a_copy_is_the_parameters_part_of_the_flat_array(void **state)
{
    (void)state;
    lrnn_model_options options = small();
    lrnn_model *model = create(&options);
    size_t count;
    float *all = parameters_of(model, &count), part[4 * H * H + 1];
    lrnn_parameter parameter;
    EXPECT_OK(lrnn_parameter_init(&parameter, sizeof parameter));
    EXPECT_OK(lrnn_model_find_parameter(&parameter, model, "rnn.weight_hh_l1"));
    part[4 * H * H] = 77;
    EXPECT_OK(lrnn_model_copy_parameter(part, 4 * H * H + 1, model, "rnn.weight_hh_l1"));
    assert_memory_equal(part, all + parameter.offset, 4 * H * H * sizeof *part);
    assert_true(part[4 * H * H] == 77);

    part[0] = 77;
    EXPECT_FAILURE(lrnn_model_copy_parameter(part, 63, model, "rnn.weight_hh_l1"),
                   LRNN_ERR_TOO_SMALL, "rnn.weight_hh_l1", "64", "63");
    EXPECT_FAILURE(lrnn_model_copy_parameter(part, count - 1, model, NULL), LRNN_ERR_TOO_SMALL,
                   "values");
    assert_int_equal(strtoul(strpbrk(lrnn_last_error(), "0123456789"), NULL, 10), count);
    EXPECT_FAILURE(lrnn_model_copy_parameter(part, 64, model, "head"), LRNN_ERR_NOT_FOUND, "head");
    EXPECT_FAILURE(lrnn_model_copy_parameter(NULL, 64, model, NULL), LRNN_ERR_INVALID,
                   "values is NULL");
    EXPECT_FAILURE(lrnn_model_copy_parameter(part, 64, NULL, NULL), LRNN_ERR_INVALID,
                   "model is NULL");
    assert_true(part[0] == 77);
    free(all);
    lrnn_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(structs_of_another_size_are_refused),
        cmocka_unit_test(the_defaults_are_the_documented_ones),
        cmocka_unit_test(a_field_out_of_range_is_named_with_both_values),
        cmocka_unit_test(fields_that_do_not_fit_are_both_named),
        cmocka_unit_test(sizes_that_are_not_read_are_given_back_as_zero),
        cmocka_unit_test(a_model_that_no_memory_can_hold_is_refused),
        cmocka_unit_test(an_allocator_must_be_whole),
        cmocka_unit_test(a_missing_argument_is_named),
        cmocka_unit_test(a_seed_is_one_draw_of_the_parameters),
        cmocka_unit_test(parameters_are_drawn_from_the_documented_distributions),
        cmocka_unit_test(get_options_resolves_sizes_and_lends_vocabularies),
        cmocka_unit_test(without_a_head_the_output_is_as_wide_as_h),
        cmocka_unit_test(a_shared_model_lives_until_the_last_hold_goes),
        cmocka_unit_test(parameters_lie_in_the_documented_order),
        cmocka_unit_test(what_is_no_parameter_is_refused),
        cmocka_unit_test(a_copy_is_the_parameters_part_of_the_flat_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
