/* A model as a safetensors file; shared with checkpoints, which are model files with more in them.
 */
#ifndef MODEL_FILE_H
#define MODEL_FILE_H

#include "format/safetensors.h"
#include "model.h"

/* Tensors whose names begin so belong to a checkpoint and not to its model. */
#define CHECKPOINT_PREFIX "checkpoint."

/* Adds architecture, vocabularies and parameters to a file. `parameters` is borrowed until the
 * writer is done; NULL: those of the model, as it keeps them. kind: "model" or "checkpoint". */
lrnn_status model_describe(safetensors_writer *writer, const lrnn_model *model,
                           const real *parameters, const char *kind);

/* Reads a model from an open file. */
lrnn_status model_from_file(lrnn_model **model, const safetensors *file,
                            const lrnn_allocator *allocator);

/* The options that a file describes, without its vocabularies. */
lrnn_status model_options_from_file(lrnn_model_options *options, const safetensors *file);

/* Copies the parameters of `net` out of a file, every one of them and nothing else. */
lrnn_status parameters_from_file(real *parameters, const network *net, const safetensors *file);

#endif
