/* The matrices of a model of bytes (LRNN_WEIGHT_INT8): they are kept as inference multiplies with
 * them and in no other way, and read back from there. Only an embedding that is not the head's
 * matrix too is kept by rows. */
#ifndef MODEL_PACK_BYTES_H
#define MODEL_PACK_BYTES_H

#include "base/memory.h"
#include "model.h"

/* Room for a matrix of K rows. Its narrow_units is set. */
void pack_take_bytes(packed_matrix *matrix, arena *from, size_t K, size_t columns, size_t panel);

/* Fills it from weights [gates * units, row], of which the last K of each row belong to it and the
 * pointer is to the first of these; the scale is that of the whole row. scratch: bytes of a row. */
void pack_bytes(packed_matrix to, const real *weights, size_t row, size_t K, size_t gates,
                size_t units, int8_t *scratch);

/* See packed_layer. */
void pack_byte_table(const lrnn_model *model, const network_layer *from, packed_layer *to,
                     int8_t *scratch);

/* `count` bytes of a row of a matrix, from `first` on; returns the scale of the row. */
real model_read_bytes(int8_t *to, const lrnn_model *model, const network_tensor *tensor, size_t row,
                      size_t first, size_t count);

/* The same as reals. */
void model_read_scaled(real *to, const lrnn_model *model, const network_tensor *tensor, size_t row,
                       size_t first, size_t count);

#endif
