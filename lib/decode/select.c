#include "select.h"

#include <math.h>

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

static void offer(selection *best, const candidate *item)
{
    if (best->count < best->capacity) {
        best->items[best->count++] = *item;
        sift_up(best->items, best->count - 1);
    } else if (candidate_better(item, &best->items[0])) {
        best->items[0] = *item;
        sift_down(best->items, best->count, 0, false);
    }
}

/* A value up to which none can enter. It may be a rounding too low, never too high: what passes is
 * compared again in double. */
static real threshold(const selection *best, double offset)
{
    if (best->count < best->capacity) {
        return -(real)INFINITY;
    }
    real bound = (real)(best->items[0].value - offset);
#if LRNN_REAL_IS_FLOAT
    return nextafterf(nextafterf(bound, -INFINITY), -INFINITY);
#else
    return nextafter(nextafter(bound, -INFINITY), -INFINITY);
#endif
}

#define BLOCK 64 /* values compared with the threshold in one go; compilers vectorize that loop */

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

void selection_scan(selection *best, const real *values, size_t n, double offset, int32_t row)
{
    if (best->capacity == 0) {
        return;
    }
    real bound = threshold(best, offset);
    for (size_t start = 0; start < n; start += BLOCK) {
        size_t end = n - start < BLOCK ? n : start + BLOCK;
        if (end - start == BLOCK && !any_above(values + start, bound)) {
            continue;
        }
        for (size_t i = start; i < end; i++) {
            if (values[i] > bound) {
                candidate item = {offset + (double)values[i], row, (int32_t)i};
                offer(best, &item);
                bound = threshold(best, offset);
            }
        }
    }
}

void selection_sort(selection *best)
{
    for (size_t left = best->count; left > 1; left--) {
        candidate worst = best->items[0];
        best->items[0] = best->items[left - 1];
        best->items[left - 1] = worst;
        sift_down(best->items, left - 1, 0, false);
    }
}

void candidates_heapify(candidate *items, size_t count)
{
    for (size_t i = count / 2; i-- > 0;) {
        sift_down(items, count, i, true);
    }
}

void candidates_pop(candidate *items, size_t count)
{
    candidate top = items[0];
    items[0] = items[count - 1];
    items[count - 1] = top;
    sift_down(items, count - 1, 0, true);
}
