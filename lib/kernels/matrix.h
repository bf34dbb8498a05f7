/* Right-hand matrices packed for inference, of whatever kind of numbers. What a kind is stands in a
 * row of a table (matrix.c), how it is multiplied with in each kernel table, under the same number;
 * nothing else asks which kind a matrix has.
 *
 * B [K,N] is cut into panels of the table's `panel` columns; a panel holds its K rows one after the
 * other, the last panel padded with zeros. Every number of a kind can be written as a float32 and
 * takes its part in a product as that float32; a matrix of bytes is packed and multiplied with in
 * another way, which bytes.h tells. */
#ifndef KERNELS_MATRIX_H
#define KERNELS_MATRIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/real.h"
#include "few.h"
#include "lrnn/model.h" /* LRNN_WEIGHT_*, of which a kind is one */

/* data NULL: there is no matrix. Where narrow_units or few is not 0, it is not in panels: see
 * narrow.h and few.h. */
typedef struct packed_matrix {
    int32_t kind;
    void *data;
    size_t narrow_gates, narrow_units; /* so many columns are kept, row after row */
    const struct byte_columns *bytes;  /* a matrix of bytes, see bytes.h; NULL: of another kind */
    size_t first;                      /* of bytes: the column that this part begins with */
    size_t few;                        /* so many columns are kept, one after the other */
} packed_matrix;

static inline size_t matrix_narrow_columns(packed_matrix matrix)
{
    return matrix.narrow_gates * matrix.narrow_units;
}

/* More than the largest kind. */
#define MATRIX_ROOM 4

typedef struct matrix_kind {
    const char *name;  /* in files and messages */
    const char *dtype; /* of a tensor in a file; NULL: the library's own reals */
    size_t bytes;      /* of a number, packed or kept as it comes */
    double largest;    /* numbers of this magnitude and above have no nearest one; 0: all have */
    bool scaled;       /* numbers are whole multiples of a scale that each row has */
    /* Every x of a row becomes the nearest number of this kind, of two the even one. NULL: it is
     * one. */
    void (*round)(real *x, size_t count);
    /* Rounded numbers as they are kept, and back. Not of a scaled kind. */
    void (*keep)(void *to, const real *from, size_t count);
    void (*read)(real *to, const void *from, size_t count);
    /* Whole rows of panels, `count` rounded numbers packed as reals, as this kind packs them. NULL:
     * they stay reals. */
    void (*pack)(void *to, const real *from, size_t count, size_t panel);
} matrix_kind;

/* NULL: there is no such kind. */
const matrix_kind *matrix_kind_find(int32_t kind);

static inline size_t matrix_bytes(int32_t kind)
{
    return matrix_kind_find(kind)->bytes;
}

/* The same matrix from `column` on, in panels the first one of a panel. K rows. */
static inline packed_matrix matrix_columns(packed_matrix matrix, size_t K, size_t column,
                                           size_t bytes)
{
    if (matrix.few > 0) {
        matrix.data = (real *)matrix.data + column * few_column(K);
        matrix.few -= column;
    } else if (matrix.bytes != NULL) {
        matrix.first += column;
    } else if (matrix.data != NULL) {
        matrix.data = (unsigned char *)matrix.data + column * K * bytes;
    }
    return matrix;
}

/* Two numbers of bfloat16: word i of a panel's row has column i in its low half and column
 * i + panel / 2 in its high one. */
typedef uint32_t bfloat16_pair;

#endif
