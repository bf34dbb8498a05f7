/* The loss of a text under a model that a trainer holds. */
#ifndef EVALUATE_H
#define EVALUATE_H

#include <lrnn.h>

#include "corpus.h"

/* Cuts the text into `batch` pieces that run side by side, each from a state of zero, and walks
 * along them in windows of `steps`. Each token but the first is predicted once, from those before
 * it in its piece. *right (unless NULL) says for how many the token was the likeliest. *loss_sum is
 * in nats over *count tokens. The text has two tokens or more. */
int evaluate_tokens(double *loss_sum, double *count, double *right, lrnn_trainer *trainer,
                    const corpus *tokens, size_t batch, size_t steps);

#endif
