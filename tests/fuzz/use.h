/* Uses a model that came out of hostile bytes, in every way there is: whatever its sizes and
 * numbers are, steps one by one give the bits of steps at once, it can be decoded with, and what is
 * saved of it loads as the same model. */
#ifndef FUZZ_USE_H
#define FUZZ_USE_H

#include "fuzz.h"
#include "world.h"

enum { USE_BATCH = 2, USE_STEPS = 3, USE_FLOATS = 1 << 14 };

typedef struct use_window {
    int32_t tokens[USE_BATCH * USE_STEPS];
    float features[USE_FLOATS];
    float at_once[USE_FLOATS], one_by_one[USE_FLOATS];
} use_window;

static inline lrnn_model_options use_options(const lrnn_model *model)
{
    lrnn_model_options options;
    FUZZ_CHECK(lrnn_model_options_init(&options, sizeof options) == LRNN_OK);
    FUZZ_CHECK(lrnn_model_get_options(&options, model) == LRNN_OK);
    return options;
}

/* The same bits; where a fuzzer has taken the kernels to pieces, so that multiplications and
 * additions are no longer fused everywhere, nearly the same numbers. */
static inline bool use_equal(const float *a, const float *b, size_t count)
{
#ifdef LRNN_LIBFUZZER
    for (size_t i = 0; i < count; i++) {
        if (isfinite(a[i]) && isfinite(b[i]) && fabsf(a[i]) < 1e3f && fabsf(a[i] - b[i]) > 0.01f) {
            return false;
        }
    }
    return true;
#else
    return memcmp(a, b, count * sizeof *a) == 0;
#endif
}

static inline void use_steps(use_window *window, lrnn_state *state, const lrnn_model *model)
{
    lrnn_model_options o = use_options(model);
    size_t outputs = lrnn_model_output_size(model);
    lrnn_sequences sequences;
    FUZZ_CHECK(lrnn_sequences_init(&sequences, sizeof sequences) == LRNN_OK);
    sequences.batch = USE_BATCH;
    sequences.steps = USE_STEPS;
    sequences.tokens = o.vocab_size > 0 ? window->tokens : NULL;
    sequences.features = o.feature_size > 0 ? window->features : NULL;
    FUZZ_CHECK(lrnn_state_forward(state, &sequences, window->at_once) == LRNN_OK);
    FUZZ_CHECK(lrnn_state_reset(state) == LRNN_OK);
    for (size_t t = 0; t < USE_STEPS && o.bidirectional == 0; t++) {
        int32_t tokens[USE_BATCH];
        for (size_t b = 0; b < USE_BATCH; b++) {
            tokens[b] = window->tokens[b * USE_STEPS + t];
        }
        FUZZ_CHECK(lrnn_state_step(state, sequences.tokens != NULL ? tokens : NULL,
                                   sequences.features, window->one_by_one) == LRNN_OK);
        for (size_t b = 0; b < USE_BATCH && o.head <= LRNN_HEAD_STEPS; b++) {
            FUZZ_CHECK(use_equal(window->one_by_one + b * outputs,
                                 window->at_once + (b * USE_STEPS + t) * outputs, outputs));
        }
    }
}

static inline void use_state(const lrnn_model *model)
{
    static use_window window;
    lrnn_model_options o = use_options(model);
    lrnn_state_options options;
    lrnn_state *state;
    size_t outputs = lrnn_model_output_size(model);
    if (outputs > USE_FLOATS / (USE_BATCH * USE_STEPS) ||
        o.feature_size > USE_FLOATS / (USE_BATCH * USE_STEPS)) {
        return;
    }
    for (size_t i = 0; i < USE_BATCH * USE_STEPS && o.vocab_size > 0; i++) {
        window.tokens[i] = (int32_t)(i * 5 % o.vocab_size);
    }
    for (size_t i = 0; i < USE_BATCH * USE_STEPS * o.feature_size; i++) {
        window.features[i] = 0.25f; /* all steps alike, so that one by one reads the same */
    }
    FUZZ_CHECK(lrnn_state_options_init(&options, sizeof options) == LRNN_OK);
    options.batch = USE_BATCH;
    options.steps = USE_STEPS;
    lrnn_status status = lrnn_state_create(&state, model, &options);
    if (status == LRNN_OK) {
        use_steps(&window, state, model);
    } else {
        FUZZ_CHECK(status == LRNN_ERR_MEMORY && state == NULL);
    }
    lrnn_state_destroy(state);
}

static inline void use_decoder(const lrnn_model *model, int32_t method)
{
    static float features[USE_FLOATS];
    const int32_t prompt[] = {0, 0};
    size_t feature_size = use_options(model).feature_size;
    lrnn_decoder_options options;
    lrnn_request request;
    lrnn_decoder *decoder;
    FUZZ_CHECK(lrnn_decoder_options_init(&options, sizeof options) == LRNN_OK);
    FUZZ_CHECK(lrnn_request_init(&request, sizeof request) == LRNN_OK);
    options.method = method;
    options.max_length = 3;
    options.beam_width = method == LRNN_METHOD_BEAM ? 2 : options.beam_width;
    lrnn_status status = lrnn_decoder_create(&decoder, model, &options);
    if (status != LRNN_OK) {
        FUZZ_CHECK(status == LRNN_ERR_UNSUPPORTED || status == LRNN_ERR_MEMORY);
        FUZZ_CHECK(decoder == NULL);
        return;
    }
    request.tokens = prompt;
    request.count = 2;
    request.features = feature_size > 0 ? features : NULL;
    if (feature_size <= USE_FLOATS) {
        status = lrnn_decoder_run(decoder, &request, 1);
        FUZZ_CHECK(status == LRNN_OK || status == LRNN_ERR_NUMERIC);
        FUZZ_CHECK(status != LRNN_OK || lrnn_decoder_result_count(decoder, 0) == 1);
    }
    lrnn_decoder_destroy(decoder);
}

/* Do both have the same parameters, bit for bit? */
static inline bool use_same(const lrnn_model *a, const lrnn_model *b)
{
    size_t count = lrnn_model_parameter_count(a);
    if (lrnn_model_parameter_count(b) != count) {
        return false;
    }
    float *of_a = malloc(2 * count * sizeof(float) + 1), *of_b = of_a + count;
    FUZZ_CHECK(of_a != NULL);
    FUZZ_CHECK(lrnn_model_copy_parameter(of_a, count, a, NULL) == LRNN_OK);
    FUZZ_CHECK(lrnn_model_copy_parameter(of_b, count, b, NULL) == LRNN_OK);
    bool same = memcmp(of_a, of_b, count * sizeof(float)) == 0;
    free(of_a);
    return same;
}

static inline void use_files(const lrnn_model *model, const lrnn_allocator *allocator)
{
    const char *path = fuzz_output("saved");
    lrnn_model *again;
    lrnn_status status = lrnn_model_save(model, path);
    FUZZ_CHECK(status == LRNN_OK || status == LRNN_ERR_MEMORY);
    if (status == LRNN_OK) {
        status = lrnn_model_load(&again, path, allocator);
        FUZZ_CHECK(status == LRNN_ERR_MEMORY || (status == LRNN_OK && use_same(model, again)));
        lrnn_model_destroy(again);
    }
}

static inline void use_model(const lrnn_model *model, const lrnn_allocator *allocator)
{
    use_state(model);
    use_decoder(model, LRNN_METHOD_GREEDY);
    use_decoder(model, LRNN_METHOD_BEAM);
    use_files(model, allocator);
}

#endif
