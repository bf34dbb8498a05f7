/* The search over frames beside the decoders of flashlight-text, with every sequence in the beam.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "format/safetensors.h"
#include "lrnn.h"
#include "support/expect.h"

#ifndef SOURCE_ROOT
#define SOURCE_ROOT "."
#endif

enum { CASES = 200, T = 7, V = 4, BEST = 3, SEPARATOR = 3, TOKENS = 4, WIDE = 3000, MOST = 3000 };

static float frames[CASES][T * V], tables[CASES][5][TOKENS], scores[CASES][BEST];
static int32_t results[CASES][BEST][T];

static void read_golden(void)
{
    safetensors *file;
    EXPECT_OK(
        safetensors_open(&file, NULL, SOURCE_ROOT "/tests/golden/ctc_flashlight.safetensors"));
    EXPECT_OK(tensor_bytes(frames, safetensors_find(file, "frames"), 0, CASES * T * V));
    EXPECT_OK(tensor_bytes(tables, safetensors_find(file, "tables"), 0, CASES * 5 * TOKENS));
    EXPECT_OK(tensor_bytes(scores, safetensors_find(file, "scores"), 0, CASES * BEST));
    EXPECT_OK(tensor_bytes(results, safetensors_find(file, "results"), 0, CASES * BEST * T));
    safetensors_destroy(file);
}

static int32_t bigram(void *user, const lrnn_rows *rows, float *logits)
{
    size_t at = *(const size_t *)user;
    for (size_t row = 0; row < rows->count; row++) {
        int32_t history[T];
        if (lrnn_rows_copy_tokens(history, T, rows, row) != LRNN_OK) {
            return -1;
        }
        int32_t length = rows->lengths[row];
        const float *scores_after = tables[at][length == 0 ? 4 : history[length - 1]];
        memcpy(logits + row * TOKENS, scores_after, TOKENS * sizeof *logits);
    }
    return 0;
}

static lrnn_lexicon *make_lexicon(void)
{
    static const int32_t labels[] = {1, 2, 1, 2, 2, 1, 2, 1};
    static const size_t lengths[] = {2, 3, 1, 2};
    lrnn_lexicon *lexicon;
    EXPECT_OK(lrnn_lexicon_create(&lexicon, labels, lengths, 4, NULL));
    return lexicon;
}

static lrnn_ctc *run(size_t *at, const lrnn_lexicon *lexicon)
{
    lrnn_ctc_options o;
    lrnn_scorer scorer;
    lrnn_ctc *ctc;
    EXPECT_OK(lrnn_ctc_options_init(&o, sizeof o));
    EXPECT_OK(lrnn_scorer_init(&scorer, sizeof scorer));
    scorer.score = bigram;
    scorer.user = at;
    scorer.vocab_size = TOKENS;
    o.output_size = V;
    o.input = LRNN_CTC_LOG_PROBS;
    o.beam_width = o.n_best = WIDE;
    o.max_length = T;
    if (*at % 2 == 1) {
        o.scorer = &scorer;
        o.lm_weight = 0.8;
    }
    if (lexicon != NULL) {
        o.lexicon = lexicon;
        o.separator = SEPARATOR;
        o.lm_words = 1;
        o.insertion_bonus = 0.5;
    }
    EXPECT_OK(lrnn_ctc_create(&ctc, &o));
    EXPECT_OK(lrnn_ctc_feed(ctc, frames[*at], T, V));
    return ctc;
}

static void expect_result(size_t at, size_t rank, double score, const int32_t *found, size_t count)
{
    if (fabs(score - (double)scores[at][rank]) > 1e-3) {
        fail_msg("case %zu, result %zu: score %g, flashlight-text %g", at, rank, score,
                 (double)scores[at][rank]);
    }
    assert_memory_equal(found, results[at][rank], count * sizeof *found);
    assert_true(count == T || results[at][rank][count] == -1);
}

static void label_sequences_are_those_of_flashlight(void **state)
{
    (void)state;
    read_golden();
    for (size_t at = 0; at < CASES; at += at % 2 == 0 ? 1 : 3) { /* kinds 0 and 1 */
        lrnn_ctc *ctc = run(&at, NULL);
        for (size_t rank = 0; rank < BEST; rank++) {
            lrnn_ctc_result r;
            EXPECT_OK(lrnn_ctc_result_init(&r, sizeof r));
            EXPECT_OK(lrnn_ctc_get_result(&r, ctc, rank));
            expect_result(at, rank, r.score, r.tokens, r.count);
        }
        lrnn_ctc_destroy(ctc);
    }
}

typedef struct word_sequence {
    int32_t words[T];
    size_t count;
    double score;
} word_sequence;

static int by_score(const void *a, const void *b)
{
    double x = ((const word_sequence *)a)->score, y = ((const word_sequence *)b)->score;
    return (x < y) - (x > y);
}

/* Adds up the label sequences of the same words that end with the separator. */
static size_t sum_words(word_sequence *sums, lrnn_ctc *ctc)
{
    size_t count = 0;
    lrnn_ctc_result r;
    EXPECT_OK(lrnn_ctc_result_init(&r, sizeof r));
    for (size_t rank = 0; lrnn_ctc_get_result(&r, ctc, rank) == LRNN_OK; rank++) {
        size_t i = 0;
        if (r.count > 0 && r.tokens[r.count - 1] != SEPARATOR) {
            continue;
        }
        while (i < count && (sums[i].count != r.word_count ||
                             memcmp(sums[i].words, r.words, r.word_count * sizeof *r.words) != 0)) {
            i++;
        }
        if (i == count) {
            assert_true(count < MOST);
            sums[count].count = r.word_count;
            sums[count].score = -HUGE_VAL;
            memcpy(sums[count++].words, r.words, r.word_count * sizeof *r.words);
        }
        double larger = fmax(sums[i].score, r.score), smaller = fmin(sums[i].score, r.score);
        sums[i].score = larger + log1p(exp(smaller - larger));
    }
    qsort(sums, count, sizeof *sums, by_score);
    return count;
}

static void word_sequences_are_those_of_flashlight(void **state)
{
    (void)state;
    read_golden();
    lrnn_lexicon *lexicon = make_lexicon();
    word_sequence *sums = malloc(MOST * sizeof *sums);
    for (size_t at = 2; at < CASES; at += at % 2 == 0 ? 1 : 3) { /* kinds 2 and 3 */
        lrnn_ctc *ctc = run(&at, lexicon);
        size_t count = sum_words(sums, ctc);
        for (size_t rank = 0; rank < BEST && rank < count; rank++) {
            expect_result(at, rank, sums[rank].score, sums[rank].words, sums[rank].count);
        }
        assert_true(count >= BEST);
        lrnn_ctc_destroy(ctc);
    }
    free(sums);
    lrnn_lexicon_destroy(lexicon);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(label_sequences_are_those_of_flashlight),
        cmocka_unit_test(word_sequences_are_those_of_flashlight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
