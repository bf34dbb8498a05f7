/* Where each public struct ended in its first release. A struct only grows at its end, so this is
 * the least that a caller's struct can have; the line of a struct never changes once it is
 * released. tests/unit/base_released_test.c holds the sizes in bytes of every release. */
#ifndef BASE_RELEASED_H
#define BASE_RELEASED_H

#include <stddef.h>

#include "lrnn.h"

#define RELEASED_THROUGH(type, last) (offsetof(type, last) + sizeof(((type *)NULL)->last))

/* ---- 0.1 ---- */
#define RELEASED_lrnn_allocator         RELEASED_THROUGH(lrnn_allocator, release)
#define RELEASED_lrnn_vocab_options     RELEASED_THROUGH(lrnn_vocab_options, max_size)
#define RELEASED_lrnn_sequences         RELEASED_THROUGH(lrnn_sequences, weights)
#define RELEASED_lrnn_model_options     RELEASED_THROUGH(lrnn_model_options, weight_type)
#define RELEASED_lrnn_tensor            RELEASED_THROUGH(lrnn_tensor, shape)
#define RELEASED_lrnn_parameter         RELEASED_THROUGH(lrnn_parameter, count)
#define RELEASED_lrnn_import_options    RELEASED_THROUGH(lrnn_import_options, tied_weights)
#define RELEASED_lrnn_export_options    RELEASED_THROUGH(lrnn_export_options, head)
#define RELEASED_lrnn_state_options     RELEASED_THROUGH(lrnn_state_options, steps)
#define RELEASED_lrnn_batches_options   RELEASED_THROUGH(lrnn_batches_options, bucket)
#define RELEASED_lrnn_examples          RELEASED_THROUGH(lrnn_examples, reserved)
#define RELEASED_lrnn_optimizer_options RELEASED_THROUGH(lrnn_optimizer_options, nesterov)
#define RELEASED_lrnn_schedule_options  RELEASED_THROUGH(lrnn_schedule_options, reserved)
#define RELEASED_lrnn_trainer_options   RELEASED_THROUGH(lrnn_trainer_options, recompute_steps)
#define RELEASED_lrnn_train_result      RELEASED_THROUGH(lrnn_train_result, learning_rate)
#define RELEASED_lrnn_backward          RELEASED_THROUGH(lrnn_backward, initial_c)
#define RELEASED_lrnn_checkpoint        RELEASED_THROUGH(lrnn_checkpoint, batches)
#define RELEASED_lrnn_rows              RELEASED_THROUGH(lrnn_rows, decoder)
#define RELEASED_lrnn_scorer            RELEASED_THROUGH(lrnn_scorer, score)
#define RELEASED_lrnn_decoder_options   RELEASED_THROUGH(lrnn_decoder_options, token)
#define RELEASED_lrnn_request           RELEASED_THROUGH(lrnn_request, features)
#define RELEASED_lrnn_result            RELEASED_THROUGH(lrnn_result, group)

/* ---- 0.2 ---- */
#define RELEASED_lrnn_exchange    RELEASED_THROUGH(lrnn_exchange, sum_floats)
#define RELEASED_lrnn_ctc_options RELEASED_THROUGH(lrnn_ctc_options, reserved)
#define RELEASED_lrnn_ctc_result  RELEASED_THROUGH(lrnn_ctc_result, word_count)

#endif
