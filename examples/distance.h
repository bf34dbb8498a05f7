/* How far a sequence is from the right one. */
#ifndef DISTANCE_H
#define DISTANCE_H

#include <stddef.h>
#include <stdint.h>

enum { LONGEST_LABELS = 256 };

/* Levenshtein: the fewest insertions, deletions and replacements that turn a [n] into b [m]; m is
 * at most LONGEST_LABELS. */
static size_t distance(const int32_t *a, size_t n, const int32_t *b, size_t m)
{
    size_t row[LONGEST_LABELS + 1];
    for (size_t j = 0; j <= m; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= n; i++) {
        size_t corner = row[0]++;
        for (size_t j = 1; j <= m; j++) {
            size_t replaced = corner + (a[i - 1] != b[j - 1]), least = corner = row[j];
            least = (row[j - 1] < least ? row[j - 1] : least) + 1;
            row[j] = replaced < least ? replaced : least;
        }
    }
    return row[m];
}

#endif
