/* What stands around recurrent layers: layer normalization, linear layers, learned states. */
#ifndef MODEL_NORMALIZE_H
#define MODEL_NORMALIZE_H

#include "base/real.h"
#include "network.h"

/* y [n] = (x - mean) / sqrt(variance + epsilon) * weight + bias; y may be x. *mean and *scale, the
 * factor of x - mean, are for the gradient. A row's bits depend on nothing but the row. */
void normalize_row(real *y, const real *x, size_t n, const real *weight, const real *bias,
                   double epsilon, real *mean, real *scale);

/* Checks what of it the options want; top: what the last layer gives. */
lrnn_status stages_check(const lrnn_model_options *options);

/* Puts the default in place of an epsilon of 0. */
void stages_resolve(lrnn_model_options *options);

/* Values that layer 0 reads, that the top layer gives, and that the head's matrix reads. */
size_t stages_entry_size(const lrnn_model_options *options);
size_t stages_top_size(const lrnn_model_options *options);
size_t stages_head_size(const lrnn_model_options *options);

/* Is there a connection around this layer? */
bool stages_residual(const lrnn_model_options *options, size_t layer);

/* Does a file of this model need a reader that knows these fields, or the sizes of layers, though
 * it has no more tensors? */
bool stages_hidden(const lrnn_model_options *options);

#endif
