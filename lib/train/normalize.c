/* With x what a layer reads, u what its products are made of, f its recurrence:
 *   u = (x - mean) * s * w + b    s = 1 / sqrt(variance + epsilon)    y = f(u) + x
 *   dx = s * (g - mean g - z * mean(g z)) + dy    g = du * w, z = (x - mean) * s
 *   dw = sum over rows of du * z    db = sum over rows of du
 * and a linear layer before the first one or before the head is y = a(x W^T + b), with
 *   dz = dy * a'(y)    dW = dz^T x    dx = dz W.
 * Threads share rows, or the columns of what is summed over rows, in one order. */
#include "normalize.h"

#include <string.h>

#include "model/activate.h"
#include "model/normalize.h"

#define PIECE_ROWS    64
#define PIECE_COLUMNS 64

static size_t segment_rows(const lrnn_trainer *trainer)
{
    return trainer->segment.steps * trainer->sequences.batch;
}

static size_t pieces_of(size_t count, size_t piece)
{
    return (count + piece - 1) / piece;
}

static size_t piece_length(size_t piece, size_t length, size_t count)
{
    size_t left = count - piece * length;
    return left < length ? left : length;
}

void stage_lay_out(lrnn_trainer *trainer, arena *from)
{
    const network *net = trainer->net;
    const lrnn_model_options *o = &net->options;
    const kernel_table *table = kernels();
    size_t B = trainer->options.batch, rows = B * trainer->segment_steps;
    size_t heads = network_answers_every_step(net) ? rows : B;
    stage_space *space = &trainer->stages;
    if (o->input_layer_size > 0) {
        space->entry = arena_take(from, rows, net->entry_size * sizeof(real));
        space->packed_entry = arena_take(
            from, kernel_packed_size(table, net->input_size, net->entry_size), sizeof(real));
    }
    if (o->head_layer_size > 0) {
        space->exit = arena_take(from, heads, net->head_size * sizeof(real));
        space->dexit = arena_take(from, heads, net->head_size * sizeof(real));
        space->packed_exit = arena_take(
            from, kernel_packed_size(table, net->top_size, net->head_size), sizeof(real));
    }
    space->normed = arena_take(from, o->layers, sizeof *space->normed);
    for (size_t layer = 0; o->layer_norm && layer < o->layers; layer++) {
        size_t inputs = net->layers[layer * net->directions].input_size;
        real *normed = arena_take(from, rows, (inputs + 2) * sizeof(real));
        if (space->normed != NULL) {
            space->normed[layer] = normed;
        }
    }
    if (o->residual) {
        space->kept = arena_take(from, rows, net->top_size * sizeof(real));
    }
}

/* ---- linear layers ---- */

/* One of the two: parameters and sizes. */
typedef struct linear {
    lrnn_trainer *trainer;
    size_t weight, bias;    /* offsets */
    size_t inputs, outputs; /* K, N */
    int32_t activation;
    size_t rows;
    const real *packed, *x;
    real *y;
    real *dy; /* of y, then of what the activation is applied to */
} linear;

static linear entry_of(lrnn_trainer *trainer)
{
    const network *net = trainer->net;
    return (linear){
        .trainer = trainer,
        .weight = net->input_weight,
        .bias = net->input_bias,
        .inputs = net->input_size,
        .outputs = net->entry_size,
        .activation = net->options.input_layer_activation,
        .packed = trainer->stages.packed_entry,
        .x = trainer->x,
        .y = trainer->stages.entry,
    };
}

static linear exit_of(lrnn_trainer *trainer, size_t rows, const real *x)
{
    const network *net = trainer->net;
    return (linear){
        .trainer = trainer,
        .weight = net->head_input_weight,
        .bias = net->head_input_bias,
        .inputs = net->top_size,
        .outputs = net->head_size,
        .activation = net->options.head_layer_activation,
        .rows = rows,
        .packed = trainer->stages.packed_exit,
        .x = x,
        .y = trainer->stages.exit,
        .dy = trainer->stages.dexit,
    };
}

void stage_pack(lrnn_trainer *trainer)
{
    const network *net = trainer->net;
    if (trainer->stages.packed_entry != NULL) {
        kernel_pack(kernels(), trainer->stages.packed_entry, trainer->running + net->input_weight,
                    1, net->input_size, net->input_size, net->entry_size);
    }
    if (trainer->stages.packed_exit != NULL) {
        kernel_pack(kernels(), trainer->stages.packed_exit,
                    trainer->running + net->head_input_weight, 1, net->top_size, net->top_size,
                    net->head_size);
    }
}

static void linear_rows(void *argument, size_t piece, size_t worker)
{
    (void)worker;
    const linear *of = argument;
    size_t first = piece * PIECE_ROWS, N = of->outputs, K = of->inputs;
    size_t rows = piece_length(piece, PIECE_ROWS, of->rows);
    kernels()->multiply_packed_from(rows, N, K, of->x + first * K, K, 1, of->packed,
                                    of->trainer->running + of->bias, 0, of->y + first * N, N);
    for (size_t row = first; row < first + rows; row++) {
        activation_apply(of->activation, of->y + row * N, N);
    }
}

static void linear_forward(linear *of)
{
    pool_run(of->trainer->pool, linear_rows, of, pieces_of(of->rows, PIECE_ROWS));
}

/* a'(y), from the output. */
static real slope(int32_t activation, real y)
{
    switch (activation) {
    case LRNN_ACTIVATION_SIGMOID: return y * (1 - y);
    case LRNN_ACTIVATION_TANH: return 1 - y * y;
    case LRNN_ACTIVATION_RELU: return y > 0 ? 1 : 0;
    default: return 1;
    }
}

static void slope_rows(void *argument, size_t piece, size_t worker)
{
    (void)worker;
    const linear *of = argument;
    size_t first = piece * PIECE_ROWS * of->outputs;
    size_t count = piece_length(piece, PIECE_ROWS, of->rows) * of->outputs;
    for (size_t k = first; k < first + count; k++) {
        of->dy[k] *= slope(of->activation, of->y[k]);
    }
}

static void linear_backward(linear *of, real *dx)
{
    lrnn_trainer *trainer = of->trainer;
    size_t N = of->outputs, K = of->inputs, rows = of->rows;
    multiply weight = {N, K,   rows, of->dy, 1, N, of->x, K, 1, trainer->gradients + of->weight,
                       K, true};
    multiply down = {rows, K, N,  of->dy, N,    1, trainer->parameters + of->weight,
                     K,    1, dx, K,      false};
    pool_run(trainer->pool, slope_rows, of, pieces_of(rows, PIECE_ROWS));
    multiply_parallel(trainer->pool, &weight, 1, trainer->workspace);
    run_bias_gradient(trainer, of->bias, of->dy, rows, N);
    multiply_parallel(trainer->pool, &down, 1, trainer->workspace);
}

void stage_enter(lrnn_trainer *trainer)
{
    if (trainer->stages.entry != NULL) {
        linear of = entry_of(trainer);
        of.rows = segment_rows(trainer);
        linear_forward(&of);
    }
}

const real *stage_entry(const lrnn_trainer *trainer)
{
    return trainer->stages.entry != NULL ? trainer->stages.entry : trainer->x;
}

real *stage_enter_gradient(lrnn_trainer *trainer, real *dy, real *other)
{
    if (trainer->stages.entry == NULL) {
        return dy;
    }
    linear of = entry_of(trainer);
    of.rows = segment_rows(trainer);
    of.dy = dy;
    linear_backward(&of, other);
    return other;
}

const real *stage_leave(lrnn_trainer *trainer, size_t rows, const real *y)
{
    if (trainer->stages.exit == NULL) {
        return y;
    }
    linear of = exit_of(trainer, rows, y);
    linear_forward(&of);
    return trainer->stages.exit;
}

real *stage_leave_gradient_place(const lrnn_trainer *trainer, real *dy)
{
    return trainer->stages.dexit != NULL ? trainer->stages.dexit : dy;
}

void stage_leave_gradient(lrnn_trainer *trainer, size_t rows, const real *y, real *dy)
{
    if (trainer->stages.exit != NULL) {
        linear of = exit_of(trainer, rows, y);
        linear_backward(&of, dy);
    }
}

/* ---- normalization ---- */

typedef struct norm_job {
    lrnn_trainer *trainer;
    const network_layer *of;
    const real *x;
    real *normed; /* [rows,I], and after that mean and scale of each row */
    real *dx;     /* of normed, then of x */
    const real *weight;
    size_t rows;
} norm_job;

static norm_job norm_of(lrnn_trainer *trainer, size_t layer, const real *x)
{
    const network_layer *of = &trainer->net->layers[layer * trainer->net->directions];
    return (norm_job){
        .trainer = trainer,
        .of = of,
        .x = x,
        .normed = trainer->stages.normed[layer],
        .weight = trainer->running + of->norm_weight,
        .rows = segment_rows(trainer),
    };
}

static real *norm_numbers(const norm_job *job, size_t row)
{
    size_t most = job->trainer->options.batch * job->trainer->segment_steps;
    return job->normed + most * job->of->input_size + 2 * row;
}

static void norm_rows(void *argument, size_t piece, size_t worker)
{
    (void)worker;
    const norm_job *job = argument;
    const lrnn_trainer *trainer = job->trainer;
    size_t n = job->of->input_size, first = piece * PIECE_ROWS;
    size_t end = first + piece_length(piece, PIECE_ROWS, job->rows);
    for (size_t row = first; row < end; row++) {
        real *numbers = norm_numbers(job, row);
        normalize_row(job->normed + row * n, job->x + row * n, n, job->weight,
                      trainer->running + job->of->norm_bias,
                      trainer->net->options.layer_norm_epsilon, &numbers[0], &numbers[1]);
    }
}

const real *stage_normalized(const lrnn_trainer *trainer, size_t layer, const real *x)
{
    return trainer->net->options.layer_norm ? trainer->stages.normed[layer] : x;
}

const real *stage_normalize(lrnn_trainer *trainer, size_t layer, const real *x)
{
    if (trainer->net->options.layer_norm) {
        norm_job job = norm_of(trainer, layer, x);
        pool_run(trainer->pool, norm_rows, &job, pieces_of(job.rows, PIECE_ROWS));
    }
    return stage_normalized(trainer, layer, x);
}

/* Columns of the gradients of weight and bias, before dx is changed. */
static void norm_columns(void *argument, size_t piece, size_t worker)
{
    (void)worker;
    const norm_job *job = argument;
    size_t n = job->of->input_size, first = piece * PIECE_COLUMNS;
    size_t end = first + piece_length(piece, PIECE_COLUMNS, n);
    real *weight = job->trainer->gradients + job->of->norm_weight;
    real *bias = job->trainer->gradients + job->of->norm_bias;
    for (size_t row = 0; row < job->rows; row++) {
        const real *numbers = norm_numbers(job, row), *x = job->x + row * n,
                   *dx = job->dx + row * n;
        for (size_t k = first; k < end; k++) {
            weight[k] += dx[k] * ((x[k] - numbers[0]) * numbers[1]);
            bias[k] += dx[k];
        }
    }
}

static void norm_row_gradient(const norm_job *job, size_t row)
{
    size_t n = job->of->input_size;
    const real *numbers = norm_numbers(job, row), *x = job->x + row * n;
    real *dx = job->dx + row * n;
    double sum = 0, product = 0;
    for (size_t k = 0; k < n; k++) {
        double g = (double)dx[k] * (double)job->weight[k];
        sum += g;
        product += g * (((double)x[k] - (double)numbers[0]) * (double)numbers[1]);
    }
    real mean = (real)(sum / (double)n), along = (real)(product / (double)n);
    for (size_t k = 0; k < n; k++) {
        real z = (x[k] - numbers[0]) * numbers[1];
        dx[k] = numbers[1] * (dx[k] * job->weight[k] - mean - z * along);
    }
}

static void norm_row_gradients(void *argument, size_t piece, size_t worker)
{
    (void)worker;
    const norm_job *job = argument;
    size_t first = piece * PIECE_ROWS, end = first + piece_length(piece, PIECE_ROWS, job->rows);
    for (size_t row = first; row < end; row++) {
        norm_row_gradient(job, row);
    }
}

/* ---- connections ---- */

static bool is_residual(const lrnn_trainer *trainer, size_t layer)
{
    return trainer->net->layers[layer * trainer->net->directions].residual;
}

void stage_add(lrnn_trainer *trainer, size_t layer, const real *x)
{
    if (is_residual(trainer, layer)) {
        kernels()->add(trainer->outputs[layer], x, segment_rows(trainer) * trainer->net->top_size);
    }
}

void stage_keep(lrnn_trainer *trainer, size_t layer, const real *dy)
{
    if (is_residual(trainer, layer)) {
        memcpy(trainer->stages.kept, dy,
               segment_rows(trainer) * trainer->net->top_size * sizeof(real));
    }
}

void stage_gradient(lrnn_trainer *trainer, size_t layer, const real *x, real *dx)
{
    if (trainer->net->options.layer_norm) {
        norm_job job = norm_of(trainer, layer, x);
        job.dx = dx;
        pool_run(trainer->pool, norm_columns, &job, pieces_of(job.of->input_size, PIECE_COLUMNS));
        pool_run(trainer->pool, norm_row_gradients, &job, pieces_of(job.rows, PIECE_ROWS));
    }
    if (is_residual(trainer, layer)) {
        kernels()->add(dx, trainer->stages.kept, segment_rows(trainer) * trainer->net->top_size);
    }
}

/* ---- learned states ---- */

void stage_start(const lrnn_trainer *trainer, const real *parameters, layer_state to, size_t index,
                 size_t rows)
{
    const network *net = trainer->net;
    const network_layer *of = &net->layers[index];
    if (of->state_h == NETWORK_NONE) {
        layer_state_copy_one(net, index, to, (layer_state_view){0}, rows);
        return;
    }
    const real *c = of->state_c == NETWORK_NONE ? NULL : parameters + of->state_c;
    layer_state_view from = {parameters + of->state_h, c, 1, 0};
    for (size_t row = 0; row < rows; row++) {
        layer_state_copy_one(net, index, layer_state_row(net, index, to, row), from, 1);
    }
}

void stage_start_all(const lrnn_trainer *trainer, layer_state to, size_t rows)
{
    const network *net = trainer->net;
    for (size_t i = 0; i < net->options.layers * net->directions; i++) {
        stage_start(trainer, trainer->parameters, layer_state_at(net, to, i), i, rows);
    }
}

void stage_start_gradient(lrnn_trainer *trainer)
{
    const network *net = trainer->net;
    size_t B = trainer->sequences.batch;
    bool learns = net->options.learned_state && trainer->stages.fresh;
    for (size_t i = 0; learns && i < net->options.layers * net->directions; i++) {
        const network_layer *of = &net->layers[i];
        size_t R = of->h_size, H = of->hidden_size;
        kernels()->add_rows(trainer->gradients + of->state_h, trainer->spaces[i].dh, R, B, R);
        if (of->state_c != NETWORK_NONE) {
            kernels()->add_rows(trainer->gradients + of->state_c, trainer->spaces[i].dc, H, B, H);
        }
    }
}
