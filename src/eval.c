/* lrnn eval: how well a model predicts a text, as sums over its tokens. */
#include <math.h>
#include <stdlib.h>

#include "commands.h"
#include "evaluate.h"
#include "memory.h"
#include "model_file.h"
#include "options.h"
#include "output.h"

typedef struct eval_settings {
    const char *model;
    size_t batch;
    size_t steps;
    size_t threads;
} eval_settings;

static const option_row rows[] = {
    HEADING("Options:"),
    {.kind = OPTION_TEXT,
     .name = "model",
     .letter = 'm',
     .argument = "FILE",
     AT(eval_settings, model),
     .file = FILE_INPUT,
     .help = "the model, or a checkpoint; required"},
    {.kind = OPTION_COUNT,
     .name = "batch",
     .minimum = 1,
     AT(eval_settings, batch),
     .help = "cut the text into this many pieces that are read side by side: faster, but each "
             "piece begins without a past"},
    {.kind = OPTION_COUNT,
     .name = "steps",
     .minimum = 1,
     AT(eval_settings, steps),
     .help = "tokens computed in one go; the state is carried, so results do not depend on it"},
    {.kind = OPTION_COUNT,
     .name = "threads",
     .minimum = 1,
     .maximum = 1024,
     AT(eval_settings, threads),
     .help = "number of threads; results do not depend on it"},
};

static const char closing[] =
    "The first token is given, and all others are predicted. Prints these lines:\n"
    "  tokens              number of tokens that were predicted\n"
    "  nats_per_token      cross-entropy\n"
    "  perplexity          exp(nats_per_token)\n"
    "  accuracy            share of them that were the likeliest token\n"
    "  characters          of the text as it was read\n"
    "  bits_per_character  cross-entropy of the whole text / ln 2 / characters";

static int open_tokens(corpus *tokens, size_t *characters, const lrnn_vocab *vocab,
                       const char *path)
{
    if (corpus_open(tokens, path) != 0 || corpus_check_vocab(tokens, vocab, "the model") != 0) {
        return 1;
    }
    *characters = (size_t)lrnn_tokens_characters(tokens->file);
    return 0;
}

static int read_tokens(corpus *tokens, size_t *characters, const lrnn_model *model,
                       char *const *paths, int count)
{
    const lrnn_vocab *vocab = lrnn_model_input_vocab(model);
    if (count == 1 && corpus_is_file(paths[0])) {
        return open_tokens(tokens, characters, vocab, paths[0]);
    }
    text source = {.level = lrnn_vocab_level(vocab)};
    int failed = 0;
    for (int i = 0; i < count && !failed; i++) {
        failed = text_add_file(&source, paths[i]);
    }
    if (!failed) {
        *characters = text_characters(&source);
        failed = corpus_encode(tokens, vocab, &source);
    }
    text_free(&source);
    return failed;
}

static lrnn_status make_trainer(lrnn_trainer **trainer, const lrnn_model *model,
                                const eval_settings *settings, const lrnn_allocator *allocator)
{
    lrnn_trainer_options options;
    CHECK(lrnn_trainer_options_init(&options, sizeof options));
    options.batch = settings->batch;
    options.steps = settings->steps;
    options.threads = settings->threads;
    options.allocator = allocator;
    return lrnn_trainer_create(trainer, model, &options);
}

/* As many steps as the text has, and memory that was agreed to. */
static int fit_to_text(const command_line *line, const lrnn_model *model, eval_settings *settings,
                       size_t tokens, const char *names)
{
    if (tokens < 2) {
        return complain("%s: fewer than 2 tokens, nothing to predict", names);
    }
    size_t pairs = tokens - 1;
    if (settings->batch > pairs) {
        options_fail(line,
                     "--batch: expected at most %zu, the number of tokens to predict, found "
                     "%zu",
                     pairs, settings->batch);
    }
    settings->steps = settings->steps < pairs ? settings->steps : pairs;
    memory_probe probe;
    memory_probe_init(&probe, 1 << 20);
    lrnn_trainer *trainer = NULL;
    if (make_trainer(&trainer, model, settings, &probe.allocator) == LRNN_OK) {
        lrnn_trainer_destroy(trainer);
    }
    char what[96];
    snprintf(what, sizeof what, "--batch %zu and --steps %zu", settings->batch, settings->steps);
    memory_accept(line, (double)probe.declined, what);
    return 0;
}

static int evaluate(const command_line *line, const lrnn_model *model, eval_settings *settings,
                    char *const *paths, int count)
{
    corpus tokens = {0};
    size_t characters = 0;
    lrnn_trainer *trainer = NULL;
    double sum = 0;
    double predicted = 0;
    double right = 0;
    int failed = read_tokens(&tokens, &characters, model, paths, count);
    if (!failed) {
        char *names = text_names(paths, count);
        failed = fit_to_text(line, model, settings, tokens.count, names != NULL ? names : paths[0]);
        free(names);
    }
    if (!failed) {
        lrnn_status status = make_trainer(&trainer, model, settings, NULL);
        failed = status != LRNN_OK ? options_fail_status(line, status, "eval")
                                   : evaluate_tokens(&sum, &predicted, &right, trainer, &tokens,
                                                     settings->batch, settings->steps);
    }
    if (!failed) {
        printf("tokens: %.0f\n", predicted);
        printf("nats_per_token: %.6f\n", sum / predicted);
        printf("perplexity: %.6g\n", exp(sum / predicted));
        printf("accuracy: %.6f\n", right / predicted);
        if (characters > 0) { /* a token file of another program may not say */
            printf("characters: %zu\n", characters);
            printf("bits_per_character: %.6f\n", sum / log(2) / (double)characters);
        }
        failed = output_flush();
    }
    lrnn_trainer_destroy(trainer);
    corpus_free(&tokens);
    return failed;
}

int command_eval(int argc, char **argv)
{
    eval_settings settings = {.batch = 1, .steps = 64, .threads = 1};
    command_line line = {
        .command = "eval",
        .arguments = "-m MODEL [options] TEXT...",
        .summary = "Measures how well a model predicts a text (- is standard input), or a token "
                   "file that lrnn encode made.",
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
    int status = evaluate(&line, model, &settings, argv + first, argc - first);
    lrnn_model_destroy(model);
    return status;
}
