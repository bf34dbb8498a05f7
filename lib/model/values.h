/* How a model keeps its parameters. While it is being made they are reals, in the flat array of
 * network.h. A finished model whose matrices are bfloat16 has these and the vectors one by one, and
 * no flat array any more; one whose matrices are int8 has the vectors, and the embedding. */
#ifndef MODEL_VALUES_H
#define MODEL_VALUES_H

#include "format/safetensors.h"
#include "model.h"

/* Makes every matrix one of numbers of the model's kind, still reals.
 * LRNN_ERR_NUMERIC: one is too large; names the parameter. */
lrnn_status model_round_values(lrnn_model *model);

/* Gives up the flat array for what the model keeps. model_round_values was called. */
lrnn_status model_keep_values(lrnn_model *model);

/* A tensor as the model keeps it, and what it is made of. Of a matrix of bytes there is no such
 * place: model_read_bytes. */
const void *model_tensor(const lrnn_model *model, const network_tensor *tensor);
tensor_dtype model_tensor_dtype(const lrnn_model *model, const network_tensor *tensor);

/* Is it a matrix of bytes? */
bool model_is_scaled(const lrnn_model *model, const network_tensor *tensor);

/* The values of a tensor, or of all of them in the order of the flat array. */
void model_read_tensor(real *to, const lrnn_model *model, const network_tensor *tensor);
void model_read_values(real *to, const lrnn_model *model);

/* The vector of a token, of a lrnn_model; see read_embedding. */
void model_read_embedding(real *to, const void *model, size_t token);

#endif
