/* For translate.c: how far sequences are from their references. */
#ifndef MEASURES_H
#define MEASURES_H

#include "distance.h"
#include "pairs.h" /* LONGEST */
#include <math.h>

/* Counts for BLEU (Papineni et al. 2002). */
static double matches[4], guesses[4], found_length, reference_length;

static size_t occurrences(const int32_t *ids, size_t count, const int32_t *gram, size_t n)
{
    size_t times = 0;
    for (size_t i = 0; i + n <= count; i++) {
        times += memcmp(ids + i, gram, n * sizeof *ids) == 0;
    }
    return times;
}

static void count_grams(const int32_t *found, size_t count, const int32_t (*references)[LONGEST],
                        const size_t *lengths, size_t reference_count)
{
    for (size_t n = 1; n <= 4; n++) {
        for (size_t i = 0; i + n <= count; i++) {
            size_t most = 0, before = occurrences(found, i + n - 1, found + i, n);
            for (size_t r = 0; r < reference_count; r++) {
                size_t there = occurrences(references[r], lengths[r], found + i, n);
                most = there > most ? there : most;
            }
            matches[n - 1] += before < most; /* each occurrence in a reference counts once */
            guesses[n - 1]++;
        }
    }
    size_t closest = lengths[0];
    for (size_t r = 1; r < reference_count; r++) {
        double better = fabs((double)lengths[r] - (double)count);
        double best = fabs((double)closest - (double)count);
        if (better < best || (better == best && lengths[r] < closest)) {
            closest = lengths[r];
        }
    }
    found_length += (double)count;
    reference_length += (double)closest;
}

static double bleu(void)
{
    double sum = 0;
    for (int n = 0; n < 4; n++) {
        if (matches[n] == 0) {
            return 0;
        }
        sum += log(matches[n] / guesses[n]) / 4;
    }
    return 100 * exp(sum + fmin(0, 1 - reference_length / found_length));
}

#endif
