/* liblrnn: train recurrent neural networks and decode from them.
 *
 * This header brings in everything; each topic header stands on its own too:
 *   lrnn/base.h    version, status codes, error text, allocator
 *   lrnn/text.h    vocabularies: bytes, characters, words, labels
 *   lrnn/model.h   models and their running state
 *   lrnn/train.h   batches, optimizers, schedules, the trainer, checkpoints
 *   lrnn/decode.h  greedy, sampling and beam search
 *
 * Conventions that hold everywhere:
 * - Every call that can fail returns an lrnn_status; 0 is success. Results come through the
 *   out-parameters, which come first; a handle is set to NULL when its create call fails.
 *   lrnn_last_error() then says in one line what was wrong. A failed call has changed nothing.
 * - Every struct that crosses the border starts with its own size. Fill it with its _init function
 *   (`lrnn_model_options_init(&options, sizeof options)`), then set the fields you care about.
 *   After _init a value is literal: 0 means 0.
 * - Handles are created and destroyed in pairs; destroy takes NULL. `get_` lends until the parent
 *   goes, `copy_` fills memory of yours, `load` and `save` are files.
 * - An object is used by one thread at a time, except models and vocabularies: they are immutable
 *   and any number of threads may share one.
 * - Arrays are row-major. In shapes B is the batch (streams), T steps, H hidden units, V tokens,
 *   F features, L layers, D directions (1, or 2 when bidirectional).
 */
#ifndef LRNN_H
#define LRNN_H

#include "lrnn/base.h"
#include "lrnn/decode.h"
#include "lrnn/model.h"
#include "lrnn/text.h"
#include "lrnn/train.h"

#endif
