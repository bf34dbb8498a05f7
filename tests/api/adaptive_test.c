/* Models with an adaptive softmax, through the public interface: log-probabilities, files,
 * decoding, and what is refused. PyTorch's numbers are in tests/unit/train_golden_test.c. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lrnn.h"
#include "support/adaptive_nets.h"
#include "support/expect.h"
#include "support/scratch.h"

/* ---- outputs ---- */

static void outputs_are_log_probabilities(void **unused)
{
    (void)unused;
    static float outputs[B * T * V];
    lrnn_model *model = create();
    lrnn_state *state = create_state(model, B);
    lrnn_sequences s = window_of(B, T);
    EXPECT_OK(lrnn_state_forward(state, &s, outputs));
    for (size_t i = 0; i < B * T; i++) {
        double sum = 0;
        for (size_t v = 0; v < V; v++) {
            sum += exp((double)outputs[i * V + v]);
        }
        assert_true(fabs(sum - 1) < 1e-5);
    }
    lrnn_state_destroy(state);
    lrnn_model_destroy(model);
}

static void a_step_gives_the_bits_of_a_window_and_a_row_those_of_a_batch(void **unused)
{
    (void)unused;
    static float together[B * T * V], alone[V];
    lrnn_model *model = create();
    lrnn_state *state = create_state(model, B), *one = create_state(model, 1);
    lrnn_sequences s = window_of(B, T);
    EXPECT_OK(lrnn_state_forward(state, &s, together));
    for (size_t b = 0; b < B; b += 4) {
        EXPECT_OK(lrnn_state_reset(one));
        for (size_t t = 0; t < T; t++) {
            EXPECT_OK(lrnn_state_step(one, &tokens[b * T + t], NULL, alone));
            assert_memory_equal(alone, together + (b * T + t) * V, sizeof alone);
        }
    }
    lrnn_state_destroy(one);
    lrnn_state_destroy(state);
    lrnn_model_destroy(model);
}

/* ---- files ---- */

static void a_file_keeps_the_sections_under_pytorchs_names(void **unused)
{
    (void)unused;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "m");
    lrnn_model *model = create(), *loaded;
    lrnn_model_options o;
    lrnn_parameter p;
    EXPECT_OK(lrnn_model_save(model, path));
    EXPECT_OK(lrnn_model_load(&loaded, path, NULL));
    expect_same_parameters(model, loaded);
    EXPECT_OK(lrnn_model_options_init(&o, sizeof o));
    EXPECT_OK(lrnn_model_get_options(&o, loaded));
    assert_int_equal(o.cutoffs[0], FIRST);
    assert_int_equal(o.cutoffs[1], SECOND);
    assert_int_equal(o.cutoffs[2], 0);
    assert_true(o.div_value == 3 && o.adaptive_bias == 1);
    EXPECT_OK(lrnn_parameter_init(&p, sizeof p));
    EXPECT_OK(lrnn_model_find_parameter(&p, loaded, "head.head.weight"));
    assert_true(p.shape[0] == FIRST + 2 && p.shape[1] == H);
    EXPECT_OK(lrnn_model_find_parameter(&p, loaded, "head.head.bias"));
    EXPECT_OK(lrnn_model_find_parameter(&p, loaded, "head.tail.1.0.weight"));
    assert_true(p.shape[0] == H / 9 && p.shape[1] == H);
    EXPECT_OK(lrnn_model_find_parameter(&p, loaded, "head.tail.1.1.weight"));
    assert_true(p.shape[0] == V - SECOND && p.shape[1] == H / 9);
    lrnn_model_destroy(loaded);
    lrnn_model_destroy(model);
    scratch_destroy(&folder);
}

static void a_checkpoint_names_other_cutoffs(void **unused)
{
    (void)unused;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "c");
    lrnn_model_options o = options_of();
    lrnn_model *model = create(), *other;
    lrnn_trainer *trainer = create_trainer(model, 1, 0), *second;
    lrnn_checkpoint what;
    EXPECT_OK(lrnn_checkpoint_init(&what, sizeof what));
    what.trainer = trainer;
    EXPECT_OK(lrnn_checkpoint_save(&what, path, NULL));
    EXPECT_OK(lrnn_checkpoint_load(&what, path));
    o.cutoffs[1] = SECOND + 1;
    other = create_with(&o);
    second = create_trainer(other, 1, 0);
    what.trainer = second;
    EXPECT_FAILURE(lrnn_checkpoint_load(&what, path), LRNN_ERR_INVALID, "cutoffs", "1030,1701",
                   "1030,1700");
    lrnn_trainer_destroy(second);
    lrnn_trainer_destroy(trainer);
    lrnn_model_destroy(other);
    lrnn_model_destroy(model);
    scratch_destroy(&folder);
}

/* ---- decoding ---- */

static lrnn_decoder_options decoder_options(int32_t method)
{
    lrnn_decoder_options o;
    EXPECT_OK(lrnn_decoder_options_init(&o, sizeof o));
    o.method = method;
    o.max_length = 5;
    return o;
}

/* What every method finds has the log-probability that scoring and the steps say; greedy search
 * takes the likeliest output of each step. */
static void decoders_find_what_the_outputs_say(void **unused)
{
    (void)unused;
    static float outputs[V];
    lrnn_model *model = create();
    lrnn_state *state = create_state(model, 1);
    for (int32_t method = LRNN_METHOD_GREEDY; method <= LRNN_METHOD_SAMPLED_BEAM; method++) {
        lrnn_decoder_options o = decoder_options(method);
        lrnn_decoder *decoder;
        lrnn_request request;
        lrnn_result result;
        double scored, sum = 0;
        int32_t text[8] = {3};
        o.top_k = method == LRNN_METHOD_SAMPLE ? 40 : 0;
        o.top_p = method == LRNN_METHOD_SAMPLE ? 0.9 : 1;
        EXPECT_OK(lrnn_decoder_create(&decoder, model, &o));
        EXPECT_OK(lrnn_request_init(&request, sizeof request));
        EXPECT_OK(lrnn_result_init(&result, sizeof result));
        request.tokens = text;
        request.count = 1;
        EXPECT_OK(lrnn_decoder_run(decoder, &request, 1));
        EXPECT_OK(lrnn_decoder_get_result(&result, decoder, 0, 0));
        assert_int_equal(result.count, 5);
        EXPECT_OK(lrnn_state_reset(state));
        for (size_t i = 0; i < 5; i++) {
            EXPECT_OK(lrnn_state_step(state, &text[i], NULL, outputs));
            text[i + 1] = result.tokens[i];
            sum += (double)outputs[text[i + 1]];
            assert_true(method != LRNN_METHOD_GREEDY || best_of(outputs) == (size_t)text[i + 1]);
        }
        assert_true(fabs(sum - result.log_probability) < 1e-4);
        request.count = 6;
        EXPECT_OK(lrnn_decoder_score(&scored, NULL, decoder, &request, 1));
        assert_true(fabs(sum - scored) < 1e-4);
        lrnn_decoder_destroy(decoder);
    }
    lrnn_state_destroy(state);
    lrnn_model_destroy(model);
}

/* ---- what is refused ---- */

static void cutoffs_that_make_no_sense_are_named(void **unused)
{
    (void)unused;
    lrnn_model *model;
    lrnn_model_options o = options_of();
    o.cutoffs[1] = FIRST;
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_INVALID, "cutoffs", "1030", "id 1");
    o.cutoffs[1] = V;
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_INVALID, "cutoffs", "3300", "id 1");
    o.cutoffs[1] = 0;
    o.cutoffs[2] = 2000;
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_INVALID, "cutoffs", "id 2");
    o = options_of();
    o.div_value = 5;
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_INVALID, "div_value", "tail 1");
    o.div_value = 0.5;
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_INVALID, "div_value", "0.5");
    o.div_value = (double)NAN;
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_INVALID, "div_value");
    o = options_of();
    o.cutoffs[0] = o.cutoffs[1] = 0;
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_INVALID, "div_value", "cutoffs");
    o.div_value = 0;
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_INVALID, "adaptive_bias", "cutoffs");
    o = options_of();
    o.head = LRNN_HEAD_NONE;
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_INVALID, "cutoffs");
    o = options_of();
    o.output_activation = LRNN_ACTIVATION_LOG_SOFTMAX;
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_INVALID, "output_activation");
    o = options_of();
    o.tied_weights = 1;
    o.embedding_size = H;
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_UNSUPPORTED, "tied_weights", "cutoffs");
}

static void losses_that_need_all_outputs_are_refused_by_name(void **unused)
{
    (void)unused;
    lrnn_model *model = create();
    lrnn_trainer *trainer;
    lrnn_trainer_options o;
    EXPECT_OK(lrnn_trainer_options_init(&o, sizeof o));
    o.loss = LRNN_LOSS_CTC;
    EXPECT_FAILURE(lrnn_trainer_create(&trainer, model, &o), LRNN_ERR_UNSUPPORTED, "loss",
                   "cutoffs", "CTC");
    o.loss = LRNN_LOSS_SQUARED_ERROR;
    EXPECT_FAILURE(lrnn_trainer_create(&trainer, model, &o), LRNN_ERR_UNSUPPORTED, "loss",
                   "cutoffs");
    o.loss = LRNN_LOSS_CROSS_ENTROPY;
    o.label_smoothing = 0.1;
    EXPECT_FAILURE(lrnn_trainer_create(&trainer, model, &o), LRNN_ERR_UNSUPPORTED,
                   "label_smoothing", "cutoffs");
    lrnn_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_are_log_probabilities),
        cmocka_unit_test(a_step_gives_the_bits_of_a_window_and_a_row_those_of_a_batch),
        cmocka_unit_test(a_file_keeps_the_sections_under_pytorchs_names),
        cmocka_unit_test(a_checkpoint_names_other_cutoffs),
        cmocka_unit_test(decoders_find_what_the_outputs_say),
        cmocka_unit_test(cutoffs_that_make_no_sense_are_named),
        cmocka_unit_test(losses_that_need_all_outputs_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
