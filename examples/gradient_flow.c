/* The vanishing and the exploding gradient as a picture. A gradient of length 1 is put on the last
 * state of a sequence, and we measure how long it is k steps earlier, for an RNN, an LSTM and a
 * GRU whose recurrent matrices are rotations times s: with s below one the past is forgotten, with
 * s above one it drowns everything. The nets are at rest (no input, state zero), where the RNN's
 * gradient is s^k exactly. Then an RNN is trained with and without clipping.
 *
 * Writes gradient_flow.svg and clipping.svg into the folder given, or here. */
#include <lrnn.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HIDDEN = 32,
    STEPS = 50,
    BACK = STEPS + 1,
    SCALES = 3,
    CELLS = 3,
    UPDATES = 1000,
    ROWS = 16
};

#define START 1.5 /* s of the net that is trained */

static const double scales[SCALES] = {0.6, 1.0, 1.4};
static const char *const scale_names[SCALES] = {"s = 0.6", "s = 1.0", "s = 1.4"};
static const char *const cell_names[CELLS] = {"RNN (tanh)", "LSTM, gates that keep",
                                              "GRU, gates that keep"};
static const int32_t cells[CELLS] = {LRNN_CELL_RNN_TANH, LRNN_CELL_LSTM, LRNN_CELL_GRU};
static const char *const colors[SCALES] = {"#1f77b4", "#2ca02c", "#d62728"};

static void must(lrnn_status status)
{
    if (status != LRNN_OK) {
        fprintf(stderr, "%s\n", lrnn_last_error());
        exit(1);
    }
}

static float uniform(void)
{
    static unsigned long state = 1;
    state = (state * 6364136223846793005ul + 1442695040888963407ul) & 0xfffffffffffffffful;
    return (float)(state >> 40) / 8388608.0f - 1;
}

static double length_of(const float *x, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += (double)x[i] * (double)x[i];
    }
    return sqrt(sum);
}

/* Rows of a random rotation times `scale` (Gram-Schmidt): every singular value is `scale`. */
static void fill_rotation(float *matrix, double scale)
{
    for (size_t row = 0; row < HIDDEN; row++) {
        float *x = matrix + row * HIDDEN;
        for (size_t k = 0; k < HIDDEN; k++) {
            x[k] = uniform();
        }
        for (size_t other = 0; other < row; other++) {
            const float *y = matrix + other * HIDDEN;
            double dot = 0;
            for (size_t k = 0; k < HIDDEN; k++) {
                dot += (double)x[k] * (double)y[k] / (scale * scale);
            }
            for (size_t k = 0; k < HIDDEN; k++) {
                x[k] -= (float)dot * y[k];
            }
        }
        double length = length_of(x, HIDDEN);
        for (size_t k = 0; k < HIDDEN; k++) {
            x[k] *= (float)(scale / length);
        }
    }
}

/* A net without a head whose state is all we look at. */
static lrnn_trainer *create_net(int32_t cell, double scale)
{
    lrnn_model_options options;
    must(lrnn_model_options_init(&options));
    options.feature_size = 1;
    options.hidden_size = HIDDEN;
    options.cell = cell;
    options.head = LRNN_HEAD_NONE;
    lrnn_model *model;
    must(lrnn_model_create(&model, &options));
    lrnn_trainer_options trainer_options;
    must(lrnn_trainer_options_init(&trainer_options));
    trainer_options.batch = 1;
    trainer_options.steps = STEPS;
    trainer_options.loss = LRNN_LOSS_NONE;
    lrnn_trainer *trainer;
    must(lrnn_trainer_create(&trainer, model, &trainer_options));
    lrnn_model_destroy(model);

    size_t gates = cell == LRNN_CELL_LSTM ? 4 : cell == LRNN_CELL_GRU ? 3 : 1;
    float weight[4 * HIDDEN * HIDDEN], bias[4 * HIDDEN] = {0};
    for (size_t gate = 0; gate < gates; gate++) {
        fill_rotation(weight + gate * HIDDEN * HIDDEN, scale);
    }
    must(lrnn_trainer_set_parameter(trainer, "rnn.weight_hh_l0", weight, gates * HIDDEN * HIDDEN));
    must(lrnn_trainer_set_parameter(trainer, "rnn.bias_ih_l0", bias, gates * HIDDEN));
    for (size_t k = 0; k < HIDDEN; k++) {
        bias[k] = cell == LRNN_CELL_LSTM ? -2 : 0; /* i: little that is new gets in */
        bias[HIDDEN + k] = gates > 1 ? 3 : 0;      /* f or z: what is there stays */
    }
    must(lrnn_trainer_set_parameter(trainer, "rnn.bias_hh_l0", bias, gates * HIDDEN));
    return trainer;
}

/* The state after `steps` steps from zero, in h and c. */
static void run_to(lrnn_trainer *trainer, const float *inputs, size_t steps, float *h, float *c)
{
    lrnn_sequences window;
    must(lrnn_sequences_init(&window));
    window.batch = 1;
    window.steps = steps;
    window.features = inputs;
    must(lrnn_trainer_reset_state(trainer));
    if (steps > 0) {
        must(lrnn_trainer_forward(trainer, &window, NULL));
    }
    must(lrnn_trainer_export_state(h, c, trainer));
}

/* Length of the gradient of the state `back` steps before the end. */
static double flow(lrnn_trainer *trainer, int32_t cell, const float *inputs, size_t back)
{
    bool has_c = cell == LRNN_CELL_LSTM;
    float h[HIDDEN], c[HIDDEN], final[HIDDEN], dh[HIDDEN], dc[HIDDEN] = {0};
    for (size_t k = 0; k < HIDDEN; k++) {
        final[k] = (k % 2 == 0 ? 1.0f : -1.0f) / (float)sqrt(HIDDEN);
    }
    if (back == 0) {
        return 1; /* the gradient itself */
    }
    run_to(trainer, inputs, STEPS - back, h, has_c ? c : NULL);
    must(lrnn_trainer_import_state(trainer, h, has_c ? c : NULL, 1));
    lrnn_sequences window;
    must(lrnn_sequences_init(&window));
    window.batch = 1;
    window.steps = back;
    window.features = inputs + (STEPS - back);
    must(lrnn_trainer_forward(trainer, &window, NULL));
    lrnn_backward backward;
    must(lrnn_backward_init(&backward));
    backward.loss_scale = 0;
    backward.final_h = final;
    backward.initial_h = dh;
    backward.initial_c = has_c ? dc : NULL;
    must(lrnn_trainer_backward(trainer, &backward));
    return hypot(length_of(dh, HIDDEN), length_of(dc, HIDDEN));
}

/* ---- training with and without clipping ---- */

/* Trains an RNN (relu), whose gradients explode at first, to say at the end which of thirty numbers
 * came first. Returns the number of updates after which the loss was no longer finite; UPDATES if
 * it always was. */
static size_t train(double clip_norm, double losses[UPDATES])
{
    enum { T = 30 };
    lrnn_model_options options;
    must(lrnn_model_options_init(&options));
    options.feature_size = 1;
    options.hidden_size = HIDDEN;
    options.cell = LRNN_CELL_RNN_RELU;
    options.head = LRNN_HEAD_LAST;
    options.output_size = 1;
    lrnn_model *model;
    lrnn_trainer *trainer;
    lrnn_optimizer *optimizer;
    lrnn_trainer_options trainer_options;
    lrnn_optimizer_options optimizer_options;
    must(lrnn_model_create(&model, &options));
    must(lrnn_trainer_options_init(&trainer_options));
    trainer_options.batch = ROWS;
    trainer_options.steps = T;
    trainer_options.loss = LRNN_LOSS_SQUARED_ERROR;
    trainer_options.clip_norm = clip_norm;
    trainer_options.carry_state = 0;
    must(lrnn_trainer_create(&trainer, model, &trainer_options));
    must(lrnn_optimizer_options_init(&optimizer_options));
    optimizer_options.kind = LRNN_OPTIMIZER_SGD;
    optimizer_options.learning_rate = 0.01;
    must(lrnn_optimizer_create(&optimizer, lrnn_model_parameter_count(model), &optimizer_options));
    float weight[HIDDEN * HIDDEN];
    fill_rotation(weight, START);
    must(lrnn_trainer_set_parameter(trainer, "rnn.weight_hh_l0", weight, HIDDEN * HIDDEN));

    size_t update = 0;
    for (; update < UPDATES; update++) {
        float features[ROWS * T], targets[ROWS];
        for (size_t i = 0; i < ROWS * T; i++) {
            features[i] = uniform();
        }
        for (size_t row = 0; row < ROWS; row++) {
            targets[row] = features[row * T];
        }
        lrnn_sequences window;
        lrnn_train_result result;
        must(lrnn_sequences_init(&window));
        must(lrnn_train_result_init(&result));
        window.batch = ROWS;
        window.steps = T;
        window.features = features;
        window.target_values = targets;
        lrnn_status status = lrnn_trainer_step(trainer, optimizer, &window, &result);
        if (status == LRNN_ERR_NUMERIC) {
            break; /* the step has changed nothing, but the net is beyond saving */
        }
        must(status);
        losses[update] = result.loss_sum / result.loss_weight;
    }
    lrnn_optimizer_destroy(optimizer);
    lrnn_trainer_destroy(trainer);
    lrnn_model_destroy(model);
    return update;
}

/* ---- pictures ---- */

typedef struct picture {
    FILE *file;
    double left, top, width, height; /* of the panel that is drawn now */
    double low, high;                /* powers of ten */
    size_t points;
} picture;

static picture open_picture(const char *folder, const char *name, int width)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    picture p = {.file = fopen(path, "w")};
    if (p.file == NULL) {
        perror(path);
        exit(1);
    }
    fprintf(p.file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"340\" "
            "font-family=\"sans-serif\" font-size=\"12\"><rect width=\"100%%\" height=\"100%%\" "
            "fill=\"white\"/>\n",
            width);
    return p;
}

static void close_picture(picture *p)
{
    fputs("</svg>\n", p->file);
    if (ferror(p->file) | fclose(p->file)) {
        perror("picture");
        exit(1);
    }
}

static double y_of(const picture *p, double value)
{
    double power = log10(fmax(value, 1e-300));
    power = fmin(fmax(power, p->low), p->high);
    return p->top + p->height * (p->high - power) / (p->high - p->low);
}

static void panel(picture *p, double left, const char *title, const char *x_title,
                  const char *y_title, int every)
{
    p->left = left;
    p->top = 40;
    p->width = 230;
    p->height = 240;
    fprintf(p->file,
            "<text x=\"%g\" y=\"24\" text-anchor=\"middle\" font-weight=\"bold\">%s</text>\n",
            left + p->width / 2, title);
    for (double power = p->low; power <= p->high; power += every) {
        double y = y_of(p, pow(10, power));
        fprintf(p->file,
                "<line x1=\"%g\" x2=\"%g\" y1=\"%g\" y2=\"%g\" stroke=\"#ddd\"/><text x=\"%g\" "
                "y=\"%g\" text-anchor=\"end\">1e%g</text>\n",
                left, left + p->width, y, y, left - 6, y + 4, power);
    }
    for (size_t i = 0; i <= p->points; i += p->points / 5) {
        fprintf(p->file, "<text x=\"%g\" y=\"%g\" text-anchor=\"middle\">%zu</text>\n",
                left + p->width * (double)i / (double)(p->points - 1), p->top + p->height + 18, i);
    }
    fprintf(p->file,
            "<text x=\"%g\" y=\"%g\" text-anchor=\"middle\">%s</text>\n<text "
            "transform=\"translate(%g %g) rotate(-90)\" text-anchor=\"middle\">%s</text>\n",
            left + p->width / 2, p->top + p->height + 40, x_title, left - 52,
            p->top + p->height / 2, y_title);
}

static void curve(const picture *p, const double *values, const char *color, const char *name,
                  int line)
{
    fprintf(p->file, "<polyline fill=\"none\" stroke-width=\"2\" stroke=\"%s\" points=\"", color);
    for (size_t i = 0; i < p->points; i++) {
        fprintf(p->file, "%.1f,%.1f ", p->left + p->width * (double)i / (double)(p->points - 1),
                y_of(p, values[i]));
    }
    fprintf(p->file, "\"/><text x=\"%g\" y=\"%g\" fill=\"%s\">%s</text>\n", p->left + 8,
            p->top + p->height - 10 - 15 * line, color, name);
}

static void show_flow(const char *folder)
{
    static const float inputs[STEPS];
    picture p = open_picture(folder, "gradient_flow.svg", 985);
    p.low = -12;
    p.high = 9;
    p.points = BACK;
    printf("length of the gradient, k steps back\n%-22s %-9s %10s %10s %10s\n", "", "", "k = 10",
           "k = 30", "k = 50");
    for (size_t cell = 0; cell < CELLS; cell++) {
        panel(&p, 75 + 315 * (double)cell, cell_names[cell], "steps back", "length of the gradient",
              3);
        for (size_t s = 0; s < SCALES; s++) {
            double lengths[BACK];
            lrnn_trainer *trainer = create_net(cells[cell], scales[s]);
            for (size_t back = 0; back < BACK; back++) {
                lengths[back] = flow(trainer, cells[cell], inputs, back);
            }
            lrnn_trainer_destroy(trainer);
            printf("%-22s %-9s %10.2g %10.2g %10.2g\n", cell_names[cell], scale_names[s],
                   lengths[10], lengths[30], lengths[50]);
            curve(&p, lengths, colors[s], scale_names[s], (int)s);
        }
    }
    close_picture(&p);
}

static double mean_of_last(const double *losses, size_t count)
{
    double sum = 0;
    for (size_t i = count > 50 ? count - 50 : 0; i < count; i++) {
        sum += losses[i] / (double)(count > 50 ? 50 : count);
    }
    return sum;
}

static void show_clipping(const char *folder)
{
    static double losses[2][UPDATES];
    size_t lasted[2] = {train(0, losses[0]), train(1, losses[1])};
    picture p = open_picture(folder, "clipping.svg", 350);
    p.low = -3;
    p.high = 3;
    p.points = UPDATES;
    panel(&p, 75, "remembering the first of 30 numbers", "updates", "mean squared error", 1);
    printf("\nan RNN (relu) that starts with s = %.1f learns to remember the first of 30 numbers\n",
           START);
    for (int clipped = 0; clipped < 2; clipped++) {
        const char *name = clipped ? "clipped to norm 1" : "without clipping";
        for (size_t i = lasted[clipped]; i < UPDATES; i++) {
            losses[clipped][i] = INFINITY;
        }
        curve(&p, losses[clipped], colors[clipped ? 0 : 2], name, clipped);
        if (lasted[clipped] < UPDATES) {
            printf("  %-18s the loss is no number any more after %zu updates\n", name,
                   lasted[clipped]);
        } else {
            printf("  %-18s mean loss of the last 50 of %d updates: %.4f\n", name, UPDATES,
                   mean_of_last(losses[clipped], UPDATES));
        }
    }
    close_picture(&p);
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : ".";
    show_flow(folder);
    show_clipping(folder);
    return 0;
}
