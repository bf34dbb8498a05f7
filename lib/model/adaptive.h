/* Adaptive softmax: what its options mean, and from the values of its matrices to
 * log-probabilities. */
#ifndef MODEL_ADAPTIVE_H
#define MODEL_ADAPTIVE_H

#include "network.h"

/* How many cutoffs, and so tails, there are; 0: the head is one matrix. */
size_t adaptive_count(const lrnn_model_options *options);

/* Values that tail `index` reads of the head's `top`: floor(top / div_value^(index+1)). */
size_t adaptive_tail_size(size_t top, double div_value, size_t index);

/* Checks cutoffs, div_value and adaptive_bias; sizes are resolved. */
lrnn_status adaptive_check(const lrnn_model_options *options, size_t top);

/* Puts the default in place of a div_value of 0. */
void adaptive_resolve(lrnn_model_options *options);

/* outputs [O]: in place of the shortlist's and the tails' values come log-probabilities. clusters:
 * the value of each tail. */
void adaptive_normalize(const network *net, const real *clusters, real *outputs);

#endif
