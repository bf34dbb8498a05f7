/* What stands around recurrent layers: which models have no place for it, that files, checkpoints
 * and narrow weights keep it, that threads change no bit, and where streams with learned states
 * begin. */
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

enum { V = 9, B = 3, T = 5, H = 6, MOST = 4096 };

static const int32_t tokens[B * T] = {1, 2, 3, 4, 8, 7, 6, 5, 0, 1, 2, 2, 2, 3, 3};
static const int32_t targets[B * T] = {2, 3, 4, 8, 7, 6, 5, 0, 1, 2, 2, 2, 3, 3, 1};

static lrnn_model_options all_of_it(void)
{
    lrnn_model_options o;
    EXPECT_OK(lrnn_model_options_init(&o, sizeof o));
    o.vocab_size = V;
    o.embedding_size = 5;
    o.hidden_size = H;
    o.layers = 2;
    o.layer_norm = 1;
    o.residual = 1;
    o.input_layer_size = H;
    o.input_layer_activation = LRNN_ACTIVATION_TANH;
    o.head_layer_size = 7;
    o.head_layer_activation = LRNN_ACTIVATION_RELU;
    o.learned_state = 1;
    o.initial_range = 0.5;
    return o;
}

static lrnn_model *create(const lrnn_model_options *o)
{
    lrnn_model *model;
    EXPECT_OK(lrnn_model_create(&model, o));
    return model;
}

static lrnn_state *start(const lrnn_model *model, size_t batch)
{
    lrnn_state *state;
    lrnn_state_options o;
    EXPECT_OK(lrnn_state_options_init(&o, sizeof o));
    o.batch = batch;
    EXPECT_OK(lrnn_state_create(&state, model, &o));
    return state;
}

static void forward(float *outputs, const lrnn_model *model)
{
    lrnn_state *state = start(model, B);
    lrnn_sequences s;
    EXPECT_OK(lrnn_sequences_init(&s, sizeof s));
    s.batch = B;
    s.steps = T;
    s.tokens = tokens;
    EXPECT_OK(lrnn_state_forward(state, &s, outputs));
    lrnn_state_destroy(state);
}

static void what_has_no_place_is_refused_by_name(void **unused)
{
    (void)unused;
    lrnn_model *model;
    lrnn_model_options o = all_of_it();
    o.layers = 0;
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_INVALID, "layer_norm", "layers");
    o.layer_norm = 0;
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_INVALID, "residual", "layers");
    o.residual = 0;
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_INVALID, "learned_state", "layers");
    o = all_of_it();
    o.layers = 1;
    o.input_layer_size = 0;
    o.input_layer_activation = 0;
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_INVALID, "residual", "5", "6");
    o = all_of_it();
    o.input_layer_size = 0;
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_INVALID, "input_layer_activation");
    o = all_of_it();
    o.head_layer_activation = LRNN_ACTIVATION_SOFTMAX;
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_INVALID, "head_layer_activation");
    o = all_of_it();
    o.head = LRNN_HEAD_NONE;
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_INVALID, "head_layer_size");
    o = all_of_it();
    o.layer_norm_epsilon = -1;
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_INVALID, "layer_norm_epsilon");
    o.layer_norm_epsilon = 1e-3;
    o.layer_norm = 0;
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_INVALID, "layer_norm_epsilon");
    o = all_of_it();
    o.reserved_2 = 1;
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_INVALID, "reserved");
    o = all_of_it();
    o.output_activation = LRNN_ACTIVATION_RELU;
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_INVALID, "output_activation", "relu");
}

static void epsilon_is_pytorchs_unless_it_is_given(void **unused)
{
    (void)unused;
    lrnn_model_options o = all_of_it(), found;
    float a[B * T * V], b[B * T * V];
    EXPECT_OK(lrnn_model_options_init(&found, sizeof found));
    lrnn_model *usual = create(&o);
    EXPECT_OK(lrnn_model_get_options(&found, usual));
    assert_true(found.layer_norm_epsilon == 1e-5);
    o.layer_norm_epsilon = 0.5;
    lrnn_model *other = create(&o);
    forward(a, usual);
    forward(b, other);
    assert_memory_not_equal(a, b, sizeof a);
    lrnn_model_destroy(usual);
    lrnn_model_destroy(other);
}

static void files_keep_all_of_it(void **unused)
{
    (void)unused;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "model");
    lrnn_model_options o = all_of_it();
    for (int32_t type = LRNN_WEIGHT_FLOAT32; type <= LRNN_WEIGHT_INT8; type++) {
        float a[B * T * V], b[B * T * V];
        lrnn_model *loaded;
        o.weight_type = type;
        o.tied_weights = type == LRNN_WEIGHT_FLOAT32;
        o.head_layer_size = o.tied_weights ? o.embedding_size : 7;
        lrnn_model *model = create(&o);
        EXPECT_OK(lrnn_model_save(model, path));
        EXPECT_OK(lrnn_model_load(&loaded, path, NULL));
        forward(a, model);
        forward(b, loaded);
        assert_memory_equal(a, b, sizeof a);
        assert_true(isfinite(a[0]));
        lrnn_model_destroy(model);
        lrnn_model_destroy(loaded);
    }
    scratch_destroy(&folder);
}

static void steps_of_bytes_are_those_of_a_forward_pass(void **unused)
{
    (void)unused;
    lrnn_model_options o = all_of_it();
    float whole[B * T * V], one[B * V];
    o.weight_type = LRNN_WEIGHT_INT8;
    lrnn_model *model = create(&o);
    lrnn_state *state = start(model, B);
    forward(whole, model);
    for (size_t t = 0; t < T; t++) {
        int32_t now[B];
        for (size_t b = 0; b < B; b++) {
            now[b] = tokens[b * T + t];
        }
        EXPECT_OK(lrnn_state_step(state, now, NULL, one));
        for (size_t b = 0; b < B; b++) {
            assert_memory_equal(one + b * V, whole + (b * T + t) * V, V * sizeof *one);
        }
    }
    lrnn_state_destroy(state);
    lrnn_model_destroy(model);
}

/* An adaptive softmax reads what the head layer gives. */
static void an_adaptive_head_reads_the_head_layer(void **unused)
{
    (void)unused;
    lrnn_model_options o = all_of_it();
    lrnn_parameter down;
    float whole[B * T * V];
    o.cutoffs[0] = 4;
    o.div_value = 2;
    lrnn_model *model = create(&o);
    EXPECT_OK(lrnn_parameter_init(&down, sizeof down));
    EXPECT_OK(lrnn_model_find_parameter(&down, model, "head.tail.0.0.weight"));
    assert_int_equal(down.shape[0], 3);
    assert_int_equal(down.shape[1], 7);
    forward(whole, model);
    for (size_t row = 0; row < B * T; row++) {
        double sum = 0;
        for (size_t v = 0; v < V; v++) {
            sum += exp((double)whole[row * V + v]);
        }
        assert_true(fabs(sum - 1) < 1e-5);
    }
    lrnn_model_destroy(model);
}

/* Created, reset, reset alone, and as a hypothesis without a parent. */
static void streams_begin_where_was_learned(void **unused)
{
    (void)unused;
    lrnn_model_options o = all_of_it();
    lrnn_model *model = create(&o);
    lrnn_state *state = start(model, 2);
    float h[2 * 2 * H], c[2 * 2 * H], expected_h[H], expected_c[H];
    static const int32_t parents[2] = {0, -1}, now[2] = {3, 4};
    EXPECT_OK(lrnn_model_copy_parameter(expected_h, H, model, "state.h_l1"));
    EXPECT_OK(lrnn_model_copy_parameter(expected_c, H, model, "state.c_l1"));
    for (int way = 0; way < 4; way++) {
        if (way > 0) {
            EXPECT_OK(lrnn_state_step(state, now, NULL, NULL));
        }
        switch (way) {
        case 1: EXPECT_OK(lrnn_state_reset(state)); break;
        case 2: EXPECT_OK(lrnn_state_reset_stream(state, 1)); break;
        case 3: EXPECT_OK(lrnn_state_reorder(state, parents, 2)); break;
        default: break;
        }
        EXPECT_OK(lrnn_state_export(h, c, state));
        assert_memory_equal(h + (1 * 2 + 1) * H, expected_h, sizeof expected_h);
        assert_memory_equal(c + (1 * 2 + 1) * H, expected_c, sizeof expected_c);
    }
    lrnn_state_destroy(state);
    lrnn_model_destroy(model);
}

/* ---- training ---- */

typedef struct run {
    lrnn_checkpoint all;
    lrnn_sequences window;
} run;

static run begin(const lrnn_model *model, size_t threads)
{
    run r;
    lrnn_trainer_options o;
    EXPECT_OK(lrnn_trainer_options_init(&o, sizeof o));
    EXPECT_OK(lrnn_checkpoint_init(&r.all, sizeof r.all));
    EXPECT_OK(lrnn_sequences_init(&r.window, sizeof r.window));
    o.batch = B;
    o.steps = T;
    o.threads = threads;
    r.window.batch = B;
    r.window.steps = T;
    r.window.tokens = tokens;
    r.window.targets = targets;
    EXPECT_OK(lrnn_trainer_create(&r.all.trainer, model, &o));
    EXPECT_OK(lrnn_optimizer_create(&r.all.optimizer, lrnn_model_parameter_count(model), NULL));
    return r;
}

static void advance(run *r, int steps)
{
    for (int i = 0; i < steps; i++) {
        if (i % 3 == 0) {
            EXPECT_OK(lrnn_trainer_reset_state(r->all.trainer));
        }
        EXPECT_OK(lrnn_trainer_step(r->all.trainer, r->all.optimizer, &r->window, NULL));
    }
}

static void copy(float *values, const run *r)
{
    lrnn_model *model;
    EXPECT_OK(lrnn_trainer_snapshot(&model, r->all.trainer));
    EXPECT_OK(lrnn_model_copy_parameter(values, MOST, model, NULL));
    lrnn_model_destroy(model);
}

static void end(run *r)
{
    lrnn_optimizer_destroy(r->all.optimizer);
    lrnn_trainer_destroy(r->all.trainer);
}

static void threads_and_checkpoints_change_no_bit(void **unused)
{
    (void)unused;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "checkpoint");
    static float a[MOST], b[MOST], before[MOST];
    lrnn_model_options o = all_of_it();
    o.dropout = o.input_dropout = 0.2;
    lrnn_model *model = create(&o);
    size_t count = lrnn_model_parameter_count(model), changed = 0;
    run whole = begin(model, 1), half = begin(model, 2), resumed = begin(model, 3);
    advance(&whole, 12);
    advance(&half, 6);
    EXPECT_OK(lrnn_checkpoint_save(&half.all, path, NULL));
    EXPECT_OK(lrnn_checkpoint_load(&resumed.all, path));
    advance(&resumed, 6);
    copy(a, &whole);
    copy(b, &resumed);
    assert_memory_equal(a, b, count * sizeof *a);
    EXPECT_OK(lrnn_model_copy_parameter(before, MOST, model, NULL));
    for (size_t i = 0; i < count; i++) {
        changed += a[i] != before[i];
    }
    assert_true(changed > count * 3 / 4); /* all but what no token or relu reaches */
    end(&whole);
    end(&half);
    end(&resumed);
    lrnn_model_destroy(model);
    scratch_destroy(&folder);
}

/* What a trainer gives out before and after a reset is where its next window begins. */
static void a_trainer_begins_where_was_learned(void **unused)
{
    (void)unused;
    lrnn_model_options o = all_of_it();
    lrnn_model *model = create(&o), *now;
    run r = begin(model, 1);
    float h[2 * B * H], expected[H];
    EXPECT_OK(lrnn_model_copy_parameter(expected, H, model, "state.h_l0"));
    EXPECT_OK(lrnn_trainer_export_state(h, NULL, r.all.trainer));
    assert_memory_equal(h, expected, sizeof expected);
    advance(&r, 2);
    EXPECT_OK(lrnn_trainer_reset_state(r.all.trainer));
    EXPECT_OK(lrnn_trainer_export_state(h, NULL, r.all.trainer));
    EXPECT_OK(lrnn_trainer_snapshot(&now, r.all.trainer));
    EXPECT_OK(lrnn_model_copy_parameter(expected, H, now, "state.h_l0"));
    assert_memory_equal(h + H, expected, sizeof expected);
    lrnn_model_destroy(now);
    lrnn_model_destroy(model);
    end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_has_no_place_is_refused_by_name),
        cmocka_unit_test(epsilon_is_pytorchs_unless_it_is_given),
        cmocka_unit_test(files_keep_all_of_it),
        cmocka_unit_test(steps_of_bytes_are_those_of_a_forward_pass),
        cmocka_unit_test(an_adaptive_head_reads_the_head_layer),
        cmocka_unit_test(streams_begin_where_was_learned),
        cmocka_unit_test(threads_and_checkpoints_change_no_bit),
        cmocka_unit_test(a_trainer_begins_where_was_learned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
