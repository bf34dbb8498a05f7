#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "model_file.h"
#include "options.h"
#include "output.h"
#include "text.h"

typedef struct import_settings {
    const char *output;
    const char *names;
    const char *entry;
    const char *vocab;
    const char *output_vocab;
    size_t features;
    double padding_token;
    int32_t cell;
    int32_t head;
    int32_t level;
    bool one_hot;
    bool force;
    bool partial;
} import_settings;

/* "auto", then the enumerators of the library in order. */
static const char *const cell_choices[] = {"auto", "rnn", "rnn-relu", "lstm", "gru", NULL};
static const char *const head_choices[] = {"auto", "none", "steps", "last", "final", NULL};
static const char *const level_choices[] = {"byte", "char", "word", "label", NULL};

static const option_row rows[] = {
    HEADING("Options:"),
    {.kind = OPTION_TEXT,
     .name = "output",
     .letter = 'o',
     .argument = "MODEL",
     AT(import_settings, output),
     .file = FILE_MODEL,
     .help = "write the model here; required"},
    FORCE(import_settings),
    {.kind = OPTION_TEXT,
     .name = "entry",
     .argument = "KEY",
     AT(import_settings, entry),
     .help =
         "which entry of a torch.save dictionary is the state_dict, if several could be; without "
         "it that is the dictionary itself, or its only entry that is a dictionary of tensors"},
    HEADING("What the file does not say:"),
    {.kind = OPTION_TEXT,
     .name = "names",
     .argument = "EMBEDDING,RNN,HEAD",
     AT(import_settings, names),
     .help = "names of the modules, if several could be meant; one that is left empty is found by "
             "its shape, . is no name at all"},
    {.kind = OPTION_FLAG,
     .name = "partial",
     AT(import_settings, partial),
     .help = "leave out tensors that belong to no module of the model"},
    {.kind = OPTION_CHOICE,
     .name = "cell",
     .choices = cell_choices,
     AT(import_settings, cell),
     .help = "auto: what the shapes imply; tanh for a plain RNN"},
    {.kind = OPTION_CHOICE,
     .name = "head",
     .choices = head_choices,
     AT(import_settings, head),
     .help = "where the linear layer is applied; auto: at every step, if there is one"},
    {.kind = OPTION_COUNT,
     .name = "features",
     AT(import_settings, features),
     .minimum = 0,
     .help = "number of real values that are read beside the embedding"},
    {.kind = OPTION_FLAG,
     .name = "one-hot",
     AT(import_settings, one_hot),
     .help = "without an embedding: the input is tokens, not real values"},
    {.kind = OPTION_NUMBER,
     .name = "padding-token",
     .argument = "ID",
     AT(import_settings, padding_token),
     .minimum = -1,
     .maximum = INT32_MAX,
     .bounds = WHOLE,
     .help = "token whose vector stays as it is in training; -1: none"},
    HEADING("Vocabularies:"),
    {.kind = OPTION_TEXT,
     .name = "vocab",
     .argument = "FILE",
     AT(import_settings, vocab),
     .file = FILE_TEXT,
     .help = "vocabulary of the input, and of the output if that has as many values; without an "
             "embedding the input is then one-hot"},
    {.kind = OPTION_TEXT,
     .name = "output-vocab",
     .argument = "FILE",
     AT(import_settings, output_vocab),
     .file = FILE_TEXT,
     .help = "vocabulary of the output, if it is another one; a label per line"},
    {.kind = OPTION_CHOICE,
     .name = "level",
     .choices = level_choices,
     AT(import_settings, level),
     .help = "what --vocab is: label: a file with one token per line, starting with 0; byte, char "
             "and word: a text, from which the vocabulary is made as in lrnn train (characters in "
             "the order of their code points, words by frequency)"},
};

static const char closing[] =
    "FILE is a state_dict that was saved with safetensors.torch.save_file or with torch.save. Its "
    "modules may have any name; what names and shapes leave open is an error that says so. 'lrnn "
    "inspect' shows the result.";

/* ---- vocabularies ---- */

/* Ends each line of the text with a NUL and points at them; the caller frees. NULL: no memory. */
static const char **cut_lines(size_t *count, text *source)
{
    *count = 0;
    for (size_t i = 0; i < source->length; i++) {
        *count += source->bytes[i] == '\n' || i + 1 == source->length;
    }
    const char **lines = malloc((*count + 1) * sizeof *lines);
    char *line = source->bytes;
    for (size_t i = 0; lines != NULL && i < *count; i++) {
        char *end = memchr(line, '\n', source->length - (size_t)(line - source->bytes));
        lines[i] = line;
        if (end != NULL) {
            *end = '\0';
            line = end + 1;
        }
    }
    return lines;
}

static lrnn_status make_labels(lrnn_vocab **vocab, text *source)
{
    size_t count;
    const char **lines = cut_lines(&count, source);
    lrnn_status status =
        lines == NULL ? LRNN_ERR_MEMORY : lrnn_vocab_create_from_labels(vocab, lines, count, NULL);
    free(lines);
    return status;
}

/* The vocabulary in a file; NULL for path NULL. */
static int read_vocab(lrnn_vocab **vocab, const char *path, int32_t level)
{
    text source = {0};
    *vocab = NULL;
    if (path == NULL) {
        return 0;
    }
    /* The last line may have no end: it gets a NUL like the others. */
    if (text_add_file(&source, path) != 0 || text_terminate(&source) != 0) {
        text_free(&source);
        return 1;
    }
    lrnn_status status;
    if (level == LRNN_LEVEL_LABEL) {
        status = memchr(source.bytes, '\0', source.length) == NULL ? make_labels(vocab, &source)
                                                                   : LRNN_ERR_FORMAT;
    } else {
        lrnn_vocab_options options;
        status = lrnn_vocab_options_init(&options, sizeof options);
        options.level = level;
        if (status == LRNN_OK) {
            status = lrnn_vocab_create_from_text(vocab, source.bytes, source.length, &options);
        }
    }
    text_free(&source);
    return status == LRNN_OK           ? 0
           : status == LRNN_ERR_FORMAT ? complain("%s: not text", path)
                                       : complain_status(status, path);
}

/* ---- importing ---- */

/* A model that reads and gives as many tokens as the vocabulary has: it is that of both. */
static bool predicts_its_input(const lrnn_model *model, const lrnn_vocab *vocab)
{
    lrnn_model_options options;
    return vocab != NULL && lrnn_model_options_init(&options, sizeof options) == LRNN_OK &&
           lrnn_model_get_options(&options, model) == LRNN_OK && options.head != LRNN_HEAD_NONE &&
           lrnn_model_output_size(model) == lrnn_vocab_size(vocab);
}

static int import(const import_settings *settings, const module_names *names, const char *path)
{
    lrnn_vocab *input = NULL, *output = NULL;
    lrnn_model *model = NULL;
    lrnn_import_options options;
    lrnn_status status = lrnn_import_options_init(&options, sizeof options);
    if (status != LRNN_OK) {
        return complain_status(status, "import");
    }
    options.embedding = names->embedding;
    options.recurrent = names->recurrent;
    options.head = names->head;
    options.entry = settings->entry;
    options.feature_size = settings->features;
    options.cell = settings->cell - 1;
    options.head_kind = settings->head - 1;
    options.one_hot = settings->one_hot;
    options.partial = settings->partial;
    options.padding_token = (int32_t)settings->padding_token;
    int failed = read_vocab(&input, settings->vocab, settings->level) != 0 ||
                 read_vocab(&output, settings->output_vocab, LRNN_LEVEL_LABEL) != 0;
    options.input_vocab = input;
    options.output_vocab = output;
    if (!failed) {
        status = lrnn_model_import(&model, path, &options);
        if (status == LRNN_OK && output == NULL && predicts_its_input(model, input)) {
            lrnn_model_destroy(model);
            options.output_vocab = input;
            status = lrnn_model_import(&model, path, &options);
        }
        if (status == LRNN_OK) {
            status = lrnn_model_save(model, settings->output);
        }
        failed = status == LRNN_OK ? 0 : complain_status(status, NULL);
    }
    lrnn_model_destroy(model);
    lrnn_vocab_destroy(input);
    lrnn_vocab_destroy(output);
    return failed;
}

int command_import(int argc, char **argv)
{
    import_settings settings = {.padding_token = -1, .level = LRNN_LEVEL_LABEL};
    module_names names;
    command_line line = {
        .command = "import",
        .arguments = "[options] FILE -o MODEL",
        .summary = "Turns a network that was trained with PyTorch into a model.",
        .closing = closing,
        .rows = rows,
        .count = sizeof rows / sizeof rows[0],
        .operands_minimum = 1,
        .operands_maximum = 1,
        .operand = "FILE",
        .operand_file = FILE_INPUT,
    };
    int first = options_parse(&line, &settings, argc, argv);
    const char *path = argv[first];
    if (settings.output == NULL) {
        options_fail(&line, "-o MODEL is required");
    }
    if (options_given(&line, "level") && settings.vocab == NULL) {
        options_fail(&line, "--level: needs --vocab");
    }
    if (module_names_parse(&names, settings.names) != 0) {
        options_fail(&line, "--names: expected EMBEDDING,RNN,HEAD, found '%s'", settings.names);
    }
    int failed = options_claim_files(&line, &settings, argv + first) != 0 ||
                 import(&settings, &names, path) != 0;
    module_names_free(&names);
    return failed;
}
