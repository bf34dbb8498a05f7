/* Text on its way into a model and out of it. */
#include "generation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"

static int32_t first_token(const lrnn_vocab *vocab)
{
    int32_t id;
    if (lrnn_vocab_find(&id, vocab, "\n", 1) == LRNN_OK ||
        lrnn_vocab_find(&id, vocab, " ", 1) == LRNN_OK) {
        return id;
    }
    return 0;
}

int prompt_encode(token_list *tokens, bool *stands_in, const lrnn_vocab *vocab, const char *prompt)
{
    *stands_in = false;
    if (tokens_encode(tokens, vocab, prompt, strlen(prompt), "prompt") != 0) {
        return 1;
    }
    if (tokens->count > 0) {
        return 0;
    }
    tokens->ids = malloc(sizeof *tokens->ids);
    if (tokens->ids == NULL) {
        return complain("out of memory");
    }
    tokens->ids[0] = first_token(vocab);
    tokens->count = 1;
    *stands_in = true;
    return 0;
}

token_writer token_writer_begin(const lrnn_vocab *vocab)
{
    int32_t level = lrnn_vocab_level(vocab);
    return (token_writer){.vocab = vocab,
                          .spaced = level == LRNN_LEVEL_WORD || level == LRNN_LEVEL_LABEL};
}

void token_writer_put(token_writer *writer, int32_t id)
{
    const char *token;
    size_t length;
    if (lrnn_vocab_get_token(&token, &length, writer->vocab, id) != LRNN_OK) {
        return;
    }
    if (writer->spaced && writer->begun) {
        putchar(' ');
        writer->line_open = true;
    }
    fwrite(token, 1, length, stdout);
    writer->begun = true;
    if (length > 0) {
        writer->line_open = token[length - 1] != '\n';
    }
}

void token_writer_end(token_writer *writer)
{
    if (writer->line_open) {
        putchar('\n');
        writer->line_open = false;
    }
}

int32_t token_writer_stream(void *writer, size_t request, int32_t token, float log_probability)
{
    (void)request;
    (void)log_probability;
    token_writer_put(writer, token);
    return fflush(stdout) == 0 ? 0 : -1;
}
