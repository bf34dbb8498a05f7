/* lrnn export: the parameters of a model as a state_dict. */
#include "commands.h"
#include "model_file.h"
#include "options.h"
#include "output.h"

typedef struct export_settings {
    const char *output;
    const char *names;
    bool force;
} export_settings;

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
    FORCE(export_settings),
};

static const char closing[] =
    "In Python: net.load_state_dict(safetensors.torch.load_file(FILE)). FILE does not contain "
    "the vocabularies and options of the model.";

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
        options.embedding = names.embedding;
        options.recurrent = names.recurrent;
        options.head = names.head;
        status = lrnn_model_load(&model, path, NULL);
    }
    if (status == LRNN_OK) {
        status = lrnn_model_export(model, settings.output, &options);
    }
    if (status == LRNN_ERR_INVALID && settings.names != NULL) {
        options_fail(&line, "--names: %s", lrnn_last_error());
    }
    int failed = status == LRNN_OK ? 0 : complain_status(status, NULL);
    lrnn_model_destroy(model);
    module_names_free(&names);
    return failed;
}
