/* Forecasting: the next value of a series, learned by mean squared error. The net reads the value
 * and its latest change and forecasts the next change, so that persistence ("the next value equals
 * this one") is an output of 0: the forecast to beat.
 *
 *     forecast [-s SEED] [SERIES.csv [PLOT.svg]]
 *
 * The value is the last field of a line. The last fifth of the series is held out and forecast one
 * step ahead, and both curves are drawn; the tenth before it is for validation: training stops when
 * its loss no longer falls. Without a file the series is a sum of waves. */
#include <lrnn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 5000, WINDOW = 48, WARM_UP = 12, BATCH = 16, UPDATES = 1000, LOOK = 20, F = 2 };

static double values[MOST], forecasts[MOST]; /* forecasts[t] is made before values[t] is known */
static size_t count, watched, split;         /* where the tenth and the fifth start */
static double mean, deviation, change_deviation;

static void must(lrnn_status status)
{
    if (status != LRNN_OK) {
        fprintf(stderr, "%s\n", lrnn_last_error());
        exit(1);
    }
}

static void read_series(const char *path)
{
    char line[256], *end;
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(1);
    }
    while (count < MOST && fgets(line, sizeof line, file) != NULL) {
        char *comma = strrchr(line, ',');
        double value = strtod(comma == NULL ? line : comma + 1, &end);
        if (end != (comma == NULL ? line : comma + 1)) { /* not the heading */
            values[count++] = value;
        }
    }
    fclose(file);
    if (count < 2 * WINDOW) {
        fprintf(stderr, "%s: %zu values, at least %d are needed\n", path, count, 2 * WINDOW);
        exit(1);
    }
}

static void measure(void)
{
    double sum = 0, squares = 0, changes = 0;
    split = count * 4 / 5;
    watched = count * 7 / 10;
    for (size_t t = 0; t < watched; t++) {
        sum += values[t];
        squares += values[t] * values[t];
        changes += t > 0 ? (values[t] - values[t - 1]) * (values[t] - values[t - 1]) : 0;
    }
    mean = sum / (double)watched;
    deviation = sqrt(squares / (double)watched - mean * mean);
    change_deviation = sqrt(changes / (double)(watched - 1));
}

/* What the net reads at step t, t at least 1. */
static void read_step(float *x, size_t t)
{
    x[0] = (float)((values[t] - mean) / deviation);
    x[1] = (float)((values[t] - values[t - 1]) / change_deviation);
}

/* Every window of the series up to `watched`; the first steps of each, which have seen little, have
 * weight 0. */
static lrnn_batches *make_batches(uint64_t seed)
{
    static float x[MOST * WINDOW * F], targets[MOST * WINDOW], weights[MOST * WINDOW];
    static int32_t lengths[MOST];
    lrnn_examples examples;
    lrnn_batches_options options;
    lrnn_batches *batches;
    must(lrnn_examples_init(&examples));
    must(lrnn_batches_options_init(&options));
    for (size_t first = 1; first + WINDOW < watched; first++) {
        size_t at = examples.count * WINDOW;
        lengths[examples.count++] = WINDOW;
        for (size_t t = 0; t < WINDOW; t++) {
            read_step(x + (at + t) * F, first + t);
            targets[at + t] =
                (float)((values[first + t + 1] - values[first + t]) / change_deviation);
            weights[at + t] = t >= WARM_UP;
        }
    }
    examples.lengths = lengths;
    examples.features = x;
    examples.feature_size = F;
    examples.target_values = targets;
    examples.target_size = 1;
    examples.weights = weights;
    options.batch = BATCH;
    options.shuffle = 1;
    options.seed = seed;
    must(lrnn_batches_create_from_examples(&batches, &examples, &options));
    return batches;
}

/* Runs the net along the whole series, one step at a time. */
static void forecast(const lrnn_model *model)
{
    lrnn_state *state;
    must(lrnn_state_create(&state, model, NULL));
    for (size_t t = 1; t + 1 < count; t++) {
        float x[F], change;
        read_step(x, t);
        must(lrnn_state_step(state, NULL, x, &change));
        forecasts[t + 1] = values[t] + (double)change * change_deviation;
    }
    lrnn_state_destroy(state);
}

/* Of guesses[t] for values[t], t from first to end - 1. */
static double root_mean_squared_error(const double *guesses, size_t first, size_t end)
{
    double sum = 0;
    for (size_t t = first; t < end; t++) {
        sum += (values[t] - guesses[t]) * (values[t] - guesses[t]);
    }
    return sqrt(sum / (double)(end - first));
}

static lrnn_model *train(lrnn_batches *batches, uint64_t seed)
{
    lrnn_model_options shape;
    lrnn_trainer_options options;
    lrnn_schedule_options falling;
    must(lrnn_model_options_init(&shape));
    must(lrnn_trainer_options_init(&options));
    must(lrnn_schedule_options_init(&falling));
    shape.feature_size = F;
    shape.hidden_size = 24;
    shape.output_size = 1;
    shape.seed = seed;
    options.batch = BATCH;
    options.steps = WINDOW;
    options.loss = LRNN_LOSS_SQUARED_ERROR;
    options.clip_norm = 1;
    options.carry_state = 0;
    falling.kind = LRNN_SCHEDULE_COSINE;
    falling.learning_rate = 0.003;
    falling.period = UPDATES;
    lrnn_model *model, *best = NULL;
    lrnn_trainer *trainer;
    lrnn_optimizer *optimizer;
    lrnn_schedule *schedule;
    must(lrnn_model_create(&model, &shape));
    must(lrnn_trainer_create(&trainer, model, &options));
    must(lrnn_optimizer_create(&optimizer, lrnn_model_parameter_count(model), NULL));
    must(lrnn_schedule_create(&schedule, &falling));
    double least = INFINITY;
    for (int update = 1; update <= UPDATES; update++) {
        lrnn_sequences window;
        must(lrnn_sequences_init(&window));
        if (lrnn_batches_next(batches, &window) == LRNN_END) {
            must(lrnn_batches_next(batches, &window));
        }
        must(lrnn_optimizer_set_learning_rate(optimizer, lrnn_schedule_learning_rate(schedule)));
        must(lrnn_trainer_step(trainer, optimizer, &window, NULL));
        must(lrnn_schedule_advance(schedule));
        if (update % LOOK == 0) {
            lrnn_model *now;
            must(lrnn_trainer_snapshot(&now, trainer));
            forecast(now);
            double error = root_mean_squared_error(forecasts, watched, split);
            lrnn_model_destroy(error < least ? best : now);
            best = error < least ? now : best;
            least = fmin(error, least);
        }
    }
    lrnn_schedule_destroy(schedule);
    lrnn_optimizer_destroy(optimizer);
    lrnn_trainer_destroy(trainer);
    lrnn_model_destroy(model);
    return best;
}

/* ---- the picture ---- */

/* The smallest of 1, 2 and 5 times a power of ten that is at least `rough`. */
static double round_step(double rough)
{
    double power = pow(10, floor(log10(rough)));
    return power * (rough <= power ? 1 : rough <= 2 * power ? 2 : rough <= 5 * power ? 5 : 10);
}

static void draw(const char *path, double error, double persistence)
{
    size_t first = count - split > 120
                       ? count - 120
                       : split; /* at most its end, so that the curves can be told apart */
    double low = values[first], high = low;
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        fprintf(stderr, "cannot write %s\n", path);
        exit(1);
    }
    for (size_t t = first; t < count; t++) {
        low = fmin(low, fmin(values[t], forecasts[t]));
        high = fmax(high, fmax(values[t], forecasts[t]));
    }
    double tick = round_step((high - low) / 10);
    fprintf(file, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 720 340\" "
                  "font-family=\"sans-serif\" font-size=\"12\">\n"
                  "<rect width=\"720\" height=\"340\" fill=\"white\"/>\n");
    for (double y = ceil(low / tick) * tick; y <= high; y += tick) {
        double at = 280 - 230 * (y - low) / (high - low);
        fprintf(file,
                "<path d=\"M60 %.1fH700\" stroke=\"#ddd\"/><text x=\"54\" y=\"%.1f\" "
                "text-anchor=\"end\">%g</text>\n",
                at, at + 4, y);
    }
    size_t every = (size_t)round_step(fmax((double)(count - first) / 8, 1));
    for (size_t t = (first + every - 1) / every * every; t < count; t += every) {
        double at = 60 + 640 * (double)(t - first) / (double)(count - 1 - first);
        fprintf(file, "<text x=\"%.1f\" y=\"298\" text-anchor=\"middle\">%zu</text>\n", at, t);
    }
    for (int which = 0; which < 2; which++) {
        fprintf(file, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"%s\" points=\"",
                which == 0 ? "#222" : "#d62728", which == 0 ? "1.5" : "1.2");
        for (size_t t = first; t < count; t++) {
            double y = which == 0 ? values[t] : forecasts[t];
            fprintf(file, "%.1f,%.1f ",
                    60 + 640 * (double)(t - first) / (double)(count - 1 - first),
                    280 - 230 * (y - low) / (high - low));
        }
        fputs("\"/>\n", file);
    }
    fprintf(file,
            "<text x=\"60\" y=\"22\"><tspan fill=\"#222\">truth</tspan> and <tspan "
            "fill=\"#d62728\">forecast one step ahead</tspan>: root mean squared error %.4g, "
            "persistence %.4g</text>\n<text x=\"380\" y=\"320\" text-anchor=\"middle\">step of the "
            "series (held out)</text>\n<text x=\"16\" y=\"165\" text-anchor=\"middle\" "
            "transform=\"rotate(-90 16 165)\">value</text>\n</svg>\n",
            error, persistence);
    fclose(file);
}

int main(int argc, char **argv)
{
    int first = argc > 2 && strcmp(argv[1], "-s") == 0 ? 3 : 1;
    uint64_t seed = first == 3 ? strtoull(argv[2], NULL, 10) : 1;
    if (argc > first) {
        read_series(argv[first]);
    } else {
        for (; count < 600; count++) {
            double t = (double)count;
            values[count] = 50 + 20 * sin(t / 5) + 8 * sin(t / 1.7) + 3 * sin(t * t);
        }
    }
    measure();
    lrnn_batches *batches = make_batches(seed);
    lrnn_model *model = train(batches, seed);
    for (size_t t = split; t < count; t++) {
        forecasts[t] = values[t - 1];
    }
    double persistence = root_mean_squared_error(forecasts, split, count);
    forecast(model);
    double error = root_mean_squared_error(forecasts, split, count);
    printf("%zu values, %zu held out: root mean squared error %.4f, persistence %.4f (%.1f %%)\n",
           count, count - split, error, persistence, 100 * error / persistence);
    if (argc > first + 1) {
        draw(argv[first + 1], error, persistence);
    }
    lrnn_batches_destroy(batches);
    lrnn_model_destroy(model);
    return error >= persistence;
}
