/* Rows past the end of their sequence are zero, so that nothing of them reaches a sum. */
#include "segment.h"

#include <string.h>

void gather_item(const network *net, const lrnn_sequences *sequences, size_t item,
                 read_embedding *read, const void *embedding, real *x)
{
    size_t E = net->token_size, F = net->options.feature_size;
    if (network_one_hot(net)) {
        memset(x, 0, E * sizeof(real));
        x[sequences->tokens[item]] = 1;
    } else if (E > 0) {
        read(x, embedding, (size_t)sequences->tokens[item]);
    }
    if (F > 0) {
        memcpy(x + E, sequences->features + item * F, F * sizeof(real));
    }
}

void segment_gather(const segment *s, const network *net, read_embedding *read,
                    const void *embedding, real *x)
{
    for (size_t t = 0; t < s->steps; t++) {
        for (size_t b = 0; b < s->sequences->batch; b++, x += net->input_size) {
            if (segment_active(s, b, t)) {
                gather_item(net, s->sequences, segment_item(s, b, t), read, embedding, x);
            } else {
                memset(x, 0, net->input_size * sizeof(real));
            }
        }
    }
}

void segment_keep_last(const segment *s, const network *net, const real *y, real *last)
{
    size_t top = net->top_size, B = s->sequences->batch, t;
    for (size_t b = 0; b < B; b++) {
        if (segment_ends(s, b, &t)) {
            memcpy(last + b * top, y + (t * B + b) * top, top * sizeof(real));
        }
    }
}

void keep_final(const network *net, size_t direction, const real *h, size_t B, real *last)
{
    size_t top = net->top_size, R = network_top_layer(net)->h_size;
    for (size_t b = 0; b < B; b++) {
        memcpy(last + b * top + direction * R, h + b * R, R * sizeof(real));
    }
}
