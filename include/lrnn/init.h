/* liblrnn: the functions that set a struct's defaults, without its size.
 *
 * Every struct of this library that a caller makes begins with its size and has a function that
 * sets all its fields to their defaults and `size` to what the caller was compiled with. From C99
 * and C++11 on the size need not be said:
 *
 *     lrnn_model_options_init(&options)    is    lrnn_model_options_init(&options, sizeof options)
 *
 * The functions themselves are those of the other headers, and both ways to call them work. The
 * argument is evaluated once. Since 0.2. */
#ifndef LRNN_INIT_H
#define LRNN_INIT_H

#include "base.h"

#if (defined(__STDC_VERSION__) && __STDC_VERSION__ >= 199901L) ||                                  \
    (defined(__cplusplus) && __cplusplus >= 201103L)

#define LRNN_FIRST(first, ...)          first
#define LRNN_SECOND(first, second, ...) second
#define LRNN_SIZED(init, ...)                                                                      \
    init(LRNN_FIRST(__VA_ARGS__, 0),                                                               \
         LRNN_SECOND(__VA_ARGS__, sizeof *(LRNN_FIRST(__VA_ARGS__, 0)), 0))

/* clang-format off */
#define lrnn_allocator_init(...) LRNN_SIZED(lrnn_allocator_init, __VA_ARGS__)
#define lrnn_backward_init(...) LRNN_SIZED(lrnn_backward_init, __VA_ARGS__)
#define lrnn_batches_options_init(...) LRNN_SIZED(lrnn_batches_options_init, __VA_ARGS__)
#define lrnn_checkpoint_init(...) LRNN_SIZED(lrnn_checkpoint_init, __VA_ARGS__)
#define lrnn_ctc_options_init(...) LRNN_SIZED(lrnn_ctc_options_init, __VA_ARGS__)
#define lrnn_ctc_result_init(...) LRNN_SIZED(lrnn_ctc_result_init, __VA_ARGS__)
#define lrnn_decoder_options_init(...) LRNN_SIZED(lrnn_decoder_options_init, __VA_ARGS__)
#define lrnn_examples_init(...) LRNN_SIZED(lrnn_examples_init, __VA_ARGS__)
#define lrnn_exchange_init(...) LRNN_SIZED(lrnn_exchange_init, __VA_ARGS__)
#define lrnn_export_options_init(...) LRNN_SIZED(lrnn_export_options_init, __VA_ARGS__)
#define lrnn_import_options_init(...) LRNN_SIZED(lrnn_import_options_init, __VA_ARGS__)
#define lrnn_model_options_init(...) LRNN_SIZED(lrnn_model_options_init, __VA_ARGS__)
#define lrnn_optimizer_options_init(...) LRNN_SIZED(lrnn_optimizer_options_init, __VA_ARGS__)
#define lrnn_parameter_init(...) LRNN_SIZED(lrnn_parameter_init, __VA_ARGS__)
#define lrnn_request_init(...) LRNN_SIZED(lrnn_request_init, __VA_ARGS__)
#define lrnn_result_init(...) LRNN_SIZED(lrnn_result_init, __VA_ARGS__)
#define lrnn_schedule_options_init(...) LRNN_SIZED(lrnn_schedule_options_init, __VA_ARGS__)
#define lrnn_scorer_init(...) LRNN_SIZED(lrnn_scorer_init, __VA_ARGS__)
#define lrnn_sequences_init(...) LRNN_SIZED(lrnn_sequences_init, __VA_ARGS__)
#define lrnn_state_options_init(...) LRNN_SIZED(lrnn_state_options_init, __VA_ARGS__)
#define lrnn_tensor_init(...) LRNN_SIZED(lrnn_tensor_init, __VA_ARGS__)
#define lrnn_train_result_init(...) LRNN_SIZED(lrnn_train_result_init, __VA_ARGS__)
#define lrnn_trainer_options_init(...) LRNN_SIZED(lrnn_trainer_options_init, __VA_ARGS__)
#define lrnn_vocab_options_init(...) LRNN_SIZED(lrnn_vocab_options_init, __VA_ARGS__)
/* clang-format on */

#endif

#endif
