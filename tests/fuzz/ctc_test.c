/* CTC decoding of odd frames: fed at once and in pieces the results are the same, they are in
 * order and well-formed, and what was settled stays. */
#include "corpus.h"
#include "world.h"

enum { FRAMES = 12, OUTPUTS = 5, CTC_MEMORY = 4 << 20, SMALL = 64 };

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
    return o;
}

static void check_result(const lrnn_ctc_result *result, const lrnn_ctc_options *o, size_t frames)
{
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
static void compare(lrnn_ctc *whole, lrnn_ctc *pieces, const lrnn_ctc_options *o, size_t frames)
{
    double before = INFINITY;
    for (size_t rank = 0; rank < o->n_best; rank++) {
        lrnn_ctc_result a, b;
        lrnn_status status = get(&a, whole, rank);
        FUZZ_CHECK(status == LRNN_OK || status == LRNN_ERR_NOT_FOUND);
        FUZZ_CHECK(get(&b, pieces, rank) == status);
        if (status == LRNN_OK) {
            check_result(&a, o, frames);
            FUZZ_CHECK(a.count == b.count && a.log_probability <= before);
            FUZZ_CHECK(memcmp(a.tokens, b.tokens, a.count * sizeof *a.tokens) == 0);
            FUZZ_CHECK(memcmp(a.frames, b.frames, a.count * sizeof *a.frames) == 0);
            FUZZ_CHECK(memcmp(&a.log_probability, &b.log_probability, sizeof(double)) == 0);
            before = a.log_probability;
        }
    }
    FUZZ_CHECK(lrnn_ctc_settled(whole) == lrnn_ctc_settled(pieces));
}

/* Feeds frame by frame; what has settled stays at the beginning of the best result. Returns how
 * many frames were taken. */
static size_t feed_pieces(lrnn_ctc *ctc, const float *frames, size_t count, size_t width)
{
    int32_t settled[FRAMES];
    size_t settled_count = 0;
    for (size_t t = 0; t < count; t++) {
        lrnn_ctc_result best;
        lrnn_status status = lrnn_ctc_feed(ctc, frames + t * width, 1, width);
        if (status != LRNN_OK) {
            FUZZ_CHECK(status == LRNN_ERR_NUMERIC);
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
    size_t count = fuzz_below(from, FRAMES + 1);
    for (size_t i = 0; i < count * o->output_size; i++) {
        frames[i] = (float)fuzz_number(from);
    }
    for (size_t again = 0; again < 2; again++) {
        size_t taken = feed_pieces(pieces, frames, count, o->output_size);
        lrnn_status status = lrnn_ctc_feed(whole, frames, count, o->output_size);
        FUZZ_CHECK(status == (taken == count ? LRNN_OK : LRNN_ERR_NUMERIC));
        if (status != LRNN_OK) {
            FUZZ_CHECK(lrnn_ctc_feed(whole, frames, taken, o->output_size) ==
                       LRNN_OK); /* nothing has changed */
        }
        compare(whole, pieces, o, taken);
        FUZZ_CHECK(lrnn_ctc_reset(whole) == LRNN_OK && lrnn_ctc_reset(pieces) == LRNN_OK);
    }
}

static void fuzz_one(const unsigned char *bytes, size_t length)
{
    fuzz_bytes from = {bytes, length};
    fuzz_memory_begin(CTC_MEMORY);
    lrnn_ctc_options options = read_options(&from);
    lrnn_ctc *whole, *pieces = NULL;
    lrnn_status status = lrnn_ctc_create(&whole, &options);
    FUZZ_CHECK(status == LRNN_OK || status == LRNN_ERR_INVALID || status == LRNN_ERR_MEMORY);
    if (status == LRNN_OK && options.output_size <= OUTPUTS && options.beam_width <= SMALL &&
        options.n_best <= SMALL && lrnn_ctc_create(&pieces, &options) == LRNN_OK) {
        decode(whole, pieces, &options, &from);
    }
    lrnn_ctc_destroy(whole);
    lrnn_ctc_destroy(pieces);
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
