/* Consecutive steps of a window, of all its sequences: what inference and training compute at once.
 * Inside a segment rows are time-major: that of step t and sequence b is t * B + b. */
#ifndef MODEL_SEGMENT_H
#define MODEL_SEGMENT_H

#include "network.h"

typedef struct segment {
    const lrnn_sequences *sequences;
    size_t first, steps; /* step t of the segment is step first + t of the window */
} segment;

/* Has sequence b a step t of the segment? */
static inline bool segment_active(const segment *s, size_t b, size_t t)
{
    return s->first + t < sequence_length(s->sequences, b);
}

/* The caller's index of it, [B,T]. */
static inline size_t segment_item(const segment *s, size_t b, size_t t)
{
    return b * s->sequences->steps + s->first + t;
}

/* Sequences b, b+1, .. below end that are all active at step t; 0 when b is not. */
static inline size_t segment_active_rows(const segment *s, size_t t, size_t b, size_t end)
{
    size_t stop = b;
    while (stop < end && segment_active(s, stop, t)) {
        stop++;
    }
    return stop - b;
}

/* Is the last step of sequence b in the segment? Then *t is its place there. */
static inline bool segment_ends(const segment *s, size_t b, size_t *t)
{
    *t = sequence_length(s->sequences, b) - 1 - s->first;
    return *t < s->steps;
}

/* Writes a token's row of an embedding. */
typedef void read_embedding(real *row, const void *embedding, size_t token);

/* x [input] = what the first layer reads of the caller's item: its token and its features. */
void gather_item(const network *net, const lrnn_sequences *sequences, size_t item,
                 read_embedding *read, const void *embedding, real *x);

/* x [steps*B,input] of a whole segment, zero past the end of a sequence. */
void segment_gather(const segment *s, const network *net, read_embedding *read,
                    const void *embedding, real *x);

/* What a once-a-sequence head reads, kept in last [B,top]. LRNN_HEAD_LAST: the rows of y
 * [steps*B,top] at the last step of each sequence that ends in the segment. */
void segment_keep_last(const segment *s, const network *net, const real *y, real *last);

/* LRNN_HEAD_FINAL: one direction's final h [B,R] of the top layer, beside that of the other. */
void keep_final(const network *net, size_t direction, const real *h, size_t B, real *last);

#endif
