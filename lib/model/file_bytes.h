/* Matrices of bytes in a file: an I8 tensor, and one of the scales of its rows whose name is the
 * matrix's and ".scale". */
#ifndef MODEL_FILE_BYTES_H
#define MODEL_FILE_BYTES_H

#include "format/safetensors.h"
#include "model.h"

/* Adds both for a matrix of a model of bytes. */
lrnn_status bytes_describe(safetensors_writer *writer, const lrnn_model *model,
                           const network_tensor *matrix);

/* Whether a tensor of this name is the scales of one of a file's matrices of bytes. */
bool bytes_owns(const network *net, const safetensors *file, const char *name);

/* `found` is a tensor of the network's shape. One of bytes has to be a matrix of a network that is
 * to have such, with the right scales beside it: LRNN_ERR_FORMAT, naming the tensor. */
lrnn_status bytes_check(const network *net, const network_tensor *expected,
                        const tensor_view *found, const safetensors *file);

/* The numbers of a matrix that passed. LRNN_ERR_NUMERIC: a scale that is not above zero or not
 * finite, named by its row. LRNN_ERR_IO. */
lrnn_status bytes_read(real *to, const network_tensor *matrix, const tensor_view *found,
                       const safetensors *file);

#endif
