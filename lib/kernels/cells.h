/* The recurrent cells. What a cell is stands in a row of a table (cells.c), what it computes in
 * each kernel table, under the same number; nothing else asks which cell a network has.
 *
 * Every cell has G gates, each H wide. Their pre-activations are W x + U h + biases, except that a
 * cell with `apart` keeps U h of its last gate from W x, because it multiplies it by another gate
 * first (GRU's n). */
#ifndef KERNELS_CELLS_H
#define KERNELS_CELLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/real.h"
#include "lrnn/model.h" /* LRNN_CELL_* */
#include "matrix.h"

/* Some rows of a layer at one step of training. Rows are independent. Arrays without a row stride
 * are dense; what a cell does not have is NULL. */
typedef struct cell_pass {
    size_t rows, H;
    /* [rows,G*H], gates in PyTorch's order. Forward: pre-activations, replaced by the activated
     * gates. Backward: activated gates, replaced by the gradient of the pre-activations. With
     * `apart`, forward takes W x + b here. */
    real *gates;
    /* `apart`: [rows,G*H] U h + b. Forward leaves the last gate's part as it is, backward replaces
     * all of it by its gradient. */
    real *hidden;
    const real *h_before; /* [rows,H] */
    size_t h_before_row;
    const real *c_before; /* [rows,H] */
    /* ---- forward ---- */
    real *c_after; /* [rows,H]; may be c_before */
    real *h_after; /* [rows,H]; may be h_before */
    size_t h_after_row;
    /* ---- both ---- */
    real *tanh_c; /* [rows,H] tanh(c'); forward may have NULL: not wanted */
    /* ---- backward ---- */
    real *dh; /* [rows,H] the whole gradient of h'. A cell with `passes_h` leaves the gradient that
                 goes straight to h there, without U; others leave it as it is. */
    real *dc; /* [rows,H] gradient of c' from the future, replaced by that of c */
} cell_pass;

/* Whole steps of `rows` streams through a layer of H units, for inference: a = start + x W + h U,
 * then the equations of the cell. Columns of W, U and start are in tiles of units, the gates of a
 * tile side by side, packed as one matrix: kernel_gate_column. Each column is one chain of
 * multiply-adds, from start over all of x to all of h, so that x W may as well have been added to
 * start before. Row strides count elements, those not given are dense. */
typedef struct cell_step {
    size_t rows, H;
    const real *start; /* [rows,width], row stride start_row: 0 where one row, a bias, serves all */
    size_t start_row;
    const real *x; /* [rows,inputs] */
    size_t inputs, x_row;
    packed_matrix input; /* W; not read when inputs is 0 */
    const real *h;       /* [rows,R] */
    size_t R, h_row;
    packed_matrix hidden;    /* U; of the same kind as W */
    const real *hidden_bias; /* `apart`: [width], where U h of the last gate starts from */
    real *c;                 /* [rows,H], dense; replaced */
    real *h_next;            /* [rows,H]; no place of h */
    size_t h_next_row;
    bool last_first; /* go from the last tile to the first. What was read last is still in the
                        cache: steps that take turns find some of their weights there. No bit of a
                        result depends on it. */
    /* Steps that follow each other, >= 1: the next one reads h where this one put it, and what else
     * there is so many elements on. */
    size_t steps;
    ptrdiff_t start_step, x_step, h_next_step;
    /* A small head, of which `run` alone gives the outputs, outputs_step elements from one step to
     * the next; outputs NULL: none. */
    const real *head; /* of head_size columns, see few.h */
    const real *head_bias;
    size_t head_size;
    real *outputs;
    size_t outputs_step;
    void *scratch; /* of bytes: bytes_scratch(inputs, R) bytes, 64-byte aligned */
} cell_step;

/* Makes it that of the next step. */
static inline void cell_step_advance(cell_step *s)
{
    s->steps--;
    s->last_first = !s->last_first;
    s->h = s->h_next;
    s->h_row = s->h_next_row;
    s->h_next += s->h_next_step;
    s->start += s->start_step;
    if (s->inputs > 0) {
        s->x += s->x_step;
    }
}

/* What a kernel table has of a cell. */
typedef struct cell_kernels {
    void (*forward)(const cell_pass *pass);
    void (*backward)(const cell_pass *pass);
    void (*step)(const cell_step *step); /* the first of its steps */
    /* All steps of one row of float32 through a layer of up to `run_units` units and as many values
     * of h, and the outputs, with the bits of `step` and of a product. */
    void (*run)(const cell_step *step);
} cell_kernels;

/* More than the largest LRNN_CELL_*. */
#define CELL_ROOM 8

#define CELL_MOST_GATES 4

typedef struct cell_kind {
    int32_t kind;       /* LRNN_CELL_* */
    const char *name;   /* in files */
    const char *module; /* in messages: the class of torch.nn */
    size_t gates;       /* G */
    bool has_c;         /* a cell state beside h */
    bool apart;         /* U h of the last gate is kept from W x */
    bool passes_h;      /* h' depends on h also directly, not only through the gates */
    bool projects;      /* may have a projection */
    /* The gates of a file are told by their number; of several cells with as many this one is meant
     * unless the caller says another. */
    bool common;
    const char *activations[CELL_MOST_GATES]; /* names of the gates, activated */
} cell_kind;

/* NULL: there is no such cell. */
const cell_kind *cell_find(int32_t kind);

/* By its name; by its number of gates, the common one. NULL: none. */
const cell_kind *cell_named(const char *name);
const cell_kind *cell_with_gates(size_t gates);

/* Which gate is the forget gate; G: there is none. */
size_t cell_forget_gate(const cell_kind *cell);

/* The largest LRNN_CELL_*. */
int32_t cell_last(void);

#endif
