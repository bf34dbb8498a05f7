/* Decoders with options out of bytes, over a scorer whose scores depend on a row's tokens alone and
 * over a small model, with callbacks that forbid, change, stop and fail. Whatever the options are:
 * results are well-formed, what was streamed begins the best of them, and a request gets what it
 * gets alone. */
#include "corpus.h"
#include "world.h"

enum {
    VOCAB = 6, /* of the model; at most of the scorer */
    REQUESTS = 3,
    LONGEST = 12,
    PROMPT = 3,
    LIST = 4,
    ROW_TOKENS = LONGEST + PROMPT + 4,
    DECODER_MEMORY = 4 << 20
};

/* What callbacks do; calls counts those of any kind. */
typedef struct scene {
    size_t vocab;
    unsigned salt;
    bool impossible; /* some scores are -infinity */
    bool large;      /* scores of the order of 1e4 */
    size_t stop_at;  /* this call answers `answer`; 0: none does */
    int32_t answer;
    bool poison; /* instead it answers 0 and has put a NaN among the scores */
    size_t calls;
    int32_t allowed[LIST];
    size_t allowed_count;
    bool raises; /* the logits callback makes some x positive */
    int32_t streamed[REQUESTS][LONGEST + 1];
    size_t streamed_count[REQUESTS];
} scene;

static uint32_t mix(uint32_t hash, uint32_t value)
{
    hash = (hash ^ value) * UINT32_C(0x9e3779b1);
    return hash ^ hash >> 15;
}

static int32_t count_call(scene *s)
{
    return ++s->calls == s->stop_at && !s->poison ? s->answer : 0;
}

static uint32_t row_hash(const scene *s, const lrnn_rows *rows, size_t row)
{
    int32_t tokens[ROW_TOKENS];
    uint32_t hash = s->salt;
    FUZZ_CHECK(rows->lengths[row] >= 0 && rows->lengths[row] <= ROW_TOKENS);
    FUZZ_CHECK(lrnn_rows_copy_tokens(tokens, ROW_TOKENS, rows, row) == LRNN_OK);
    for (int32_t i = 0; i < rows->lengths[row]; i++) {
        hash = mix(hash, (uint32_t)tokens[i]);
    }
    return hash;
}

static int32_t score(void *user, const lrnn_rows *rows, float *logits)
{
    scene *s = user;
    for (size_t row = 0; row < rows->count; row++) {
        uint32_t hash = row_hash(s, rows, row);
        for (size_t v = 0; v < s->vocab; v++) {
            uint32_t value = mix(hash, (uint32_t)v + 77);
            float x = ((float)(value >> 8 & 63) - 32) / 8; /* ties are frequent */
            logits[row * s->vocab + v] = s->impossible && value % 3 == 0 && v > 0 ? -INFINITY
                                         : s->large                               ? 1e4f * x
                                                                                  : x;
        }
    }
    if (s->poison && s->calls + 1 == s->stop_at) {
        logits[0] = NAN;
    }
    return count_call(s);
}

static int32_t allow(void *user, const lrnn_rows *rows, size_t row, const int32_t **tokens,
                     size_t *count)
{
    scene *s = user;
    if (mix(row_hash(s, rows, row), 5) % 4 > 0) {
        *tokens = s->allowed;
        *count = s->allowed_count;
    }
    return count_call(s);
}

static int32_t change_logits(void *user, const lrnn_rows *rows, float *values)
{
    scene *s = user;
    for (size_t row = 0; row < rows->count; row++) {
        uint32_t hash = row_hash(s, rows, row);
        values[row * s->vocab + hash % s->vocab] = s->raises ? 0.5f : -INFINITY;
    }
    return count_call(s);
}

static int32_t stream(void *user, size_t request, int32_t token, float log_probability)
{
    scene *s = user;
    FUZZ_CHECK(request < REQUESTS && s->streamed_count[request] <= LONGEST);
    FUZZ_CHECK(!isnan(log_probability));
    s->streamed[request][s->streamed_count[request]++] = token;
    return count_call(s);
}

/* ---- options ---- */

/* Arrays that the options point to. */
typedef struct arrays {
    int32_t ends[LIST], banned[LIST], forced[LIST], sequences[LIST][LIST];
    const int32_t *starts[LIST];
    size_t lengths[LIST];
} arrays;

static int32_t token(fuzz_bytes *from)
{
    unsigned byte = fuzz_byte(from);
    return byte == 255 ? -1 : byte == 254 ? INT32_MAX : byte == 253 ? VOCAB : (int32_t)(byte % 5);
}

static size_t token_list(int32_t *to, fuzz_bytes *from)
{
    size_t count = fuzz_below(from, LIST + 1);
    for (size_t i = 0; i < count; i++) {
        to[i] = token(from);
    }
    return count;
}

static void read_arrays(lrnn_decoder_options *o, arrays *to, fuzz_bytes *from)
{
    o->end_tokens = to->ends;
    o->end_count = token_list(to->ends, from);
    o->banned_tokens = to->banned;
    o->banned_count = token_list(to->banned, from) / 2;
    o->forced_tokens = to->forced;
    o->forced_count = token_list(to->forced, from) / 2;
    o->banned_sequences = to->starts;
    o->banned_lengths = to->lengths;
    o->banned_sequence_count = fuzz_below(from, 3);
    for (size_t i = 0; i < o->banned_sequence_count; i++) {
        to->lengths[i] = token_list(to->sequences[i], from);
        to->starts[i] = to->sequences[i];
    }
}

/* Most inputs should pass the checks: a group of fields is left alone unless its bit is set. */
static void read_options(lrnn_decoder_options *o, arrays *to, fuzz_bytes *from)
{
    unsigned groups = fuzz_byte(from);
    o->method = fuzz_choice(from, LRNN_METHOD_SAMPLED_BEAM);
    o->batch = fuzz_size(from, 1, REQUESTS);
    o->requests = REQUESTS;
    o->max_length = fuzz_size(from, 1, LONGEST);
    bool beam = o->method == LRNN_METHOD_BEAM || o->method == LRNN_METHOD_SAMPLED_BEAM;
    bool samples = o->method == LRNN_METHOD_SAMPLE || o->method == LRNN_METHOD_SAMPLED_BEAM;
    if (beam || (groups & 128) != 0) {
        o->beam_width = fuzz_size(from, 1, 6);
        o->n_best = fuzz_size(from, 1, 4);
        o->stopping = fuzz_choice(from, LRNN_STOP_EXACT);
        o->candidates = fuzz_choice(from, LRNN_CANDIDATES_TRANSFORMERS);
        o->cut = fuzz_choice(from, LRNN_CUT_FINISHED);
        o->length_penalty = (groups & 1) != 0 ? fuzz_number(from) : 1;
        o->count_prompt = (groups & 1) != 0 ? fuzz_choice(from, 1) : 0;
    }
    if (beam && (groups & 2) != 0) {
        o->beam_groups = fuzz_size(from, 1, 3);
        o->diversity_penalty = fuzz_number(from);
    }
    if (samples || (groups & 128) != 0) {
        o->uniform = (groups & 4) != 0 ? fuzz_choice(from, 1) : 0;
        o->temperature = (groups & 4) != 0 ? fuzz_number(from) : 1;
        o->top_k = (groups & 8) != 0 ? fuzz_size(from, 0, 5) : 0;
        o->top_p = (groups & 8) != 0 ? fuzz_number(from) : 1;
        o->min_p = (groups & 8) != 0 ? fuzz_number(from) : 0;
        o->typical_p = (groups & 16) != 0 ? fuzz_number(from) : 1;
        o->min_keep = (groups & 16) != 0 ? fuzz_size(from, 1, 3) : 1;
    }
    if ((groups & 32) != 0) {
        o->repetition_penalty = fuzz_number(from);
        o->presence_penalty = fuzz_number(from);
        o->frequency_penalty = fuzz_number(from);
        o->penalize = fuzz_choice(from, LRNN_PENALTY_LOGITS);
        o->filter_prompt = fuzz_choice(from, 1);
        o->no_repeat_ngram = fuzz_size(from, 0, 4);
        o->min_length = fuzz_size(from, 0, 4);
    }
    if ((groups & 64) != 0) {
        read_arrays(o, to, from);
    }
}

static void read_scene(scene *s, lrnn_decoder_options *o, fuzz_bytes *from)
{
    unsigned flags = fuzz_byte(from), calls = fuzz_byte(from);
    *s = (scene){.vocab = VOCAB};
    s->salt = fuzz_byte(from);
    s->impossible = (flags & 1) != 0;
    s->large = (flags & 2) != 0;
    s->raises = (flags & 4) != 0;
    if (calls > 192) {
        s->stop_at = calls - 192;
        s->answer = (flags & 8) != 0 ? 1 : -7;
        s->poison = (flags & 16) != 0;
    }
    o->user = s;
    o->token = stream;
    o->logits = (flags & 32) != 0 ? change_logits : NULL;
    o->allowed = (flags & 64) != 0 ? allow : NULL;
    s->allowed_count = token_list(s->allowed, from);
}

/* ---- results ---- */

static void check_result(const lrnn_decoder_options *o, const lrnn_result *result)
{
    double sum = 0;
    FUZZ_CHECK(result->count <= o->max_length);
    FUZZ_CHECK(result->ended >= LRNN_ENDED_TOKEN && result->ended <= LRNN_ENDED_CANCELLED);
    FUZZ_CHECK(!isnan(result->score) && !isnan(result->log_probability));
    FUZZ_CHECK((size_t)result->group < o->beam_groups);
    for (size_t i = 0; i < result->count; i++) {
        FUZZ_CHECK(result->tokens[i] >= 0 && result->tokens[i] < VOCAB);
        sum += (double)result->log_probabilities[i];
    }
    FUZZ_CHECK((isinf(sum) && isinf(result->log_probability)) ||
               fabs(sum - result->log_probability) <= 1e-3 * (1 + fabs(sum)));
}

static lrnn_result get(const lrnn_decoder *decoder, size_t request, size_t rank)
{
    lrnn_result result;
    FUZZ_CHECK(lrnn_result_init(&result, sizeof result) == LRNN_OK);
    FUZZ_CHECK(lrnn_decoder_get_result(&result, decoder, request, rank) == LRNN_OK);
    return result;
}

static void check_results(const lrnn_decoder *decoder, const lrnn_decoder_options *o,
                          const scene *s, size_t requests)
{
    bool whole = o->beam_groups == 1;
    for (size_t r = 0; r < requests; r++) {
        size_t count = lrnn_decoder_result_count(decoder, r);
        FUZZ_CHECK(count <= o->n_best);
        for (size_t k = 0; k < count; k++) {
            lrnn_result result = get(decoder, r, k);
            check_result(o, &result);
            if (k > 0 && whole) {
                lrnn_result better = get(decoder, r, k - 1);
                FUZZ_CHECK(better.ended != result.ended || better.score >= result.score);
            }
        }
        if (count > 0) {
            lrnn_result best = get(decoder, r, 0);
            FUZZ_CHECK(s->streamed_count[r] <= best.count);
            FUZZ_CHECK(
                memcmp(s->streamed[r], best.tokens, s->streamed_count[r] * sizeof(int32_t)) == 0);
        }
    }
}

/* A request alone gives what it gave among others. */
static void check_alone(lrnn_decoder *alone, const lrnn_decoder *among, scene *s,
                        const lrnn_request *requests, size_t count)
{
    for (size_t r = 0; r < count; r++) {
        memset(s->streamed_count, 0, sizeof s->streamed_count);
        FUZZ_CHECK(lrnn_decoder_run(alone, &requests[r], 1) == LRNN_OK);
        size_t results = lrnn_decoder_result_count(alone, 0);
        FUZZ_CHECK(results == lrnn_decoder_result_count(among, r));
        for (size_t k = 0; k < results; k++) {
            lrnn_result a = get(alone, 0, k), b = get(among, r, k);
            FUZZ_CHECK(a.count == b.count && a.ended == b.ended);
            FUZZ_CHECK(memcmp(a.tokens, b.tokens, a.count * sizeof(int32_t)) == 0);
            FUZZ_CHECK(memcmp(&a.score, &b.score, sizeof a.score) == 0);
        }
    }
}

/* ---- running ---- */

static const lrnn_model *small_model(void)
{
    static lrnn_model *model;
    lrnn_model_options options;
    if (model == NULL) {
        FUZZ_CHECK(lrnn_model_options_init(&options, sizeof options) == LRNN_OK);
        options.vocab_size = VOCAB;
        options.embedding_size = 2;
        options.hidden_size = 3;
        options.cell = LRNN_CELL_GRU;
        FUZZ_CHECK(lrnn_model_create(&model, &options) == LRNN_OK);
    }
    return model;
}

static lrnn_status create(lrnn_decoder **decoder, scene *s, const lrnn_decoder_options *options,
                          bool with_model)
{
    lrnn_scorer scorer;
    if (with_model) {
        return lrnn_decoder_create(decoder, small_model(), options);
    }
    FUZZ_CHECK(lrnn_scorer_init(&scorer, sizeof scorer) == LRNN_OK);
    scorer.user = s;
    scorer.vocab_size = VOCAB;
    scorer.score = score;
    return lrnn_decoder_create_with_scorer(decoder, &scorer, options);
}

static void run(lrnn_decoder *decoder, const lrnn_decoder_options *options, scene *s,
                const lrnn_request *requests, size_t count, bool with_model)
{
    lrnn_decoder *alone;
    lrnn_decoder_options one = *options;
    lrnn_status status = lrnn_decoder_run(decoder, requests, count);
    FUZZ_CHECK(status == LRNN_OK || status == LRNN_ERR_INVALID || status == LRNN_ERR_NUMERIC ||
               status == LRNN_ERR_CANCELLED || status == LRNN_ERR_CALLBACK);
    if (status == LRNN_OK || status == LRNN_ERR_CANCELLED) {
        check_results(decoder, options, s, count);
    }
    if (status != LRNN_OK || s->stop_at > 0 || with_model) {
        return;
    }
    one.batch = 1;
    one.requests = 1;
    status = create(&alone, s, &one, false);
    FUZZ_CHECK(status == LRNN_OK || status == LRNN_ERR_MEMORY);
    if (status == LRNN_OK) {
        check_alone(alone, decoder, s, requests, count);
    }
    lrnn_decoder_destroy(alone);
}

/* A text's log-probabilities are those of its tokens. */
static void rescore(lrnn_decoder *decoder, const lrnn_request *request, size_t first)
{
    float each[PROMPT];
    double total;
    lrnn_status status = lrnn_decoder_score(&total, each, decoder, request, first);
    if (status == LRNN_OK) {
        double sum = 0;
        for (size_t i = 0; first + i < request->count; i++) {
            sum += (double)each[i];
        }
        FUZZ_CHECK((isinf(sum) && isinf(total)) || fabs(sum - total) <= 1e-3 * (1 + fabs(sum)));
    } else {
        FUZZ_CHECK(status == LRNN_ERR_INVALID || status == LRNN_ERR_NUMERIC ||
                   status == LRNN_ERR_CALLBACK || status == LRNN_ERR_CANCELLED);
    }
}

static void fuzz_one(const unsigned char *bytes, size_t length)
{
    fuzz_bytes from = {bytes, length};
    scene s;
    arrays lists;
    lrnn_decoder_options options;
    lrnn_decoder *decoder;
    lrnn_request requests[REQUESTS];
    int32_t prompts[REQUESTS][PROMPT];
    const lrnn_allocator *allocator = fuzz_memory_begin(DECODER_MEMORY);
    FUZZ_CHECK(lrnn_decoder_options_init(&options, sizeof options) == LRNN_OK);
    options.allocator = allocator;
    read_scene(&s, &options, &from);
    size_t count = 1 + fuzz_below(&from, REQUESTS);
    bool with_model = fuzz_below(&from, 4) == 0;
    for (size_t r = 0; r < REQUESTS; r++) {
        FUZZ_CHECK(lrnn_request_init(&requests[r], sizeof requests[r]) == LRNN_OK);
        requests[r].tokens = prompts[r];
        requests[r].count = fuzz_below(&from, PROMPT + 1);
        requests[r].seed = fuzz_byte(&from);
        for (size_t i = 0; i < PROMPT; i++) {
            prompts[r][i] = token(&from);
        }
    }
    read_options(&options, &lists, &from);
    lrnn_status status = create(&decoder, &s, &options, with_model);
    if (status == LRNN_OK && options.max_length <= LONGEST) {
        run(decoder, &options, &s, requests, count, with_model);
        rescore(decoder, &requests[0], fuzz_below(&from, PROMPT + 1));
    } else if (status != LRNN_OK) {
        FUZZ_CHECK(decoder == NULL);
        FUZZ_CHECK(status == LRNN_ERR_INVALID || status == LRNN_ERR_MEMORY);
    }
    lrnn_decoder_destroy(decoder);
    fuzz_memory_end();
}

static size_t fuzz_change(unsigned char *bytes, size_t length, size_t room, uint64_t *random)
{
    if (length == 0 || length > 256 || fuzz_random(random, 3) == 0) {
        return fuzz_any(bytes, length, room < 256 ? room : 256, random);
    }
    bytes[fuzz_random(random, length)] = (unsigned char)fuzz_random(random, 256);
    return length;
}

FUZZ_TARGET("decoder");
