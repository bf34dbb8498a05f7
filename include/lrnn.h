/* liblrnn: train recurrent neural networks and decode from them.
 *
 * This header includes everything; each topic header can also be included by itself:
 *   lrnn/base.h    version, status codes, error text, allocator
 *   lrnn/text.h    vocabularies: bytes, characters, words, labels
 *   lrnn/model.h   models and their running state
 *   lrnn/train.h   batches, optimizers, schedules, the trainer, checkpoints
 *   lrnn/decode.h  greedy, sampling and beam search
 *
 * Conventions that hold everywhere:
 * - Every call that can fail returns an lrnn_status; 0 is success. Results are returned through
 * out-parameters, which come first; when a create call fails its handle is set to NULL.
 * lrnn_last_error() then says in one line what went wrong. A failed call leaves everything as it
 * was.
 * - Every public struct starts with its own size. Initialise it with its _init function
 *   (`lrnn_model_options_init(&options)`, or with `sizeof options`), then set the fields you care
 *   about. After _init a value is literal: 0 means 0.
 * - Every create has its destroy, which accepts NULL. What a `get_` call returns belongs to the
 * object it came from and is valid until that is destroyed; `copy_` fills the caller's memory;
 * `load` and `save` read and write files.
 * - An object is used by one thread at a time, except models and vocabularies: they are immutable
 *   and any number of threads may share one.
 * - Arrays are row-major. In shapes B is the batch (streams), T steps, H hidden units, V tokens,
 *   F features, L layers, D directions (1, or 2 when bidirectional). */
#ifndef LRNN_H
#define LRNN_H

#include "lrnn/base.h"
#include "lrnn/decode.h"
#include "lrnn/model.h"
#include "lrnn/text.h"
#include "lrnn/train.h"

#include "lrnn/init.h"

#endif
