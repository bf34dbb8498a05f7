/* The recurrent layers of a window, forward and backward through time.
 *
 * Equations: torch.nn.RNN, LSTM, GRU; backward as in Graves, "Supervised Sequence Labelling with
 * Recurrent Neural Networks", 2012, section 4. Rows of a batch do not touch each other in the
 * recurrence, so threads share the rows; everything that sums over rows is one product with a fixed
 * order. */
#include <string.h>

#include "average.h"
#include "normalize.h"
#include "regularize.h"
#include "trainer.h"

/* ---- packing, once an update ---- */

typedef struct layer_job {
    lrnn_trainer *trainer;
    size_t index;
    size_t pieces;
    real *y; /* forward: outputs; backward: their gradient; stride D*H */
} layer_job;

static void pack_layer(void *argument, size_t index, size_t worker)
{
    (void)worker;
    lrnn_trainer *trainer = argument;
    const network *net = trainer->net;
    const kernel_table *table = kernels();
    const network_layer *offsets = &net->layers[index];
    layer_space *space = &trainer->spaces[index];
    size_t H = offsets->hidden_size, R = offsets->h_size, columns = net->gates * H;
    const real *input = trainer->running + offsets->weight_ih;
    const real *hidden = trainer->running + offsets->weight_hh;
    if (space->weight_mask != NULL && trainer->mode == PASS_TRAIN) {
        hidden = dropout_weights(trainer, index, hidden);
    }
    kernel_pack(table, space->packed_input, input, 1, offsets->input_size, offsets->input_size,
                columns);
    kernel_pack(table, space->packed_hidden, hidden, 1, R, R, columns);
    kernel_pack(table, space->packed_back, hidden, R, 1, columns, R);
    if (space->m != NULL) {
        const real *projection = trainer->running + offsets->weight_hr;
        kernel_pack(table, space->packed_projection, projection, 1, H, H, R);
        kernel_pack(table, space->packed_lift, projection, H, 1, R, H);
    }
    if (offsets->bias_ih != NETWORK_NONE) {
        memcpy(space->bias, trainer->running + offsets->bias_ih, columns * sizeof(real));
        if (!net->cell->apart) {
            table->add(space->bias, trainer->running + offsets->bias_hh, columns);
        }
    }
}

void run_pack(lrnn_trainer *trainer, pass_mode mode)
{
    const network *net = trainer->net;
    trainer->mode = mode;
    trainer->running = mode == PASS_TRAIN ? trainer->parameters : average_read(trainer);
    trainer->window = trainer->windows;
    pool_run(trainer->pool, pack_layer, trainer, net->options.layers * net->directions);
    stage_pack(trainer);
    head_pack(trainer);
}

/* ---- input ---- */

static void read_row(real *row, const void *of, size_t token)
{
    const lrnn_trainer *trainer = of;
    size_t E = trainer->net->token_size;
    memcpy(row, trainer->running + trainer->net->embedding + token * E, E * sizeof(real));
}

/* ---- forward ---- */

static bool is_reverse(const lrnn_trainer *trainer, size_t index)
{
    return index % trainer->net->directions == 1;
}

/* Rows of h and c that hold the state of row b before and after step t. */
typedef struct state_rows {
    size_t before, after;
} state_rows;

static state_rows state_rows_of(const lrnn_trainer *trainer, size_t index, size_t t, size_t b)
{
    size_t B = trainer->sequences.batch;
    state_rows at = {t * B + b, (t + 1) * B + b};
    if (is_reverse(trainer, index)) {
        state_rows reversed = {at.after, at.before};
        return reversed;
    }
    return at;
}

/* `rows` rows of a layer from row b on at step t, as the cell sees them. */
static cell_pass pass_of(const lrnn_trainer *trainer, size_t index, size_t t, size_t b, size_t rows)
{
    const network *net = trainer->net;
    const layer_space *space = &trainer->spaces[index];
    size_t H = net->layers[index].hidden_size, R = net->layers[index].h_size;
    size_t columns = net->gates * H;
    size_t row = t * trainer->sequences.batch + b;
    state_rows at = state_rows_of(trainer, index, t, b);
    bool projected = space->m != NULL;
    return (cell_pass){
        .rows = rows,
        .H = H,
        .gates = space->gates + row * columns,
        .hidden = net->cell->apart ? space->hidden + row * columns : NULL,
        .h_before = space->h + at.before * R,
        .h_before_row = R,
        .c_before = net->cell->has_c ? space->c + at.before * H : NULL,
        .c_after = net->cell->has_c ? space->c + at.after * H : NULL,
        .h_after = projected ? space->m + row * H : space->h + at.after * R,
        .h_after_row = H,
        .tanh_c = net->cell->has_c ? space->tanh_c + row * H : NULL,
        .dh = projected ? space->dm + b * H : space->dh + b * R,
        .dc = net->cell->has_c ? space->dc + b * H : NULL,
    };
}

static void cell_forward(lrnn_trainer *trainer, size_t index, size_t t, size_t b, size_t rows)
{
    const kernel_table *table = kernels();
    const network *net = trainer->net;
    layer_space *space = &trainer->spaces[index];
    size_t H = net->layers[index].hidden_size, R = net->layers[index].h_size;
    size_t columns = net->gates * H;
    cell_pass pass = pass_of(trainer, index, t, b, rows);
    if (net->cell->apart) {
        size_t bias = net->layers[index].bias_hh;
        table->multiply_packed_from(rows, columns, R, pass.h_before, R, 1, space->packed_hidden,
                                    bias == NETWORK_NONE ? NULL : trainer->running + bias, 0,
                                    pass.hidden, columns);
    } else {
        table->multiply_packed(rows, columns, R, pass.h_before, R, 1, space->packed_hidden,
                               pass.gates, columns);
    }
    table->cells[net->cell->kind].forward(&pass);
    if (space->m != NULL) {
        table->multiply_packed_from(rows, R, H, pass.h_after, H, 1, space->packed_projection, NULL,
                                    0, space->h + state_rows_of(trainer, index, t, b).after * R, R);
    }
}

/* A row whose sequence has ended, or not begun, passes its state through and outputs zero. */
static void idle_forward(lrnn_trainer *trainer, size_t index, size_t t, size_t b, real *y)
{
    const network *net = trainer->net;
    layer_space *space = &trainer->spaces[index];
    size_t H = net->layers[index].hidden_size, R = net->layers[index].h_size;
    state_rows at = state_rows_of(trainer, index, t, b);
    memcpy(space->h + at.after * R, space->h + at.before * R, R * sizeof(real));
    if (space->c != NULL) {
        memcpy(space->c + at.after * H, space->c + at.before * H, H * sizeof(real));
    }
    if (space->m != NULL) {
        memset(space->m + (t * trainer->sequences.batch + b) * H, 0, H * sizeof(real));
    }
    memset(y, 0, R * sizeof(real));
}

static void forward_rows(void *argument, size_t piece, size_t worker)
{
    (void)worker;
    layer_job *job = argument;
    lrnn_trainer *trainer = job->trainer;
    const network *net = trainer->net;
    size_t B = trainer->sequences.batch, T = trainer->segment.steps;
    size_t R = net->layers[job->index].h_size, y_row = net->directions * R;
    size_t first = piece * B / job->pieces, end = (piece + 1) * B / job->pieces;
    bool reverse = is_reverse(trainer, job->index);
    for (size_t i = 0; i < T; i++) {
        size_t t = reverse ? T - 1 - i : i;
        for (size_t b = first; b < end;) {
            real *y = job->y + (t * B + b) * y_row;
            size_t rows = segment_active_rows(&trainer->segment, t, b, end);
            if (rows == 0) {
                idle_forward(trainer, job->index, t, b, y);
                b++;
                continue;
            }
            cell_forward(trainer, job->index, t, b, rows);
            const real *h =
                trainer->spaces[job->index].h + state_rows_of(trainer, job->index, t, b).after * R;
            for (size_t row = 0; row < rows; row++) {
                memcpy(y + row * y_row, h + row * R, R * sizeof(real));
            }
            b += rows;
        }
    }
}

/* h and c of a layer in place 0 or in the last one: before and after the segment, or the other way
 * round where the layer runs in reverse. */
static layer_state edge_state(const lrnn_trainer *trainer, size_t index, bool last)
{
    const network *net = trainer->net;
    const layer_space *space = &trainer->spaces[index];
    layer_state places = {space->h, space->c, 0, 0};
    size_t row = last ? trainer->segment.steps * trainer->sequences.batch : 0;
    return layer_state_row(net, index, places, row);
}

static void start_layer(lrnn_trainer *trainer, size_t index, const carried *initial)
{
    layer_state to = edge_state(trainer, index, is_reverse(trainer, index));
    if (initial->batch == 0) {
        stage_start(trainer, trainer->running, to, index, trainer->sequences.batch);
        return;
    }
    layer_state_copy_one(trainer->net, index, to,
                         layer_state_view_at(trainer->net, carried_read(initial), index),
                         trainer->sequences.batch);
}

/* The state after the segment. */
static void keep_layer(lrnn_trainer *trainer, size_t index, carried *final)
{
    layer_state state = edge_state(trainer, index, !is_reverse(trainer, index));
    layer_state_copy_one(trainer->net, index,
                         layer_state_at(trainer->net, carried_layers(final), index),
                         layer_state_read(state), trainer->sequences.batch);
}

typedef struct input_job {
    lrnn_trainer *trainer;
    size_t index;
    const real *x;
    size_t rows;
} input_job;

#define INPUT_ROWS 64 /* rows of an input product in one piece */

static void input_rows(void *argument, size_t piece, size_t worker)
{
    (void)worker;
    const input_job *job = argument;
    const network *net = job->trainer->net;
    layer_space *space = &job->trainer->spaces[job->index];
    const network_layer *of = &net->layers[job->index];
    size_t columns = net->gates * of->hidden_size, I = of->input_size;
    size_t first = piece * INPUT_ROWS;
    size_t rows = job->rows - first < INPUT_ROWS ? job->rows - first : INPUT_ROWS;
    kernels()->multiply_packed_from(rows, columns, I, job->x + first * I, I, 1, space->packed_input,
                                    space->bias, 0, space->gates + first * columns, columns);
}

void run_forward(lrnn_trainer *trainer, const carried *initial, carried *final)
{
    const network *net = trainer->net;
    size_t B = trainer->sequences.batch, rows = B * trainer->segment.steps;
    size_t threads = pool_threads(trainer->pool);
    if (final != NULL) {
        final->batch = B;
    }
    segment_gather(&trainer->segment, net, read_row, trainer, trainer->x);
    dropout_input(trainer);
    stage_enter(trainer);
    const real *x = stage_entry(trainer);
    for (size_t layer = 0; layer < net->options.layers; layer++) {
        const real *u = stage_normalize(trainer, layer, x);
        for (size_t d = 0; d < net->directions; d++) {
            size_t index = layer * net->directions + d;
            start_layer(trainer, index, initial);
            input_job input = {trainer, index, u, rows};
            pool_run(trainer->pool, input_rows, &input, (rows + INPUT_ROWS - 1) / INPUT_ROWS);
            layer_job job = {trainer, index, threads < B ? threads : B,
                             trainer->outputs[layer] + d * net->layers[index].h_size};
            pool_run(trainer->pool, forward_rows, &job, job.pieces);
            if (final != NULL) {
                keep_layer(trainer, index, final);
            }
        }
        stage_add(trainer, layer, x);
        dropout_layer(trainer, layer);
        x = trainer->outputs[layer];
    }
}

/* ---- backward ---- */

static void cell_backward(lrnn_trainer *trainer, size_t index, size_t t, size_t b, size_t rows)
{
    const kernel_table *table = kernels();
    const network *net = trainer->net;
    layer_space *space = &trainer->spaces[index];
    size_t H = net->layers[index].hidden_size, R = net->layers[index].h_size;
    size_t columns = net->gates * H;
    size_t row = t * trainer->sequences.batch + b;
    real *dh = space->dh + b * R;
    cell_pass pass = pass_of(trainer, index, t, b, rows);
    if (space->m != NULL) {
        memcpy(space->dprojected + row * R, dh, rows * R * sizeof(real));
        table->multiply_packed_from(rows, H, R, dh, R, 1, space->packed_lift, NULL, 0, pass.dh, H);
    }
    table->cells[net->cell->kind].backward(&pass);
    if (!net->cell->passes_h) {
        memset(dh, 0, rows * R * sizeof(real));
    }
    table->multiply_packed(rows, R, columns, net->cell->apart ? pass.hidden : pass.gates, columns,
                           1, space->packed_back, dh, R);
}

static void idle_backward(lrnn_trainer *trainer, size_t index, size_t t, size_t b)
{
    layer_space *space = &trainer->spaces[index];
    const network_layer *of = &trainer->net->layers[index];
    size_t columns = trainer->net->gates * of->hidden_size, R = of->h_size;
    size_t row = t * trainer->sequences.batch + b;
    memset(space->gates + row * columns, 0, columns * sizeof(real));
    if (space->hidden != NULL) {
        memset(space->hidden + row * columns, 0, columns * sizeof(real));
    }
    if (space->m != NULL) {
        memset(space->dprojected + row * R, 0, R * sizeof(real));
    }
}

static void backward_rows(void *argument, size_t piece, size_t worker)
{
    (void)worker;
    layer_job *job = argument;
    lrnn_trainer *trainer = job->trainer;
    const network *net = trainer->net;
    size_t B = trainer->sequences.batch, T = trainer->segment.steps;
    size_t R = net->layers[job->index].h_size, y_row = net->directions * R;
    size_t first = piece * B / job->pieces, end = (piece + 1) * B / job->pieces;
    bool reverse = is_reverse(trainer, job->index);
    real *dh = trainer->spaces[job->index].dh;
    for (size_t i = 0; i < T; i++) {
        size_t t = reverse ? i : T - 1 - i;
        for (size_t b = first; b < end;) {
            size_t rows = segment_active_rows(&trainer->segment, t, b, end);
            if (rows == 0) {
                idle_backward(trainer, job->index, t, b);
                b++;
                continue;
            }
            for (size_t row = b; row < b + rows; row++) {
                kernels()->add(dh + row * R, job->y + (t * B + row) * y_row, R);
            }
            cell_backward(trainer, job->index, t, b, rows);
            b += rows;
        }
    }
}

typedef struct bias_job {
    real *gradient; /* += the rows of x, in one order */
    const real *x;
    size_t rows, columns;
} bias_job;

#define BIAS_COLUMNS 64 /* columns of a bias in one piece */

static void bias_columns(void *argument, size_t piece, size_t worker)
{
    (void)worker;
    const bias_job *job = argument;
    size_t first = piece * BIAS_COLUMNS, left = job->columns - first;
    kernels()->add_rows(job->gradient + first, job->x + first, job->columns, job->rows,
                        left < BIAS_COLUMNS ? left : BIAS_COLUMNS);
}

void run_bias_gradient(lrnn_trainer *trainer, size_t bias, const real *x, size_t rows,
                       size_t columns)
{
    if (bias != NETWORK_NONE) {
        bias_job job = {trainer->gradients + bias, x, rows, columns};
        pool_run(trainer->pool, bias_columns, &job, (columns + BIAS_COLUMNS - 1) / BIAS_COLUMNS);
    }
}

/* Weight and bias gradients of a layer, and of its input: dx (+)= dgates W_ih. */
static void layer_gradients(lrnn_trainer *trainer, size_t index, const real *x, real *dx, bool more)
{
    const network *net = trainer->net;
    const network_layer *offsets = &net->layers[index];
    const layer_space *space = &trainer->spaces[index];
    size_t B = trainer->sequences.batch, rows = trainer->segment.steps * B;
    size_t H = offsets->hidden_size, R = offsets->h_size, columns = net->gates * H;
    size_t I = offsets->input_size;
    const real *dhidden = space->hidden != NULL ? space->hidden : space->gates;
    const real *h_before = space->h + (is_reverse(trainer, index) ? B * R : 0);
    real *dropped = space->weight_mask != NULL ? space->weight : NULL;
    multiply weights[2] = {
        {columns, I, rows, space->gates, 1, columns, x, I, 1,
         trainer->gradients + offsets->weight_ih, I, true},
        {columns, R, rows, dhidden, 1, columns, h_before, R, 1,
         dropped != NULL ? dropped : trainer->gradients + offsets->weight_hh, R, dropped == NULL},
    };
    size_t together = dhidden == space->gates ? 2 : 1;
    for (size_t i = 0; i < 2; i += together) {
        multiply_parallel(trainer->pool, &weights[i], together, trainer->workspace);
    }
    if (dropped != NULL) {
        dropout_weights_gradient(trainer, index);
    }
    if (space->m != NULL) {
        multiply projection = {R,        H,
                               rows,     space->dprojected,
                               1,        R,
                               space->m, H,
                               1,        trainer->gradients + offsets->weight_hr,
                               H,        true};
        multiply_parallel(trainer->pool, &projection, 1, trainer->workspace);
    }
    run_bias_gradient(trainer, offsets->bias_ih, space->gates, rows, columns);
    run_bias_gradient(trainer, offsets->bias_hh, dhidden, rows, columns);
    multiply down = {
        rows, I,  columns, space->gates, columns, 1, trainer->parameters + offsets->weight_ih, I,
        1,    dx, I,       more};
    multiply_parallel(trainer->pool, &down, 1, trainer->workspace);
}

/* From the gradient of the input rows to those of the embedding and of the caller's features. */
static void input_gradients(lrnn_trainer *trainer, const real *dx, real *feature_gradient)
{
    const network *net = trainer->net;
    const lrnn_sequences *s = &trainer->sequences;
    size_t E = net->token_size, F = net->options.feature_size;
    for (size_t t = 0; t < trainer->segment.steps; t++) {
        for (size_t b = 0; b < s->batch; b++) {
            const real *row = dx + (t * s->batch + b) * net->input_size;
            size_t item = segment_item(&trainer->segment, b, t);
            if (feature_gradient != NULL) {
                memcpy(feature_gradient + item * F, row + E, F * sizeof(real));
            }
            if (net->embedding != NETWORK_NONE && segment_active(&trainer->segment, b, t) &&
                s->tokens[item] != net->options.padding_token) {
                kernels()->add(trainer->gradients + net->embedding + (size_t)s->tokens[item] * E,
                               row, E);
            }
        }
    }
}

void run_backward(lrnn_trainer *trainer, real *feature_gradient)
{
    const network *net = trainer->net;
    size_t B = trainer->sequences.batch, D = net->directions;
    size_t threads = pool_threads(trainer->pool);
    real *dy = trainer->dy[0], *dx = trainer->dy[1];
    for (size_t layer = net->options.layers; layer-- > 0;) {
        const real *x = layer == 0 ? stage_entry(trainer) : trainer->outputs[layer - 1];
        const size_t R = network_layer_of(net, layer)->h_size;
        dropout_layer_gradient(trainer, layer, dy);
        stage_keep(trainer, layer, dy);
        if (layer + 1 == net->options.layers) {
            regularize_gradient(trainer, dy);
        }
        for (size_t d = 0; d < D; d++) {
            layer_job job = {trainer, layer * D + d, threads < B ? threads : B, dy + d * R};
            pool_run(trainer->pool, backward_rows, &job, job.pieces);
            layer_gradients(trainer, job.index, stage_normalized(trainer, layer, x), dx, d > 0);
        }
        stage_gradient(trainer, layer, x, dx);
        real *kept = dy;
        dy = dx;
        dx = kept;
    }
    dy = stage_enter_gradient(trainer, dy, dx);
    dropout_input_gradient(trainer, dy);
    input_gradients(trainer, dy, feature_gradient);
}
