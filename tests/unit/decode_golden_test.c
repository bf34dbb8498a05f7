/* What generate() of the Python package transformers found with a small GPT-2, from
 * tests/golden/decode_gpt2.bin; decode_gpt2.py, which wrote it, says how. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/decode_scorers.h"

/* ---- the file ---- */

typedef struct reader {
    unsigned char *bytes;
    size_t length, at;
} reader;

static const void *take(reader *file, size_t count)
{
    if (file->length - file->at < count) {
        fail_msg("decode_gpt2.bin ends at byte %zu", file->at);
    }
    file->at += count;
    return file->bytes + file->at - count;
}

static int32_t take_int(reader *file)
{
    int32_t value;
    memcpy(&value, take(file, sizeof value), sizeof value);
    return value;
}

static double take_double(reader *file)
{
    double value;
    memcpy(&value, take(file, sizeof value), sizeof value);
    return value;
}

typedef struct list {
    int32_t items[32];
    size_t count;
} list;

static list take_list(reader *file)
{
    list read = {{0}, (size_t)take_int(file)};
    assert_true(read.count <= 32);
    memcpy(read.items, take(file, read.count * sizeof(int32_t)), read.count * sizeof(int32_t));
    return read;
}

static reader open_file(void)
{
    FILE *file = fopen(SOURCE_ROOT "/tests/golden/decode_gpt2.bin", "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long length = ftell(file);
    assert_true(length > 8);
    rewind(file);
    reader read = {malloc((size_t)length), (size_t)length, 0};
    assert_non_null(read.bytes);
    assert_int_equal(fread(read.bytes, 1, read.length, file), read.length);
    fclose(file);
    assert_memory_equal(take(&read, 8), "LRNNDEC1", 8);
    return read;
}

/* ---- the logits GPT-2 gave, by prefix ---- */

typedef struct captured {
    size_t vocab_size, count;
    const int32_t *parents, *tokens; /* [count] */
    const float *logits;             /* [count, vocab_size] */
    int32_t last[64];                /* prefix of each row of the previous call */
} captured;

/* A scorer with a state: which prefix a row has come to. */
static int32_t replay(void *user, const lrnn_rows *rows, float *logits)
{
    captured *gpt2 = user;
    int32_t prefix[64];
    for (size_t row = 0; row < rows->count; row++) {
        prefix[row] = 0;
        if (rows->parents[row] >= 0) {
            int32_t parent = gpt2->last[rows->parents[row]], i = parent + 1;
            while ((size_t)i < gpt2->count &&
                   (gpt2->parents[i] != parent || gpt2->tokens[i] != rows->tokens[row])) {
                i++;
            }
            if ((size_t)i == gpt2->count) {
                return -1; /* generate() never went there */
            }
            prefix[row] = i;
        }
        memcpy(logits + row * gpt2->vocab_size,
               gpt2->logits + (size_t)prefix[row] * gpt2->vocab_size,
               gpt2->vocab_size * sizeof(float));
    }
    memcpy(gpt2->last, prefix, sizeof prefix);
    return 0;
}

/* ---- a case ---- */

typedef struct answer {
    list tokens;
    double score, log_probability;
} answer;

typedef struct golden_case {
    lrnn_decoder_options options;
    list ends, prompt, single, words[8];
    const int32_t *sequences[8];
    size_t lengths[8];
    answer answers[32];
    size_t answer_count;
    captured gpt2;
} golden_case;

static void take_words(golden_case *c, reader *file)
{
    size_t count = (size_t)take_list(file).items[0], longer = 0;
    for (size_t i = 0; i < count; i++) {
        list word = take_list(file);
        if (word.count == 1) {
            c->single.items[c->single.count++] = word.items[0];
        } else {
            c->words[longer++] = word;
        }
    }
    for (size_t i = 0; i < longer; i++) {
        c->sequences[i] = c->words[i].items;
        c->lengths[i] = c->words[i].count;
    }
    c->options.banned_sequence_count = longer;
}

static void take_options(golden_case *c, reader *file)
{
    lrnn_decoder_options *o = &c->options;
    *o = decoder_defaults();
    size_t width = (size_t)take_int(file);
    int32_t stopping = take_int(file);
    size_t n_best = (size_t)take_int(file);
    o->max_length = (size_t)take_int(file);
    o->min_length = (size_t)take_int(file);
    o->no_repeat_ngram = (size_t)take_int(file);
    o->length_penalty = take_double(file);
    o->repetition_penalty = take_double(file);
    o->filter_prompt = 1;
    o->penalize = LRNN_PENALTY_LOGITS;
    if (width > 1) {
        o->method = LRNN_METHOD_BEAM;
        o->beam_width = width;
        o->stopping = stopping;
        o->n_best = n_best;
        o->penalize = LRNN_PENALTY_LOG_PROBABILITIES;
        o->candidates = LRNN_CANDIDATES_TRANSFORMERS;
        o->cut = LRNN_CUT_FINISHED;
    }
}

static void take_case(golden_case *c, reader *file, size_t vocab_size)
{
    memset(c, 0, sizeof *c);
    take_options(c, file);
    c->ends = take_list(file);
    c->prompt = take_list(file);
    take_words(c, file);
    c->options.end_tokens = c->ends.items;
    c->options.end_count = c->ends.count;
    c->options.banned_tokens = c->single.items;
    c->options.banned_count = c->single.count;
    c->options.banned_sequences = c->sequences;
    c->options.banned_lengths = c->lengths;
    c->answer_count = (size_t)take_int(file);
    assert_true(c->answer_count <= 32);
    for (size_t i = 0; i < c->answer_count; i++) {
        c->answers[i].tokens = take_list(file);
        c->answers[i].score = take_double(file);
        c->answers[i].log_probability = take_double(file);
    }
    size_t count = (size_t)take_int(file);
    int32_t *parents = malloc(2 * count * sizeof *parents);
    float *logits = malloc(count * vocab_size * sizeof *logits);
    assert_true(parents != NULL && logits != NULL);
    for (size_t i = 0; i < count; i++) {
        parents[i] = take_int(file);
        parents[count + i] = take_int(file);
        memcpy(logits + i * vocab_size, take(file, vocab_size * sizeof(float)),
               vocab_size * sizeof(float));
    }
    c->gpt2 = (captured){vocab_size, count, parents, parents + count, logits, {0}};
}

static void check_case(golden_case *c)
{
    lrnn_scorer scorer;
    lrnn_scorer_init(&scorer, sizeof scorer);
    scorer.user = &c->gpt2;
    scorer.vocab_size = c->gpt2.vocab_size;
    scorer.score = replay;
    lrnn_decoder *decoder;
    assert_int_equal(lrnn_decoder_create_with_scorer(&decoder, &scorer, &c->options), LRNN_OK);
    lrnn_request request = make_request(c->prompt.items, c->prompt.count, 0);
    assert_int_equal(lrnn_decoder_run(decoder, &request, 1), LRNN_OK);
    assert_int_equal(lrnn_decoder_result_count(decoder, 0), c->answer_count);
    for (size_t i = 0; i < c->answer_count; i++) {
        const answer *expected = &c->answers[i];
        lrnn_result result = get_result(decoder, 0, i);
        assert_int_equal(result.count, expected->tokens.count);
        assert_memory_equal(result.tokens, expected->tokens.items, result.count * sizeof(int32_t));
        assert_true(fabs(result.log_probability - expected->log_probability) < 1e-4);
        assert_true(isnan(expected->score) || fabs(result.score - expected->score) < 1e-4);
    }
    lrnn_decoder_destroy(decoder);
}

static void texts_and_scores_are_those_of_transformers(void **state)
{
    (void)state;
    reader file = open_file();
    size_t vocab_size = (size_t)take_int(&file);
    size_t count = (size_t)take_int(&file);
    assert_true(count >= 100);
    static golden_case c;
    for (size_t i = 0; i < count; i++) {
        take_case(&c, &file, vocab_size);
        check_case(&c);
        free((void *)(uintptr_t)c.gpt2.parents);
        free((void *)(uintptr_t)c.gpt2.logits);
    }
    free(file.bytes);
}

/* ---- what the sampling filters keep ---- */

static int32_t constant_logits(void *user, const lrnn_rows *rows, float *logits)
{
    const captured *row = user;
    for (size_t i = 0; i < rows->count; i++) {
        memcpy(logits + i * row->vocab_size, row->logits, row->vocab_size * sizeof(float));
    }
    return 0;
}

/* Draws evenly among what a filter leaves until what is never drawn is surely not left. */
static void check_filter(captured *row, int32_t filter, int32_t keep, double value,
                         const unsigned char *kept)
{
    lrnn_decoder_options options = decoder_defaults();
    options.method = LRNN_METHOD_SAMPLE;
    options.uniform = 1;
    options.max_length = 3000;
    options.min_keep = (size_t)keep;
    options.top_k = filter == 0 ? (size_t)value : 0;
    options.top_p = filter == 1 ? value : 1;
    options.min_p = filter == 2 ? value : 0;
    options.typical_p = filter == 3 ? value : 1;
    lrnn_scorer scorer;
    lrnn_scorer_init(&scorer, sizeof scorer);
    scorer.user = row;
    scorer.vocab_size = row->vocab_size;
    scorer.score = constant_logits;
    lrnn_decoder *decoder;
    assert_int_equal(lrnn_decoder_create_with_scorer(&decoder, &scorer, &options), LRNN_OK);
    lrnn_request request = make_request(NULL, 0, 1);
    assert_int_equal(lrnn_decoder_run(decoder, &request, 1), LRNN_OK);
    lrnn_result result = get_result(decoder, 0, 0);
    unsigned char drawn[64] = {0};
    for (size_t i = 0; i < result.count; i++) {
        drawn[result.tokens[i]] = 1;
    }
    assert_memory_equal(drawn, kept, row->vocab_size);
    lrnn_decoder_destroy(decoder);
}

static void skip_cases(reader *file, size_t vocab_size, size_t count)
{
    static golden_case c;
    for (size_t i = 0; i < count; i++) {
        take_case(&c, file, vocab_size);
        free((void *)(uintptr_t)c.gpt2.parents);
        free((void *)(uintptr_t)c.gpt2.logits);
    }
}

static void sampling_filters_keep_what_those_of_transformers_keep(void **state)
{
    (void)state;
    reader file = open_file();
    size_t vocab_size = (size_t)take_int(&file);
    skip_cases(&file, vocab_size, (size_t)take_int(&file));
    size_t rows = (size_t)take_int(&file), cases = (size_t)take_int(&file);
    for (size_t i = 0; i < rows; i++) {
        float logits[64];
        memcpy(logits, take(&file, vocab_size * sizeof(float)), vocab_size * sizeof(float));
        captured row = {.vocab_size = vocab_size, .logits = logits};
        for (size_t k = 0; k < 2 * cases; k++) {
            int32_t filter = take_int(&file), keep = take_int(&file);
            double value = take_double(&file);
            check_filter(&row, filter, keep, value, take(&file, vocab_size));
        }
    }
    assert_int_equal(file.at, file.length);
    free(file.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_and_scores_are_those_of_transformers),
        cmocka_unit_test(sampling_filters_keep_what_those_of_transformers_keep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
