/* Models as sources of scores: the same search over a model and over a scorer that computes the
 * same model's logits afresh, from the whole text, must give the same bits. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "decode/select.h"
#include "lrnn/model.h"
#include "support/decode_scorers.h"
#include "support/fault_allocator.h"

enum { V = 30, F = 3, H = 12, REQUESTS = 7, LONGEST = 100 };

static lrnn_model_options model_options(void)
{
    lrnn_model_options options;
    lrnn_model_options_init(&options, sizeof options);
    options.vocab_size = V;
    options.embedding_size = 8;
    options.hidden_size = H;
    options.layers = 2;
    return options;
}

/* A model whose head is scaled up, so that what it says is not all but even. */
static lrnn_model *make_model(const lrnn_model_options *options)
{
    lrnn_model *drawn, *made;
    assert_int_equal(lrnn_model_create(&drawn, options), LRNN_OK);
    size_t count = lrnn_model_tensor_count(drawn);
    float *values = malloc(lrnn_model_parameter_count(drawn) * sizeof *values);
    lrnn_tensor tensors[32];
    assert_non_null(values);
    assert_true(count <= 32);
    for (size_t i = 0; i < count; i++) {
        lrnn_parameter parameter;
        lrnn_parameter_init(&parameter, sizeof parameter);
        assert_int_equal(lrnn_model_get_parameter(&parameter, drawn, i), LRNN_OK);
        float *at = values + parameter.offset;
        assert_int_equal(lrnn_model_copy_parameter(at, parameter.count, drawn, parameter.name),
                         LRNN_OK);
        for (size_t k = 0; k < parameter.count; k++) {
            at[k] *= strcmp(parameter.name, "head.weight") == 0 ? 30 : 2;
        }
        lrnn_tensor_init(&tensors[i], sizeof tensors[i]);
        tensors[i].name = parameter.name;
        tensors[i].values = at;
        tensors[i].rank = parameter.rank;
        tensors[i].shape[0] = parameter.shape[0];
        tensors[i].shape[1] = parameter.shape[1];
    }
    assert_int_equal(lrnn_model_create_from_tensors(&made, options, tensors, count), LRNN_OK);
    free(values);
    lrnn_model_destroy(drawn);
    return made;
}

/* ---- the same model, from the beginning of the text every time ---- */

typedef struct model_scorer {
    lrnn_state *state; /* of one stream */
    const lrnn_request *requests;
    size_t vocab_size;
} model_scorer;

static lrnn_status score_row(const model_scorer *scorer, const lrnn_rows *rows, size_t row,
                             float *logits)
{
    int32_t text[2 * LONGEST];
    const lrnn_request *request = &scorer->requests[rows->requests[row]];
    lrnn_status status = lrnn_rows_copy_tokens(text, 2 * LONGEST, rows, row);
    if (status == LRNN_OK) {
        status = lrnn_state_reset(scorer->state);
    }
    if (status == LRNN_OK && (request->h != NULL || request->c != NULL)) {
        status = lrnn_state_import(scorer->state, request->h, request->c);
    }
    for (int32_t i = 0; status == LRNN_OK && i < rows->lengths[row]; i++) {
        status = lrnn_state_step(scorer->state, &text[i], request->features, logits);
    }
    return status;
}

static int32_t score_model(void *user, const lrnn_rows *rows, float *logits)
{
    model_scorer *scorer = user;
    for (size_t row = 0; row < rows->count; row++) {
        if (score_row(scorer, rows, row, logits + row * scorer->vocab_size) != LRNN_OK) {
            return -1;
        }
    }
    return 0;
}

static lrnn_decoder *decoder_with_scorer(model_scorer *scorer, const lrnn_decoder_options *options)
{
    lrnn_scorer wrapped;
    lrnn_scorer_init(&wrapped, sizeof wrapped);
    wrapped.user = scorer;
    wrapped.vocab_size = scorer->vocab_size;
    wrapped.score = score_model;
    lrnn_decoder *decoder;
    assert_int_equal(lrnn_decoder_create_with_scorer(&decoder, &wrapped, options), LRNN_OK);
    return decoder;
}

static const int32_t ends[] = {4};

static lrnn_decoder_options decoder_options(int32_t method)
{
    lrnn_decoder_options options = decoder_defaults();
    options.method = method;
    options.batch = REQUESTS;
    options.max_length = 25;
    options.end_tokens = ends;
    options.end_count = 1;
    if (method >= LRNN_METHOD_BEAM) {
        options.beam_width = options.n_best = 4;
        options.stopping = LRNN_STOP_WIDTH;
    }
    return options;
}

typedef struct prompt_set {
    int32_t tokens[REQUESTS][LONGEST];
    float h[2 * H], c[2 * H], features[REQUESTS][F];
    lrnn_request requests[REQUESTS];
} prompt_set;

/* Prompts shorter and longer than what is fed in one go; some with a state to start from. */
static void make_prompts(prompt_set *set, const lrnn_model_options *of, size_t vocab_size)
{
    const size_t lengths[REQUESTS] = {3, 1, 100, 33, 3, 64, 1};
    for (size_t i = 0; i < 2 * H; i++) {
        set->h[i] = (float)sin((double)i);
        set->c[i] = (float)cos((double)i);
    }
    for (size_t i = 0; i < REQUESTS; i++) {
        for (size_t k = 0; k < LONGEST; k++) {
            set->tokens[i][k] = (int32_t)(hash_mix(i * 1000 + k) % vocab_size);
        }
        for (size_t k = 0; k < F; k++) {
            set->features[i][k] = (float)(i + k) / 4;
        }
        set->requests[i] = make_request(set->tokens[i], lengths[i], i);
        if (of->feature_size > 0) {
            set->requests[i].features = set->features[i];
        }
        if (of->layers > 0 && (i == 1 || i == 3 || i == 4)) {
            set->requests[i].h = set->h;
            set->requests[i].c = of->cell == LRNN_CELL_LSTM && i != 4 ? set->c : NULL;
        }
    }
}

static void assert_same(const lrnn_decoder *a, size_t i, const lrnn_decoder *b, size_t k)
{
    size_t count = lrnn_decoder_result_count(a, i);
    assert_true(count > 0);
    assert_int_equal(lrnn_decoder_result_count(b, k), count);
    for (size_t rank = 0; rank < count; rank++) {
        lrnn_result x = get_result(a, i, rank), y = get_result(b, k, rank);
        assert_int_equal(x.count, y.count);
        assert_memory_equal(x.tokens, y.tokens, x.count * sizeof(int32_t));
        assert_memory_equal(x.log_probabilities, y.log_probabilities, x.count * sizeof(float));
        assert_true(x.score == y.score);
    }
}

static void compare(const lrnn_model_options *of)
{
    lrnn_model *model = make_model(of);
    static prompt_set set;
    make_prompts(&set, of, lrnn_model_output_size(model));
    model_scorer scorer = {.requests = set.requests, .vocab_size = lrnn_model_output_size(model)};
    assert_int_equal(lrnn_state_create(&scorer.state, model, NULL), LRNN_OK);
    for (int32_t method = 0; method <= LRNN_METHOD_SAMPLED_BEAM; method++) {
        lrnn_decoder_options options = decoder_options(method);
        lrnn_decoder *plain = decoder_with_scorer(&scorer, &options), *batch, *waves;
        assert_int_equal(lrnn_decoder_create(&batch, model, &options), LRNN_OK);
        options.batch = 2;
        options.requests = REQUESTS;
        assert_int_equal(lrnn_decoder_create(&waves, model, &options), LRNN_OK);
        /* A scorer knows nothing of states and features: the requests are handed to it aside. */
        lrnn_request bare[REQUESTS];
        memcpy(bare, set.requests, sizeof bare);
        for (size_t i = 0; i < REQUESTS; i++) {
            bare[i].h = bare[i].c = bare[i].features = NULL;
        }
        assert_int_equal(lrnn_decoder_run(plain, bare, REQUESTS), LRNN_OK);
        assert_int_equal(lrnn_decoder_run(batch, set.requests, REQUESTS), LRNN_OK);
        assert_int_equal(lrnn_decoder_run(waves, set.requests, REQUESTS), LRNN_OK);
        for (size_t i = 0; i < REQUESTS; i++) {
            assert_same(plain, i, batch, i);
            assert_same(plain, i, waves, i);
        }
        lrnn_decoder_destroy(plain);
        lrnn_decoder_destroy(batch);
        lrnn_decoder_destroy(waves);
    }
    lrnn_state_destroy(scorer.state);
    lrnn_model_destroy(model);
}

static void a_model_and_a_scorer_of_it_agree_for_every_cell(void **state)
{
    (void)state;
    for (int32_t cell = LRNN_CELL_RNN_TANH; cell <= LRNN_CELL_GRU; cell++) {
        lrnn_model_options options = model_options();
        options.cell = cell;
        compare(&options);
    }
}

static void a_model_and_a_scorer_of_it_agree_for_every_head_and_input(void **state)
{
    (void)state;
    lrnn_model_options options = model_options();
    options.head = LRNN_HEAD_LAST;
    compare(&options);
    options.head = LRNN_HEAD_FINAL;
    compare(&options);
    options = model_options();
    options.feature_size = F;
    compare(&options);
    options = model_options();
    options.embedding_size = 0;
    compare(&options);
    options = model_options();
    options.layers = 0;
    compare(&options);
    options = model_options();
    options.output_size = V - 5; /* tokens that are only ever read, such as a beginning */
    compare(&options);
}

static void a_model_and_a_scorer_of_it_agree_for_many_tokens(void **state)
{
    (void)state;
    lrnn_model_options of = model_options();
    of.vocab_size = 1100; /* logits in two slices */
    lrnn_model *model = make_model(&of);
    static prompt_set set;
    make_prompts(&set, &of, of.vocab_size);
    set.requests[1].h = set.requests[1].c = NULL;
    model_scorer scorer = {.requests = set.requests, .vocab_size = of.vocab_size};
    assert_int_equal(lrnn_state_create(&scorer.state, model, NULL), LRNN_OK);
    for (int32_t method = 0; method <= LRNN_METHOD_SAMPLED_BEAM; method++) {
        lrnn_decoder_options options = decoder_options(method);
        options.max_length = 4;
        lrnn_decoder *plain = decoder_with_scorer(&scorer, &options), *direct;
        assert_int_equal(lrnn_decoder_create(&direct, model, &options), LRNN_OK);
        assert_int_equal(lrnn_decoder_run(plain, set.requests, 2), LRNN_OK);
        assert_int_equal(lrnn_decoder_run(direct, set.requests, 2), LRNN_OK);
        assert_same(plain, 0, direct, 0);
        assert_same(plain, 1, direct, 1);
        lrnn_decoder_destroy(plain);
        lrnn_decoder_destroy(direct);
    }
    lrnn_state_destroy(scorer.state);
    lrnn_model_destroy(model);
}

/* Logits of a scorer that has nothing but these. */
static int32_t score_fixed(void *user, const lrnn_rows *rows, float *logits)
{
    const float *fixed = user;
    for (size_t row = 0; row < rows->count; row++) {
        memcpy(logits + row * 3000, fixed, 3000 * sizeof *logits);
    }
    return 0;
}

/* Of token 7 alone, under those logits. */
static lrnn_status score_token(double *total, float *logits)
{
    lrnn_scorer scorer;
    lrnn_decoder *decoder;
    lrnn_decoder_options options = decoder_defaults();
    const int32_t token = 7;
    lrnn_request request = make_request(&token, 1, 0);
    lrnn_scorer_init(&scorer, sizeof scorer);
    scorer.user = logits;
    scorer.vocab_size = 3000;
    scorer.score = score_fixed;
    assert_int_equal(lrnn_decoder_create_with_scorer(&decoder, &scorer, &options), LRNN_OK);
    lrnn_status status = lrnn_decoder_score(total, NULL, decoder, &request, 0);
    lrnn_decoder_destroy(decoder);
    return status;
}

static void logits_are_added_up_over_all_tokens(void **state)
{
    (void)state;
    static float logits[3000];
    double sum = 0, total = 0;
    for (size_t i = 0; i < 3000; i++) {
        /* The second slice has nothing, what follows is far below the rest. */
        size_t slice = i / VALUES_SLICE;
        logits[i] = slice == 1 ? -INFINITY : (float)sin((double)i) - (slice < 2 ? 0 : 4);
        sum += exp((double)logits[i]);
    }
    assert_int_equal(score_token(&total, logits), LRNN_OK);
    assert_true(fabs(total - ((double)logits[7] - log(sum))) < 1e-5);
    const float wrong[] = {NAN, INFINITY};
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 1500; i < 3000; i += 1400) {
            float kept = logits[i];
            logits[i] = wrong[k];
            assert_int_equal(score_token(&total, logits), LRNN_ERR_NUMERIC);
            logits[i] = kept;
        }
    }
    for (size_t i = 0; i < 3000; i++) {
        logits[i] = -INFINITY;
    }
    assert_int_equal(score_token(&total, logits), LRNN_ERR_NUMERIC);
}

static void a_model_may_go_before_its_decoder(void **state)
{
    (void)state;
    lrnn_model_options of = model_options();
    lrnn_model *model = make_model(&of);
    lrnn_decoder *decoder;
    assert_int_equal(lrnn_decoder_create(&decoder, model, NULL), LRNN_OK);
    lrnn_model_destroy(model);
    const int32_t prompt[] = {1};
    lrnn_request request = make_request(prompt, 1, 0);
    assert_int_equal(lrnn_decoder_run(decoder, &request, 1), LRNN_OK);
    lrnn_decoder_destroy(decoder);
}

/* ---- scoring ---- */

static void scoring_adds_up_what_decoding_reports(void **state)
{
    (void)state;
    for (int32_t head = LRNN_HEAD_STEPS; head <= LRNN_HEAD_LAST; head++) {
        lrnn_model_options of = model_options();
        of.head = head;
        lrnn_model *model = make_model(&of);
        static prompt_set set;
        make_prompts(&set, &of, V);
        for (int32_t method = 0; method <= LRNN_METHOD_BEAM; method += LRNN_METHOD_BEAM) {
            lrnn_decoder_options options = decoder_options(method);
            lrnn_decoder *decoder;
            assert_int_equal(lrnn_decoder_create(&decoder, model, &options), LRNN_OK);
            assert_int_equal(lrnn_decoder_run(decoder, set.requests, REQUESTS), LRNN_OK);
            for (size_t i = 0; i < REQUESTS; i++) {
                lrnn_result result = get_result(decoder, i, 0);
                lrnn_request whole = set.requests[i];
                int32_t text[2 * LONGEST];
                memcpy(text, whole.tokens, whole.count * sizeof *text);
                memcpy(text + whole.count, result.tokens, result.count * sizeof *text);
                whole.tokens = text;
                whole.count += result.count;
                double total;
                float values[2 * LONGEST];
                assert_int_equal(
                    lrnn_decoder_score(&total, values, decoder, &whole, set.requests[i].count),
                    LRNN_OK);
                assert_true(total == result.log_probability);
                assert_memory_equal(values, result.log_probabilities,
                                    result.count * sizeof *values);
                assert_int_equal(lrnn_decoder_score(NULL, NULL, decoder, &whole, 1), LRNN_OK);
                /* The results are still those of the run. */
                assert_true(get_result(decoder, i, 0).log_probability == result.log_probability);
            }
            lrnn_decoder_destroy(decoder);
        }
        lrnn_model_destroy(model);
    }
}

static void a_scorer_scores_from_the_very_first_token(void **state)
{
    (void)state;
    hash_scorer scorer = {.seed = 1, .spread = 2, .vocab_size = V};
    lrnn_decoder *decoder = decoder_over(&scorer, NULL);
    const int32_t text[] = {5, 2, 2, 9};
    lrnn_request request = make_request(text, 4, 0);
    double total, expected = 0;
    float values[4];
    assert_int_equal(lrnn_decoder_score(&total, values, decoder, &request, 0), LRNN_OK);
    for (size_t i = 0; i < 4; i++) {
        float logits[V];
        double log_probabilities[V];
        hash_logits(&scorer, text, i, logits);
        to_log_probabilities(logits, V, log_probabilities);
        assert_true(fabs((double)values[i] - log_probabilities[text[i]]) < 1e-5);
        expected += log_probabilities[text[i]];
    }
    assert_true(fabs(total - expected) < 1e-5);
    assert_int_equal(lrnn_decoder_score(&total, values, decoder, &request, 4), LRNN_OK);
    assert_true(total == 0);
    lrnn_decoder_destroy(decoder);
}

static void scoring_reports_what_does_not_fit(void **state)
{
    (void)state;
    lrnn_model_options of = model_options();
    of.output_size = V - 5;
    lrnn_model *model = make_model(&of);
    lrnn_decoder *decoder;
    assert_int_equal(lrnn_decoder_create(&decoder, model, NULL), LRNN_OK);
    const int32_t text[] = {V - 1, 2, V - 2}, beyond[] = {1, V};
    lrnn_request request = make_request(text, 3, 0);
    double total = 7;
    assert_int_equal(lrnn_decoder_score(&total, NULL, decoder, &request, 0), LRNN_ERR_INVALID);
    assert_non_null(strstr(lrnn_last_error(), "first"));
    assert_int_equal(lrnn_decoder_score(&total, NULL, decoder, &request, 4), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_decoder_score(&total, NULL, decoder, &request, 1), LRNN_ERR_INVALID);
    assert_non_null(strstr(lrnn_last_error(), "tokens[2]"));
    request = make_request(beyond, 2, 0);
    assert_int_equal(lrnn_decoder_score(&total, NULL, decoder, &request, 1), LRNN_ERR_INVALID);
    request = make_request(text, 2, 0);
    assert_int_equal(lrnn_decoder_score(&total, NULL, NULL, &request, 1), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_decoder_score(&total, NULL, decoder, NULL, 1), LRNN_ERR_INVALID);
    assert_true(total == 7);
    assert_int_equal(lrnn_decoder_score(&total, NULL, decoder, &request, 1), LRNN_OK);
    lrnn_decoder_destroy(decoder);
    lrnn_model_destroy(model);

    hash_scorer scorer = {.seed = 1, .spread = 2, .vocab_size = V, .answer = 3, .answer_at = 2};
    decoder = decoder_over(&scorer, NULL);
    request = make_request(text, 3, 0);
    assert_int_equal(lrnn_decoder_score(&total, NULL, decoder, &request, 0), LRNN_ERR_CANCELLED);
    scorer = (hash_scorer){.seed = 1, .spread = 2, .vocab_size = V, .answer = -3, .answer_at = 1};
    assert_int_equal(lrnn_decoder_score(&total, NULL, decoder, &request, 0), LRNN_ERR_CALLBACK);
    scorer = (hash_scorer){.seed = 1, .spread = NAN, .vocab_size = V};
    assert_int_equal(lrnn_decoder_score(&total, NULL, decoder, &request, 0), LRNN_ERR_NUMERIC);
    lrnn_decoder_destroy(decoder);
}

/* ---- models that cannot be decoded from, requests that do not fit ---- */

static void check_unsupported(const lrnn_model_options *of)
{
    lrnn_model *model;
    lrnn_decoder *decoder;
    assert_int_equal(lrnn_model_create(&model, of), LRNN_OK);
    assert_int_equal(lrnn_decoder_create(&decoder, model, NULL), LRNN_ERR_UNSUPPORTED);
    assert_null(decoder);
    lrnn_model_destroy(model);
}

static void models_that_do_not_predict_tokens_are_unsupported(void **state)
{
    (void)state;
    lrnn_model_options of = model_options();
    of.bidirectional = 1;
    check_unsupported(&of);
    of = model_options();
    of.head = LRNN_HEAD_NONE;
    check_unsupported(&of);
    of = model_options();
    of.vocab_size = 0;
    of.feature_size = 2;
    of.output_size = 3;
    check_unsupported(&of);
    of = model_options();
    of.output_size = V + 1;
    check_unsupported(&of);
    lrnn_decoder *decoder;
    assert_int_equal(lrnn_decoder_create(&decoder, NULL, NULL), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_decoder_create(NULL, NULL, NULL), LRNN_ERR_INVALID);
}

static void requests_must_fit_the_model(void **state)
{
    (void)state;
    lrnn_model_options of = model_options();
    of.cell = LRNN_CELL_GRU;
    of.feature_size = F;
    lrnn_model *model = make_model(&of);
    lrnn_decoder *decoder;
    assert_int_equal(lrnn_decoder_create(&decoder, model, NULL), LRNN_OK);
    const int32_t prompt[] = {1};
    const float values[2 * H] = {0};
    lrnn_request request = make_request(prompt, 1, 0);
    assert_int_equal(lrnn_decoder_run(decoder, &request, 1), LRNN_ERR_INVALID);
    assert_non_null(strstr(lrnn_last_error(), "features"));
    request.features = values;
    assert_int_equal(lrnn_decoder_run(decoder, &request, 1), LRNN_OK);
    request.h = values;
    assert_int_equal(lrnn_decoder_run(decoder, &request, 1), LRNN_OK);
    request.c = values;
    assert_int_equal(lrnn_decoder_run(decoder, &request, 1), LRNN_ERR_INVALID);
    assert_non_null(strstr(lrnn_last_error(), "c:"));
    request = make_request(prompt, 0, 0);
    request.features = values;
    assert_int_equal(lrnn_decoder_run(decoder, &request, 1), LRNN_ERR_INVALID);
    assert_non_null(strstr(lrnn_last_error(), "count"));
    lrnn_decoder_destroy(decoder);
    lrnn_model_destroy(model);

    of = model_options();
    of.layers = 0;
    model = make_model(&of);
    assert_int_equal(lrnn_decoder_create(&decoder, model, NULL), LRNN_OK);
    request = make_request(prompt, 1, 0);
    request.h = values;
    assert_int_equal(lrnn_decoder_run(decoder, &request, 1), LRNN_ERR_INVALID);
    request = make_request(prompt, 1, 0);
    request.c = values;
    assert_int_equal(lrnn_decoder_run(decoder, &request, 1), LRNN_ERR_INVALID);
    lrnn_decoder_destroy(decoder);
    lrnn_model_destroy(model);
}

static void create_over_a_model_survives_every_failed_allocation(void **state)
{
    (void)state;
    lrnn_model_options of = model_options();
    lrnn_model *model = make_model(&of);
    fault_allocator fault;
    for (size_t n = 1;; n++) {
        fault_allocator_start(&fault, n);
        lrnn_decoder_options options = decoder_options(LRNN_METHOD_BEAM);
        options.allocator = &fault.allocator;
        lrnn_decoder *decoder;
        lrnn_status status = lrnn_decoder_create(&decoder, model, &options);
        if (!fault_allocator_failed(&fault)) {
            assert_int_equal(status, LRNN_OK);
            assert_true(n > 4);
            size_t calls = fault_allocator_calls(&fault);
            static prompt_set set;
            make_prompts(&set, &of, V);
            assert_int_equal(lrnn_decoder_run(decoder, set.requests, REQUESTS), LRNN_OK);
            assert_int_equal(fault_allocator_calls(&fault), calls);
            lrnn_decoder_destroy(decoder);
            break;
        }
        assert_int_equal(status, LRNN_ERR_MEMORY);
        assert_null(decoder);
        assert_int_equal(fault_allocator_live(&fault), 0);
    }
    assert_int_equal(fault_allocator_live(&fault), 0);
    lrnn_model_destroy(model);
}

static void a_decoder_inherits_the_allocator_of_its_model(void **state)
{
    (void)state;
    fault_allocator fault;
    fault_allocator_start(&fault, 0);
    lrnn_model_options of = model_options();
    of.allocator = &fault.allocator;
    lrnn_model *model;
    lrnn_decoder *decoder;
    assert_int_equal(lrnn_model_create(&model, &of), LRNN_OK);
    size_t live = fault_allocator_live(&fault);
    assert_int_equal(lrnn_decoder_create(&decoder, model, NULL), LRNN_OK);
    assert_true(fault_allocator_live(&fault) >= live + 4);
    lrnn_decoder_destroy(decoder);
    assert_int_equal(fault_allocator_live(&fault), live);
    lrnn_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_and_a_scorer_of_it_agree_for_every_cell),
        cmocka_unit_test(a_model_and_a_scorer_of_it_agree_for_every_head_and_input),
        cmocka_unit_test(a_model_and_a_scorer_of_it_agree_for_many_tokens),
        cmocka_unit_test(logits_are_added_up_over_all_tokens),
        cmocka_unit_test(a_model_may_go_before_its_decoder),
        cmocka_unit_test(scoring_adds_up_what_decoding_reports),
        cmocka_unit_test(a_scorer_scores_from_the_very_first_token),
        cmocka_unit_test(scoring_reports_what_does_not_fit),
        cmocka_unit_test(models_that_do_not_predict_tokens_are_unsupported),
        cmocka_unit_test(requests_must_fit_the_model),
        cmocka_unit_test(create_over_a_model_survives_every_failed_allocation),
        cmocka_unit_test(a_decoder_inherits_the_allocator_of_its_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
