/* lrnn score: log-probabilities, token by token or line by line. */
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "model_file.h"
#include "options.h"
#include "output.h"
#include "text.h"

typedef struct score_settings {
    const char *model;
    bool lines;
} score_settings;

static const option_row rows[] = {
    HEADING("Options:"),
    {.kind = OPTION_TEXT,
     .name = "model",
     .letter = 'm',
     .argument = "FILE",
     AT(score_settings, model),
     .file = FILE_INPUT,
     .help = "the model, or a checkpoint; required"},
    {.kind = OPTION_FLAG,
     .name = "lines",
     AT(score_settings, lines),
     .help = "treat each line as a text of its own and print one row for it, for example to choose "
             "among hypotheses"},
};

static const char closing[] =
    "Prints tab-separated rows. Without --lines: position, token, and its log-probability in nats "
    "given all tokens before it. The first token is given and has no row; a last row \"total\" has "
    "the number of tokens and the sum. With --lines: total log-probability, number of tokens "
    "scored, "
    "and the line. Each line then starts after a newline and ends with one if the vocabulary has "
    "newlines; if it has none, the first token of the line is given.";

/* Log-probabilities of all tokens but the first; *values is the caller's to free. */
static int score_tokens(double *total, float **values, lrnn_decoder *decoder,
                        const token_list *tokens)
{
    lrnn_request request;
    lrnn_status status = lrnn_request_init(&request, sizeof request);
    *values = malloc(tokens->count * sizeof **values);
    if (*values == NULL) {
        return complain("no memory for %zu scores", tokens->count);
    }
    if (status == LRNN_OK) {
        request.tokens = tokens->ids;
        request.count = tokens->count;
        status = lrnn_decoder_score(total, *values, decoder, &request, 1);
    }
    return status == LRNN_OK ? 0 : complain_status(status, "score");
}

static int score_whole(lrnn_decoder *decoder, const lrnn_vocab *vocab, const text *source,
                       const char *name)
{
    token_list tokens;
    if (tokens_encode_text(&tokens, vocab, source) != 0) {
        return 1;
    }
    float *values = NULL;
    double total = 0;
    int failed = tokens.count < 2 ? complain("%s: fewer than 2 tokens, nothing to score", name)
                                  : score_tokens(&total, &values, decoder, &tokens);
    for (size_t i = 1; i < tokens.count && !failed; i++) {
        printf("%zu\t", i);
        write_token(vocab, tokens.ids[i], stdout);
        printf("\t%.6f\n", (double)values[i - 1]);
    }
    if (!failed) {
        printf("total\t%zu\t%.6f\n", tokens.count - 1, total);
    }
    free(values);
    tokens_free(&tokens);
    return failed;
}

/* The line with a newline before and after it if `newlines`; NULL: no memory. */
static char *frame_line(size_t *framed_length, const char *line, size_t length, bool newlines)
{
    char *framed = malloc(length + 2);
    size_t edge = newlines ? 1 : 0;
    if (framed != NULL) {
        framed[0] = '\n';
        memcpy(framed + edge, line, length);
        framed[edge + length] = '\n';
    }
    *framed_length = length + 2 * edge;
    return framed;
}

/* What the library says of the line alone, at its place in the file. */
static int complain_line(const lrnn_vocab *vocab, const char *line, size_t length, const char *name,
                         size_t number)
{
    size_t count;
    lrnn_status status = lrnn_vocab_encode(NULL, 0, &count, vocab, line, length);
    const char *said = lrnn_last_error(), *place = strstr(said, "(line 1, ");
    char *full = place == NULL
                     ? format_text("%s: line %zu: %s", name, number, said)
                     : format_text("%s: line %zu: %.*s(%s", name, number, (int)(place - said), said,
                                   place + strlen("(line 1, "));
    int failed = full == NULL
                     ? complain("%s: line %zu", name, number)
                     : complain("%s%s", full,
                                status == LRNN_ERR_FORMAT ? "; --level byte reads any bytes" : "");
    free(full);
    return failed;
}

/* `line` has `length` bytes without its newline, and `number` in the file `name`. */
static int score_line(lrnn_decoder *decoder, const lrnn_vocab *vocab, const char *line,
                      size_t length, bool newlines, const char *name, size_t number)
{
    size_t framed_length;
    char *framed = frame_line(&framed_length, line, length, newlines);
    if (framed == NULL) {
        return complain("%s: line %zu: out of memory", name, number);
    }
    size_t count;
    token_list tokens = {0};
    int failed = lrnn_vocab_encode(NULL, 0, &count, vocab, framed, framed_length) != LRNN_OK
                     ? complain_line(vocab, line, length, name, number)
                     : tokens_encode(&tokens, vocab, framed, framed_length, name);
    free(framed);
    if (failed) {
        return 1;
    }
    float *values = NULL;
    double total = 0;
    size_t scored = tokens.count > 0 ? tokens.count - 1 : 0;
    if (scored > 0) {
        failed = score_tokens(&total, &values, decoder, &tokens);
    }
    if (!failed) {
        printf("%.6f\t%zu\t", total, scored);
        fwrite(line, 1, length, stdout);
        putchar('\n');
    }
    free(values);
    tokens_free(&tokens);
    return failed;
}

/* A line that cannot be scored has no row; the others have theirs. */
static int score_lines(lrnn_decoder *decoder, const lrnn_vocab *vocab, const text *source)
{
    int32_t newline;
    int failed = 0;
    bool newlines = lrnn_vocab_find(&newline, vocab, "\n", 1) == LRNN_OK;
    for (size_t i = 0; i < source->count; i++) {
        const document *d = &source->documents[i];
        size_t number = 1;
        for (size_t at = 0; at < d->length && !output_is_over(); number++) {
            const char *line = source->bytes + d->start + at;
            const char *end = memchr(line, '\n', d->length - at);
            size_t length = end != NULL ? (size_t)(end - line) : d->length - at;
            failed |= score_line(decoder, vocab, line, length, newlines, d->name, number);
            at += length + 1;
        }
    }
    return failed;
}

static int score(const lrnn_model *model, const score_settings *settings, char *const *paths,
                 int count)
{
    text source = {.level = lrnn_vocab_level(lrnn_model_input_vocab(model))};
    int failed = 0;
    for (int i = 0; i < count && !failed; i++) {
        failed = text_add_file(&source, paths[i]);
    }
    lrnn_decoder *decoder = NULL;
    if (!failed) {
        lrnn_status status = lrnn_decoder_create(&decoder, model, NULL);
        failed = status != LRNN_OK ? complain_status(status, "score") : 0;
    }
    char *names = text_names(paths, count);
    if (!failed) {
        const lrnn_vocab *vocab = lrnn_model_input_vocab(model);
        failed = settings->lines
                     ? score_lines(decoder, vocab, &source)
                     : score_whole(decoder, vocab, &source, names != NULL ? names : paths[0]);
    }
    free(names);
    lrnn_decoder_destroy(decoder);
    text_free(&source);
    int unflushed = output_flush();
    return failed || unflushed;
}

int command_score(int argc, char **argv)
{
    score_settings settings = {0};
    command_line line = {
        .command = "score",
        .arguments = "-m MODEL [options] TEXT...",
        .summary =
            "Prints how likely a model finds each token of a text (- is standard input): for "
            "rescoring, for compression, or to find what is unusual.",
        .closing = closing,
        .rows = rows,
        .count = sizeof rows / sizeof rows[0],
        .operands_minimum = 1,
        .operands_maximum = argc,
        .operand = "TEXT",
        .operand_file = FILE_TEXT,
    };
    int first = options_parse(&line, &settings, argc, argv);
    if (settings.model == NULL) {
        options_fail(&line, "-m MODEL is required");
    }
    if (options_claim_files(&line, &settings, argv + first) != 0) {
        return 1;
    }
    lrnn_model *model = NULL;
    if (language_model_load(&model, settings.model) != 0) {
        return 1;
    }
    int status = score(model, &settings, argv + first, argc - first);
    lrnn_model_destroy(model);
    return status;
}
