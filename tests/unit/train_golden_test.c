/* Outputs, final states, losses and every gradient of a window, as PyTorch gives them, for a grid
 * of nets: cell x layers x directions x biases x projection x lengths x head, with each kind of
 * input; tests/golden/train_pytorch.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lrnn.h"
#include "support/golden_numbers.h"

#define TOLERANCE 1e-5

enum { B = 3, T = 5, V = 7, E = 4, F = 2, O = 6, ROOM = 16384 };

/* The largest hidden size, and the numbers in the state of six nets of it. */
enum { WIDEST = 17, STATE = 6 * B * WIDEST };

static const int32_t lengths[B] = {3, 5, 2};

enum { EMBEDDING, ONE_HOT, FEATURES, BOTH, TIED, ADAPTIVE };

typedef struct setting {
    int32_t cell, bidirectional, bias, uneven, head, projection;
    size_t layers, hidden;
    int inputs;
} setting;

typedef struct net {
    setting s;
    const safetensors *file;
    size_t index; /* in the file */
    lrnn_model *model;
    lrnn_trainer *trainer;
    lrnn_sequences window;
    int32_t tokens[B * T], targets[B * T];
    float features[B * T * F], h[STATE], c[STATE];
    size_t outputs, h_count, c_count;
} net;

static setting read_setting(const safetensors *file, size_t index)
{
    const tensor_view *all = safetensors_find(file, "settings");
    int64_t n[9];
    for (size_t i = 0; i < 9; i++) {
        n[i] = golden_integer(all, index * 9 + i);
    }
    return (setting){
        .cell = (int32_t)n[0],
        .layers = (size_t)n[1],
        .bidirectional = (int32_t)n[2],
        .bias = (int32_t)n[3],
        .uneven = (int32_t)n[4],
        .head = (int32_t)n[5],
        .inputs = (int)n[6],
        .projection = (int32_t)n[7],
        .hidden = (size_t)n[8],
    };
}

static size_t outputs_of(const net *n)
{
    return n->s.inputs == TIED ? V : O;
}

static void create_model(net *n)
{
    lrnn_model_options o;
    assert_int_equal(lrnn_model_options_init(&o, sizeof o), LRNN_OK);
    o.vocab_size = n->s.inputs == FEATURES ? 0 : V;
    o.embedding_size = n->s.inputs == ONE_HOT ? 0 : E;
    o.feature_size = n->s.inputs == FEATURES || n->s.inputs == BOTH ? F : 0;
    o.hidden_size = n->s.hidden;
    o.layers = n->s.layers;
    o.output_size = outputs_of(n);
    o.cell = n->s.cell;
    o.head = n->s.head;
    o.bidirectional = n->s.bidirectional;
    o.bias = n->s.bias;
    o.projection_size = (size_t)n->s.projection;
    if (n->s.inputs == TIED) {
        o.tied_weights = 1;
        o.embedding_size =
            (o.bidirectional ? 2 : 1) * (o.projection_size > 0 ? o.projection_size : o.hidden_size);
    }
    if (n->s.inputs == ADAPTIVE) {
        o.cutoffs[0] = 2;
        o.cutoffs[1] = 4;
        o.div_value = 2;
        o.adaptive_bias = o.bias;
    }
    assert_int_equal(lrnn_model_create(&n->model, &o), LRNN_OK);
}

static void create_trainer(net *n)
{
    float parameters[ROOM];
    size_t count = lrnn_model_parameter_count(n->model);
    lrnn_trainer_options o;
    assert_int_equal(lrnn_trainer_options_init(&o, sizeof o), LRNN_OK);
    o.batch = B;
    o.steps = T;
    o.loss = n->s.head == LRNN_HEAD_NONE ? LRNN_LOSS_NONE : LRNN_LOSS_CROSS_ENTROPY;
    assert_int_equal(lrnn_trainer_create(&n->trainer, n->model, &o), LRNN_OK);
    assert_true(count <= ROOM);
    golden_fill(parameters, 1, count);
    assert_int_equal(lrnn_trainer_set_parameter(n->trainer, NULL, parameters, count), LRNN_OK);
    lrnn_model_destroy(n->model);
    assert_int_equal(lrnn_trainer_snapshot(&n->model, n->trainer), LRNN_OK);
}

static void set_up(net *n, const safetensors *file, size_t index)
{
    memset(n, 0, sizeof *n);
    n->file = file;
    n->index = index;
    n->s = read_setting(file, index);
    create_model(n);
    create_trainer(n);
    size_t D = n->s.bidirectional ? 2 : 1,
           R = n->s.projection ? (size_t)n->s.projection : n->s.hidden;
    bool steps = n->s.head == LRNN_HEAD_NONE || n->s.head == LRNN_HEAD_STEPS;
    size_t items = steps ? B * T : B;
    n->outputs = items * lrnn_model_output_size(n->model);
    n->h_count = n->s.layers * D * B * R;
    n->c_count = n->s.cell == LRNN_CELL_LSTM ? n->s.layers * D * B * n->s.hidden : 0;
    golden_whole(n->tokens, 2, B * T, V, 0);
    golden_fill(n->features, 3, B * T * F);
    golden_fill(n->h, 4, n->h_count);
    golden_fill(n->c, 5, n->c_count);
    golden_whole(n->targets, 6, items, (int)outputs_of(n) + 1, -1);
    n->targets[0] = 1;
    lrnn_sequences_init(&n->window, sizeof n->window);
    n->window.batch = B;
    n->window.steps = T;
    n->window.tokens = n->s.inputs == FEATURES ? NULL : n->tokens;
    n->window.features = n->s.inputs == FEATURES || n->s.inputs == BOTH ? n->features : NULL;
    n->window.lengths = n->s.uneven ? lengths : NULL;
    n->window.targets = n->s.head == LRNN_HEAD_NONE ? NULL : n->targets;
}

static void tear_down(net *n)
{
    lrnn_trainer_destroy(n->trainer);
    lrnn_model_destroy(n->model);
}

static void expect(const net *n, const float *found, size_t count, const char *what)
{
    char name[64];
    snprintf(name, sizeof name, "%zu.%s", n->index, what);
    double difference = golden_difference_of(found, count, n->file, name);
    if (!(difference <= TOLERANCE)) {
        fail_msg("%s: %g from PyTorch's (cell %d, layers %zu, bidirectional %d, bias %d, lengths "
                 "%d, head %d, inputs %d, projection %d, hidden size %zu)",
                 name, difference, (int)n->s.cell, n->s.layers, (int)n->s.bidirectional,
                 (int)n->s.bias, (int)n->s.uneven, (int)n->s.head, (int)n->s.inputs,
                 (int)n->s.projection, n->s.hidden);
    }
}

/* The model that was published, run by a state. */
static void check_inference(const net *n)
{
    float outputs[ROOM], h[STATE], c[STATE];
    lrnn_state_options o;
    lrnn_state *state;
    lrnn_state_options_init(&o, sizeof o);
    o.batch = B;
    assert_int_equal(lrnn_state_create(&state, n->model, &o), LRNN_OK);
    assert_int_equal(lrnn_state_import(state, n->h, n->c_count > 0 ? n->c : NULL), LRNN_OK);
    assert_int_equal(lrnn_state_forward(state, &n->window, outputs), LRNN_OK);
    assert_int_equal(lrnn_state_export(h, n->c_count > 0 ? c : NULL, state), LRNN_OK);
    expect(n, outputs, n->outputs, "outputs");
    expect(n, h, n->h_count, "final_h");
    if (n->c_count > 0) {
        expect(n, c, n->c_count, "final_c");
    }
    lrnn_state_destroy(state);
}

static void check_forward(net *n)
{
    float outputs[ROOM], h[STATE], c[STATE];
    lrnn_train_result result;
    lrnn_train_result_init(&result, sizeof result);
    assert_int_equal(lrnn_trainer_import_state(n->trainer, n->h, n->c_count > 0 ? n->c : NULL, B),
                     LRNN_OK);
    assert_int_equal(lrnn_trainer_forward(n->trainer, &n->window, &result), LRNN_OK);
    assert_int_equal(lrnn_trainer_copy_outputs(outputs, ROOM, n->trainer), LRNN_OK);
    assert_int_equal(lrnn_trainer_export_state(h, n->c_count > 0 ? c : NULL, n->trainer), LRNN_OK);
    float loss = n->window.targets == NULL ? 0 : (float)(result.loss_sum / result.loss_weight);
    expect(n, &loss, 1, "loss");
    expect(n, outputs, n->outputs, "outputs");
    expect(n, h, n->h_count, "final_h");
    if (n->c_count > 0) {
        expect(n, c, n->c_count, "final_c");
    }
}

static void check_backward(net *n)
{
    float given[ROOM], final_h[STATE], final_c[STATE];
    float features[B * T * F], initial_h[STATE], initial_c[STATE], *gradients;
    size_t count;
    golden_fill(given, 7, n->outputs);
    golden_fill(final_h, 8, n->h_count);
    golden_fill(final_c, 9, n->c_count);
    lrnn_backward back;
    lrnn_backward_init(&back, sizeof back);
    back.loss_scale = n->window.targets == NULL ? 0 : 1;
    back.outputs = given;
    back.final_h = final_h;
    back.initial_h = initial_h;
    back.final_c = n->c_count > 0 ? final_c : NULL;
    back.initial_c = n->c_count > 0 ? initial_c : NULL;
    back.features = n->window.features == NULL ? NULL : features;
    assert_int_equal(lrnn_trainer_zero_gradients(n->trainer), LRNN_OK);
    assert_int_equal(lrnn_trainer_backward(n->trainer, &back), LRNN_OK);
    assert_int_equal(lrnn_trainer_get_gradients(&gradients, &count, n->trainer), LRNN_OK);
    expect(n, gradients, count, "gradients");
    expect(n, initial_h, n->h_count, "initial_h");
    if (n->c_count > 0) {
        expect(n, initial_c, n->c_count, "initial_c");
    }
    if (back.features != NULL) {
        expect(n, features, B * T * F, "features");
    }
}

/* All nets of the file with this cell; there must be `expected` of them. */
static void check_nets(const char *name, int32_t cell, size_t expected)
{
    static net n;
    safetensors *file = golden_load(name);
    size_t count = safetensors_find(file, "settings")->shape[0], checked = 0;
    for (size_t i = 0; i < count; i++) {
        set_up(&n, file, i);
        if (n.s.cell == cell) {
            check_inference(&n);
            check_forward(&n);
            check_backward(&n);
            checked++;
        }
        tear_down(&n);
    }
    assert_int_equal(checked, expected);
    safetensors_destroy(file);
}

static void rnn_tanh_nets_equal_pytorchs(void **state)
{
    (void)state;
    check_nets("train_grid.safetensors", LRNN_CELL_RNN_TANH, 96);
}

static void rnn_relu_nets_equal_pytorchs(void **state)
{
    (void)state;
    check_nets("train_grid.safetensors", LRNN_CELL_RNN_RELU, 96);
}

static void lstm_nets_equal_pytorchs(void **state)
{
    (void)state;
    check_nets("train_grid.safetensors", LRNN_CELL_LSTM, 96);
}

static void gru_nets_equal_pytorchs(void **state)
{
    (void)state;
    check_nets("train_grid.safetensors", LRNN_CELL_GRU, 96);
}

static void projected_lstm_nets_equal_pytorchs(void **state)
{
    (void)state;
    check_nets("train_projection.safetensors", LRNN_CELL_LSTM, 96);
}

static void nets_wider_than_a_vector_equal_pytorchs(void **state)
{
    (void)state;
    check_nets("train_wide.safetensors", LRNN_CELL_RNN_TANH, 2);
    check_nets("train_wide.safetensors", LRNN_CELL_RNN_RELU, 2);
    check_nets("train_wide.safetensors", LRNN_CELL_LSTM, 4);
    check_nets("train_wide.safetensors", LRNN_CELL_GRU, 2);
}

static void nets_with_tied_weights_equal_pytorchs(void **state)
{
    (void)state;
    check_nets("train_tied.safetensors", LRNN_CELL_RNN_TANH, 12);
    check_nets("train_tied.safetensors", LRNN_CELL_RNN_RELU, 12);
    check_nets("train_tied.safetensors", LRNN_CELL_LSTM, 16);
    check_nets("train_tied.safetensors", LRNN_CELL_GRU, 12);
}

static void nets_with_an_adaptive_softmax_equal_pytorchs(void **state)
{
    (void)state;
    check_nets("train_adaptive.safetensors", LRNN_CELL_RNN_TANH, 12);
    check_nets("train_adaptive.safetensors", LRNN_CELL_RNN_RELU, 12);
    check_nets("train_adaptive.safetensors", LRNN_CELL_LSTM, 16);
    check_nets("train_adaptive.safetensors", LRNN_CELL_GRU, 12);
}

static int run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rnn_tanh_nets_equal_pytorchs),
        cmocka_unit_test(rnn_relu_nets_equal_pytorchs),
        cmocka_unit_test(lstm_nets_equal_pytorchs),
        cmocka_unit_test(gru_nets_equal_pytorchs),
        cmocka_unit_test(projected_lstm_nets_equal_pytorchs),
        cmocka_unit_test(nets_wider_than_a_vector_equal_pytorchs),
        cmocka_unit_test(nets_with_tied_weights_equal_pytorchs),
        cmocka_unit_test(nets_with_an_adaptive_softmax_equal_pytorchs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return golden_under_all_kernels(run);
}
