/* Beam search on the textbook tree: after "The", the likeliest next word is "nice", but the
 * likeliest sentence is "The dog has". Greedy search cannot see that, a beam of two can.
 *
 *     cc beam_tree.c $(pkg-config --cflags --libs lrnn) -o beam_tree && ./beam_tree */
#include <lrnn.h>
#include <math.h>
#include <stdio.h>

enum { THE, NICE, DOG, CAR, WOMAN, HOUSE, GUY, AND, RUNS, HAS, IS, DRIVES, TURNS, WORDS };

static const char *const words[WORDS] = {"The", "nice", "dog", "car", "woman",  "house", "guy",
                                         "and", "runs", "has", "is",  "drives", "turns"};

static const struct branch {
    int32_t from, to;
    double probability;
} branches[] = {
    {THE, NICE, 0.5}, {NICE, WOMAN, 0.4}, {NICE, HOUSE, 0.3}, {NICE, GUY, 0.3},
    {THE, DOG, 0.4},  {DOG, AND, 0.05},   {DOG, RUNS, 0.05},  {DOG, HAS, 0.9},
    {THE, CAR, 0.1},  {CAR, IS, 0.3},     {CAR, DRIVES, 0.5}, {CAR, TURNS, 0.2},
};

enum { BRANCHES = sizeof branches / sizeof branches[0] };

/* The language model: what may follow a word depends on that word alone. */
static int32_t score(void *user, const lrnn_rows *rows, float *logits)
{
    (void)user;
    for (size_t row = 0; row < rows->count; row++) {
        float *next = logits + row * WORDS;
        for (size_t i = 0; i < WORDS; i++) {
            next[i] = -INFINITY;
        }
        for (size_t i = 0; i < BRANCHES; i++) {
            if (branches[i].from == rows->tokens[row]) {
                next[branches[i].to] = (float)log(branches[i].probability);
            }
        }
    }
    return 0;
}

static int die(void)
{
    fprintf(stderr, "%s\n", lrnn_last_error());
    return 1;
}

/* Draws the tree, with a star at every word of the result. */
static void draw(const lrnn_result *result)
{
    puts("  The");
    for (size_t i = 0; i < BRANCHES; i++) {
        const struct branch *b = &branches[i];
        int first = b->from == THE;
        int on_path = first ? result->tokens[0] == b->to
                            : result->tokens[0] == b->from && result->tokens[1] == b->to;
        int last = i + 1 == BRANCHES || (branches[i + 1].from == THE && !first);
        printf("  %s%s %-7s %.2f%s\n", first ? "" : (b->from == CAR ? "    " : "|   "),
               first  ? "+--"
               : last ? "`--"
                      : "|--",
               words[b->to], b->probability, on_path ? " *" : "");
    }
}

static int search(const char *name, int32_t method, size_t width)
{
    lrnn_decoder_options options;
    lrnn_decoder_options_init(&options);
    options.method = method;
    options.max_length = 2;
    if (method == LRNN_METHOD_BEAM) {
        options.beam_width = options.n_best = width;
    }
    lrnn_scorer scorer;
    lrnn_scorer_init(&scorer);
    scorer.vocab_size = WORDS;
    scorer.score = score;
    lrnn_decoder *decoder;
    if (lrnn_decoder_create_with_scorer(&decoder, &scorer, &options) != LRNN_OK) {
        return die();
    }
    const int32_t prompt[] = {THE};
    lrnn_request request;
    lrnn_request_init(&request);
    request.tokens = prompt;
    request.count = 1;
    lrnn_status status = lrnn_decoder_run(decoder, &request, 1);
    printf("%s\n\n", name);
    for (size_t rank = 0; rank < lrnn_decoder_result_count(decoder, 0); rank++) {
        lrnn_result result;
        lrnn_result_init(&result);
        lrnn_decoder_get_result(&result, decoder, 0, rank);
        if (rank == 0) {
            draw(&result);
        }
        printf("%s  The %s %s: probability %.2f, perplexity %.2f\n", rank == 0 ? "\n" : "",
               words[result.tokens[0]], words[result.tokens[1]], exp(result.log_probability),
               result.perplexity);
    }
    puts("");
    lrnn_decoder_destroy(decoder);
    return status == LRNN_OK ? 0 : die();
}

int main(void)
{
    return search("Greedy search", LRNN_METHOD_GREEDY, 1) ||
           search("Beam search, width 2", LRNN_METHOD_BEAM, 2);
}
