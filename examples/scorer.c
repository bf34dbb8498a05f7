/* Decodes a language model that is not one of liblrnn's: a trigram model over characters, counted
 * from a text, smoothed by interpolation and used through an lrnn_scorer. The state of a hypothesis
 * is its last two characters; the decoder says which row continues which.
 *
 *     cc scorer.c $(pkg-config --cflags --libs lrnn) -o scorer && ./scorer [FILE] */
#include <lrnn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES = 256, MOST_ROWS = 64 };

typedef struct trigram_model {
    double unigram[BYTES], bigram[BYTES][BYTES];
    float *trigram;               /* [BYTES,BYTES,BYTES] counts */
    int32_t before[MOST_ROWS][2]; /* each row's last two characters */
} trigram_model;

static void count(trigram_model *model, const unsigned char *text, size_t length)
{
    for (size_t i = 2; i < length; i++) {
        model->unigram[text[i]]++;
        model->bigram[text[i - 1]][text[i]]++;
        model->trigram[(text[i - 2] * BYTES + text[i - 1]) * BYTES + text[i]]++;
    }
}

/* p(c | ab) = 0.7 c(abc)/c(ab) + 0.25 c(bc)/c(b) + 0.05 c(c)/n; a term without counts has no
 * weight. (Jelinek & Mercer 1980) */
static void score_row(const trigram_model *model, const int32_t before[2], float *logits)
{
    const float *abc = model->trigram + ((size_t)before[0] * BYTES + (size_t)before[1]) * BYTES;
    const double *bc = model->bigram[before[1]];
    double ab = 0, b = 0, n = 0;
    for (size_t c = 0; c < BYTES; c++) {
        ab += (double)abc[c];
        b += bc[c];
        n += model->unigram[c];
    }
    for (size_t c = 0; c < BYTES; c++) {
        double p = 0.05 * model->unigram[c] / n + (b > 0 ? 0.25 * bc[c] / b : 0) +
                   (ab > 0 ? 0.7 * (double)abc[c] / ab : 0);
        logits[c] = (float)log(p); /* log(0) is -infinity: impossible */
    }
}

static int32_t score(void *user, const lrnn_rows *rows, float *logits)
{
    trigram_model *model = user;
    int32_t before[MOST_ROWS][2];
    if (rows->count > MOST_ROWS) {
        return -1;
    }
    for (size_t row = 0; row < rows->count; row++) {
        int32_t parent = rows->parents[row];
        if (parent >= 0) {
            before[row][0] = model->before[parent][1];
            before[row][1] = rows->tokens[row];
        } else { /* a new request: all of its prompt is new */
            int32_t prompt[BYTES];
            int32_t length = rows->lengths[row];
            if (length < 2 || lrnn_rows_copy_tokens(prompt, BYTES, rows, row) != LRNN_OK) {
                return -1;
            }
            before[row][0] = prompt[length - 2];
            before[row][1] = prompt[length - 1];
        }
        score_row(model, before[row], logits + row * BYTES);
    }
    memcpy(model->before, before, sizeof before);
    return 0;
}

static int die(void)
{
    fprintf(stderr, "scorer: %s\n", lrnn_last_error());
    return 1;
}

static int generate(trigram_model *model, const char *title, const lrnn_decoder_options *options)
{
    lrnn_scorer scorer;
    lrnn_scorer_init(&scorer);
    scorer.user = model;
    scorer.vocab_size = BYTES;
    scorer.score = score;
    lrnn_decoder *decoder;
    if (lrnn_decoder_create_with_scorer(&decoder, &scorer, options) != LRNN_OK) {
        return die();
    }
    const int32_t prompt[] = {'\n', 't', 'h', 'e', ' '};
    lrnn_request request;
    lrnn_request_init(&request);
    request.tokens = prompt;
    request.count = sizeof prompt / sizeof prompt[0];
    request.seed = 1;
    if (lrnn_decoder_run(decoder, &request, 1) != LRNN_OK) {
        lrnn_decoder_destroy(decoder);
        return die();
    }
    lrnn_result result;
    lrnn_result_init(&result);
    lrnn_decoder_get_result(&result, decoder, 0, 0);
    printf("%-24s %6.2f  the ", title, result.perplexity);
    for (size_t i = 0; i < result.count; i++) {
        putchar(result.tokens[i] == '\n' ? ' ' : result.tokens[i]);
    }
    puts("");
    lrnn_decoder_destroy(decoder);
    return 0;
}

static const char sample_text[] =
    "\nthe quick brown fox jumps over the lazy dog and the slow dog sleeps under the old tree, "
    "\nthe tree stands by the river and the river runs to the sea, the sea is wide and the wind "
    "\nis cold, and the fox runs home to the den under the hill where the young foxes sleep.\n";

int main(int argc, char **argv)
{
    static unsigned char text[1 << 22];
    size_t length = sizeof sample_text - 1;
    memcpy(text, sample_text, length);
    if (argc > 1) {
        FILE *file = fopen(argv[1], "rb");
        if (file == NULL || (length = fread(text, 1, sizeof text, file)) < 3) {
            fprintf(stderr, "scorer: cannot read %s\n", argv[1]);
            return 1;
        }
        fclose(file);
    }
    static trigram_model model;
    model.trigram = calloc((size_t)BYTES * BYTES * BYTES, sizeof *model.trigram);
    if (model.trigram == NULL) {
        fprintf(stderr, "scorer: no memory\n");
        return 1;
    }
    count(&model, text, length);

    lrnn_decoder_options options;
    lrnn_decoder_options_init(&options);
    options.max_length = 60;
    printf("%-24s %s\n", "method", "perplexity");
    int failed = generate(&model, "greedy", &options);
    options.method = LRNN_METHOD_SAMPLE;
    options.top_p = 0.9;
    failed = failed || generate(&model, "sampled, top_p 0.9", &options);
    lrnn_decoder_options_init(&options);
    options.max_length = 60;
    options.method = LRNN_METHOD_BEAM;
    options.beam_width = 10;
    failed = failed || generate(&model, "beam of 10", &options);
    options.no_repeat_ngram = 5;
    failed = failed || generate(&model, "beam, no 5-gram twice", &options);
    free(model.trigram);
    return failed;
}
