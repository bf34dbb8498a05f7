/* Output activations: LRNN_ACTIVATION_*. */
#ifndef MODEL_ACTIVATE_H
#define MODEL_ACTIVATE_H

#include "network.h"

/* "tanh", or NULL past the last. */
const char *activation_name(int32_t activation);

/* y [n] in place. A row's values do not depend on where it stands. */
void activation_apply(int32_t activation, real *y, size_t n);

/* outputs [B,T,O], or [B,O]: the steps that sequences have. */
void activate_outputs(const network *net, const lrnn_sequences *sequences, real *outputs);

/* Does the head allow this one? */
lrnn_status activation_check_output(const lrnn_model_options *options);

#endif
