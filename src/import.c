/* lrnn import: a PyTorch file becomes a model file. */
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "model_file.h"
#include "options.h"
#include "output.h"
#include "vocab_list.h"

typedef struct import_settings {
    const char *output;
    const char *names;
    const char *entry;
    const char *vocab;
    const char *vocab_text;
    const char *output_vocab;
    size_t features;
    double padding_token;
    int32_t cell;
    int32_t head;
    int32_t level;
    bool one_hot;
    bool tied;
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
    {.kind = OPTION_FLAG,
     .name = "tied",
     .field = "tied_weights",
     AT(import_settings, tied),
     .help = "embedding and head are one matrix and stay one in training; without it a copy each"},
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
     .help =
         "vocabulary of the input, and of the output if that has as many values; without an "
         "embedding the input is then one-hot. FILE is a list in the order of the ids: a JSON "
         "list of strings, or one token per line, where \\n \\t \\r \\\\ \\xHH and \\uHHHH stand "
         "for what cannot be written"},
    {.kind = OPTION_TEXT,
     .name = "vocab-text",
     .argument = "FILE",
     AT(import_settings, vocab_text),
     .file = FILE_TEXT,
     .help = "instead of --vocab: a text from which the vocabulary is made as in lrnn train: "
             "characters in the order of their code points, words by frequency, all 256 bytes"},
    {.kind = OPTION_TEXT,
     .name = "output-vocab",
     .argument = "FILE",
     AT(import_settings, output_vocab),
     .file = FILE_TEXT,
     .help = "list of the output's tokens, if they are others"},
    {.kind = OPTION_CHOICE,
     .name = "level",
     .choices = level_choices,
     AT(import_settings, level),
     .help = "how text is read and written with the tokens; label: they are separated by white "
             "space, and are never made from a text"},
};

static const char closing[] =
    "FILE is a state_dict that was saved with safetensors.torch.save_file or with torch.save. Its "
    "modules may have any name; what names and shapes leave open is an error that says so. 'lrnn "
    "inspect' shows the result.";

/* ---- vocabularies ---- */

static int read_vocabs(lrnn_vocab **input, lrnn_vocab **output, const import_settings *settings)
{
    int failed = 0;
    if (settings->vocab != NULL) {
        failed = vocab_read_list(input, settings->vocab, settings->level);
    } else if (settings->vocab_text != NULL) {
        failed = vocab_read_text(input, settings->vocab_text, settings->level);
    }
    if (!failed && settings->output_vocab != NULL) {
        failed = vocab_read_list(output, settings->output_vocab, LRNN_LEVEL_LABEL);
    }
    return failed;
}

/* Where users look first when a model talks nonsense. */
static int report_vocabs(const lrnn_vocab *input, const lrnn_vocab *output,
                         const import_settings *settings)
{
    int failed = 0;
    if (input != NULL) {
        failed =
            vocab_report(input, settings->vocab != NULL ? settings->vocab : settings->vocab_text);
    }
    if (output != NULL && !failed) {
        failed = vocab_report(output, settings->output_vocab);
    }
    return failed;
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
    options.tied_weights = settings->tied;
    options.partial = settings->partial;
    options.padding_token = (int32_t)settings->padding_token;
    int failed = read_vocabs(&input, &output, settings);
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
        failed = status == LRNN_OK ? report_vocabs(input, output, settings)
                                   : complain_status(status, NULL);
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
    if (options_given(&line, "level") && settings.vocab == NULL && settings.vocab_text == NULL) {
        options_fail(&line, "--level: needs --vocab or --vocab-text");
    }
    if (settings.vocab != NULL && settings.vocab_text != NULL) {
        options_fail(&line, "--vocab and --vocab-text: expected one of them");
    }
    if (settings.vocab_text != NULL && settings.level == LRNN_LEVEL_LABEL) {
        options_fail(&line, "--vocab-text: needs --level byte, char or word");
    }
    if (module_names_parse(&names, settings.names) != 0) {
        options_fail(&line, "--names: expected EMBEDDING,RNN,HEAD, found '%s'", settings.names);
    }
    int failed = options_claim_files(&line, &settings, argv + first) != 0 ||
                 import(&settings, &names, path) != 0;
    module_names_free(&names);
    return failed;
}
