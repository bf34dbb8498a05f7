/* Penalties, bans, forced and allowed tokens, the caller's own changes. */
#ifndef DECODE_FILTER_H
#define DECODE_FILTER_H

#include "decoder.h"

/* True if any of them is asked for. */
bool filter_wanted(const lrnn_decoder_options *options);

/* True if none of them can make a token likelier than under the model. */
bool filter_bounded(const lrnn_decoder_options *options);

/* Fills values and shifts of this step's rows from logits and normalizers. */
lrnn_status filter_rows(lrnn_decoder *decoder);

#endif
