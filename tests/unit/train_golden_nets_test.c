/* Nets with more around their recurrent layers, layers of different sizes, and output activations:
 * outputs, every gradient and the losses of 50 steps are PyTorch's; a step has the bits of a
 * forward pass, and threads and segments change nothing; tests/golden/nets_pytorch.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lrnn.h"
#include "support/golden_numbers.h"

#define TOLERANCE 2e-5

enum { B = 3, T = 5, V = 7, E = 4, F = 2, H = 4, O = 6, ROOM = 4096, STATE = 40 * B };
enum { EMBEDDING, ONE_HOT, FEATURES, BOTH };

/* In the order of FIELDS in the script. */
typedef struct setting {
    int64_t cell, layers, bidirectional, head, inputs, projection, layer_norm, residual,
        input_layer, input_activation, head_layer, head_activation, learned_state, activation, loss,
        uneven;
    int64_t sizes; /* a digit for each layer; not in files in which layers are all of H */
} setting;

typedef struct net {
    setting s;
    const safetensors *file;
    size_t index; /* in the file */
    lrnn_model *model;
    lrnn_trainer *trainer;
    lrnn_sequences window;
    int32_t tokens[B * T], targets[B * T], lengths[B];
    float features[B * T * F], values[B * T * O], h[STATE], c[STATE];
    size_t outputs, h_count, c_count, parameters;
} net;

static setting read_setting(const safetensors *file, size_t index)
{
    const tensor_view *all = safetensors_find(file, "settings");
    int64_t numbers[sizeof(setting) / sizeof(int64_t)];
    size_t count = sizeof numbers / sizeof *numbers;
    setting s;
    assert_true(all->shape[1] == count || all->shape[1] == count - 1);
    numbers[count - 1] = 0;
    for (size_t i = 0; i < all->shape[1]; i++) {
        numbers[i] = golden_integer(all, index * all->shape[1] + i);
    }
    memcpy(&s, numbers, sizeof s);
    return s;
}

/* The last digit is the last layer's. */
static void set_sizes(lrnn_model_options *o, int64_t sizes)
{
    for (size_t layer = o->layers; sizes > 0 && layer-- > 0; sizes /= 10) {
        o->hidden_sizes[layer] = (size_t)(sizes % 10);
    }
}

/* Values of h, and of c, in all layers for all rows. */
static void count_state(net *n, const lrnn_model_options *o)
{
    size_t rows = B * (o->bidirectional ? 2 : 1);
    n->h_count = n->c_count = 0;
    for (size_t layer = 0; layer < o->layers; layer++) {
        size_t hidden = lrnn_model_hidden_size(n->model, layer);
        n->h_count += rows * (o->projection_size > 0 ? o->projection_size : hidden);
        n->c_count += o->cell == LRNN_CELL_LSTM ? rows * hidden : 0;
    }
    assert_true(n->h_count <= STATE && n->c_count <= STATE);
}

static lrnn_model_options options_of(const setting *s)
{
    lrnn_model_options o;
    assert_int_equal(lrnn_model_options_init(&o, sizeof o), LRNN_OK);
    o.vocab_size = s->inputs == FEATURES ? 0 : V;
    o.embedding_size = s->inputs == ONE_HOT ? 0 : E;
    o.feature_size = s->inputs == FEATURES || s->inputs == BOTH ? F : 0;
    o.hidden_size = H;
    o.layers = (size_t)s->layers;
    o.output_size = O;
    o.cell = (int32_t)s->cell;
    o.head = (int32_t)s->head;
    o.bidirectional = (int32_t)s->bidirectional;
    o.projection_size = (size_t)s->projection;
    o.output_activation = (int32_t)s->activation;
    o.layer_norm = (int32_t)s->layer_norm;
    o.residual = (int32_t)s->residual;
    o.input_layer_size = (size_t)s->input_layer;
    o.input_layer_activation = (int32_t)s->input_activation;
    o.head_layer_size = (size_t)s->head_layer;
    o.head_layer_activation = (int32_t)s->head_activation;
    o.learned_state = (int32_t)s->learned_state;
    set_sizes(&o, s->sizes);
    return o;
}

static void create_trainer(net *n, size_t threads, size_t recompute)
{
    static const int32_t losses[] = {LRNN_LOSS_NONE,
                                     LRNN_LOSS_CROSS_ENTROPY,
                                     LRNN_LOSS_SQUARED_ERROR,
                                     LRNN_LOSS_ABSOLUTE_ERROR,
                                     LRNN_LOSS_HUBER,
                                     LRNN_LOSS_SMOOTH_L1,
                                     LRNN_LOSS_BINARY_CROSS_ENTROPY};
    float parameters[ROOM];
    lrnn_trainer_options o;
    assert_int_equal(lrnn_trainer_options_init(&o, sizeof o), LRNN_OK);
    o.batch = B;
    o.steps = T;
    o.threads = threads;
    o.recompute_steps = n->s.bidirectional ? 0 : recompute;
    o.carry_state = 0;
    o.loss = losses[n->s.loss];
    assert_int_equal(lrnn_trainer_create(&n->trainer, n->model, &o), LRNN_OK);
    assert_true(n->parameters <= ROOM);
    golden_fill(parameters, 1, n->parameters);
    assert_int_equal(lrnn_trainer_set_parameter(n->trainer, NULL, parameters, n->parameters),
                     LRNN_OK);
}

static void set_window(net *n, size_t items)
{
    static const int32_t lengths[] = {3, 5, 2};
    golden_whole(n->tokens, 2, B * T, V, 0);
    golden_fill(n->features, 3, B * T * F);
    golden_whole(n->targets, 6, items, O, 0);
    golden_fill(n->values, 61, items * O);
    for (size_t i = 0; n->s.loss == 6 && i < items * O; i++) {
        n->values[i] += 0.5f;
    }
    memcpy(n->lengths, lengths, sizeof lengths);
    lrnn_sequences_init(&n->window, sizeof n->window);
    n->window.batch = B;
    n->window.steps = T;
    n->window.tokens = n->s.inputs == FEATURES ? NULL : n->tokens;
    n->window.features = n->s.inputs == FEATURES || n->s.inputs == BOTH ? n->features : NULL;
    n->window.lengths = n->s.uneven ? n->lengths : NULL;
    n->window.targets = n->s.loss == 1 ? n->targets : NULL;
    n->window.target_values = n->s.loss > 1 ? n->values : NULL;
}

static void set_up(net *n, const safetensors *file, size_t index, size_t threads, size_t recompute)
{
    memset(n, 0, sizeof *n);
    n->file = file;
    n->index = index;
    n->s = read_setting(file, index);
    lrnn_model_options o = options_of(&n->s);
    assert_int_equal(lrnn_model_create(&n->model, &o), LRNN_OK);
    n->parameters = lrnn_model_parameter_count(n->model);
    create_trainer(n, threads, recompute);
    lrnn_model_destroy(n->model);
    assert_int_equal(lrnn_trainer_snapshot(&n->model, n->trainer), LRNN_OK);
    size_t items = o.head == LRNN_HEAD_NONE || o.head == LRNN_HEAD_STEPS ? B * T : B;
    n->outputs = items * lrnn_model_output_size(n->model);
    count_state(n, &o);
    golden_fill(n->h, 4, n->h_count);
    golden_fill(n->c, 5, n->c_count);
    set_window(n, items);
}

static void tear_down(net *n)
{
    lrnn_trainer_destroy(n->trainer);
    lrnn_model_destroy(n->model);
}

static void expect(const net *n, const char *what, const float *found, size_t count)
{
    char name[64];
    snprintf(name, sizeof name, "%zu.%s", n->index, what);
    double difference = golden_difference_of(found, count, n->file, name);
    if (!(difference < TOLERANCE)) {
        fail_msg("%s is %g from PyTorch's", name, difference);
    }
}

static lrnn_state *create_state(const net *n, const lrnn_model *model)
{
    lrnn_state *state;
    lrnn_state_options o;
    lrnn_state_options_init(&o, sizeof o);
    o.batch = B;
    o.steps = n->s.bidirectional ? T : 2;
    assert_int_equal(lrnn_state_create(&state, model, &o), LRNN_OK);
    if (!n->s.learned_state && n->h_count > 0) {
        assert_int_equal(lrnn_state_import(state, n->h, n->c_count > 0 ? n->c : NULL), LRNN_OK);
    }
    return state;
}

/* ---- inference ---- */

static void expect_outputs(const net *n)
{
    float outputs[ROOM];
    lrnn_state *state = create_state(n, n->model);
    assert_int_equal(lrnn_state_forward(state, &n->window, outputs), LRNN_OK);
    expect(n, "outputs", outputs, n->outputs);
    lrnn_state_destroy(state);
}

/* Of a model of either weight type, whole sequences, and their steps one by one. */
static void expect_steps(const net *n, const lrnn_model *model)
{
    float whole[ROOM], one[ROOM];
    size_t size = lrnn_model_output_size(model);
    int steps = n->s.head == LRNN_HEAD_NONE || n->s.head == LRNN_HEAD_STEPS;
    lrnn_sequences window = n->window;
    lrnn_state *a = create_state(n, model), *b = create_state(n, model);
    window.lengths = NULL;
    assert_int_equal(lrnn_state_forward(a, &window, whole), LRNN_OK);
    for (size_t t = 0; t < T; t++) {
        int32_t tokens[B];
        float features[B * F];
        for (size_t i = 0; i < B; i++) {
            tokens[i] = n->tokens[i * T + t];
            memcpy(features + i * F, n->features + (i * T + t) * F, sizeof(float) * F);
        }
        assert_int_equal(lrnn_state_step(b, window.tokens != NULL ? tokens : NULL,
                                         window.features != NULL ? features : NULL, one),
                         LRNN_OK);
        for (size_t i = 0; i < B && (steps || t == T - 1); i++) {
            const float *expected = whole + (steps ? i * T + t : i) * size;
            assert_memory_equal(expected, one + i * size, size * sizeof *one);
        }
    }
    lrnn_state_destroy(a);
    lrnn_state_destroy(b);
}

static void expect_inference(const net *n)
{
    expect_outputs(n);
    for (int32_t type = LRNN_WEIGHT_FLOAT32; !n->s.bidirectional && type <= LRNN_WEIGHT_INT8;
         type++) {
        lrnn_model *model;
        assert_int_equal(lrnn_model_convert(&model, n->model, type), LRNN_OK);
        expect_steps(n, model);
        lrnn_model_destroy(model);
    }
}

/* ---- training ---- */

static void import_state(const net *n)
{
    if (!n->s.learned_state && n->h_count > 0) {
        assert_int_equal(
            lrnn_trainer_import_state(n->trainer, n->h, n->c_count > 0 ? n->c : NULL, B), LRNN_OK);
    }
}

static void expect_gradients(const net *n)
{
    static float given[ROOM], final_h[STATE], final_c[STATE], dh[STATE], dc[STATE];
    float features[B * T * F], *gradients;
    lrnn_backward back;
    lrnn_backward_init(&back, sizeof back);
    golden_fill(given, 7, n->outputs);
    golden_fill(final_h, 8, n->h_count);
    golden_fill(final_c, 9, n->c_count);
    back.loss_scale = n->s.loss == 0 ? 0 : 1;
    back.outputs = given;
    back.final_h = n->h_count > 0 ? final_h : NULL;
    back.initial_h = n->h_count > 0 ? dh : NULL;
    back.final_c = n->c_count > 0 ? final_c : NULL;
    back.initial_c = n->c_count > 0 ? dc : NULL;
    back.features = n->window.features != NULL ? features : NULL;
    import_state(n);
    assert_int_equal(lrnn_trainer_forward(n->trainer, &n->window, NULL), LRNN_OK);
    assert_int_equal(lrnn_trainer_zero_gradients(n->trainer), LRNN_OK);
    assert_int_equal(lrnn_trainer_backward(n->trainer, &back), LRNN_OK);
    lrnn_trainer_get_gradients(&gradients, NULL, n->trainer);
    expect(n, "gradients", gradients, n->parameters);
    if (back.features != NULL) {
        expect(n, "features", features, B * T * F);
    }
    if (!n->s.learned_state && n->h_count > 0) {
        expect(n, "initial_h", dh, n->h_count);
    }
}

static void expect_curve(const net *n)
{
    char name[64];
    float expected[50];
    lrnn_optimizer *adam;
    lrnn_optimizer_options o;
    lrnn_train_result result;
    lrnn_optimizer_options_init(&o, sizeof o);
    lrnn_train_result_init(&result, sizeof result);
    o.learning_rate = 0.01;
    assert_int_equal(lrnn_optimizer_create(&adam, n->parameters, &o), LRNN_OK);
    snprintf(name, sizeof name, "%zu.losses", n->index);
    assert_int_equal(golden_read(expected, 50, n->file, name), 50);
    for (int step = 0; step < 50; step++) {
        import_state(n);
        assert_int_equal(lrnn_trainer_step(n->trainer, adam, &n->window, &result), LRNN_OK);
        double loss = result.loss_sum / result.loss_weight;
        if (!(fabs(loss - (double)expected[step]) < 1e-4)) {
            fail_msg("%s, step %d: %.6f, PyTorch's %.6f", name, step, loss, (double)expected[step]);
        }
    }
    lrnn_optimizer_destroy(adam);
}

static void expect_net(const safetensors *file, size_t index, size_t threads, size_t recompute)
{
    static net n;
    set_up(&n, file, index, threads, recompute);
    expect_inference(&n);
    expect_gradients(&n);
    if (n.s.loss != 0) {
        expect_curve(&n);
    }
    tear_down(&n);
}

static void expect_file(const char *name)
{
    safetensors *file = golden_load(name);
    size_t count = safetensors_find(file, "settings")->shape[0];
    for (size_t i = 0; i < count; i++) {
        expect_net(file, i, 1, 0);
        expect_net(file, i, 2, 2);
    }
    safetensors_destroy(file);
}

static void output_activations_are_pytorchs(void **state)
{
    (void)state;
    expect_file("nets_activations.safetensors");
}

static void what_stands_around_the_layers_is_pytorchs(void **state)
{
    (void)state;
    expect_file("nets_stages.safetensors");
}

static void layers_of_different_sizes_are_pytorchs(void **state)
{
    (void)state;
    expect_file("nets_sizes.safetensors");
}

static int run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_activations_are_pytorchs),
        cmocka_unit_test(what_stands_around_the_layers_is_pytorchs),
        cmocka_unit_test(layers_of_different_sizes_are_pytorchs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return golden_under_all_kernels(run);
}
