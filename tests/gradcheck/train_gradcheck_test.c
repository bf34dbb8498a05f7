/* Every gradient that a trainer computes against central differences, in double precision. The
 * public headers are a copy in which float is double. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lrnn.h"

enum { B = 3, T = 4, V = 5, F = 2, O = 4, H = 3 };

static const int32_t tokens[B * T] = {0, 1, 2, 3, 4, 3, 2, 1, 2, 2, 0, 4};
static const int32_t targets[B * T] = {1, 2, 3, -1, 0, 0, 1, 2, 3, 3, -1, 1};
static const int32_t lengths[B] = {4, 2, 3};

/* Labels for CTC with blank 1: none, one, and two equal ones, which need a blank between. */
enum { S = 2 };
static const int32_t labels[B * S] = {0, 3, 2, -7, 2, 2};
static const int32_t label_counts[B] = {2, 1, 2};

typedef struct setting {
    lrnn_model_options model;
    int32_t loss;
    int32_t reduction;
    double smoothing, activation_l2, temporal_l2;
    int use_lengths, use_weights, weigh_values, weigh_outputs;
    size_t recompute;
    int fresh; /* a new trainer each time: it draws the same dropout */
} setting;

static int reads_values(int32_t loss)
{
    return loss != LRNN_LOSS_NONE && loss != LRNN_LOSS_CROSS_ENTROPY && loss != LRNN_LOSS_CTC;
}

static double number(unsigned *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (double)(*seed >> 8) / 16777216.0 - 0.5;
}

static void fill(double *values, size_t count, unsigned seed)
{
    for (size_t i = 0; i < count; i++) {
        values[i] = number(&seed);
    }
}

typedef struct bench {
    lrnn_model *model;
    lrnn_trainer *trainer;
    lrnn_sequences window;
    double features[B * T * F], values[B * T * O], weights[B * T], value_weights[B * T * O];
    double h[64], c[64];
    double out[B * T * 8], final_h[64], final_c[64];
    size_t out_count, h_count, c_count, parameters;
    double theta[2000];
    setting s;
} bench;

static void make_trainer(bench *b)
{
    const setting *s = &b->s;
    lrnn_trainer_options o;
    lrnn_trainer_options_init(&o, sizeof o);
    o.batch = B;
    o.steps = T;
    o.loss = s->loss;
    o.reduction = s->reduction;
    o.label_smoothing = s->smoothing;
    o.activation_l2 = s->activation_l2;
    o.temporal_l2 = s->temporal_l2;
    o.threads = 2;
    o.recompute_steps = s->recompute;
    static const double output_weights[O] = {0.5, 2, 1.25, 0};
    if (s->weigh_outputs && s->loss == LRNN_LOSS_CROSS_ENTROPY) {
        o.class_weights = output_weights;
    } else if (s->weigh_outputs) {
        o.positive_weights = output_weights;
    }
    o.loss_transition = s->loss == LRNN_LOSS_HUBER || s->loss == LRNN_LOSS_SMOOTH_L1 ? 0.3 : 0;
    o.blank = s->loss == LRNN_LOSS_CTC ? 1 : 0;
    assert_int_equal(lrnn_trainer_create(&b->trainer, b->model, &o), LRNN_OK);
}

static void count_state(bench *b)
{
    const lrnn_model_options *o = &b->s.model;
    size_t rows = B * (o->bidirectional ? 2 : 1);
    for (size_t layer = 0; layer < o->layers; layer++) {
        size_t hidden = lrnn_model_hidden_size(b->model, layer);
        b->h_count += rows * (o->projection_size > 0 ? o->projection_size : hidden);
        b->c_count += o->cell == LRNN_CELL_LSTM ? rows * hidden : 0;
    }
    assert_true(b->h_count <= 64 && b->c_count <= 64);
}

static void set_up(bench *b, const setting *s)
{
    memset(b, 0, sizeof *b);
    b->s = *s;
    assert_int_equal(lrnn_model_create(&b->model, &s->model), LRNN_OK);
    make_trainer(b);
    fill(b->features, B * T * F, 1);
    fill(b->values, B * T * O, 2);
    fill(b->weights, B * T, 3);
    fill(b->h, 64, 4);
    fill(b->c, 64, 5);
    fill(b->out, B * T * 8, 6);
    fill(b->final_h, 64, 7);
    fill(b->final_c, 64, 8);
    for (int i = 0; i < B * T; i++) {
        b->weights[i] += 0.6;
    }
    lrnn_sequences_init(&b->window, sizeof b->window);
    b->window.batch = B;
    b->window.steps = T;
    b->window.tokens = s->model.vocab_size > 0 ? tokens : NULL;
    b->window.features = s->model.feature_size > 0 ? b->features : NULL;
    b->window.lengths = s->use_lengths ? lengths : NULL;
    fill(b->value_weights, B * T * O, 9);
    for (int i = 0; i < B * T * O; i++) {
        b->value_weights[i] = i % 5 == 0 ? 0 : b->value_weights[i] + 0.6;
        b->values[i] += s->loss == LRNN_LOSS_BINARY_CROSS_ENTROPY ? 0.4 : 0; /* some below 0 */
    }
    b->window.targets = s->loss == LRNN_LOSS_CROSS_ENTROPY ? targets : NULL;
    b->window.target_values = reads_values(s->loss) ? b->values : NULL;
    b->window.value_weights = s->weigh_values ? b->value_weights : NULL;
    if (s->loss == LRNN_LOSS_CTC) {
        b->window.targets = labels;
        b->window.target_steps = S;
        b->window.target_lengths = label_counts;
    }
    b->window.weights = s->use_weights ? b->weights : NULL;
    count_state(b);
    int steps = s->model.head == LRNN_HEAD_STEPS || s->model.head == LRNN_HEAD_NONE;
    b->out_count = (size_t)(B * (steps ? T : 1)) * lrnn_model_output_size(b->model);
    b->parameters = lrnn_model_parameter_count(b->model);
    assert_true(b->parameters < 2000);
    lrnn_model_copy_parameter(b->theta, 2000, b->model, NULL);
}

static void tear_down(bench *b)
{
    lrnn_trainer_destroy(b->trainer);
    lrnn_model_destroy(b->model);
}

/* The whole objective: the trainer's loss, a weighted sum of outputs and one of the final state. */
static double objective(bench *b)
{
    double *h = b->h_count ? b->h : NULL;
    double *c = b->c_count ? b->c : NULL;
    lrnn_train_result result;
    lrnn_train_result_init(&result, sizeof result);
    if (b->s.fresh || b->s.model.dropout > 0) { /* the masks of the first window again */
        lrnn_trainer_destroy(b->trainer);
        make_trainer(b);
    }
    assert_int_equal(lrnn_trainer_set_parameter(b->trainer, NULL, b->theta, b->parameters),
                     LRNN_OK);
    if (b->s.model.learned_state) {
        assert_int_equal(lrnn_trainer_reset_state(b->trainer), LRNN_OK);
    } else if (h != NULL) {
        assert_int_equal(lrnn_trainer_import_state(b->trainer, h, c, B), LRNN_OK);
    }
    assert_int_equal(lrnn_trainer_forward(b->trainer, &b->window, &result), LRNN_OK);
    double total = 0;
    if (b->s.loss != LRNN_LOSS_NONE) {
        double divisors[] = {result.loss_weight, 1, B};
        total = result.loss_sum / divisors[b->s.reduction] + result.regularization;
    }
    double outputs[B * T * 8], final_h[64], final_c[64];
    assert_int_equal(lrnn_trainer_copy_outputs(outputs, B * T * 8, b->trainer), LRNN_OK);
    for (size_t i = 0; i < b->out_count; i++) {
        total += b->out[i] * outputs[i];
    }
    if (h != NULL) {
        lrnn_trainer_export_state(final_h, c != NULL ? final_c : NULL, b->trainer);
        for (size_t i = 0; i < b->h_count; i++) {
            total += b->final_h[i] * final_h[i];
        }
        for (size_t i = 0; i < b->c_count; i++) {
            total += b->final_c[i] * final_c[i];
        }
    }
    return total;
}

static void compare(bench *b, double *value, double gradient, const char *what, size_t index)
{
    const double step = 1e-6;
    double kept = *value;
    *value = kept + step;
    double up = objective(b);
    *value = kept - step;
    double down = objective(b);
    *value = kept;
    double expected = (up - down) / (2 * step);
    if (fabs(expected - gradient) > 1e-7 * (1 + fabs(expected))) {
        fail_msg("%s[%zu]: central difference %.10g, gradient %.10g (cell %d head %d layers %zu "
                 "bidirectional %d)",
                 what, index, expected, gradient, (int)b->s.model.cell, (int)b->s.model.head,
                 b->s.model.layers, (int)b->s.model.bidirectional);
    }
}

static void check(const setting *s)
{
    static bench b;
    set_up(&b, s);
    double dfeatures[B * T * F], dh[64], dc[64], gradients[2000];
    lrnn_backward back;
    lrnn_backward_init(&back, sizeof back);
    back.loss_scale = s->loss == LRNN_LOSS_NONE ? 0 : 1;
    back.outputs = b.out;
    if (b.h_count > 0) {
        back.final_h = b.final_h;
        back.final_c = b.c_count > 0 ? b.final_c : NULL;
        back.initial_h = dh;
        back.initial_c = b.c_count > 0 ? dc : NULL;
    }
    back.features = s->model.feature_size > 0 ? dfeatures : NULL;
    double *lent;
    lrnn_trainer_zero_gradients(b.trainer);
    objective(&b);
    assert_int_equal(lrnn_trainer_backward(b.trainer, &back), LRNN_OK);
    lrnn_trainer_get_gradients(&lent, NULL, b.trainer);
    memcpy(gradients, lent, b.parameters * sizeof *gradients);
    for (size_t i = 0; i < b.parameters; i++) {
        compare(&b, &b.theta[i], gradients[i], "parameter", i);
    }
    for (size_t i = 0; back.features != NULL && i < B * T * F; i++) {
        compare(&b, &b.features[i], dfeatures[i], "feature", i);
    }
    for (size_t i = 0; i < b.h_count && !s->model.learned_state; i++) {
        compare(&b, &b.h[i], dh[i], "initial h", i);
    }
    for (size_t i = 0; i < b.c_count && !s->model.learned_state; i++) {
        compare(&b, &b.c[i], dc[i], "initial c", i);
    }
    tear_down(&b);
}

static setting plain(int32_t cell)
{
    setting s;
    memset(&s, 0, sizeof s);
    lrnn_model_options_init(&s.model, sizeof s.model);
    s.model.vocab_size = V;
    s.model.embedding_size = 3;
    s.model.feature_size = F;
    s.model.hidden_size = H;
    s.model.output_size = O;
    s.model.cell = cell;
    s.loss = LRNN_LOSS_CROSS_ENTROPY;
    return s;
}

static void over_layers_and_directions(int32_t cell, size_t projection)
{
    for (size_t layers = 1; layers <= 2; layers++) {
        for (int32_t bidirectional = 0; bidirectional <= 1; bidirectional++) {
            for (int32_t head = LRNN_HEAD_NONE; head <= LRNN_HEAD_FINAL; head++) {
                setting s = plain(cell);
                s.model.layers = layers;
                s.model.projection_size = projection;
                s.model.bidirectional = bidirectional;
                s.model.head = head;
                s.loss = head == LRNN_HEAD_NONE ? LRNN_LOSS_NONE : LRNN_LOSS_CROSS_ENTROPY;
                s.use_lengths = 1;
                check(&s);
            }
        }
    }
}

static void rnn_tanh_gradients_are_central_differences(void **state)
{
    (void)state;
    over_layers_and_directions(LRNN_CELL_RNN_TANH, 0);
}

static void rnn_relu_gradients_are_central_differences(void **state)
{
    (void)state;
    over_layers_and_directions(LRNN_CELL_RNN_RELU, 0);
}

static void lstm_gradients_are_central_differences(void **state)
{
    (void)state;
    over_layers_and_directions(LRNN_CELL_LSTM, 0);
}

static void projected_lstm_gradients_are_central_differences(void **state)
{
    (void)state;
    over_layers_and_directions(LRNN_CELL_LSTM, 2);
}

static void gru_gradients_are_central_differences(void **state)
{
    (void)state;
    over_layers_and_directions(LRNN_CELL_GRU, 0);
}

static void every_option_of_the_loss_has_the_right_gradient(void **state)
{
    (void)state;
    for (int option = 0; option < 6; option++) {
        setting s = plain(LRNN_CELL_LSTM);
        s.smoothing = option == 0 ? 0.1 : 0;
        s.use_weights = option == 1 || option == 3;
        s.reduction = option == 2   ? LRNN_REDUCTION_SUM
                      : option == 5 ? LRNN_REDUCTION_ROWS
                                    : LRNN_REDUCTION_MEAN;
        s.loss = option == 3 || option == 4 ? LRNN_LOSS_SQUARED_ERROR : LRNN_LOSS_CROSS_ENTROPY;
        s.use_lengths = option >= 4;
        check(&s);
    }
}

static void losses_of_values_have_the_right_gradient(void **state)
{
    (void)state;
    for (int32_t loss = LRNN_LOSS_SQUARED_ERROR; loss <= LRNN_LOSS_BINARY_CROSS_ENTROPY; loss++) {
        for (int option = 0; option < 5; option++) {
            setting s = plain(LRNN_CELL_GRU);
            s.loss = loss;
            s.model.head = option == 4 ? LRNN_HEAD_FINAL : LRNN_HEAD_STEPS;
            s.use_weights = option >= 1;
            s.use_lengths = option != 2;
            s.weigh_values = option == 1 || option == 4;
            s.weigh_outputs = option == 3 && loss == LRNN_LOSS_BINARY_CROSS_ENTROPY;
            s.reduction = option == 2 ? LRNN_REDUCTION_SUM : LRNN_REDUCTION_MEAN;
            s.recompute = option == 3 ? 3 : 0;
            check(&s);
        }
    }
}

static void class_weights_have_the_right_gradient(void **state)
{
    (void)state;
    for (int option = 0; option < 4; option++) {
        setting s = plain(LRNN_CELL_LSTM);
        s.weigh_outputs = 1;
        s.smoothing = option % 2 == 1 ? 0.2 : 0;
        s.use_weights = option >= 2;
        s.use_lengths = 1;
        check(&s);
    }
}

static void ctc_has_the_right_gradient(void **state)
{
    (void)state;
    for (int option = 0; option < 6; option++) {
        setting s = plain(option % 2 == 0 ? LRNN_CELL_LSTM : LRNN_CELL_GRU);
        s.loss = LRNN_LOSS_CTC;
        s.model.bidirectional = option == 1;
        s.use_lengths = option != 2;
        s.use_weights = option == 3;
        s.reduction = option == 4 ? LRNN_REDUCTION_SUM : LRNN_REDUCTION_MEAN;
        s.recompute = option == 5 ? 3 : 0;
        check(&s);
    }
}

static void every_kind_of_input_has_the_right_gradient(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        setting s = plain(LRNN_CELL_GRU);
        s.model.vocab_size = kind == 0 ? 0 : V;
        s.model.embedding_size = kind == 1 ? 0 : 3;
        s.model.feature_size = kind == 2 ? 0 : F;
        s.model.bias = kind == 3 ? 0 : 1;
        check(&s);
    }
}

static void a_model_without_recurrence_has_the_right_gradient(void **state)
{
    (void)state;
    for (int32_t head = LRNN_HEAD_STEPS; head <= LRNN_HEAD_LAST; head++) {
        setting s = plain(LRNN_CELL_LSTM);
        s.model.layers = 0;
        s.model.head = head;
        s.use_lengths = 1;
        check(&s);
    }
}

static void recomputed_gradients_are_central_differences(void **state)
{
    (void)state;
    for (int32_t cell = LRNN_CELL_RNN_TANH; cell <= LRNN_CELL_GRU; cell++) {
        for (int32_t head = LRNN_HEAD_NONE; head <= LRNN_HEAD_FINAL; head++) {
            for (size_t recompute = 1; recompute <= 3; recompute++) {
                setting s = plain(cell);
                s.model.layers = 2;
                s.model.head = head;
                s.model.projection_size = cell == LRNN_CELL_LSTM && recompute == 3 ? 2 : 0;
                s.loss = head == LRNN_HEAD_NONE ? LRNN_LOSS_NONE : LRNN_LOSS_CROSS_ENTROPY;
                s.use_lengths = 1;
                s.recompute = recompute;
                check(&s);
            }
        }
    }
}

static void tied_weights_have_the_sum_of_both_gradients(void **state)
{
    (void)state;
    for (int option = 0; option < 6; option++) {
        setting s = plain(option % 2 == 0 ? LRNN_CELL_LSTM : LRNN_CELL_GRU);
        s.model.output_size = V;
        s.model.tied_weights = 1;
        s.model.layers = option == 4 ? 0 : 2;
        s.model.feature_size = option == 4 ? 0 : F;
        s.model.bidirectional = option == 1;
        s.model.projection_size = option == 2 ? 2 : 0;
        s.model.embedding_size = option == 1 ? 2 * H : option == 2 ? 2 : H;
        s.model.head = option == 5 ? LRNN_HEAD_FINAL : LRNN_HEAD_STEPS;
        s.use_lengths = 1;
        s.recompute = option == 3 || option == 5 ? 3 : 0;
        check(&s);
    }
}

/* Two tails, of which the targets 1, 2 and 3 are in both; class 3 has weight 0. */
static void an_adaptive_softmax_has_the_right_gradient(void **state)
{
    (void)state;
    for (int option = 0; option < 10; option++) {
        setting s = plain(option % 2 == 0 ? LRNN_CELL_LSTM : LRNN_CELL_GRU);
        s.model.cutoffs[0] = 1;
        s.model.cutoffs[1] = option == 3 ? 0 : option == 4 ? 3 : 2;
        s.model.div_value = option == 5 ? 1 : option == 9 ? 1.7 : 1.2;
        s.model.adaptive_bias = option != 1;
        s.model.layers = option == 6 ? 0 : 2;
        s.model.bidirectional = option == 7;
        s.model.dropout = option == 8 ? 0.3 : 0;
        s.model.head = option == 5 ? LRNN_HEAD_LAST : option == 7 ? LRNN_HEAD_FINAL : s.model.head;
        s.loss = option == 2 ? LRNN_LOSS_NONE : s.loss;
        s.use_weights = option == 4 || option == 8;
        s.weigh_outputs = option == 4 || option == 9;
        s.reduction = option == 9 ? LRNN_REDUCTION_SUM : s.reduction;
        s.use_lengths = option != 0;
        s.recompute = option == 3 || option == 8 ? 3 : 0;
        check(&s);
    }
}

static void dropped_out_gradients_are_central_differences(void **state)
{
    (void)state;
    for (int32_t cell = LRNN_CELL_RNN_TANH; cell <= LRNN_CELL_GRU; cell++) {
        for (int option = 0; option < 3; option++) {
            setting s = plain(cell);
            s.model.layers = 3;
            s.model.dropout = 0.4;
            s.model.bidirectional = option == 1;
            s.model.projection_size = cell == LRNN_CELL_LSTM && option == 2 ? 2 : 0;
            s.recompute = option == 2 ? 3 : 0;
            s.use_lengths = 1;
            check(&s);
        }
    }
}

static void dropped_nets_have_the_right_gradient(void **state)
{
    (void)state;
    for (int option = 0; option < 10; option++) {
        setting s = plain(option % 2 == 0 ? LRNN_CELL_LSTM : LRNN_CELL_GRU);
        s.fresh = 1;
        s.model.layers = option == 7 ? 0 : 2;
        s.model.input_dropout = option == 0 || option >= 4 ? 0.4 : 0;
        s.model.output_dropout = option == 1 || (option >= 4 && option != 7) ? 0.3 : 0;
        s.model.embedding_dropout = option == 2 || option >= 4 ? 0.5 : 0;
        s.model.dropout = option >= 3 ? 0.25 : 0;
        s.model.locked_dropout = option == 3 || option >= 5;
        s.model.bidirectional = option == 6;
        s.model.head = option == 8 ? LRNN_HEAD_LAST : LRNN_HEAD_STEPS;
        s.model.projection_size = option == 8 ? 2 : 0;
        s.use_lengths = option != 4;
        s.recompute = option == 4 || option == 5 || option == 8 ? 3 : 0;
        if (option == 9) {
            s.model.tied_weights = 1;
            s.model.embedding_size = H;
            s.model.output_size = V;
        }
        check(&s);
    }
}

static void nets_of_dropped_weights_have_the_right_gradient(void **state)
{
    (void)state;
    for (int32_t cell = LRNN_CELL_RNN_TANH; cell <= LRNN_CELL_GRU; cell++) {
        for (int option = 0; option < 3; option++) {
            setting s = plain(cell);
            s.fresh = 1;
            s.model.layers = 2;
            s.model.weight_dropout = 0.4;
            s.model.bidirectional = option == 1;
            s.model.projection_size = cell == LRNN_CELL_LSTM && option == 2 ? 2 : 0;
            s.model.dropout = option == 2 ? 0.3 : 0;
            s.recompute = option == 2 ? 3 : 0;
            s.use_lengths = 1;
            check(&s);
        }
    }
}

/* Everything at once, and in each setting some of it less. */
static void nets_with_stages_have_the_right_gradient(void **state)
{
    (void)state;
    static const int32_t kinds[] = {LRNN_ACTIVATION_NONE, LRNN_ACTIVATION_SIGMOID,
                                    LRNN_ACTIVATION_TANH};
    for (int32_t cell = LRNN_CELL_RNN_TANH; cell <= LRNN_CELL_GRU; cell++) {
        for (int option = 0; option < 8; option++) {
            setting s = plain(cell);
            s.model.initial_range = 0.5;
            s.model.layers = option == 6 ? 0 : 2;
            s.model.layer_norm = option != 1 && option != 6;
            s.model.residual = option != 2 && option != 6;
            s.model.learned_state = option != 3 && option != 6;
            s.model.input_layer_size = option == 4 ? 0 : 3;
            s.model.input_layer_activation = option == 4 ? 0 : kinds[option % 3];
            s.model.head_layer_size = option == 5 ? 0 : 4;
            s.model.head_layer_activation = option == 5 ? 0 : kinds[(option + 1) % 3];
            s.model.bidirectional = option == 3;
            s.model.projection_size = cell == LRNN_CELL_LSTM && option == 4 ? 2 : 0;
            s.model.head = option == 2   ? LRNN_HEAD_LAST
                           : option == 5 ? LRNN_HEAD_FINAL
                                         : LRNN_HEAD_STEPS;
            s.fresh = option >= 4;
            s.model.dropout = option >= 4 && option != 6 ? 0.3 : 0;
            s.model.input_dropout = option >= 4 ? 0.3 : 0;
            s.activation_l2 = option == 4 || option == 7 ? 2 : 0;
            s.temporal_l2 = option == 4 || option == 7 ? 1.5 : 0;
            s.use_lengths = option != 0;
            s.recompute = option == 1 || option == 7 ? 3 : option == 2 ? 1 : 0;
            s.model.cutoffs[0] = option == 0 || option == 7 ? 2 : 0;
            s.model.div_value = s.model.cutoffs[0] > 0 ? 2 : 0;
            check(&s);
        }
    }
}

static void losses_of_activated_outputs_have_the_right_gradient(void **state)
{
    (void)state;
    for (int32_t loss = LRNN_LOSS_SQUARED_ERROR; loss <= LRNN_LOSS_BINARY_CROSS_ENTROPY; loss++) {
        for (int option = 0; option < 2; option++) {
            setting s = plain(LRNN_CELL_GRU);
            bool binary = loss == LRNN_LOSS_BINARY_CROSS_ENTROPY;
            s.loss = loss;
            s.model.output_activation =
                option == 0 || binary ? LRNN_ACTIVATION_SIGMOID : LRNN_ACTIVATION_TANH;
            s.model.head = option == 0 ? LRNN_HEAD_STEPS : LRNN_HEAD_LAST;
            s.use_weights = option == 0;
            s.weigh_values = option == 1;
            s.use_lengths = 1;
            check(&s);
        }
    }
}

static void regularized_nets_have_the_right_gradient(void **state)
{
    (void)state;
    for (int32_t cell = LRNN_CELL_RNN_TANH; cell <= LRNN_CELL_GRU; cell++) {
        for (int option = 0; option < 7; option++) {
            setting s = plain(cell);
            s.fresh = option == 3 || option == 6;
            s.model.layers = option == 1 ? 1 : 2;
            s.activation_l2 = option == 1 ? 0 : 2;
            s.temporal_l2 = option == 2 ? 0 : 1.5;
            s.model.output_dropout = s.fresh ? 0.4 : 0;
            s.model.bidirectional = option == 4;
            s.model.projection_size = cell == LRNN_CELL_LSTM && option == 5 ? 2 : 0;
            s.model.head = option == 2   ? LRNN_HEAD_FINAL
                           : option == 6 ? LRNN_HEAD_LAST
                                         : LRNN_HEAD_STEPS;
            s.reduction = option == 0 ? LRNN_REDUCTION_SUM : LRNN_REDUCTION_MEAN;
            s.recompute = option == 1 || option == 6 ? 3 : option == 5 ? 1 : 0;
            s.use_lengths = option != 0;
            check(&s);
        }
    }
}

/* A wide layer first, last and in between, with whatever works on a layer's outputs or weights. */
static void layers_of_different_sizes_have_the_right_gradient(void **state)
{
    (void)state;
    static const size_t sizes[3][3] = {{4, 3, 2}, {2, 3, 4}, {3, 4, 2}};
    for (int32_t cell = LRNN_CELL_RNN_TANH; cell <= LRNN_CELL_GRU; cell++) {
        for (int option = 0; option < 6; option++) {
            setting s = plain(cell);
            s.fresh = option >= 2;
            s.model.layers = 3;
            memcpy(s.model.hidden_sizes, sizes[option % 3], sizeof sizes[0]);
            s.model.bidirectional = option == 1;
            s.model.head = option == 1   ? LRNN_HEAD_FINAL
                           : option == 4 ? LRNN_HEAD_LAST
                           : option == 5 ? LRNN_HEAD_NONE
                                         : LRNN_HEAD_STEPS;
            s.loss = option == 5 ? LRNN_LOSS_NONE : s.loss;
            s.model.layer_norm = option == 0 || option == 4;
            s.model.learned_state = option == 4;
            s.model.input_layer_size = option == 4 ? 5 : 0;
            s.model.projection_size = cell == LRNN_CELL_LSTM && option == 5 ? 1 : 0;
            s.model.dropout = option >= 2 ? 0.3 : 0;
            s.model.locked_dropout = option == 3;
            s.model.weight_dropout = option >= 2 ? 0.4 : 0;
            s.model.output_dropout = option == 2 || option == 3 ? 0.3 : 0;
            s.activation_l2 = option == 2 || option == 3 ? 2 : 0;
            s.temporal_l2 = option == 2 || option == 3 ? 1.5 : 0;
            s.model.cutoffs[0] = option == 4 ? 2 : 0;
            if (option == 3) {
                s.model.tied_weights = 1;
                s.model.embedding_size = sizes[0][2];
                s.model.output_size = V;
            }
            s.recompute = option == 2 ? 1 : option == 3 || option == 5 ? 3 : 0;
            s.use_lengths = option != 0;
            check(&s);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rnn_tanh_gradients_are_central_differences),
        cmocka_unit_test(rnn_relu_gradients_are_central_differences),
        cmocka_unit_test(lstm_gradients_are_central_differences),
        cmocka_unit_test(projected_lstm_gradients_are_central_differences),
        cmocka_unit_test(gru_gradients_are_central_differences),
        cmocka_unit_test(every_option_of_the_loss_has_the_right_gradient),
        cmocka_unit_test(losses_of_values_have_the_right_gradient),
        cmocka_unit_test(class_weights_have_the_right_gradient),
        cmocka_unit_test(ctc_has_the_right_gradient),
        cmocka_unit_test(every_kind_of_input_has_the_right_gradient),
        cmocka_unit_test(recomputed_gradients_are_central_differences),
        cmocka_unit_test(dropped_out_gradients_are_central_differences),
        cmocka_unit_test(a_model_without_recurrence_has_the_right_gradient),
        cmocka_unit_test(tied_weights_have_the_sum_of_both_gradients),
        cmocka_unit_test(an_adaptive_softmax_has_the_right_gradient),
        cmocka_unit_test(dropped_nets_have_the_right_gradient),
        cmocka_unit_test(nets_of_dropped_weights_have_the_right_gradient),
        cmocka_unit_test(nets_with_stages_have_the_right_gradient),
        cmocka_unit_test(losses_of_activated_outputs_have_the_right_gradient),
        cmocka_unit_test(regularized_nets_have_the_right_gradient),
        cmocka_unit_test(layers_of_different_sizes_have_the_right_gradient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
