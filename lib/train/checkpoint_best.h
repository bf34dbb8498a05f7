/* The second model of a checkpoint. */
#ifndef TRAIN_CHECKPOINT_BEST_H
#define TRAIN_CHECKPOINT_BEST_H

#include "format/safetensors.h"
#include "trainer.h"

/* Adds the tensors of `best`; NULL adds nothing. LRNN_ERR_INVALID: it has other tensors than the
 * trainer. */
lrnn_status checkpoint_describe_best(safetensors_writer *writer, const lrnn_trainer *trainer,
                                     const lrnn_model *best);

/* Reads it. LRNN_ERR_NOT_FOUND: the file has none; other errors as model_from_file. */
lrnn_status checkpoint_load_best(lrnn_model **best, const safetensors *file,
                                 const lrnn_allocator *allocator);

#endif
