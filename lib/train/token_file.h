/* What batches need of a token file. */
#ifndef TRAIN_TOKEN_FILE_H
#define TRAIN_TOKEN_FILE_H

#include "lrnn/train.h"

/* One more owner; lrnn_tokens_destroy gives it up. Thread-safe. */
lrnn_tokens *tokens_share(const lrnn_tokens *tokens);

#endif
