/* lrnn export: the parameters of a model as a state_dict. */
#include "commands.h"
#include "model_file.h"
#include "options.h"
#include "output.h"

typedef struct export_settings {
    const char *output;
    const char *names;
    const char *norm;
    const char *input_layer;
    const char *head_layer;
    const char *initial_h;
    const char *initial_c;
    bool force;
} export_settings;

/* The name of what stands around the layers, where the model has it. */
#define NAME(name_, field_, help_)                                                                 \
    {                                                                                              \
        .kind = OPTION_TEXT, .name = (name_), .argument = "NAME", AT(export_settings, field_),     \
        .help = (help_)                                                                            \
    }

static const option_row rows[] = {
    HEADING("Options:"),
    {.kind = OPTION_TEXT,
     .name = "output",
     .letter = 'o',
     .argument = "FILE",
     AT(export_settings, output),
     .file = FILE_STATE_DICT,
     .help = "write the safetensors file here; required"},
    {.kind = OPTION_TEXT,
     .name = "names",
     .argument = "EMBEDDING,RNN,HEAD",
     AT(export_settings, names),
     .help =
         "names of the modules; one that is left empty keeps the name it had in the file the model "
         "was imported from, and otherwise is embedding, rnn or head; . is no name at all"},
    NAME("norm", norm, "name of the list of normalizations; as --names, and otherwise norm"),
    NAME("input-layer", input_layer,
         "name of the linear layer before the first layer; otherwise input"),
    NAME("head-layer", head_layer,
         "name of the linear layer before the output layer; otherwise head_input"),
    NAME("initial-h", initial_h, "name of the tensor that h begins with; otherwise h0"),
    NAME("initial-c", initial_c, "name of the tensor that c begins with; otherwise c0"),
    FORCE(export_settings),
};

/* A name for what the model does not have is refused. */
static void check_names(const command_line *line, const lrnn_model *model)
{
    lrnn_model_options o;
    if (lrnn_model_options_init(&o, sizeof o) != LRNN_OK ||
        lrnn_model_get_options(&o, model) != LRNN_OK) {
        return;
    }
    const bool learned = o.learned_state != 0;
    options_need(line, "norm", o.layer_norm != 0, "a model with layer normalization");
    options_need(line, "input-layer", o.input_layer_size > 0, "a model with an input layer");
    options_need(line, "head-layer", o.head_layer_size > 0, "a model with a head layer");
    options_need(line, "initial-h", learned, "a model with learned initial states");
    options_need(line, "initial-c", learned && o.cell == LRNN_CELL_LSTM,
                 "an LSTM with learned initial states");
}

static void set_names(lrnn_export_options *options, const export_settings *settings,
                      const module_names *names)
{
    options->embedding = names->embedding;
    options->recurrent = names->recurrent;
    options->head = names->head;
    options->norm = module_name_parse(settings->norm);
    options->input_layer = module_name_parse(settings->input_layer);
    options->head_layer = module_name_parse(settings->head_layer);
    options->initial_h = settings->initial_h;
    options->initial_c = settings->initial_c;
}

static const char closing[] =
    "In Python: net.load_state_dict(safetensors.torch.load_file(FILE)). FILE does not contain "
    "the vocabularies and options of the model.";

static bool names_are_given(const export_settings *s)
{
    return s->names != NULL || s->norm != NULL || s->input_layer != NULL || s->head_layer != NULL ||
           s->initial_h != NULL || s->initial_c != NULL;
}

int command_export(int argc, char **argv)
{
    export_settings settings = {0};
    module_names names;
    command_line line = {
        .command = "export",
        .arguments = "[options] MODEL -o FILE",
        .summary = "Writes the parameters of a model or a checkpoint as a state_dict for PyTorch.",
        .closing = closing,
        .rows = rows,
        .count = sizeof rows / sizeof rows[0],
        .operands_minimum = 1,
        .operands_maximum = 1,
        .operand = "MODEL",
        .operand_file = FILE_INPUT,
    };
    int first = options_parse(&line, &settings, argc, argv);
    const char *path = argv[first];
    if (settings.output == NULL) {
        options_fail(&line, "-o FILE is required");
    }
    if (module_names_parse(&names, settings.names) != 0) {
        options_fail(&line, "--names: expected EMBEDDING,RNN,HEAD, found '%s'", settings.names);
    }
    if (options_claim_files(&line, &settings, argv + first) != 0) {
        module_names_free(&names);
        return 1;
    }
    lrnn_model *model = NULL;
    lrnn_export_options options;
    lrnn_status status = lrnn_export_options_init(&options, sizeof options);
    if (status == LRNN_OK) {
        set_names(&options, &settings, &names);
        status = lrnn_model_load(&model, path, NULL);
    }
    if (status == LRNN_OK) {
        check_names(&line, model);
        status = lrnn_model_export(model, settings.output, &options);
    }
    if (status == LRNN_ERR_INVALID && names_are_given(&settings)) {
        options_fail(&line, "%s%s", settings.names != NULL ? "--names: " : "", lrnn_last_error());
    }
    int failed = status == LRNN_OK ? 0 : complain_status(status, NULL);
    lrnn_model_destroy(model);
    module_names_free(&names);
    return failed;
}
