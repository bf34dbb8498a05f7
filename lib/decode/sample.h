/* Drawing tokens. */
#ifndef DECODE_SAMPLE_H
#define DECODE_SAMPLE_H

#include "decoder.h"

/* Blocks in which the weights of a row are summed. */
#define SAMPLE_BLOCK     256
#define SAMPLE_BLOCKS(V) (((V) + SAMPLE_BLOCK - 1) / SAMPLE_BLOCK)

/* Draws the next token of a row, which is not stuck; number `step` of the request's random numbers
 * decides. */
int32_t sample_token(lrnn_decoder *decoder, size_t row);

/* Draws up to `count` different continuations of the rows first..first+rows-1, in the order in
 * which they are drawn, without replacement and with probability proportional to exp(sum of x),
 * into decoder->best. */
void sample_continuations(lrnn_decoder *decoder, size_t first, size_t rows, size_t count);

#endif
