/* Inference of what stands around recurrent layers; normalize.h has the mathematics. */
#ifndef MODEL_STAGES_H
#define MODEL_STAGES_H

#include "layer_state.h"
#include "state.h"

/* Points the model at its vectors; the last thing that model_finish does. */
void stages_find_vectors(lrnn_model *model);

/* Where its part of a state lies, for so many rows at once; see arena. */
void stages_lay_out(lrnn_state *state, arena *from, size_t rows);

/* Rows of x after the layer before the first one, or before the head; x itself where there is no
 * such layer. *x_row is their stride. */
const real *stages_enter(lrnn_state *state, size_t rows, const real *x, size_t *x_row);
const real *stages_leave(lrnn_state *state, size_t rows, const real *x, size_t *x_row);

/* What layer `layer` makes its products of. */
const real *stages_normalize(lrnn_state *state, size_t layer, size_t rows, const real *x,
                             size_t *x_row);

/* to [rows,D*R] = h + x, where `layer` has a connection around it; to may be h. */
void stages_add(real *to, size_t to_row, const real *h, size_t h_row, const real *x, size_t x_row,
                size_t rows, size_t width);

/* Rows of all layers where streams begin. */
void stages_start(const lrnn_model *model, layer_state to, size_t rows);

#endif
