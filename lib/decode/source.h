/* Where the scores come from: a model's state, or the caller's scorer. */
#ifndef DECODE_SOURCE_H
#define DECODE_SOURCE_H

#include "decoder.h"

#define PROMPT_STEPS 32 /* tokens of a prompt that are fed in one go */

/* Checks that the model can be decoded from and remembers its sizes. */
lrnn_status source_read_model(lrnn_decoder *decoder, const lrnn_model *model);
lrnn_status source_read_scorer(lrnn_decoder *decoder, const lrnn_scorer *scorer);

/* Makes the model's state; once sizes are known. */
lrnn_status source_create_state(lrnn_decoder *decoder, const lrnn_model *model);

/* Feeds the prompts of slots 0..slot_count-1, of which row i is slot i, up to their last token,
 * which is the row's token. Prompts must not get longer from slot to slot. */
lrnn_status source_begin(lrnn_decoder *decoder);

/* Feeds the tokens of this step's rows: fills logits and normalizers. */
lrnn_status source_step(lrnn_decoder *decoder);

/* Feeds `count` tokens, at most decoder->logits_rows, of slot 0's request from `first` on, and
 * leaves the logits behind each: row i those behind token first + i. Models with a head at every
 * step only. */
lrnn_status source_feed(lrnn_decoder *decoder, size_t first, size_t count);

/* Normalizers and maxima of the first `rows` rows of logits; LRNN_ERR_NUMERIC if one has none. */
lrnn_status source_normalize(lrnn_decoder *decoder, size_t rows);

#endif
