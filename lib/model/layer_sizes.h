/* What the options say of the size of a layer: the one place that knows hidden_size, hidden_sizes
 * and projection_size. Of a network that is laid out, network_layer has the same. */
#ifndef MODEL_LAYER_SIZES_H
#define MODEL_LAYER_SIZES_H

#include <stdbool.h>

#include "lrnn/model.h"

/* H of a layer; R, the size of its h; and the values that it gives, D*R, and reads. */
size_t layer_hidden_size(const lrnn_model_options *options, size_t layer);
size_t layer_h_size(const lrnn_model_options *options, size_t layer);
size_t layer_width(const lrnn_model_options *options, size_t layer);
size_t layer_input_size(const lrnn_model_options *options, size_t layer);

/* Is there a layer whose H, or R, is not that of the first? */
bool layer_sizes_differ(const lrnn_model_options *options);
bool layer_h_sizes_differ(const lrnn_model_options *options);

/* Checks hidden_sizes, and projection_size against it. */
lrnn_status layer_sizes_check(const lrnn_model_options *options);

/* One way to say one thing: where all layers are of one size it is hidden_size, and hidden_sizes is
 * all 0; else the latter has the size of every layer up to the eighth, and hidden_size that of the
 * last layer. */
void layer_sizes_resolve(lrnn_model_options *options);

#endif
