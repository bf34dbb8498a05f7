/* lrnn import: a PyTorch file becomes a model file. */
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "model_file.h"
#include "options.h"
#include "output.h"
#include "system.h"
#include "vocab_list.h"

typedef struct import_settings {
    const char *output;
    const char *names;
    const char *embedding;
    const char *head_module;
    option_list entries;
    option_list recurrent;
    option_list without;
    const char *vocab;
    const char *vocab_text;
    const char *output_vocab;
    size_t features;
    double padding_token;
    int32_t cell;
    int32_t head;
    int32_t level;
    const char *input_layer;
    const char *head_layer;
    const char *initial_h;
    const char *initial_c;
    option_list norms;
    double norm_epsilon;
    int32_t input_activation;
    int32_t head_activation;
    bool layer_norm;
    bool residual;
    bool one_hot;
    bool tied;
    bool force;
    bool partial;
} import_settings;

/* "auto", then the enumerators of the library in order. */
static const char *const cell_choices[] = {"auto", "rnn", "rnn-relu", "lstm", "gru", NULL};
static const char *const head_choices[] = {"auto", "none", "steps", "last", "final", NULL};
/* The activations of layers, as lrnn train calls them, and their enumerators. */
static const char *const activation_choices[] = {"none", "sigmoid", "tanh", "relu", NULL};
static const int32_t activations[] = {LRNN_ACTIVATION_NONE, LRNN_ACTIVATION_SIGMOID,
                                      LRNN_ACTIVATION_TANH, LRNN_ACTIVATION_RELU};
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
    {.kind = OPTION_LIST,
     .name = "entry",
     .argument = "KEY",
     AT(import_settings, entries),
     .help =
         "which entry of a torch.save dictionary is the state_dict, if several could be: its keys "
         "with dots between them, as in model.net. Given several times, the net is in all of them, "
         "and names begin with that of the entry"},
    HEADING("What the file does not say:"),
    {.kind = OPTION_TEXT,
     .name = "embedding",
     .argument = "NAME",
     AT(import_settings, embedding),
     .help = "name of the embedding's module, if several could be meant; . is no name at all"},
    {.kind = OPTION_LIST,
     .name = "recurrent",
     .field = "recurrent_modules",
     .argument = "NAME",
     AT(import_settings, recurrent),
     .help = "name of the recurrent module. Given several times, these modules are the layers, in "
             "this order"},
    {.kind = OPTION_TEXT,
     .name = "head-module",
     .field = "head",
     .argument = "NAME",
     AT(import_settings, head_module),
     .help = "name of the head's module"},
    {.kind = OPTION_TEXT,
     .name = "names",
     .argument = "EMBEDDING,RNN,HEAD",
     AT(import_settings, names),
     .help = "the three of them at once; one that is left empty is found by its shape"},
    {.kind = OPTION_FLAG,
     .name = "partial",
     AT(import_settings, partial),
     .help = "leave out the tensors of other modules, and print their names. What the modules that "
             "are taken would need, such as a normalization between them, is not left out"},
    {.kind = OPTION_LIST,
     .name = "without",
     .argument = "TENSOR",
     AT(import_settings, without),
     .help = "leave out this tensor, whatever it is; may be given several times"},
    {.kind = OPTION_CHOICE,
     .name = "cell",
     .choices = cell_choices,
     AT(import_settings, cell),
     .help = "auto: what the shapes imply; tanh for a plain RNN"},
    {.kind = OPTION_CHOICE,
     .name = "head",
     .field = "head_kind",
     .choices = head_choices,
     AT(import_settings, head),
     .help = "where the linear layer is applied; auto: at every step, if there is one"},
    {.kind = OPTION_COUNT,
     .name = "features",
     .field = "feature_size",
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
    HEADING("What stands around the recurrent layers:"),
    {.kind = OPTION_FLAG,
     .name = "layer-norm",
     AT(import_settings, layer_norm),
     .help = "an nn.LayerNorm normalizes what each layer reads"},
    {.kind = OPTION_LIST,
     .name = "norm",
     .field = "norm_modules",
     .argument = "NAME",
     AT(import_settings, norms),
     .help = "name of a normalization; given once for each layer, in their order, where the names "
             "do not say it. Implies --layer-norm"},
    {.kind = OPTION_NUMBER,
     .name = "norm-epsilon",
     .field = "layer_norm_epsilon",
     AT(import_settings, norm_epsilon),
     .minimum = 0,
     .help = "eps of nn.LayerNorm; 0: 1e-5, as there"},
    {.kind = OPTION_FLAG,
     .name = "residual",
     AT(import_settings, residual),
     .help = "what a layer reads is added to what it gives, where both are of one size"},
    {.kind = OPTION_TEXT,
     .name = "input-layer",
     .argument = "NAME",
     AT(import_settings, input_layer),
     .help = "name of a linear layer before the first recurrent one"},
    {.kind = OPTION_CHOICE,
     .name = "input-activation",
     .field = "input_layer_activation",
     .choices = activation_choices,
     AT(import_settings, input_activation),
     .help = "what follows it"},
    {.kind = OPTION_TEXT,
     .name = "head-layer",
     .argument = "NAME",
     AT(import_settings, head_layer),
     .help = "name of a linear layer before the head, such as out.0 of an nn.Sequential"},
    {.kind = OPTION_CHOICE,
     .name = "head-activation",
     .field = "head_layer_activation",
     .choices = activation_choices,
     AT(import_settings, head_activation),
     .help = "what follows it"},
    {.kind = OPTION_TEXT,
     .name = "initial-h",
     .argument = "TENSOR",
     AT(import_settings, initial_h),
     .help = "parameter that h begins with: one row for each layer and direction, or a list of "
             "such parameters"},
    {.kind = OPTION_TEXT,
     .name = "initial-c",
     .argument = "TENSOR",
     AT(import_settings, initial_c),
     .help = "the same for c of an LSTM"},
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

/* ---- what the library says ---- */

/* Its options, and ours. */
static const struct {
    const char *library, *program;
} spoken[] = {
    {"option 'entry'", "--entry"},
    {"option 'entries'", "--entry, given several times,"},
    {"option 'embedding'", "--embedding"},
    {"option 'recurrent'", "--recurrent"},
    {"option 'recurrent_modules'", "--recurrent, given several times,"},
    {"option 'head'", "--head-module"},
    {"option 'partial'", "--partial"},
    {"option 'without'", "--without"},
    {"option 'layer_norm'", "--layer-norm"},
    {"option 'norm_modules'", "--norm"},
    {"option 'initial_h'", "--initial-h"},
    {"option 'input_layer'", "--input-layer"},
    {"option 'head_layer'", "--head-layer"},
    {"lrnn_model_load reads it", "the other commands read it as it is"},
};

/* The message with our names for its options; NULL: out of memory. */
static char *in_our_words(const char *message)
{
    char *text = NULL;
    size_t length = 0;
    FILE *stream = system_text_open(&text, &length);
    if (stream == NULL) {
        return NULL;
    }
    while (*message != '\0') {
        size_t i = 0, count = sizeof spoken / sizeof *spoken;
        while (i < count && strncmp(message, spoken[i].library, strlen(spoken[i].library)) != 0) {
            i++;
        }
        if (i < count) {
            fputs(spoken[i].program, stream);
            message += strlen(spoken[i].library);
        } else {
            fputc(*message++, stream);
        }
    }
    return system_text_close(stream, &text, &length) == 0 ? text : NULL;
}

/* Ends the program with 2 where an option is wrong, or names something that the file has not. */
static int fail_import(const command_line *line, lrnn_status status, const char *path)
{
    char *text = in_our_words(lrnn_last_error());
    const char *message = text != NULL ? text : lrnn_last_error();
    if (status == LRNN_ERR_NOT_FOUND) {
        options_fail(line, "%s", message);
    }
    if (status == LRNN_ERR_INVALID) {
        free(text);
        return options_fail_status(line, status, path);
    }
    int failed = complain("%s", message);
    free(text);
    return failed;
}

/* ---- importing ---- */

static void note_left_out(void *user, const char *name)
{
    FILE *list = user;
    fputs("left out: ", list);
    print_harmless(name, list);
    fputc('\n', list);
}

/* A model that reads and gives as many tokens as the vocabulary has: it is that of both. */
static bool predicts_its_input(const lrnn_model *model, const lrnn_vocab *vocab)
{
    lrnn_model_options options;
    return vocab != NULL && lrnn_model_options_init(&options, sizeof options) == LRNN_OK &&
           lrnn_model_get_options(&options, model) == LRNN_OK && options.head != LRNN_HEAD_NONE &&
           lrnn_model_output_size(model) == lrnn_vocab_size(vocab);
}

static void set_stages(lrnn_import_options *options, const import_settings *settings)
{
    options->layer_norm = settings->layer_norm;
    options->layer_norm_epsilon = settings->norm_epsilon;
    options->norm_modules = settings->norms.items;
    options->norm_module_count = settings->norms.count;
    options->residual = settings->residual;
    options->input_layer = settings->input_layer;
    options->input_layer_activation = activations[settings->input_activation];
    options->head_layer = settings->head_layer;
    options->head_layer_activation = activations[settings->head_activation];
    options->initial_h = settings->initial_h;
    options->initial_c = settings->initial_c;
}

static void set_options(lrnn_import_options *options, const import_settings *settings,
                        const module_names *names)
{
    options->embedding = names->embedding;
    options->head = names->head;
    options->recurrent = names->recurrent;
    options->recurrent_modules = settings->recurrent.items;
    options->recurrent_module_count = settings->recurrent.count;
    options->entry = settings->entries.count == 1 ? settings->entries.items[0] : NULL;
    options->entries = settings->entries.items;
    options->entry_count = settings->entries.count > 1 ? settings->entries.count : 0;
    options->without = settings->without.items;
    options->without_count = settings->without.count;
    options->feature_size = settings->features;
    options->cell = settings->cell - 1;
    options->head_kind = settings->head - 1;
    options->one_hot = settings->one_hot;
    options->tied_weights = settings->tied;
    options->partial = settings->partial;
    options->padding_token = (int32_t)settings->padding_token;
}

/* Once more with the input's vocabulary for the output, where that is what it is. */
static lrnn_status import_model(lrnn_model **model, const char *path, lrnn_import_options *options)
{
    lrnn_status status = lrnn_model_import(model, path, options);
    if (status == LRNN_OK && options->output_vocab == NULL &&
        predicts_its_input(*model, options->input_vocab)) {
        lrnn_model_destroy(*model);
        options->output_vocab = options->input_vocab;
        rewind(options->left_out_user);
        status = lrnn_model_import(model, path, options);
    }
    return status;
}

static int import_with(const command_line *line, lrnn_import_options *options,
                       const import_settings *settings, const char *path)
{
    char *left_out = NULL;
    size_t length = 0;
    lrnn_model *model = NULL;
    FILE *list = system_text_open(&left_out, &length);
    if (list == NULL) {
        return complain("import: out of memory");
    }
    options->left_out = note_left_out;
    options->left_out_user = list;
    lrnn_status status = import_model(&model, path, options);
    system_text_close(list, &left_out, &length);
    int failed = status != LRNN_OK ? fail_import(line, status, path) : 0;
    if (!failed && (status = lrnn_model_save(model, settings->output)) != LRNN_OK) {
        failed = complain_status(status, NULL);
    }
    if (!failed) {
        fputs(left_out, stdout);
        failed =
            report_vocabs(options->input_vocab,
                          settings->output_vocab != NULL ? options->output_vocab : NULL, settings);
    }
    lrnn_model_destroy(model);
    free(left_out);
    return failed;
}

static int import(const command_line *line, const import_settings *settings,
                  const module_names *names, const char *path)
{
    lrnn_vocab *input = NULL, *output = NULL;
    lrnn_import_options options;
    lrnn_status status = lrnn_import_options_init(&options, sizeof options);
    if (status != LRNN_OK) {
        return complain_status(status, "import");
    }
    set_options(&options, settings, names);
    set_stages(&options, settings);
    int failed = read_vocabs(&input, &output, settings);
    options.input_vocab = input;
    options.output_vocab = output;
    if (!failed) {
        failed = import_with(line, &options, settings, path);
    }
    lrnn_vocab_destroy(input);
    lrnn_vocab_destroy(output);
    return failed;
}

/* Takes the names of modules from the options that have them. */
static void read_names(module_names *names, const command_line *line,
                       const import_settings *settings)
{
    bool single = settings->embedding != NULL || settings->head_module != NULL ||
                  settings->recurrent.count > 0;
    if (settings->names != NULL && single) {
        options_fail(line, "--names names all modules: expected it without --embedding, "
                           "--recurrent and --head-module");
    }
    if (module_names_parse(names, settings->names) != 0) {
        options_fail(line, "--names: expected EMBEDDING,RNN,HEAD, found '%s'", settings->names);
    }
    if (single) {
        names->embedding = module_name_parse(settings->embedding);
        names->head = module_name_parse(settings->head_module);
    }
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
    for (size_t i = 0; i < settings.recurrent.count; i++) {
        settings.recurrent.items[i] = module_name_parse(settings.recurrent.items[i]);
    }
    read_names(&names, &line, &settings);
    int failed = options_claim_files(&line, &settings, argv + first) != 0 ||
                 import(&line, &settings, &names, path) != 0;
    module_names_free(&names);
    return failed;
}
