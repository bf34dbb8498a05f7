/* Loading language models, printing tokens, names of modules. */
#include "model_file.h"

#include <stdlib.h>
#include <string.h>

#include "output.h"

int language_model_load(lrnn_model **model, const char *path)
{
    lrnn_status status = lrnn_model_load(model, path, NULL);
    if (status != LRNN_OK) {
        return complain_status(status, NULL);
    }
    const lrnn_vocab *input = lrnn_model_input_vocab(*model);
    const lrnn_vocab *output = lrnn_model_output_vocab(*model);
    lrnn_model_options options;
    if (input == NULL || output == NULL || lrnn_vocab_size(input) != lrnn_vocab_size(output) ||
        lrnn_model_options_init(&options, sizeof options) != LRNN_OK ||
        lrnn_model_get_options(&options, *model) != LRNN_OK || options.head != LRNN_HEAD_STEPS ||
        options.bidirectional || options.feature_size != 0) {
        lrnn_model_destroy(*model);
        *model = NULL;
        return complain("%s: not a language model: it does not predict its own tokens step by step",
                        path);
    }
    return 0;
}

void write_token(const lrnn_vocab *vocab, int32_t id, FILE *stream)
{
    const char *token;
    size_t length;
    if (lrnn_vocab_get_token(&token, &length, vocab, id) != LRNN_OK) {
        return;
    }
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)token[i];
        switch (byte) {
        case '\n': fputs("\\n", stream); break;
        case '\t': fputs("\\t", stream); break;
        case '\\': fputs("\\\\", stream); break;
        default:
            /* A byte above 127 that stands alone is no UTF-8; 0xc2 begins control characters. */
            if (byte < ' ' || byte == 127 || (byte > 127 && length == 1) ||
                (length == 2 && (unsigned char)token[0] == 0xc2 &&
                 (unsigned char)token[1] < 0xa0)) {
                fprintf(stream, "\\x%02X", byte);
            } else {
                fputc(byte, stream);
            }
        }
    }
}

const char *module_name_parse(const char *text)
{
    return text == NULL || *text == '\0' ? NULL : strcmp(text, ".") == 0 ? "" : text;
}

int module_names_parse(module_names *names, const char *text)
{
    *names = (module_names){0};
    if (text == NULL) {
        return 0;
    }
    names->text = format_text("%s", text);
    if (names->text == NULL) {
        return 1;
    }
    const char **parts[] = {&names->embedding, &names->recurrent, &names->head};
    char *part = names->text;
    for (size_t i = 0; i < 3; i++) {
        char *comma = strchr(part, ',');
        if ((comma == NULL) != (i == 2)) {
            module_names_free(names);
            return 1;
        }
        if (comma != NULL) {
            *comma = '\0';
        }
        *parts[i] = module_name_parse(part);
        part = comma != NULL ? comma + 1 : part;
    }
    return 0;
}

void module_names_free(module_names *names)
{
    free(names->text);
    *names = (module_names){0};
}
