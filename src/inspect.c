/* lrnn inspect: what is in a model file. */
#include <unistd.h>

#include "commands.h"
#include "file_kind.h"
#include "inspect_text.h"
#include "model_file.h"
#include "options.h"
#include "output.h"

enum { TOKENS_SHOWN = 20 };

typedef struct inspect_settings {
    bool vocab;
    bool force;
    view_settings view;
} inspect_settings;

static const char *const color_choices[] = {"auto", "always", "never", NULL};

static const option_row rows[] = {
    HEADING("Options:"),
    {.kind = OPTION_FLAG,
     .name = "vocab",
     AT(inspect_settings, vocab),
     .help = "list every token of the vocabulary, one row of id and token each, and nothing else"},
    HEADING("What a unit does:"),
    {.kind = OPTION_TEXT,
     .name = "text",
     .argument = "FILE",
     AT(inspect_settings, view.text),
     .file = FILE_TEXT,
     .help = "colour this text by one unit of the network: red above 0, blue below; to a file or "
             "pipe, print rows of position, token and value"},
    {.kind = OPTION_TEXT,
     .name = "activation",
     .argument = "NAME",
     AT(inspect_settings, view.activation),
     .help = "hidden; LSTM: input_gate, forget_gate, candidate, output_gate, cell; GRU: "
             "reset_gate, update_gate, candidate (default cell for LSTM, else hidden)"},
    {.kind = OPTION_NUMBER,
     .name = "layer",
     .argument = "N",
     AT(inspect_settings, view.layer),
     .minimum = -1,
     .maximum = 1024,
     .bounds = WHOLE,
     .help = "0 is the layer that reads the input, -1 the top one"},
    {.kind = OPTION_COUNT,
     .name = "unit",
     .argument = "N",
     AT(inspect_settings, view.unit),
     .minimum = 0,
     .help = "which unit of the layer"},
    {.kind = OPTION_CHOICE,
     .name = "color",
     .choices = color_choices,
     AT(inspect_settings, view.color),
     .help = "auto: if the output is a terminal"},
    {.kind = OPTION_TEXT,
     .name = "html",
     .argument = "FILE",
     AT(inspect_settings, view.html),
     .file = FILE_HTML,
     .help = "write the coloured text to this file, as a page"},
    FORCE(inspect_settings),
};

static const char *const cell_names[] = {"RNN (tanh)", "RNN (relu)", "LSTM", "GRU"};
static const char *const weight_names[] = {"float32", "bfloat16", "int8"};
static const char *const head_names[] = {"no head", "a linear head at every step",
                                         "a linear head at the last step",
                                         "a linear head on the final states"};
static const char *const level_names[] = {"bytes", "characters", "words", "labels"};

static void print_dropout(const lrnn_model_options *options)
{
    const struct {
        const char *name;
        double share;
    } kinds[] = {{"dropout", options->dropout},
                 {"input dropout", options->input_dropout},
                 {"output dropout", options->output_dropout},
                 {"embedding dropout", options->embedding_dropout},
                 {"weight dropout", options->weight_dropout}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (kinds[i].share > 0) {
            printf("%s: %g\n", kinds[i].name, kinds[i].share);
        }
    }
    if (options->locked_dropout) {
        puts("dropout is locked over the steps of a window");
    }
}

static void print_initialization(const lrnn_model_options *options)
{
    if (options->initial_range > 0) {
        printf("initial range: %g\n", options->initial_range);
    }
    if (options->orthogonal) {
        puts("initial recurrent matrices: orthogonal");
    }
    if (options->forget_bias != 0) {
        printf("initial bias of forget gates: %g\n", options->forget_bias);
    }
}

static void print_cutoffs(const lrnn_model_options *options)
{
    for (size_t i = 0; i < LRNN_MOST_CUTOFFS && options->cutoffs[i] > 0; i++) {
        printf("%s%zu", i == 0 ? "adaptive softmax: cutoffs " : ",", options->cutoffs[i]);
    }
    if (options->cutoffs[0] > 0) {
        printf(", div value %g%s\n", options->div_value,
               options->adaptive_bias ? ", with bias" : "");
    }
}

static const char *const activation_names[] = {"none",    "sigmoid",     "tanh",
                                               "softmax", "log-softmax", "relu"};

static void print_linear(const char *name, size_t size, int32_t activation)
{
    if (size > 0) {
        printf("%s layer: %zu, activation %s\n", name, size, activation_names[activation]);
    }
}

static void print_stages(const lrnn_model_options *options)
{
    if (options->layer_norm) {
        printf("layer normalization, epsilon %g\n", options->layer_norm_epsilon);
    }
    if (options->residual) {
        puts("residual connections");
    }
    if (options->learned_state) {
        puts("learned initial state");
    }
    print_linear("input", options->input_layer_size, options->input_layer_activation);
    print_linear("head", options->head_layer_size, options->head_layer_activation);
}

static void print_activation(const lrnn_model_options *options)
{
    if (options->output_activation != LRNN_ACTIVATION_NONE) {
        printf("output activation: %s\n", activation_names[options->output_activation]);
    }
}

/* The hidden size of all layers, or of each. */
static void print_hidden(const lrnn_model *model, const lrnn_model_options *options)
{
    size_t shown = options->hidden_sizes[0] > 0 ? options->layers : 1;
    for (size_t layer = 0; layer < shown; layer++) {
        printf("%s%zu", layer == 0 ? "" : ",", lrnn_model_hidden_size(model, layer));
    }
}

static void print_architecture(const lrnn_model *model)
{
    lrnn_model_options options;
    if (lrnn_model_options_init(&options, sizeof options) != LRNN_OK ||
        lrnn_model_get_options(&options, model) != LRNN_OK) {
        return;
    }
    fputs("input:", stdout);
    if (options.vocab_size > 0 && options.embedding_size > 0) {
        printf(" %zu tokens, embedding of %zu", options.vocab_size, options.embedding_size);
    } else if (options.vocab_size > 0) {
        printf(" %zu tokens, one-hot", options.vocab_size);
    }
    if (options.feature_size > 0) {
        printf("%s %zu features", options.vocab_size > 0 ? " and" : "", options.feature_size);
    }
    if (options.layers > 0) {
        printf("\nlayers: %zu x %s, ", options.layers, cell_names[options.cell]);
        print_hidden(model, &options);
        printf(" hidden%s%s\n", options.bidirectional ? ", bidirectional" : "",
               options.bias ? "" : ", no biases");
    } else {
        puts("\nlayers: none");
    }
    if (options.projection_size > 0) {
        printf("projection: %zu\n", options.projection_size);
    }
    if (options.padding_token >= 0) {
        printf("padding token: %d\n", (int)options.padding_token);
    }
    if (options.weight_type != LRNN_WEIGHT_FLOAT32) {
        printf("weights: %s\n", weight_names[options.weight_type]);
    }
    print_dropout(&options);
    print_initialization(&options);
    if (options.tied_weights) {
        puts("head: the embedding's matrix");
    }
    print_cutoffs(&options);
    print_activation(&options);
    print_stages(&options);
    printf("output: %zu values, %s\n", lrnn_model_output_size(model), head_names[options.head]);
}

static void print_vocab(const char *name, const lrnn_vocab *vocab)
{
    if (vocab == NULL) {
        printf("%s: none\n", name);
        return;
    }
    size_t size = lrnn_vocab_size(vocab);
    lrnn_vocab_options options;
    lrnn_vocab_options_init(&options, sizeof options);
    lrnn_vocab_get_options(&options, vocab);
    printf("%s: %zu %s%s%s%s%s:", name, size, level_names[options.level],
           options.lowercase ? ", lower case" : "",
           options.strip_punctuation ? ", without punctuation" : "",
           options.keep_empty ? ", with the empty word" : "",
           lrnn_vocab_unknown(vocab) >= 0 ? ", with <unk>" : "");
    for (size_t i = 0; i < size && i < TOKENS_SHOWN; i++) {
        fputs(" '", stdout);
        write_token(vocab, (int32_t)i, stdout);
        putchar('\'');
    }
    puts(size > TOKENS_SHOWN ? " ..." : "");
}

static int print_tensors(const lrnn_model *model)
{
    lrnn_parameter parameter;
    lrnn_status status = lrnn_parameter_init(&parameter, sizeof parameter);
    printf("parameters: %zu in %zu tensors:\n", lrnn_model_parameter_count(model),
           lrnn_model_tensor_count(model));
    for (size_t i = 0; i < lrnn_model_tensor_count(model) && status == LRNN_OK; i++) {
        status = lrnn_model_get_parameter(&parameter, model, i);
        if (status == LRNN_OK) {
            char shape[64];
            snprintf(shape, sizeof shape, parameter.rank == 2 ? "%zu x %zu" : "%zu",
                     parameter.shape[0], parameter.shape[1]);
            printf("  %-28s %-16s %zu\n", parameter.name, shape, parameter.count);
        }
    }
    return status == LRNN_OK ? 0 : complain_status(status, "inspect");
}

static bool is_checkpoint(const char *path)
{
    int descriptor = system_open_input(path);
    bool found = descriptor >= 0 && file_kind_is(FILE_CHECKPOINT, descriptor);
    if (descriptor >= 0) {
        close(descriptor);
    }
    return found;
}

/* Of a checkpoint the model is a part; the rest is looked at too. */
static int check_sections(const char *path)
{
    lrnn_model *best;
    lrnn_status status = lrnn_checkpoint_check(path, NULL);
    if (status != LRNN_OK) {
        return complain_status(status, NULL);
    }
    bool holds_best = lrnn_checkpoint_load_best(&best, path, NULL) == LRNN_OK;
    lrnn_model_destroy(best);
    printf("checkpoint: all of it was read, and is sound%s\n",
           holds_best ? "; it holds the best model so far too" : "");
    return 0;
}

static int print_model(const lrnn_model *model, const char *path)
{
    system_about about;
    printf("file: %s\n", path);
    if (system_look(&about, path)) {
        printf("size: %lld bytes\n", (long long)about.bytes);
    }
    print_architecture(model);
    const lrnn_vocab *input = lrnn_model_input_vocab(model);
    const lrnn_vocab *output = lrnn_model_output_vocab(model);
    if (input == output) {
        print_vocab("vocabulary", input);
    } else {
        print_vocab("input vocabulary", input);
        print_vocab("output vocabulary", output);
    }
    return print_tensors(model) != 0 || (is_checkpoint(path) && check_sections(path) != 0);
}

static int list_vocab(const lrnn_vocab *vocab, const char *path)
{
    if (vocab == NULL) {
        return complain("%s: the model carries no vocabulary", path);
    }
    for (size_t i = 0; i < lrnn_vocab_size(vocab); i++) {
        printf("%zu\t", i);
        write_token(vocab, (int32_t)i, stdout);
        putchar('\n');
    }
    return 0;
}

static void check_together(const command_line *line, const inspect_settings *settings)
{
    static const char *const of_text[] = {"activation", "layer", "unit", "color", "html"};
    for (size_t i = 0; i < sizeof of_text / sizeof of_text[0]; i++) {
        options_need(line, of_text[i], settings->view.text != NULL, "--text");
    }
    if (settings->vocab && settings->view.text != NULL) {
        options_fail(line, "--vocab and --text: expected one of them");
    }
    if (settings->view.html != NULL && options_given(line, "color")) {
        options_fail(line,
                     "--color: a page has its own colours; with --html there is nothing to choose");
    }
}

int command_inspect(int argc, char **argv)
{
    inspect_settings settings = {.view = {.layer = -1}};
    command_line line = {
        .command = "inspect",
        .arguments = "[options] MODEL",
        .summary = "Shows what is in a model file or a checkpoint: architecture, vocabularies, "
                   "tensors, number of parameters, size. All of the file is checked.",
        .rows = rows,
        .count = sizeof rows / sizeof rows[0],
        .operands_minimum = 1,
        .operands_maximum = 1,
        .operand = "MODEL",
        .operand_file = FILE_INPUT,
    };
    int first = options_parse(&line, &settings, argc, argv);
    const char *path = argv[first];
    check_together(&line, &settings);
    if (options_claim_files(&line, &settings, argv + first) != 0) {
        return 1;
    }
    lrnn_model *model = NULL;
    lrnn_status status = lrnn_model_load(&model, path, NULL);
    if (status != LRNN_OK) {
        return complain_status(status, NULL);
    }
    int failed = settings.view.text != NULL ? inspect_text(&line, model, &settings.view)
                 : settings.vocab           ? list_vocab(lrnn_model_input_vocab(model), path)
                                            : print_model(model, path);
    lrnn_model_destroy(model);
    return failed ? 1 : output_flush();
}
