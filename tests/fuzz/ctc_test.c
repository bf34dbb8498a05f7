/* CTC decoding of odd frames, with words and language models or without: fed at once and in pieces
 * the results are the same, they are in order and well-formed, and what was settled stays. */
#include "corpus.h"
#include "world.h"

enum { FRAMES = 12, OUTPUTS = 5, CTC_MEMORY = 4 << 20, SMALL = 64, WORDS = 4, LONGEST_WORD = 3 };

/* A language model: scores depend on the tokens of a row and on `user` alone. */
static int32_t score(void *user, const lrnn_rows *rows, float *logits)
{
    const unsigned *salt = user;
    for (size_t row = 0; row < rows->count; row++) {
        int32_t tokens[4 * FRAMES];
        uint32_t hash = *salt;
        FUZZ_CHECK(rows->lengths[row] >= 0 && rows->lengths[row] <= 4 * FRAMES);
        FUZZ_CHECK(lrnn_rows_copy_tokens(tokens, 4 * FRAMES, rows, row) == LRNN_OK);
        for (int32_t i = 0; i < rows->lengths[row]; i++) {
            hash = (hash ^ (uint32_t)tokens[i]) * UINT32_C(0x9e3779b1);
            hash ^= hash >> 15;
        }
        for (uint32_t v = 0; v < OUTPUTS; v++) {
            uint32_t value = (hash ^ (v + 1)) * UINT32_C(0x9e3779b1) >> 20;
            logits[row * OUTPUTS + v] =
                *salt % 4 == 0 && value % 5 == 0 && v > 0 ? -INFINITY : (float)(value % 64) / 16;
        }
    }
    return *salt == 255 ? -3 : 0;
}

/* Words out of bytes; NULL when they are not a lexicon. */
static lrnn_lexicon *read_lexicon(fuzz_bytes *from)
{
    lrnn_lexicon *lexicon;
    int32_t labels[WORDS * LONGEST_WORD];
    size_t lengths[WORDS], count = 1 + fuzz_below(from, WORDS), all = 0;
    for (size_t i = 0; i < count; i++) {
        lengths[i] = fuzz_below(from, 16) == 15 ? 0 : 1 + fuzz_below(from, LONGEST_WORD);
        for (size_t k = 0; k < lengths[i]; k++) {
            unsigned byte = fuzz_byte(from);
            labels[all++] =
                byte == 255 ? -1 : (int32_t)(byte % (byte > 250 ? OUTPUTS + 1 : OUTPUTS));
        }
    }
    lrnn_status status = lrnn_lexicon_create(&lexicon, labels, lengths, count, &fuzz_allocator);
    FUZZ_CHECK(status == LRNN_OK || status == LRNN_ERR_INVALID || status == LRNN_ERR_MEMORY);
    FUZZ_CHECK((status == LRNN_OK) == (lexicon != NULL));
    return lexicon;
}

static void read_language(lrnn_ctc_options *o, lrnn_scorer *scorer, unsigned *salt,
                          fuzz_bytes *from)
{
    FUZZ_CHECK(lrnn_scorer_init(scorer, sizeof *scorer) == LRNN_OK);
    *salt = fuzz_byte(from);
    scorer->user = salt;
    scorer->vocab_size = OUTPUTS;
    scorer->score = score;
    o->scorer = scorer;
    o->lm_words = o->lexicon != NULL ? fuzz_choice(from, 1) : 0;
    o->lm_weight = fuzz_number(from);
    o->insertion_bonus = fuzz_number(from);
    o->lm_start = (int32_t)fuzz_below(from, OUTPUTS + 1) - 1;
    o->lm_end = (int32_t)fuzz_below(from, OUTPUTS + 1) - 1;
    o->lm_unknown = o->lm_words == 1 ? (int32_t)fuzz_below(from, OUTPUTS + 1) - 1 : -1;
}

static lrnn_ctc_options read_options(fuzz_bytes *from)
{
    lrnn_ctc_options o;
    unsigned flags = fuzz_byte(from);
    FUZZ_CHECK(lrnn_ctc_options_init(&o, sizeof o) == LRNN_OK);
    o.allocator = &fuzz_allocator;
    o.output_size = fuzz_size(from, 2, OUTPUTS);
    o.method = (flags & 1) != 0 ? LRNN_CTC_GREEDY : LRNN_CTC_BEAM;
    o.input = flags >> 1 & 1;
    o.beam_width = fuzz_size(from, 1, 8);
    o.n_best = (flags & 1) != 0 ? 1 : fuzz_size(from, 1, 4);
    o.max_length = (flags & 4) != 0 ? fuzz_size(from, 1, FRAMES) : FRAMES;
    o.token_count = (flags & 8) != 0 ? fuzz_size(from, 0, 4) : 0;
    o.token_threshold = (flags & 16) != 0 ? fuzz_number(from) : 0;
    o.blank = (flags & 32) != 0 ? fuzz_choice(from, OUTPUTS) : 0;
    if ((flags & 64) != 0 && (o.lexicon = read_lexicon(from)) != NULL) {
        o.separator = (int32_t)fuzz_below(from, OUTPUTS + 1) - 1;
        o.unknown_words = fuzz_choice(from, 1);
        o.unknown_penalty = o.unknown_words == 1 ? fuzz_number(from) : 0;
    }
    return o;
}

static void check_result(const lrnn_ctc_result *result, const lrnn_ctc_options *o, size_t frames)
{
    FUZZ_CHECK(!isnan(result->score) && result->word_count <= result->count + 1);
    for (size_t i = 0; i < result->word_count; i++) {
        FUZZ_CHECK(result->words[i] >= -1 && result->words[i] < WORDS);
    }
    FUZZ_CHECK(result->count <= o->max_length && result->count <= frames);
    FUZZ_CHECK(!isnan(result->log_probability));
    for (size_t i = 0; i < result->count; i++) {
        FUZZ_CHECK(result->tokens[i] >= 0 && (size_t)result->tokens[i] < o->output_size);
        FUZZ_CHECK(result->tokens[i] != o->blank);
        FUZZ_CHECK(result->frames[i] >= 0 && (size_t)result->frames[i] < frames);
        FUZZ_CHECK(i == 0 || result->frames[i] > result->frames[i - 1]);
        FUZZ_CHECK(!isnan(result->confidences[i]));
    }
}

static lrnn_status get(lrnn_ctc_result *result, lrnn_ctc *ctc, size_t rank)
{
    FUZZ_CHECK(lrnn_ctc_result_init(result, sizeof *result) == LRNN_OK);
    return lrnn_ctc_get_result(result, ctc, rank);
}

/* All results of one are those of the other. */
static void compare(lrnn_ctc *whole, lrnn_ctc *pieces, const lrnn_ctc_options *o, size_t frames,
                    bool finished)
{
    double before = INFINITY;
    for (size_t rank = 0; rank < o->n_best; rank++) {
        lrnn_ctc_result a, b;
        lrnn_status status = get(&a, whole, rank);
        FUZZ_CHECK(status == LRNN_OK || status == LRNN_ERR_NOT_FOUND);
        FUZZ_CHECK(get(&b, pieces, rank) == status);
        if (status == LRNN_OK) {
            check_result(&a, o, frames);
            FUZZ_CHECK(a.count == b.count && a.score <= before);
            FUZZ_CHECK(memcmp(a.tokens, b.tokens, a.count * sizeof *a.tokens) == 0);
            FUZZ_CHECK(memcmp(a.frames, b.frames, a.count * sizeof *a.frames) == 0);
            FUZZ_CHECK(memcmp(&a.log_probability, &b.log_probability, sizeof(double)) == 0);
            before = a.score;
        }
    }
    if (!finished) {
        FUZZ_CHECK(lrnn_ctc_settled(whole) == lrnn_ctc_settled(pieces));
    }
}

/* Feeds frame by frame; what has settled stays at the beginning of the best result. Returns how
 * many frames were taken. */
static size_t feed_pieces(lrnn_ctc *ctc, const float *frames, size_t count, size_t width,
                          bool *over)
{
    int32_t settled[FRAMES];
    size_t settled_count = 0;
    for (size_t t = 0; t < count; t++) {
        lrnn_ctc_result best;
        lrnn_status status = lrnn_ctc_feed(ctc, frames + t * width, 1, width);
        if (status != LRNN_OK) {
            FUZZ_CHECK(status == LRNN_ERR_NUMERIC || status == LRNN_ERR_CALLBACK);
            *over = lrnn_ctc_feed(ctc, frames, 0, width) != LRNN_OK;
            return t;
        }
        if (get(&best, ctc, 0) == LRNN_OK) {
            size_t now = lrnn_ctc_settled(ctc);
            FUZZ_CHECK(now >= settled_count && now <= best.count);
            FUZZ_CHECK(memcmp(settled, best.tokens, settled_count * sizeof *settled) == 0);
            memcpy(settled, best.tokens, now * sizeof *settled);
            settled_count = now;
        }
    }
    return count;
}

static void decode(lrnn_ctc *whole, lrnn_ctc *pieces, const lrnn_ctc_options *o, fuzz_bytes *from)
{
    static float frames[FRAMES * OUTPUTS];
    size_t count = 1 + fuzz_below(from, FRAMES);
    for (size_t i = 0; i < count * o->output_size; i++) {
        frames[i] = (float)fuzz_number(from);
    }
    for (size_t again = 0; again < 2; again++) {
        bool over = false;
        size_t taken = feed_pieces(pieces, frames, count, o->output_size, &over);
        lrnn_status status = lrnn_ctc_feed(whole, frames, count, o->output_size);
        FUZZ_CHECK((status == LRNN_OK) == (taken == count));
        if (!over && status != LRNN_OK) {
            FUZZ_CHECK(lrnn_ctc_feed(whole, frames, taken, o->output_size) ==
                       LRNN_OK); /* nothing has changed */
        }
        if (!over) {
            compare(whole, pieces, o, taken, false);
            status = lrnn_ctc_finish(pieces);
            FUZZ_CHECK(lrnn_ctc_finish(whole) == status);
            if (status == LRNN_OK) {
                compare(whole, pieces, o, taken, true);
            }
        }
        FUZZ_CHECK(lrnn_ctc_reset(whole) == LRNN_OK && lrnn_ctc_reset(pieces) == LRNN_OK);
    }
}

static void fuzz_one(const unsigned char *bytes, size_t length)
{
    fuzz_bytes from = {bytes, length};
    fuzz_memory_begin(CTC_MEMORY);
    lrnn_ctc_options options = read_options(&from);
    lrnn_ctc *whole, *pieces = NULL;
    lrnn_scorer scorer;
    unsigned salt;
    if (options.method == LRNN_CTC_BEAM && fuzz_below(&from, 2) == 1) {
        read_language(&options, &scorer, &salt, &from);
    }
    lrnn_status status = lrnn_ctc_create(&whole, &options);
    FUZZ_CHECK(status == LRNN_OK || status == LRNN_ERR_INVALID || status == LRNN_ERR_MEMORY);
    if (status == LRNN_OK && options.output_size <= OUTPUTS && options.beam_width <= SMALL &&
        options.n_best <= SMALL && lrnn_ctc_create(&pieces, &options) == LRNN_OK) {
        decode(whole, pieces, &options, &from);
    }
    lrnn_ctc_destroy(whole);
    lrnn_ctc_destroy(pieces);
    lrnn_lexicon *lexicon = (lrnn_lexicon *)(uintptr_t)options.lexicon;
    lrnn_lexicon_destroy(lexicon);
    fuzz_memory_end();
}

static size_t fuzz_change(unsigned char *bytes, size_t length, size_t room, uint64_t *random)
{
    if (length == 0 || fuzz_random(random, 3) == 0) {
        return fuzz_any(bytes, length, room < 128 ? room : 128, random);
    }
    bytes[fuzz_random(random, length)] = (unsigned char)fuzz_random(random, 256);
    return length;
}

FUZZ_TARGET("ctc");
