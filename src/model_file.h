/* What the commands that use a trained model have in common. */
#ifndef MODEL_FILE_H
#define MODEL_FILE_H

#include <lrnn.h>
#include <stdio.h>

/* Loads a language model: one that carries a vocabulary and predicts its own tokens. */
int language_model_load(lrnn_model **model, const char *path);

/* Writes a token with \n, \t, \\ and \xHH for what would break a line or a column. */
void write_token(const lrnn_vocab *vocab, int32_t id, FILE *stream);

/* Names of modules in a file of PyTorch's; NULL: not given. */
typedef struct module_names {
    const char *embedding, *recurrent, *head;
    char *text;
} module_names;

/* A single name: NULL where the text is NULL or empty, "" for ".". */
const char *module_name_parse(const char *text);

/* Reads "EMBEDDING,RNN,HEAD": an empty part is not given, "." is the empty name. text NULL: none is
 * given. 1 if there are not three parts, or out of memory; nothing is printed. */
int module_names_parse(module_names *names, const char *text);
void module_names_free(module_names *names);

#endif
