/* A selection is a binary heap with the worst member on top; what a scan offers is first compared
 * with a threshold in blocks that compilers vectorize, so most values are passed over at the speed
 * of reading them. Members go by the one order of candidate_better, so ties never depend on chance.
 */
#include "select.h"

#include <math.h>

static void swap(candidate *a, candidate *b)
{
    candidate kept = *a;
    *a = *b;
    *b = kept;
}

/* True if a belongs above b. */
static bool above(const candidate *a, const candidate *b, bool best_on_top)
{
    return best_on_top ? candidate_better(a, b) : candidate_better(b, a);
}

static void sift_down(candidate *items, size_t count, size_t i, bool best_on_top)
{
    candidate moved = items[i];
    for (size_t child = 2 * i + 1; child < count; child = 2 * i + 1) {
        if (child + 1 < count && above(&items[child + 1], &items[child], best_on_top)) {
            child++;
        }
        if (!above(&items[child], &moved, best_on_top)) {
            break;
        }
        items[i] = items[child];
        i = child;
    }
    items[i] = moved;
}

static void sift_up(candidate *items, size_t i)
{
    candidate moved = items[i];
    while (i > 0 && above(&moved, &items[(i - 1) / 2], false)) {
        items[i] = items[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    items[i] = moved;
}

void selection_offer(selection *best, const candidate *item)
{
    if (best->count < best->capacity) {
        best->items[best->count++] = *item;
        sift_up(best->items, best->count - 1);
    } else if (candidate_better(item, &best->items[0])) {
        best->items[0] = *item;
        sift_down(best->items, best->count, 0, false);
    }
}

/* A value up to which none can enter. It may be a little too low, never too high: what passes is
 * compared again in double. */
static real threshold(const selection *best, double offset)
{
    if (best->count < best->capacity) {
        return -(real)INFINITY;
    }
    double bound = best->items[0].value - offset;
    return (real)(bound - fabs(bound) * 1e-6);
}

#define BLOCK 64 /* values compared with the threshold in one go; compilers vectorize that loop */

_Static_assert(VALUES_SLICE % BLOCK == 0, "slices are whole blocks");

static bool any_above(const real *values, real bound)
{
    int any = 0;
    for (size_t i = 0; i < BLOCK; i++) {
        any |= values[i] > bound;
    }
    return any != 0;
}

real values_maximum(const real *values, size_t n)
{
    real maximum = -(real)INFINITY;
    for (size_t start = 0; start < n; start += BLOCK) {
        size_t end = n - start < BLOCK ? n : start + BLOCK;
        if (end - start == BLOCK && !any_above(values + start, maximum)) {
            continue;
        }
        for (size_t i = start; i < end; i++) {
            maximum = values[i] > maximum ? values[i] : maximum;
        }
    }
    return maximum;
}

bool values_are_valid(const real *values, size_t n)
{
    bool valid = true;
    for (size_t i = 0; i < n; i++) {
        valid = valid && values[i] < (real)INFINITY;
    }
    return valid;
}

void selection_scan(selection *best, const real *values, size_t n, const real *maxima,
                    double offset, int32_t row)
{
    if (best->capacity == 0) {
        return;
    }
    real bound = threshold(best, offset);
    for (size_t start = 0; start < n; start += BLOCK) {
        size_t end = n - start < BLOCK ? n : start + BLOCK;
        if (maxima != NULL && start % VALUES_SLICE == 0 &&
            !(maxima[start / VALUES_SLICE] > bound)) {
            start += VALUES_SLICE - BLOCK;
            continue;
        }
        if (end - start == BLOCK && !any_above(values + start, bound)) {
            continue;
        }
        for (size_t i = start; i < end; i++) {
            if (values[i] > bound) {
                candidate item = {offset + (double)values[i], row, (int32_t)i};
                selection_offer(best, &item);
                bound = threshold(best, offset);
            }
        }
    }
}

void selection_sort(selection *best)
{
    for (size_t left = best->count; left > 1; left--) {
        swap(&best->items[0], &best->items[left - 1]);
        sift_down(best->items, left - 1, 0, false);
    }
}

/* Puts the median of the first, middle and last item first. */
static void choose_pivot(candidate *items, size_t count)
{
    candidate *a = &items[0], *b = &items[count / 2], *c = &items[count - 1];
    if (candidate_better(b, a)) {
        swap(a, b);
    }
    if (candidate_better(c, a)) {
        swap(a, c);
    }
    if (candidate_better(c, b)) {
        swap(b, c);
    }
    swap(a, b);
}

/* Splits at the first item, which is placed after all better ones: returns where. */
static size_t partition(candidate *items, size_t count)
{
    size_t better = 0;
    for (size_t i = 1; i < count; i++) {
        if (candidate_better(&items[i], &items[0])) {
            better++;
            swap(&items[better], &items[i]);
        }
    }
    swap(&items[0], &items[better]);
    return better;
}

/* One by one from a heap: slower, but not for any order of the items much slower. */
static size_t keep_by_heap(candidate *items, size_t count, const real *weights, size_t least,
                           double mass)
{
    size_t kept = 0;
    double sum = 0;
    for (size_t i = count / 2; i-- > 0;) {
        sift_down(items, count, i, true);
    }
    while (kept < count && (kept < least || sum < mass)) {
        swap(&items[0], &items[count - 1 - kept]);
        sum += (double)weights[items[count - 1 - kept].token];
        kept++;
        sift_down(items, count - kept, 0, true);
    }
    for (size_t i = 0; i < kept && i < count / 2; i++) {
        swap(&items[i], &items[count - 1 - i]);
    }
    return kept;
}

static double sum_weights(const candidate *items, size_t count, const real *weights)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += (double)weights[items[i].token];
    }
    return sum;
}

/* Quickselect: the items before `first` are kept, those from `end` on are not, and what lies
 * between is split until nothing does. */
size_t candidates_keep(candidate *items, size_t count, const real *weights, size_t least,
                       double mass)
{
    size_t first = 0, end = count;
    double sum = 0;
    for (int rounds = 0; first < end && (first < least || sum < mass); rounds++) {
        candidate *open = items + first;
        size_t length = end - first;
        if (length < 8 || rounds > 64) {
            return first + keep_by_heap(open, length, weights, least > first ? least - first : 0,
                                        mass - sum);
        }
        choose_pivot(open, length);
        size_t better = partition(open, length);
        double weight = sum_weights(open, better, weights);
        if (first + better >= least && sum + weight >= mass) {
            end = first + better;
        } else {
            sum += weight + (double)weights[open[better].token];
            first += better + 1;
        }
    }
    return first;
}
