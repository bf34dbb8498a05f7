/* Sizes and pointers that no caller means: an error at once, never a crash or a long loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lrnn.h"
#include "support/expect.h"

enum { V = 5 };

static lrnn_model *small_model(void)
{
    lrnn_model_options o;
    lrnn_model *model;
    EXPECT_OK(lrnn_model_options_init(&o, sizeof o));
    o.vocab_size = V;
    o.embedding_size = 3;
    o.hidden_size = 4;
    EXPECT_OK(lrnn_model_create(&model, &o));
    return model;
}

static void rows_of_no_callback_have_no_tokens(void **state)
{
    (void)state;
    lrnn_rows rows;
    int32_t token;
    memset(&rows, 0, sizeof rows);
    rows.size = sizeof rows;
    rows.count = 1;
    EXPECT_FAILURE(lrnn_rows_copy_tokens(&token, 1, &rows, 0), LRNN_ERR_INVALID, "rows",
                   "callback");
}

static void sequences_of_absurd_size_are_refused(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, (size_t)INT32_MAX + 1, (size_t)1 << 62, SIZE_MAX};
    static const int32_t token = 0;
    lrnn_model *model = small_model();
    lrnn_state *running;
    lrnn_trainer *trainer;
    lrnn_sequences s;
    EXPECT_OK(lrnn_state_create(&running, model, NULL));
    EXPECT_OK(lrnn_trainer_create(&trainer, model, NULL));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        EXPECT_OK(lrnn_sequences_init(&s, sizeof s));
        s.tokens = s.targets = &token;
        s.batch = 1;
        s.steps = sizes[i];
        EXPECT_FAILURE(lrnn_state_forward(running, &s, NULL), LRNN_ERR_INVALID, "steps");
        EXPECT_FAILURE(lrnn_trainer_evaluate(trainer, &s, NULL), LRNN_ERR_INVALID, "steps");
        s.batch = sizes[i];
        s.steps = 1;
        EXPECT_FAILURE(lrnn_state_forward(running, &s, NULL), LRNN_ERR_INVALID, "batch");
        EXPECT_FAILURE(lrnn_trainer_evaluate(trainer, &s, NULL), LRNN_ERR_INVALID, "batch");
    }
    lrnn_trainer_destroy(trainer);
    lrnn_state_destroy(running);
    lrnn_model_destroy(model);
}

static void more_tokens_than_memory_can_hold_are_refused(void **state)
{
    (void)state;
    static const int32_t token = 0;
    for (size_t less = 0; less < 3; less++) {
        lrnn_batches *batches = nowhere();
        EXPECT_FAILURE(lrnn_batches_create(&batches, &token, SIZE_MAX - less, NULL),
                       LRNN_ERR_INVALID, "count");
        assert_null(batches);
    }
}

static void a_decoder_of_absurd_size_is_refused_at_once(void **state)
{
    (void)state;
    lrnn_model *model = small_model();
    lrnn_decoder_options o;
    lrnn_decoder *decoder = nowhere();
    EXPECT_OK(lrnn_decoder_options_init(&o, sizeof o));
    o.method = LRNN_METHOD_BEAM;
    o.batch = o.requests = INT32_MAX;
    o.beam_width = 1000;
    assert_int_not_equal(lrnn_decoder_create(&decoder, model, &o), LRNN_OK);
    assert_null(decoder);
    lrnn_model_destroy(model);
}

static void a_length_penalty_that_makes_no_score_is_refused(void **state)
{
    (void)state;
    lrnn_model *model = small_model();
    lrnn_decoder_options o;
    EXPECT_OK(lrnn_decoder_options_init(&o, sizeof o));
    o.method = LRNN_METHOD_BEAM;
    for (int i = 0; i < 2; i++) {
        lrnn_decoder *decoder = nowhere();
        o.length_penalty = i == 0 ? 1e300 : -1e300;
        EXPECT_FAILURE(lrnn_decoder_create(&decoder, model, &o), LRNN_ERR_INVALID, "length_penalty",
                       "1e+300");
        assert_null(decoder);
    }
    lrnn_model_destroy(model);
}

static void a_trainer_is_clipped_once(void **state)
{
    (void)state;
    lrnn_model *model = small_model();
    lrnn_trainer *trainer;
    EXPECT_OK(lrnn_trainer_create(&trainer, model, NULL));
    lrnn_trainer *const twice[2] = {trainer, trainer};
    EXPECT_FAILURE(lrnn_trainers_clip_norm(twice, 2, 1, NULL), LRNN_ERR_INVALID, "trainers[1]",
                   "trainers[0]");
    EXPECT_OK(lrnn_trainers_clip_norm(twice, 1, 1, NULL));
    lrnn_trainer_destroy(trainer);
    lrnn_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_no_callback_have_no_tokens),
        cmocka_unit_test(sequences_of_absurd_size_are_refused),
        cmocka_unit_test(more_tokens_than_memory_can_hold_are_refused),
        cmocka_unit_test(a_decoder_of_absurd_size_is_refused_at_once),
        cmocka_unit_test(a_length_penalty_that_makes_no_score_is_refused),
        cmocka_unit_test(a_trainer_is_clipped_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
