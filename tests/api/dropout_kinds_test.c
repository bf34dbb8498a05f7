/* Dropout of inputs, outputs and tokens, and locked masks: where zeros fall, how often, and that
 * neither threads nor segments move them. Nets are made so that their outputs are the masks. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/expect.h"
#include "../support/scratch.h"
#include "lrnn.h"

enum { B = 7, T = 11, N = 40, V = 9 };

typedef struct net {
    lrnn_model_options options;
    lrnn_model *model;
    lrnn_trainer *trainer;
    lrnn_sequences window;
    float ones[B * T * N], outputs[B * T * N];
    int32_t tokens[B * T];
} net;

static void begin(net *n)
{
    memset(n, 0, sizeof *n);
    EXPECT_OK(lrnn_model_options_init(&n->options, sizeof n->options));
    EXPECT_OK(lrnn_sequences_init(&n->window, sizeof n->window));
    n->options.layers = 0;
    n->options.output_size = N;
    n->window.batch = B;
    n->window.steps = T;
    for (size_t i = 0; i < B * T * N; i++) {
        n->ones[i] = 1;
    }
    for (size_t i = 0; i < B * T; i++) {
        n->tokens[i] = (int32_t)(i * i % V);
    }
}

static void set(net *n, const char *name, size_t count, float value, size_t every)
{
    float *values = calloc(count, sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < count; i += every) {
        values[i] = value;
    }
    EXPECT_OK(lrnn_trainer_set_parameter(n->trainer, name, values, count));
    free(values);
}

/* The head gives back what it reads. */
static void make(net *n)
{
    lrnn_trainer_options options;
    EXPECT_OK(lrnn_model_create(&n->model, &n->options));
    EXPECT_OK(lrnn_trainer_options_init(&options, sizeof options));
    options.batch = B;
    options.steps = T;
    options.loss = LRNN_LOSS_NONE;
    EXPECT_OK(lrnn_trainer_create(&n->trainer, n->model, &options));
    set(n, "head.weight", N * N, 1, N + 1);
    set(n, "head.bias", N, 0, 1);
}

static void make_features(net *n)
{
    n->options.feature_size = N;
    n->window.features = n->ones;
    make(n);
}

static void end(net *n)
{
    lrnn_trainer_destroy(n->trainer);
    lrnn_model_destroy(n->model);
}

static const float *run(net *n)
{
    EXPECT_OK(lrnn_trainer_forward(n->trainer, &n->window, NULL));
    EXPECT_OK(lrnn_trainer_copy_outputs(n->outputs, B * T * N, n->trainer));
    return n->outputs;
}

/* All are 0 or 1/(1-p), and about p of them are 0. */
static void expect_mask(const float *mask, size_t count, double p, double slack)
{
    size_t zeros = 0;
    for (size_t i = 0; i < count; i++) {
        assert_true(mask[i] == 0 || fabs((double)mask[i] - 1 / (1 - p)) < 1e-6);
        zeros += mask[i] == 0;
    }
    assert_true(fabs((double)zeros / (double)count - p) < slack);
}

static size_t differences(const float *a, const float *b, size_t count)
{
    size_t different = 0;
    for (size_t i = 0; i < count; i++) {
        different += a[i] != b[i];
    }
    return different;
}

static const float *at(const net *n, size_t b, size_t t)
{
    return n->outputs + (b * T + t) * N;
}

static void expect_steps(const net *n, bool locked)
{
    for (size_t b = 0; b < B; b++) {
        for (size_t t = 1; t < T; t++) {
            assert_true((differences(at(n, b, t), at(n, b, 0), N) == 0) == locked);
        }
        assert_true(b == 0 || differences(at(n, b, 0), at(n, 0, 0), N) > 0);
    }
}

static void every_value_of_the_input_is_dropped_by_itself(void **state)
{
    (void)state;
    for (int locked = 0; locked <= 1; locked++) {
        static net n;
        static float before[B * T * N];
        begin(&n);
        n.options.input_dropout = 0.3;
        n.options.locked_dropout = locked;
        make_features(&n);
        memcpy(before, run(&n), sizeof before);
        expect_mask(before, B * T * N, 0.3, locked ? 0.1 : 0.03);
        expect_steps(&n, locked);
        assert_true(differences(run(&n), before, B * T * N) > 0); /* another window */
        EXPECT_OK(lrnn_trainer_evaluate(n.trainer, &n.window, NULL));
        EXPECT_OK(lrnn_trainer_copy_outputs(n.outputs, B * T * N, n.trainer));
        assert_memory_equal(n.outputs, n.ones, sizeof n.outputs);
        end(&n);
    }
}

static void outputs_of_the_top_layer_are_dropped(void **state)
{
    (void)state;
    for (int locked = 0; locked <= 1; locked++) {
        static net n;
        begin(&n);
        n.options.layers = 1;
        n.options.hidden_size = N;
        n.options.cell = LRNN_CELL_RNN_RELU;
        n.options.output_dropout = 0.6;
        n.options.locked_dropout = locked;
        make_features(&n);
        set(&n, "rnn.weight_ih_l0", N * N, 0, 1);
        set(&n, "rnn.weight_hh_l0", N * N, 0, 1);
        set(&n, "rnn.bias_ih_l0", N, 1, 1); /* so h is 1 */
        set(&n, "rnn.bias_hh_l0", N, 0, 1);
        expect_mask(run(&n), B * T * N, 0.6, locked ? 0.1 : 0.03);
        expect_steps(&n, locked);
        EXPECT_OK(lrnn_trainer_evaluate(n.trainer, &n.window, NULL));
        EXPECT_OK(lrnn_trainer_copy_outputs(n.outputs, B * T * N, n.trainer));
        assert_memory_equal(n.outputs, n.ones, sizeof n.outputs);
        end(&n);
    }
}

static void a_dropped_token_is_dropped_everywhere_in_a_window(void **state)
{
    (void)state;
    static net n;
    begin(&n);
    n.options.vocab_size = V;
    n.options.embedding_size = N;
    n.options.embedding_dropout = 0.5;
    n.window.tokens = n.tokens;
    make(&n);
    set(&n, "embedding.weight", V * N, 1, 1);
    size_t dropped = 0, windows = 200;
    for (size_t i = 0; i < windows; i++) {
        const float *mask = run(&n);
        float of[V];
        for (size_t v = 0; v < V; v++) {
            of[v] = -1;
        }
        for (size_t k = 0; k < B * T * N; k++) {
            int32_t token = n.tokens[k / N];
            assert_true(mask[k] == 0 || mask[k] == 2);
            assert_true(of[token] < 0 || of[token] == mask[k]);
            of[token] = mask[k];
        }
        for (size_t v = 0; v < V; v++) {
            dropped += of[v] == 0;
        }
    }
    /* Squares modulo 9 are 0, 1, 4 and 7. */
    assert_true(fabs((double)dropped / (double)(windows * 4) - 0.5) < 0.08);
    end(&n);
}

/* h' = relu(W h) of a diagonal W of ones: a unit is there until its weight is dropped. */
static void recurrent_weights_are_dropped_for_a_whole_window(void **state)
{
    (void)state;
    static net n;
    static float initial[B * N], first[B * T * N];
    begin(&n);
    n.options.layers = 1;
    n.options.hidden_size = N;
    n.options.cell = LRNN_CELL_RNN_RELU;
    n.options.weight_dropout = 0.25;
    make_features(&n);
    set(&n, "rnn.weight_ih_l0", N * N, 0, 1);
    set(&n, "rnn.weight_hh_l0", N * N, 1, N + 1);
    set(&n, "rnn.bias_ih_l0", N, 0, 1);
    set(&n, "rnn.bias_hh_l0", N, 0, 1);
    for (size_t i = 0; i < B * N; i++) {
        initial[i] = 1;
    }
    EXPECT_OK(lrnn_trainer_import_state(n.trainer, initial, NULL, B));
    memcpy(first, run(&n), sizeof first);
    float mask[N];
    memcpy(mask, first, sizeof mask);
    expect_mask(mask, N, 0.25, 0.2);
    for (size_t b = 0; b < B; b++) {
        double power = 1;
        for (size_t t = 0; t < T; t++) {
            power /= 0.75;
            for (size_t k = 0; k < N; k++) {
                double expected = mask[k] == 0 ? 0 : power;
                assert_true(fabs((double)at(&n, b, t)[k] - expected) < 1e-5 * power);
            }
        }
    }
    EXPECT_OK(lrnn_trainer_import_state(n.trainer, initial, NULL, B));
    assert_true(differences(run(&n), first, B * T * N) > 0); /* another window, other weights */
    EXPECT_OK(lrnn_trainer_reset_evaluation(n.trainer));
    set(&n, "rnn.bias_ih_l0", N, 1, 1);
    EXPECT_OK(lrnn_trainer_evaluate(n.trainer, &n.window, NULL));
    EXPECT_OK(lrnn_trainer_copy_outputs(n.outputs, B * T * N, n.trainer));
    for (size_t k = 0; k < B * T * N; k++) {
        assert_true(n.outputs[k] == (float)(k / N % T + 1)); /* all weights are there */
    }
    end(&n);
}

/* Losses of a few updates of a net with all of it. */
static void train(double *losses, size_t count, int32_t locked, size_t threads, size_t recompute)
{
    static const int32_t lengths[B] = {11, 3, 7, 11, 1, 10, 5};
    lrnn_model_options m;
    lrnn_trainer_options o;
    lrnn_optimizer *optimizer;
    static net n;
    begin(&n);
    EXPECT_OK(lrnn_model_options_init(&m, sizeof m));
    m.vocab_size = V;
    m.embedding_size = 24;
    m.hidden_size = 24;
    m.layers = 2;
    m.dropout = 0.2;
    m.input_dropout = 0.3;
    m.output_dropout = 0.4;
    m.embedding_dropout = 0.1;
    m.locked_dropout = locked;
    m.weight_dropout = 0.5;
    EXPECT_OK(lrnn_model_create(&n.model, &m));
    EXPECT_OK(lrnn_trainer_options_init(&o, sizeof o));
    o.batch = B;
    o.steps = T;
    o.threads = threads;
    o.recompute_steps = recompute;
    EXPECT_OK(lrnn_trainer_create(&n.trainer, n.model, &o));
    EXPECT_OK(lrnn_optimizer_create(&optimizer, lrnn_model_parameter_count(n.model), NULL));
    n.window.tokens = n.window.targets = n.tokens;
    n.window.lengths = lengths;
    for (size_t i = 0; i < count; i++) {
        lrnn_train_result result;
        EXPECT_OK(lrnn_train_result_init(&result, sizeof result));
        EXPECT_OK(lrnn_trainer_step(n.trainer, optimizer, &n.window, &result));
        losses[i] = result.loss_sum;
    }
    lrnn_optimizer_destroy(optimizer);
    end(&n);
}

static void threads_and_segments_move_no_mask(void **state)
{
    (void)state;
    for (int32_t locked = 0; locked <= 1; locked++) {
        double one[6], two[6], segments[6];
        train(one, 6, locked, 1, 0);
        train(two, 6, locked, 3, 0);
        train(segments, 6, locked, 2, 4);
        assert_memory_equal(one, two, sizeof one);
        for (size_t i = 0; i < 6; i++) {
            assert_true(fabs(one[i] - segments[i]) < 1e-4 * one[i]);
        }
    }
}

static void a_file_remembers_them(void **state)
{
    (void)state;
    static net n;
    lrnn_model *again;
    lrnn_model_options o;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "model");
    begin(&n);
    n.options.vocab_size = V;
    n.options.layers = 1;
    n.options.input_dropout = 0.25;
    n.options.output_dropout = 0.5;
    n.options.embedding_dropout = 0.125;
    n.options.weight_dropout = 0.75;
    n.options.locked_dropout = 1;
    EXPECT_OK(lrnn_model_create(&n.model, &n.options));
    EXPECT_OK(lrnn_model_save(n.model, path));
    EXPECT_OK(lrnn_model_load(&again, path, NULL));
    EXPECT_OK(lrnn_model_options_init(&o, sizeof o));
    EXPECT_OK(lrnn_model_get_options(&o, again));
    assert_true(o.input_dropout == 0.25 && o.output_dropout == 0.5);
    assert_true(o.embedding_dropout == 0.125 && o.locked_dropout == 1);
    assert_true(o.weight_dropout == 0.75);
    lrnn_model_destroy(n.model);
    lrnn_model_destroy(again);
    scratch_destroy(&folder);
}

#define REFUSE(words, ...)                                                                         \
    do {                                                                                           \
        static net n;                                                                              \
        begin(&n);                                                                                 \
        lrnn_model_options *o = &n.options;                                                        \
        o->vocab_size = V;                                                                         \
        o->layers = 1;                                                                             \
        __VA_ARGS__;                                                                               \
        EXPECT_FAILURE(lrnn_model_create(&n.model, o), LRNN_ERR_INVALID, words);                   \
        assert_null(n.model);                                                                      \
    } while (0)

static void what_does_not_fit_is_refused_by_name(void **state)
{
    (void)state;
    REFUSE("input_dropout: ", o->input_dropout = 1);
    REFUSE("output_dropout: ", o->output_dropout = -0.1);
    REFUSE("embedding_dropout: ", o->embedding_dropout = (double)NAN);
    REFUSE("locked_dropout: ", o->locked_dropout = 2);
    REFUSE("output_dropout: needs recurrent layers", o->output_dropout = 0.1, o->layers = 0);
    REFUSE("output_dropout: needs", o->output_dropout = 0.1, o->head = LRNN_HEAD_NONE);
    REFUSE("output_dropout: needs", o->output_dropout = 0.1, o->head = LRNN_HEAD_FINAL);
    REFUSE("embedding_dropout: the model has no embedding", o->embedding_dropout = 0.1,
           o->embedding_size = 0);
    REFUSE("weight_dropout: ", o->weight_dropout = 1);
    REFUSE("weight_dropout: needs recurrent layers", o->weight_dropout = 0.1, o->layers = 0);
    REFUSE("reserved", o->reserved = 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_of_the_input_is_dropped_by_itself),
        cmocka_unit_test(outputs_of_the_top_layer_are_dropped),
        cmocka_unit_test(a_dropped_token_is_dropped_everywhere_in_a_window),
        cmocka_unit_test(recurrent_weights_are_dropped_for_a_whole_window),
        cmocka_unit_test(threads_and_segments_move_no_mask),
        cmocka_unit_test(a_file_remembers_them),
        cmocka_unit_test(what_does_not_fit_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
