/* Whole runs against PyTorch's: the loss of 50 training steps from the same initial parameters, and
 * the nets of a teaching notebook; tests/golden/train_pytorch.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lrnn.h"
#include "support/golden_numbers.h"

enum { STEPS = 50, VOCAB = 29, BATCH = 4, WINDOW = 8, STREAM = BATCH * WINDOW * STEPS };

static void make_stream(int32_t *tokens)
{
    int32_t at = 0;
    golden_whole(tokens, 70, STREAM, 6, 0);
    for (int i = 0; i < STREAM; i++) {
        at = (at + tokens[i]) % VOCAB;
        tokens[i] = at;
    }
}

/* The initial parameters of the script: those of the recurrent layers are halved. */
static void set_parameters(lrnn_trainer *trainer, const lrnn_model *model)
{
    static float values[1 << 14];
    size_t count = lrnn_model_parameter_count(model);
    assert_true(count <= 1 << 14);
    golden_fill(values, 1, count);
    for (size_t i = 0; i < lrnn_model_tensor_count(model); i++) {
        lrnn_parameter p;
        lrnn_parameter_init(&p, sizeof p);
        assert_int_equal(lrnn_model_get_parameter(&p, model, i), LRNN_OK);
        for (size_t k = 0; strncmp(p.name, "rnn.", 4) == 0 && k < p.count; k++) {
            values[p.offset + k] /= 2;
        }
    }
    assert_int_equal(lrnn_trainer_set_parameter(trainer, NULL, values, count), LRNN_OK);
}

static lrnn_batches *create_batches(void)
{
    static int32_t tokens[STREAM];
    lrnn_batches_options o;
    lrnn_batches *batches;
    make_stream(tokens);
    lrnn_batches_options_init(&o, sizeof o);
    o.batch = BATCH;
    o.steps = WINDOW;
    assert_int_equal(lrnn_batches_create(&batches, tokens, STREAM, &o), LRNN_OK);
    return batches;
}

static void follow(int32_t cell, size_t layers, size_t threads, const char *name)
{
    lrnn_model_options m;
    lrnn_model_options_init(&m, sizeof m);
    m.vocab_size = VOCAB;
    m.embedding_size = 12;
    m.hidden_size = 16;
    m.layers = layers;
    m.cell = cell;
    lrnn_trainer_options t;
    lrnn_trainer_options_init(&t, sizeof t);
    t.batch = BATCH;
    t.steps = WINDOW;
    t.threads = threads;
    t.clip_norm = 0.5;
    lrnn_optimizer_options o;
    lrnn_optimizer_options_init(&o, sizeof o);
    o.learning_rate = 0.01;
    lrnn_model *model;
    lrnn_trainer *trainer;
    lrnn_optimizer *optimizer;
    lrnn_batches *batches = create_batches();
    assert_int_equal(lrnn_model_create(&model, &m), LRNN_OK);
    assert_int_equal(lrnn_trainer_create(&trainer, model, &t), LRNN_OK);
    assert_int_equal(lrnn_optimizer_create(&optimizer, lrnn_model_parameter_count(model), &o),
                     LRNN_OK);
    set_parameters(trainer, model);
    safetensors *file = golden_load("train_runs.safetensors");
    float expected[STEPS * 2], exact[STEPS * 2];
    char of_double[64];
    snprintf(of_double, sizeof of_double, "%s.double", name);
    assert_int_equal(golden_read(expected, STEPS * 2, file, name), STEPS * 2);
    assert_int_equal(golden_read(exact, STEPS * 2, file, of_double), STEPS * 2);
    for (int step = 0; step < STEPS; step++) {
        lrnn_sequences s;
        lrnn_train_result result;
        lrnn_sequences_init(&s, sizeof s);
        lrnn_train_result_init(&result, sizeof result);
        assert_int_equal(lrnn_batches_next(batches, &s), LRNN_OK);
        assert_int_equal(lrnn_trainer_step(trainer, optimizer, &s, &result), LRNN_OK);
        double loss = result.loss_sum / result.loss_weight;
        if (!(fabs(loss - (double)expected[2 * step]) < 1e-4) ||
            !(fabs(loss - (double)exact[2 * step]) < 1e-4) ||
            !(fabs(result.gradient_norm - (double)expected[2 * step + 1]) < 1e-3)) {
            fail_msg("%s, step %d: loss %.6f and norm %.6f, PyTorch's %.6f and %.6f", name, step,
                     loss, result.gradient_norm, (double)expected[2 * step],
                     (double)expected[2 * step + 1]);
        }
    }
    assert_true(expected[2 * STEPS - 2] < expected[0] - 0.2f); /* it did learn */
    safetensors_destroy(file);
    lrnn_batches_destroy(batches);
    lrnn_optimizer_destroy(optimizer);
    lrnn_trainer_destroy(trainer);
    lrnn_model_destroy(model);
}

static void fifty_steps_of_an_lstm_have_pytorchs_losses(void **state)
{
    (void)state;
    follow(LRNN_CELL_LSTM, 1, 1, "curve.lstm.1");
    follow(LRNN_CELL_LSTM, 1, 2, "curve.lstm.1");
}

static void fifty_steps_of_two_layers_have_pytorchs_losses(void **state)
{
    (void)state;
    follow(LRNN_CELL_LSTM, 2, 1, "curve.lstm.2");
}

static void fifty_steps_of_a_gru_have_pytorchs_losses(void **state)
{
    (void)state;
    follow(LRNN_CELL_GRU, 1, 1, "curve.gru.1");
}

static void fifty_steps_of_an_rnn_have_pytorchs_losses(void **state)
{
    (void)state;
    follow(LRNN_CELL_RNN_TANH, 1, 1, "curve.rnn_tanh.1");
}

/* ---- the notebook's nets ---- */

enum { B = 3, T = 5, V = 7, E = 4, F = 2, H = 4, O = 6, STATE = 2 * B * H };

/* In inference with dropout, which does nothing there; in training without. */
typedef struct notebook_net {
    lrnn_state *state;
    lrnn_trainer *trainer;
    safetensors *file;
} notebook_net;

static lrnn_trainer *create_trainer(lrnn_model_options *m, double dropout)
{
    float parameters[1024];
    lrnn_model *model;
    lrnn_trainer *trainer;
    lrnn_trainer_options t;
    lrnn_trainer_options_init(&t, sizeof t);
    t.batch = B;
    t.steps = T;
    m->dropout = dropout;
    assert_int_equal(lrnn_model_create(&model, m), LRNN_OK);
    assert_int_equal(lrnn_trainer_create(&trainer, model, &t), LRNN_OK);
    size_t count = lrnn_model_parameter_count(model);
    assert_true(count <= 1024);
    golden_fill(parameters, 1, count);
    assert_int_equal(lrnn_trainer_set_parameter(trainer, NULL, parameters, count), LRNN_OK);
    lrnn_model_destroy(model);
    return trainer;
}

static void set_up(notebook_net *net, lrnn_model_options *m)
{
    lrnn_model *model;
    lrnn_state_options o;
    lrnn_trainer *trainer = create_trainer(m, 0.5);
    lrnn_state_options_init(&o, sizeof o);
    o.batch = B;
    assert_int_equal(lrnn_trainer_snapshot(&model, trainer), LRNN_OK);
    assert_int_equal(lrnn_state_create(&net->state, model, &o), LRNN_OK);
    lrnn_model_destroy(model);
    lrnn_trainer_destroy(trainer);
    net->trainer = create_trainer(m, 0);
    net->file = golden_load("train_runs.safetensors");
}

static void tear_down(notebook_net *net)
{
    safetensors_destroy(net->file);
    lrnn_state_destroy(net->state);
    lrnn_trainer_destroy(net->trainer);
}

static void expect(const notebook_net *net, const float *found, size_t count, const char *name,
                   const char *what)
{
    char key[64];
    snprintf(key, sizeof key, "%s.%s", name, what);
    double difference = golden_difference_of(found, count, net->file, key);
    if (!(difference <= 1e-5)) {
        fail_msg("%s: %g from PyTorch's", key, difference);
    }
}

static void check_last_step(int32_t cell, const char *name)
{
    float features[B * T * F], outputs[B * O], *gradients;
    int32_t targets[B];
    size_t count;
    notebook_net net;
    lrnn_model_options m;
    lrnn_model_options_init(&m, sizeof m);
    m.feature_size = F;
    m.hidden_size = H;
    m.layers = 2;
    m.cell = cell;
    m.head = LRNN_HEAD_LAST;
    m.output_size = O;
    set_up(&net, &m);
    golden_fill(features, 3, B * T * F);
    golden_whole(targets, 6, B, O, 0);
    lrnn_sequences s;
    lrnn_sequences_init(&s, sizeof s);
    s.batch = B;
    s.steps = T;
    s.features = features;
    s.targets = targets;
    assert_int_equal(lrnn_state_forward(net.state, &s, outputs), LRNN_OK);
    expect(&net, outputs, B * O, name, "outputs");
    lrnn_train_result result;
    lrnn_train_result_init(&result, sizeof result);
    assert_int_equal(lrnn_trainer_forward(net.trainer, &s, &result), LRNN_OK);
    assert_int_equal(lrnn_trainer_copy_outputs(outputs, B * O, net.trainer), LRNN_OK);
    assert_int_equal(lrnn_trainer_backward(net.trainer, NULL), LRNN_OK);
    lrnn_trainer_get_gradients(&gradients, &count, net.trainer);
    float loss = (float)(result.loss_sum / result.loss_weight);
    expect(&net, outputs, B * O, name, "outputs");
    expect(&net, &loss, 1, name, "loss");
    expect(&net, gradients, count, name, "gradients");
    tear_down(&net);
}

static void the_notebooks_RNNModel_equals_pytorchs(void **state)
{
    (void)state;
    check_last_step(LRNN_CELL_RNN_TANH, "RNNModel");
}

static void the_notebooks_LSTMModel_equals_pytorchs(void **state)
{
    (void)state;
    check_last_step(LRNN_CELL_LSTM, "LSTMModel");
}

/* Window 0 or 1 of SequentialModule: in inference, then in training. */
static void check_window(const notebook_net *net, int i)
{
    float outputs[B * T * V], h[STATE], c[STATE];
    int32_t tokens[B * T], targets[B * T];
    lrnn_sequences s;
    lrnn_train_result result;
    lrnn_sequences_init(&s, sizeof s);
    lrnn_train_result_init(&result, sizeof result);
    golden_whole(tokens, 80 + (unsigned)i, B * T, V, 0);
    golden_whole(targets, 82 + (unsigned)i, B * T, V, 0);
    s.batch = B;
    s.steps = T;
    s.tokens = tokens;
    s.targets = targets;
    for (int training = 0; training < 2; training++) {
        if (training) {
            assert_int_equal(lrnn_trainer_forward(net->trainer, &s, &result), LRNN_OK);
            assert_int_equal(lrnn_trainer_copy_outputs(outputs, B * T * V, net->trainer), LRNN_OK);
            assert_int_equal(lrnn_trainer_export_state(h, c, net->trainer), LRNN_OK);
        } else {
            assert_int_equal(lrnn_state_forward(net->state, &s, outputs), LRNN_OK);
            assert_int_equal(lrnn_state_export(h, c, net->state), LRNN_OK);
        }
        expect(net, outputs, B * T * V, "SequentialModule", i == 0 ? "outputs.0" : "outputs.1");
        expect(net, h, STATE, "SequentialModule", i == 0 ? "final_h.0" : "final_h.1");
        expect(net, c, STATE, "SequentialModule", i == 0 ? "final_c.0" : "final_c.1");
    }
    float loss = (float)(result.loss_sum / result.loss_weight);
    expect(net, &loss, 1, "SequentialModule", i == 0 ? "loss.0" : "loss.1");
    assert_int_equal(lrnn_trainer_backward(net->trainer, NULL), LRNN_OK);
}

/* Embedding, LSTM, a linear layer at every step; the state is carried from window to window. */
static void the_notebooks_SequentialModule_equals_pytorchs(void **state)
{
    (void)state;
    float *gradients;
    size_t count;
    notebook_net net;
    lrnn_model_options m;
    lrnn_model_options_init(&m, sizeof m);
    m.vocab_size = V;
    m.embedding_size = E;
    m.hidden_size = H;
    m.layers = 2;
    set_up(&net, &m);
    check_window(&net, 0);
    check_window(&net, 1);
    lrnn_trainer_get_gradients(&gradients, &count, net.trainer);
    expect(&net, gradients, count, "SequentialModule", "gradients");
    tear_down(&net);
}

static int run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fifty_steps_of_an_lstm_have_pytorchs_losses),
        cmocka_unit_test(fifty_steps_of_two_layers_have_pytorchs_losses),
        cmocka_unit_test(fifty_steps_of_a_gru_have_pytorchs_losses),
        cmocka_unit_test(fifty_steps_of_an_rnn_have_pytorchs_losses),
        cmocka_unit_test(the_notebooks_RNNModel_equals_pytorchs),
        cmocka_unit_test(the_notebooks_LSTMModel_equals_pytorchs),
        cmocka_unit_test(the_notebooks_SequentialModule_equals_pytorchs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return golden_under_all_kernels(run);
}
