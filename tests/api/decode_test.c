/* The programs of docs/decoding.md, against the public header alone. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lrnn.h"

static const char text[] = "to be or not to be that is the question whether tis nobler in the mind";

static lrnn_model *word_model(void)
{
    lrnn_vocab_options words;
    lrnn_vocab *vocab;
    assert_int_equal(lrnn_vocab_options_init(&words, sizeof words), LRNN_OK);
    words.level = LRNN_LEVEL_WORD;
    assert_int_equal(lrnn_vocab_create_from_text(&vocab, text, sizeof text - 1, &words), LRNN_OK);
    lrnn_model_options options;
    lrnn_model *model;
    assert_int_equal(lrnn_model_options_init(&options, sizeof options), LRNN_OK);
    options.input_vocab = options.output_vocab = vocab;
    options.hidden_size = 16;
    assert_int_equal(lrnn_model_create(&model, &options), LRNN_OK);
    lrnn_vocab_destroy(vocab);
    return model;
}

static void a_prompt_of_words_becomes_a_text_of_words(void **state)
{
    (void)state;
    lrnn_model *model = word_model();
    const lrnn_vocab *vocab = lrnn_model_output_vocab(model);
    int32_t prompt[8];
    size_t count;
    assert_int_equal(lrnn_vocab_encode(prompt, 8, &count, vocab, "to be or", 8), LRNN_OK);

    lrnn_decoder_options options;
    lrnn_decoder_options_init(&options, sizeof options);
    options.method = LRNN_METHOD_SAMPLE;
    options.top_k = 5;
    options.uniform = 1;
    options.max_length = 20;
    lrnn_decoder *decoder;
    assert_int_equal(lrnn_decoder_create(&decoder, model, &options), LRNN_OK);

    lrnn_request request;
    lrnn_request_init(&request, sizeof request);
    request.tokens = prompt;
    request.count = count;
    request.seed = 7;
    assert_int_equal(lrnn_decoder_run(decoder, &request, 1), LRNN_OK);

    lrnn_result result;
    lrnn_result_init(&result, sizeof result);
    assert_int_equal(lrnn_decoder_get_result(&result, decoder, 0, 0), LRNN_OK);
    char written[1000];
    size_t length;
    assert_int_equal(
        lrnn_vocab_decode(written, sizeof written, &length, vocab, result.tokens, result.count),
        LRNN_OK);
    assert_int_equal(result.count, 20);
    assert_true(length > 20 && strlen(written) == length);
    lrnn_decoder_destroy(decoder);
    lrnn_model_destroy(model);
}

static void n_best_texts_score_what_scoring_them_says(void **state)
{
    (void)state;
    lrnn_model *model = word_model();
    lrnn_decoder_options options;
    lrnn_decoder_options_init(&options, sizeof options);
    options.method = LRNN_METHOD_BEAM;
    options.beam_width = 10;
    options.n_best = 3;
    options.max_length = 6;
    lrnn_decoder *decoder;
    assert_int_equal(lrnn_decoder_create(&decoder, model, &options), LRNN_OK);
    const int32_t prompt[] = {0};
    lrnn_request request;
    lrnn_request_init(&request, sizeof request);
    request.tokens = prompt;
    request.count = 1;
    assert_int_equal(lrnn_decoder_run(decoder, &request, 1), LRNN_OK);
    assert_int_equal(lrnn_decoder_result_count(decoder, 0), 3);
    for (size_t rank = 0; rank < 3; rank++) {
        lrnn_result result;
        lrnn_result_init(&result, sizeof result);
        assert_int_equal(lrnn_decoder_get_result(&result, decoder, 0, rank), LRNN_OK);
        int32_t whole[7] = {prompt[0]};
        memcpy(whole + 1, result.tokens, result.count * sizeof *whole);
        lrnn_request given = request;
        given.tokens = whole;
        given.count = 1 + result.count;
        double total;
        assert_int_equal(lrnn_decoder_score(&total, NULL, decoder, &given, 1), LRNN_OK);
        assert_true(fabs(total - result.log_probability) < 1e-9);
        assert_true(fabs(exp(-total / 6) - result.perplexity) < 1e-9);
    }
    lrnn_decoder_destroy(decoder);
    lrnn_model_destroy(model);
}

/* ---- an encoder and a decoder with attention ---- */

enum { HIDDEN = 6, SOURCE = 4, TARGETS = 9, ROWS = 8 };

/* What a scorer needs: the decoder network's state, and what it attends to. The attended vector is
 * fed back beside each token. */
typedef struct attention_scorer {
    lrnn_state *state; /* no head: outputs are h */
    float encoded[SOURCE][HIDDEN];
    float contexts[ROWS][HIDDEN];
    float weights[TARGETS][2 * HIDDEN];
} attention_scorer;

/* a = softmax(encoded h), context = a encoded (Luong et al. 2015, "dot"). */
static void attend(const attention_scorer *scorer, const float *h, float *context)
{
    float a[SOURCE], sum = 0;
    memset(context, 0, HIDDEN * sizeof *context);
    for (size_t s = 0; s < SOURCE; s++) {
        float dot = 0;
        for (size_t i = 0; i < HIDDEN; i++) {
            dot += scorer->encoded[s][i] * h[i];
        }
        a[s] = expf(dot);
        sum += a[s];
    }
    for (size_t s = 0; s < SOURCE; s++) {
        for (size_t i = 0; i < HIDDEN; i++) {
            context[i] += a[s] / sum * scorer->encoded[s][i];
        }
    }
}

static int32_t score_with_attention(void *user, const lrnn_rows *rows, float *logits)
{
    attention_scorer *scorer = user;
    float fed[ROWS][HIDDEN], h[ROWS][HIDDEN];
    for (size_t row = 0; row < rows->count; row++) {
        int32_t parent = rows->parents[row];
        for (size_t i = 0; i < HIDDEN; i++) {
            fed[row][i] = parent < 0 ? 0 : scorer->contexts[parent][i];
        }
    }
    if (lrnn_state_reorder(scorer->state, rows->parents, rows->count) != LRNN_OK ||
        lrnn_state_step(scorer->state, rows->tokens, fed[0], h[0]) != LRNN_OK) {
        return -1;
    }
    for (size_t row = 0; row < rows->count; row++) {
        attend(scorer, h[row], scorer->contexts[row]);
        for (size_t v = 0; v < TARGETS; v++) {
            float sum = 0;
            for (size_t i = 0; i < HIDDEN; i++) {
                sum += scorer->weights[v][i] * h[row][i] +
                       scorer->weights[v][HIDDEN + i] * scorer->contexts[row][i];
            }
            logits[row * TARGETS + v] = sum;
        }
    }
    return 0;
}

static void an_encoder_decoder_with_attention_is_a_scorer(void **state)
{
    (void)state;
    lrnn_model_options of;
    lrnn_model *model;
    lrnn_model_options_init(&of, sizeof of);
    of.vocab_size = TARGETS;
    of.feature_size = HIDDEN;
    of.hidden_size = HIDDEN;
    of.cell = LRNN_CELL_GRU;
    of.head = LRNN_HEAD_NONE;
    assert_int_equal(lrnn_model_create(&model, &of), LRNN_OK);
    static attention_scorer scorer;
    float *numbers = scorer.encoded[0];
    for (size_t i = 0; i < SOURCE * HIDDEN; i++) {
        numbers[i] = (float)sin((double)i * 3);
    }
    for (size_t v = 0; v < TARGETS; v++) {
        for (size_t i = 0; i < 2 * HIDDEN; i++) {
            scorer.weights[v][i] = (float)(3 * cos((double)(v * 17 + i * 5)));
        }
    }
    lrnn_state_options running;
    lrnn_state_options_init(&running, sizeof running);
    running.batch = ROWS;
    assert_int_equal(lrnn_state_create(&scorer.state, model, &running), LRNN_OK);

    lrnn_scorer wrapped;
    lrnn_scorer_init(&wrapped, sizeof wrapped);
    wrapped.user = &scorer;
    wrapped.vocab_size = TARGETS;
    wrapped.score = score_with_attention;
    const int32_t begin[] = {0}, end[] = {1};
    lrnn_decoder_options options;
    lrnn_decoder_options_init(&options, sizeof options);
    options.method = LRNN_METHOD_BEAM;
    options.beam_width = ROWS;
    options.max_length = 10;
    options.end_tokens = end;
    options.end_count = 1;
    options.stopping = LRNN_STOP_EXACT;
    lrnn_decoder *decoder;
    assert_int_equal(lrnn_decoder_create_with_scorer(&decoder, &wrapped, &options), LRNN_OK);
    lrnn_request request;
    lrnn_request_init(&request, sizeof request);
    request.tokens = begin;
    request.count = 1;
    assert_int_equal(lrnn_decoder_run(decoder, &request, 1), LRNN_OK);
    lrnn_result result;
    lrnn_result_init(&result, sizeof result);
    assert_int_equal(lrnn_decoder_get_result(&result, decoder, 0, 0), LRNN_OK);

    /* Reading the same text from its beginning gives the same log-probabilities: every row had the
     * state and the context of its own past. */
    int32_t whole[11] = {begin[0]};
    memcpy(whole + 1, result.tokens, result.count * sizeof *whole);
    lrnn_request given = request;
    given.tokens = whole;
    given.count = 1 + result.count;
    double total;
    assert_int_equal(lrnn_decoder_score(&total, NULL, decoder, &given, 1), LRNN_OK);
    assert_true(fabs(total - result.log_probability) < 1e-5);
    lrnn_decoder_destroy(decoder);
    lrnn_state_destroy(scorer.state);
    lrnn_model_destroy(model);
}

/* ---- streaming ---- */

typedef struct listener {
    int32_t tokens[100];
    size_t count;
} listener;

static int32_t hear(void *user, size_t request, int32_t token, float log_probability)
{
    listener *to = user;
    (void)request;
    assert_true(log_probability <= 0);
    to->tokens[to->count++] = token;
    return to->count == 7; /* enough */
}

static void a_listener_can_stop_the_text(void **state)
{
    (void)state;
    lrnn_model *model = word_model();
    listener to = {.count = 0};
    lrnn_decoder_options options;
    lrnn_decoder_options_init(&options, sizeof options);
    options.user = &to;
    options.token = hear;
    lrnn_decoder *decoder;
    assert_int_equal(lrnn_decoder_create(&decoder, model, &options), LRNN_OK);
    const int32_t prompt[] = {0};
    lrnn_request request;
    lrnn_request_init(&request, sizeof request);
    request.tokens = prompt;
    request.count = 1;
    assert_int_equal(lrnn_decoder_run(decoder, &request, 1), LRNN_ERR_CANCELLED);
    lrnn_result result;
    lrnn_result_init(&result, sizeof result);
    assert_int_equal(lrnn_decoder_get_result(&result, decoder, 0, 0), LRNN_OK);
    assert_int_equal(result.ended, LRNN_ENDED_CANCELLED);
    assert_int_equal(result.count, 7);
    assert_memory_equal(result.tokens, to.tokens, 7 * sizeof(int32_t));
    lrnn_decoder_destroy(decoder);
    lrnn_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_prompt_of_words_becomes_a_text_of_words),
        cmocka_unit_test(n_best_texts_score_what_scoring_them_says),
        cmocka_unit_test(an_encoder_decoder_with_attention_is_a_scorer),
        cmocka_unit_test(a_listener_can_stop_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
