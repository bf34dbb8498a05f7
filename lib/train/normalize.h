/* Training of what stands around the recurrent layers: the linear layers before the first one and
 * before the head, normalization, connections, learned states; see normalize.c. */
#ifndef TRAIN_NORMALIZE_H
#define TRAIN_NORMALIZE_H

#include "trainer.h"

/* Where its part of a trainer lies; see arena. */
void stage_lay_out(lrnn_trainer *trainer, arena *from);

/* Once an update. */
void stage_pack(lrnn_trainer *trainer);

/* ---- before the first layer ---- */

/* Makes the input layer's outputs of this segment. */
void stage_enter(lrnn_trainer *trainer);

/* What layer 0 reads, or with no layers the head, [T*B,entry]. */
const real *stage_entry(const lrnn_trainer *trainer);

/* From the gradient of that in dy to that of trainer->x, which is returned: dy, or `other`. */
real *stage_enter_gradient(lrnn_trainer *trainer, real *dy, real *other);

/* ---- around layer `layer`, which reads x ---- */

/* Returns what its products are made of, [T*B,I]: of this segment's x, normalized if it is. */
const real *stage_normalize(lrnn_trainer *trainer, size_t layer, const real *x);
const real *stage_normalized(const lrnn_trainer *trainer, size_t layer, const real *x);

/* y += x, and of the gradients: dy is kept, then added to dx once that is there. */
void stage_add(lrnn_trainer *trainer, size_t layer, const real *x);
void stage_keep(lrnn_trainer *trainer, size_t layer, const real *dy);
/* dx, that of what the products were made of, becomes that of x. */
void stage_gradient(lrnn_trainer *trainer, size_t layer, const real *x, real *dx);

/* ---- before the head ---- */

/* What the head reads where the layers give y [rows,top], and the place of its gradient. */
const real *stage_leave(lrnn_trainer *trainer, size_t rows, const real *y);
real *stage_leave_gradient_place(const lrnn_trainer *trainer, real *dy);
/* From that to dy. */
void stage_leave_gradient(lrnn_trainer *trainer, size_t rows, const real *y, real *dy);

/* ---- learned states ---- */

/* Rows of layer and direction `index` where windows begin with these parameters. */
void stage_start(const lrnn_trainer *trainer, const real *parameters, layer_state to, size_t index,
                 size_t rows);
/* Of all layers, for the caller's export. */
void stage_start_all(const lrnn_trainer *trainer, layer_state to, size_t rows);
/* The gradient of the state before the window, in spaces[].dh and dc, to the parameters. */
void stage_start_gradient(lrnn_trainer *trainer);

#endif
