/* The best continuations of many, without sorting them: a bounded heap whose worst member is the
 * threshold that a scan of the values has to beat. */
#ifndef DECODE_SELECT_H
#define DECODE_SELECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/real.h"
#include "kernels/kernels.h"

typedef struct candidate {
    double value;
    int32_t row;
    int32_t token;
} candidate;

typedef struct selection {
    candidate *items; /* a heap, the worst on top, until selection_sort */
    size_t count, capacity;
} selection;

/* The one order that everything here goes by: larger value, then lower row, then lower token. */
static inline bool candidate_better(const candidate *a, const candidate *b)
{
    if (a->value != b->value) {
        return a->value > b->value;
    }
    return a->row != b->row ? a->row < b->row : a->token < b->token;
}

/* Values whose greatest is known, so that a scan can pass over them: a part of a row that stays in
 * cache, and whole panels of the head's matrix. */
#define VALUES_SLICE 960
_Static_assert(VALUES_SLICE % KERNEL_PANELS == 0, "slices are whole panels");

/* A member from now on, unless `capacity` better ones are. */
void selection_offer(selection *best, const candidate *item);

/* Offers offset + values[i] for every i < n whose value is not -infinity. maxima: the greatest of
 * each slice of the values, or NULL. */
void selection_scan(selection *best, const real *values, size_t n, const real *maxima,
                    double offset, int32_t row);

/* Orders the members best first; the selection is then complete. */
void selection_sort(selection *best);

/* The largest value; -infinity if there is none above. */
real values_maximum(const real *values, size_t n);

/* False if a value is NaN or +infinity. */
bool values_are_valid(const real *values, size_t n);

/* Moves the best items to the front, in no order: the fewest that are at least `least` and whose
 * weights, weights[token], sum up to `mass`; all if no number of them does. Returns how many. */
size_t candidates_keep(candidate *items, size_t count, const real *weights, size_t least,
                       double mass);

#endif
