/* lrnn convert: a model with weights of another type. */
#include "commands.h"
#include "options.h"
#include "output.h"

typedef struct convert_settings {
    const char *output;
    bool force;
    int32_t weights; /* LRNN_WEIGHT_* */
} convert_settings;

static const char *const weight_choices[] = {"float32", "bfloat16", "int8", NULL};

static const option_row rows[] = {
    HEADING("Options:"),
    {.kind = OPTION_TEXT,
     .name = "output",
     .letter = 'o',
     .argument = "FILE",
     AT(convert_settings, output),
     .file = FILE_MODEL,
     .help = "write the model here; required"},
    {.kind = OPTION_CHOICE,
     .name = "weights",
     .choices = weight_choices,
     AT(convert_settings, weights),
     .help = "how the matrices are stored; bfloat16 has 8 bits of precision, int8 a byte a number"},
    FORCE(convert_settings),
};

static const char closing[] = "A model with bfloat16 weights has a file half as long, takes half "
                              "the memory and is faster; with "
                              "int8 a quarter and an eighth. 'lrnn eval' shows what it has lost. "
                              "Continue training from MODEL rather than from FILE.";

static int convert(const convert_settings *settings, const lrnn_model *model, const char *path)
{
    lrnn_model *converted;
    lrnn_status status = lrnn_model_convert(&converted, model, settings->weights);
    if (status != LRNN_OK) {
        return complain_status(status, path);
    }
    status = lrnn_model_save(converted, settings->output);
    lrnn_model_destroy(converted);
    return status == LRNN_OK ? 0 : complain_status(status, NULL);
}

int command_convert(int argc, char **argv)
{
    convert_settings settings = {.weights = LRNN_WEIGHT_BFLOAT16};
    command_line line = {
        .command = "convert",
        .arguments = "[options] MODEL -o FILE",
        .summary = "Writes a model, or the model of a checkpoint, with weights of another type.",
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
    if (options_claim_files(&line, &settings, argv + first) != 0) {
        return 1;
    }
    lrnn_model *model;
    lrnn_status status = lrnn_model_load(&model, path, NULL);
    if (status != LRNN_OK) {
        return complain_status(status, NULL);
    }
    int failed = convert(&settings, model, path);
    lrnn_model_destroy(model);
    return failed;
}
