/* Sums over the ranks, in the tree that a trainer's shards are added in: ranks 0 and 1, 2 and 3, ..
 * first, then those pairs, and so on. So a group gives the bits of one process.
 *
 * Gradients: each rank gets its slice of everybody's (MPI_Alltoallv), adds it in the tree, and
 * gives the sum to all (MPI_Allgatherv): 2 (R-1)/R of the gradient is sent by each rank, however
 * many there are. Adding uses the trainer's floating-point mode: a denormal sum is zero there too.
 *
 * Of the embedding only the rows go that some rank has touched. Which ones is found out by looking
 * at the bits: a row that has never been added to is all zero. */
#include <string.h>

#include "base/fpmode.h"
#include "group.h"

static void count_traffic(lrnn_mpi *group, size_t bytes)
{
    group->calls++;
    group->bytes += bytes;
}

/* Not inline: see fpmode.h. values [ranks,stride]; the sum becomes the first row. */
__attribute__((noinline)) static void add_floats(float *values, size_t ranks, size_t stride,
                                                 size_t count)
{
    for (size_t step = 1; step < ranks; step *= 2) {
        for (size_t rank = 0; rank + step < ranks; rank += 2 * step) {
            float *to = values + rank * stride;
            const float *from = to + step * stride;
            for (size_t i = 0; i < count; i++) {
                to[i] += from[i];
            }
        }
    }
}

__attribute__((noinline)) static void add_doubles(double *values, size_t ranks)
{
    for (size_t step = 1; step < ranks; step *= 2) {
        for (size_t rank = 0; rank + step < ranks; rank += 2 * step) {
            for (size_t i = 0; i < NUMBERS; i++) {
                values[rank * NUMBERS + i] += values[(rank + step) * NUMBERS + i];
            }
        }
    }
}

/* ---- few numbers: everybody gets everybody's ---- */

int32_t group_sum_doubles(void *user, double *values, size_t count)
{
    lrnn_mpi *group = user;
    double own[NUMBERS] = {0};
    if (count >= NUMBERS) {
        return 1;
    }
    memcpy(own, values, count * sizeof *values);
    own[NUMBERS - 1] = group->wants_stop ? 1 : 0;
    if (MPI_Allgather(own, NUMBERS, MPI_DOUBLE, group->numbers, NUMBERS, MPI_DOUBLE, group->comm) !=
        MPI_SUCCESS) {
        return 1;
    }
    count_traffic(group, sizeof own * (size_t)(group->ranks - 1));
    fpmode mode = fpmode_enter();
    add_doubles(group->numbers, (size_t)group->ranks);
    fpmode_leave(mode);
    memcpy(values, group->numbers, count * sizeof *values);
    group->stopping = group->stopping || group->numbers[NUMBERS - 1] > 0;
    return 0;
}

/* ---- slices ---- */

/* Where the slice of a rank begins in `count` values. */
static size_t slice_of(const lrnn_mpi *group, size_t count, int rank)
{
    return (size_t)((uint64_t)count * (uint64_t)rank / (uint64_t)group->ranks);
}

/* At most SLICES / 2 values, so that slices that are rounded up fit too. */
static int32_t sum_part(lrnn_mpi *group, float *values, size_t count)
{
    int *counts = group->counts, *places = counts + group->ranks;
    int *same = places + group->ranks, *into = same + group->ranks;
    size_t first = slice_of(group, count, group->rank);
    size_t own = slice_of(group, count, group->rank + 1) - first;
    for (int rank = 0; rank < group->ranks; rank++) {
        places[rank] = (int)slice_of(group, count, rank);
        counts[rank] = (int)slice_of(group, count, rank + 1) - places[rank];
        same[rank] = (int)own;
        into[rank] = (int)own * rank;
    }
    if (MPI_Alltoallv(values, counts, places, MPI_FLOAT, group->slices, same, into, MPI_FLOAT,
                      group->comm) != MPI_SUCCESS) {
        return 1;
    }
    fpmode mode = fpmode_enter();
    add_floats(group->slices, (size_t)group->ranks, own, own);
    fpmode_leave(mode);
    memcpy(values + first, group->slices, own * sizeof *values);
    if (MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, values, counts, places, MPI_FLOAT,
                       group->comm) != MPI_SUCCESS) {
        return 1;
    }
    count_traffic(group, (count - own) * sizeof *values);
    count_traffic(group, own * (size_t)(group->ranks - 1) * sizeof *values);
    return 0;
}

static int32_t sum_all(lrnn_mpi *group, float *values, size_t count)
{
    for (size_t first = 0; first < count; first += SLICES / 2) {
        size_t left = count - first;
        if (sum_part(group, values + first, left < SLICES / 2 ? left : SLICES / 2) != 0) {
            return 1;
        }
    }
    return 0;
}

/* ---- touched rows ---- */

static bool is_touched(const float *row, size_t width)
{
    uint32_t bits;
    for (size_t i = 0; i < width; i++) {
        memcpy(&bits, row + i, sizeof bits);
        if (bits != 0) {
            return true;
        }
    }
    return false;
}

static bool bit_of(const touched_rows *rows, size_t row)
{
    return (rows->bits[row / 8] >> row % 8 & 1) != 0;
}

/* Marks the rows that some rank has touched; *touched is their number. */
static int32_t find_touched(size_t *touched, lrnn_mpi *group, const float *values)
{
    touched_rows *rows = &group->rows;
    size_t bytes = (rows->count + 7) / 8;
    memset(rows->bits, 0, bytes);
    for (size_t row = 0; row < rows->count; row++) {
        if (is_touched(values + rows->first + row * rows->width, rows->width)) {
            rows->bits[row / 8] |= (unsigned char)(1u << row % 8);
        }
    }
    if (MPI_Allreduce(MPI_IN_PLACE, rows->bits, (int)bytes, MPI_BYTE, MPI_BOR, group->comm) !=
        MPI_SUCCESS) {
        return 1;
    }
    count_traffic(group, bytes);
    *touched = 0;
    for (size_t row = 0; row < rows->count; row++) {
        *touched += bit_of(rows, row);
    }
    return 0;
}

/* The values without untouched rows, to `packed` or from there. Returns how many they are. */
static size_t move(const touched_rows *rows, float *values, size_t count, bool back)
{
    float *packed = rows->packed;
    size_t last = rows->first + rows->count * rows->width, used = 0;
    for (size_t row = 0; row < rows->count; row++) {
        float *at = values + rows->first + row * rows->width;
        if (bit_of(rows, row)) {
            memcpy(back ? at : packed + used, back ? packed + used : at,
                   rows->width * sizeof *values);
            used += rows->width;
        }
    }
    memcpy(back ? values : packed + used, back ? packed + used : values,
           rows->first * sizeof *values);
    used += rows->first;
    memcpy(back ? values + last : packed + used, back ? packed + used : values + last,
           (count - last) * sizeof *values);
    return used + count - last;
}

int32_t group_sum_floats(void *user, float *values, size_t count)
{
    lrnn_mpi *group = user;
    const touched_rows *rows = &group->rows;
    size_t touched;
    if (group->ranks == 1) {
        return 0;
    }
    if (rows->count == 0 || count != group->parameters) {
        return sum_all(group, values, count);
    }
    if (find_touched(&touched, group, values) != 0) {
        return 1;
    }
    if (touched > rows->count - rows->count / 8) {
        return sum_all(group, values, count);
    }
    size_t packed = move(rows, values, count, false);
    if (sum_all(group, rows->packed, packed) != 0) {
        return 1;
    }
    move(rows, values, count, true);
    return 0;
}
