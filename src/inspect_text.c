/* The text is read in windows by a trainer without a loss, which keeps the activations; one value
 * per token is shown. */
#include "inspect_text.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "model_file.h"
#include "output.h"
#include "output_file.h"
#include "text.h"

enum { WINDOW = 64 }; /* tokens that are read at once */

typedef struct view {
    const lrnn_vocab *vocab;
    token_list tokens;
    float *values;    /* one a token */
    double largest;   /* |value| that gets the full colour */
    const char *name; /* of the activation */
    size_t layer, unit;
    size_t size; /* units of the activation */
} view;

/* ---- reading the text with the net ---- */

static int check_place(view *v, const command_line *line, const lrnn_model *model,
                       const view_settings *settings)
{
    lrnn_model_options options;
    lrnn_model_options_init(&options, sizeof options);
    lrnn_model_get_options(&options, model);
    v->vocab = lrnn_model_input_vocab(model);
    if (v->vocab == NULL || options.feature_size > 0) {
        return complain("inspect --text: the model does not read text alone");
    }
    if (options.layers == 0) {
        return complain("inspect --text: the model has no recurrent layer");
    }
    v->layer = settings->layer < 0 ? options.layers - 1 : (size_t)settings->layer;
    v->unit = settings->unit;
    v->name = settings->activation;
    if (v->name == NULL) {
        v->name = options.cell == LRNN_CELL_LSTM ? "cell" : "hidden";
    }
    if (v->layer >= options.layers) {
        options_fail(line, "--layer: expected -1 to %zu, found %.0f", options.layers - 1,
                     settings->layer);
    }
    bool projected = options.projection_size > 0 && strcmp(v->name, "hidden") == 0;
    v->size = projected ? options.projection_size : lrnn_model_hidden_size(model, v->layer);
    if (v->unit >= v->size) {
        options_fail(line, "--unit: expected 0 to %zu, found %zu", v->size - 1, settings->unit);
    }
    return 0;
}

static int read_window(view *v, const command_line *line, lrnn_trainer *trainer, size_t first,
                       float *activations)
{
    size_t left = v->tokens.count - first;
    lrnn_sequences window;
    lrnn_sequences_init(&window, sizeof window);
    window.batch = 1;
    window.steps = left < WINDOW ? left : WINDOW;
    window.tokens = v->tokens.ids + first;
    lrnn_status status = lrnn_trainer_evaluate(trainer, &window, NULL);
    if (status == LRNN_OK) {
        status = lrnn_trainer_copy_activation(activations, WINDOW * v->size, trainer, v->name,
                                              v->layer, 0);
    }
    if (status == LRNN_ERR_NOT_FOUND) {
        options_fail(line, "--activation: the cell has no activation '%s'", v->name);
    }
    if (status != LRNN_OK) {
        return complain_status(status, "inspect --text");
    }
    for (size_t t = 0; t < window.steps; t++) {
        float value = activations[t * v->size + v->unit];
        v->values[first + t] = value;
        v->largest = fmax(v->largest, fabs((double)value));
    }
    return 0;
}

static int read_text(view *v, const command_line *line, const lrnn_model *model)
{
    lrnn_trainer_options trainer_options;
    lrnn_trainer_options_init(&trainer_options, sizeof trainer_options);
    trainer_options.batch = 1;
    trainer_options.steps = WINDOW;
    trainer_options.loss = LRNN_LOSS_NONE;
    lrnn_trainer *trainer;
    lrnn_status status = lrnn_trainer_create(&trainer, model, &trainer_options);
    if (status != LRNN_OK) {
        return complain_status(status, "inspect --text");
    }
    float *activations = malloc(WINDOW * v->size * sizeof *activations);
    v->values = malloc((v->tokens.count + 1) * sizeof *v->values);
    int failed = activations == NULL || v->values == NULL ? complain("out of memory") : 0;
    for (size_t first = 0; !failed && first < v->tokens.count; first += WINDOW) {
        failed = read_window(v, line, trainer, first, activations);
    }
    free(activations);
    lrnn_trainer_destroy(trainer);
    return failed;
}

/* ---- showing it ---- */

/* White at 0, red towards +1, blue towards -1. */
static void color_of(double share, int rgb[3])
{
    int pale = (int)(255 - 175 * fmin(fabs(share), 1));
    rgb[0] = share >= 0 ? 255 : pale;
    rgb[1] = pale;
    rgb[2] = share >= 0 ? pale : 255;
}

static double share_of(const view *v, size_t i)
{
    return v->largest > 0 ? (double)v->values[i] / v->largest : 0;
}

static bool has_spaces(const view *v)
{
    return lrnn_vocab_level(v->vocab) >= LRNN_LEVEL_WORD;
}

static void show_colored(const view *v)
{
    for (size_t i = 0; i < v->tokens.count; i++) {
        const char *token;
        size_t length;
        int rgb[3];
        if (lrnn_vocab_get_token(&token, &length, v->vocab, v->tokens.ids[i]) != LRNN_OK) {
            return;
        }
        color_of(share_of(v, i), rgb);
        bool newline = length == 1 && *token == '\n';
        if (!newline) {
            printf("\033[38;2;0;0;0;48;2;%d;%d;%dm", rgb[0], rgb[1], rgb[2]);
        }
        fwrite(token, 1, length, stdout);
        if (!newline) {
            fputs("\033[0m", stdout);
        }
        if (has_spaces(v)) {
            putchar(' ');
        }
    }
    putchar('\n');
}

static void show_rows(const view *v)
{
    for (size_t i = 0; i < v->tokens.count && !output_is_over(); i++) {
        printf("%zu\t", i);
        write_token(v->vocab, v->tokens.ids[i], stdout);
        printf("\t%.6f\n", (double)v->values[i]);
    }
}

static void write_escaped(FILE *stream, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        switch (bytes[i]) {
        case '<': fputs("&lt;", stream); break;
        case '>': fputs("&gt;", stream); break;
        case '&': fputs("&amp;", stream); break;
        case '"': fputs("&quot;", stream); break;
        case '\0': fputs("&#xfffd;", stream); break;
        default: putc(bytes[i], stream);
        }
    }
}

static int write_html(const view *v, const char *path)
{
    output_file file;
    if (output_file_open(&file, path)) {
        return 1;
    }
    FILE *out = file.stream;
    fprintf(out,
            "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>%s, layer %zu, unit %zu"
            "</title>\n<style>body{font:16px/1.7 monospace;max-width:60em;margin:2em auto;"
            "padding:0 1em}pre{white-space:pre-wrap}</style></head>\n<body><p>%s of layer %zu, "
            "unit %zu: <span style=\"background:#5050ff\">%.3f</span> to "
            "<span style=\"background:#ff5050\">%.3f</span></p>\n<pre>",
            v->name, v->layer, v->unit, v->name, v->layer, v->unit, -v->largest, v->largest);
    for (size_t i = 0; i < v->tokens.count; i++) {
        const char *token;
        size_t length;
        int rgb[3];
        if (lrnn_vocab_get_token(&token, &length, v->vocab, v->tokens.ids[i]) != LRNN_OK) {
            break;
        }
        color_of(share_of(v, i), rgb);
        fprintf(out, "<span title=\"%.4f\" style=\"background:#%02x%02x%02x\">",
                (double)v->values[i], (unsigned)rgb[0], (unsigned)rgb[1], (unsigned)rgb[2]);
        write_escaped(out, token, length);
        fputs(has_spaces(v) ? "</span> " : "</span>", out);
    }
    fputs("</pre></body></html>\n", out);
    return output_file_commit(&file);
}

int inspect_text(const command_line *line, const lrnn_model *model, const view_settings *settings)
{
    view v = {0};
    text all = {.level = lrnn_vocab_level(v.vocab)};
    int failed = check_place(&v, line, model, settings);
    if (!failed) {
        failed = text_add_file(&all, settings->text);
    }
    if (!failed) {
        failed = tokens_encode_text(&v.tokens, v.vocab, &all);
    }
    if (!failed) {
        failed = read_text(&v, line, model);
    }
    bool colored =
        settings->color == COLOR_ALWAYS || (settings->color == COLOR_AUTO && system_is_terminal(1));
    if (!failed && settings->html != NULL) {
        failed = write_html(&v, settings->html);
    } else if (!failed && colored) {
        show_colored(&v);
    } else if (!failed) {
        show_rows(&v);
    }
    free(v.values);
    tokens_free(&v.tokens);
    text_free(&all);
    return failed;
}
