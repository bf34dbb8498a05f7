/* What the commands that use a trained model have in common. */
#ifndef MODEL_FILE_H
#define MODEL_FILE_H

#include <lrnn.h>
#include <stdio.h>

/* Loads a language model: one that carries a vocabulary and predicts its own tokens. */
int language_model_load(lrnn_model **model, const char *path);

/* Writes a token with \n, \t, \\ and \xHH for what would break a line or a column. */
void write_token(const lrnn_vocab *vocab, int32_t id, FILE *stream);

#endif
