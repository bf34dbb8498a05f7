/* How cost grows: time per token of training against the steps T and rows B of a window, the hidden
 * size H and the vocabulary V, and of beam search against its width. Each point is the fastest of
 * several runs; the line beside it is what the arithmetic demands, scaled through the fastest point
 * of the panel. Writes a picture.
 *
 *     growth FILE.svg */
#include <lrnn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { POINTS = 9, PANELS = 5, BASE_T = 32, BASE_B = 16, BASE_H = 128, BASE_V = 1000, E = 64 };

typedef struct work {
    size_t T, B, H, V, width;
} work;

typedef struct panel {
    const char *title, *axis;
    size_t values[POINTS];
    double time[POINTS], demand[POINTS]; /* microseconds, floating-point operations; of a token */
    size_t count;
} panel;

static panel panels[PANELS] = {
    {.title = "training", .axis = "T, steps of a window", .values = {4, 8, 16, 32, 64, 128, 256}},
    {.title = "training", .axis = "B, rows of a window", .values = {1, 2, 4, 8, 16, 32, 64, 128}},
    {.title = "training", .axis = "H, hidden size", .values = {16, 32, 64, 128, 256, 512}},
    {.title = "training", .axis = "V, vocabulary", .values = {100, 400, 1600, 6400, 25600, 102400}},
    {.title = "beam search", .axis = "width", .values = {1, 2, 4, 8, 16, 32, 64}},
};

static void must(lrnn_status status)
{
    if (status != LRNN_OK) {
        fprintf(stderr, "growth: %s\n", lrnn_last_error());
        exit(1);
    }
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static lrnn_model *make_model(const work *w)
{
    lrnn_model_options o;
    lrnn_model *model;
    must(lrnn_model_options_init(&o, sizeof o));
    o.vocab_size = w->V;
    o.embedding_size = E;
    o.hidden_size = w->H;
    must(lrnn_model_create(&model, &o));
    return model;
}

static double time_training(const work *w)
{
    lrnn_model *model = make_model(w);
    lrnn_trainer_options t;
    lrnn_optimizer_options o;
    lrnn_trainer *trainer;
    lrnn_optimizer *optimizer;
    must(lrnn_trainer_options_init(&t, sizeof t));
    must(lrnn_optimizer_options_init(&o, sizeof o));
    t.batch = w->B;
    t.steps = w->T;
    o.kind = LRNN_OPTIMIZER_SGD; /* its pass over the parameters is not what is asked for here */
    must(lrnn_trainer_create(&trainer, model, &t));
    must(lrnn_optimizer_create(&optimizer, lrnn_model_parameter_count(model), &o));
    size_t tokens = w->B * w->T;
    int32_t *ids = malloc(tokens * sizeof *ids);
    for (size_t i = 0; ids != NULL && i < tokens; i++) {
        ids[i] = (int32_t)(i * 7919 % w->V);
    }
    lrnn_sequences s;
    must(lrnn_sequences_init(&s, sizeof s));
    s.batch = w->B;
    s.steps = w->T;
    s.tokens = s.targets = ids;
    double best = INFINITY, begin = now();
    for (int run = 0; run < 4 || (run < 200 && now() - begin < 4e5); run++) {
        double start = now();
        must(lrnn_trainer_step(trainer, optimizer, &s, NULL));
        best = fmin(best, (now() - start) / (double)tokens);
    }
    free(ids);
    lrnn_optimizer_destroy(optimizer);
    lrnn_trainer_destroy(trainer);
    lrnn_model_destroy(model);
    return best;
}

static double time_search(const work *w)
{
    lrnn_model *model = make_model(w);
    lrnn_decoder_options o;
    lrnn_decoder *decoder;
    lrnn_request request;
    const int32_t first = 1;
    must(lrnn_decoder_options_init(&o, sizeof o));
    must(lrnn_request_init(&request, sizeof request));
    o.method = LRNN_METHOD_BEAM;
    o.beam_width = w->width;
    o.max_length = 50;
    request.tokens = &first;
    request.count = 1;
    must(lrnn_decoder_create(&decoder, model, &o));
    double best = INFINITY;
    for (int run = 0; run < 12; run++) {
        double start = now();
        must(lrnn_decoder_run(decoder, &request, 1));
        best = fmin(best, (now() - start) / 50);
    }
    lrnn_decoder_destroy(decoder);
    lrnn_model_destroy(model);
    return best;
}

static void measure(size_t index)
{
    panel *p = &panels[index];
    for (; p->count < POINTS && p->values[p->count] > 0; p->count++) {
        work w = {BASE_T, BASE_B, BASE_H, BASE_V, 0};
        size_t *fields[PANELS] = {&w.T, &w.B, &w.H, &w.V, &w.width};
        *fields[index] = p->values[p->count];
        double H = (double)w.H, once = 2 * (4 * H * (E + H) + H * (double)w.V);
        p->demand[p->count] = index == 4 ? once * (double)w.width : 3 * once;
        p->time[p->count] = index == 4 ? time_search(&w) : time_training(&w);
        printf("%s\t%s\t%zu\t%.3f\n", p->title, p->axis, p->values[p->count], p->time[p->count]);
    }
}

/* ---- the picture ---- */

static double place(double value, double low, double high, double from, double to)
{
    return from + (to - from) * log(value / low) / log(high / low);
}

static void draw_line(FILE *file, const panel *p, const double *y, double low, double high,
                      double left, double top, const char *style)
{
    fprintf(file, "<polyline fill=\"none\" %s points=\"", style);
    for (size_t i = 0; i < p->count; i++) {
        fprintf(file, "%.1f,%.1f ",
                place((double)p->values[i], (double)p->values[0], (double)p->values[p->count - 1],
                      left, left + 200),
                place(y[i], low, high, top + 150, top));
    }
    fputs("\"/>\n", file);
}

static void draw_panel(FILE *file, const panel *p, double left, double top)
{
    double rate = 0, low = INFINITY, high = 0, demanded[POINTS];
    for (size_t i = 0; i < p->count; i++) {
        rate = fmax(rate, p->demand[i] / p->time[i]);
    }
    for (size_t i = 0; i < p->count; i++) {
        demanded[i] = p->demand[i] / rate;
        low = fmin(low, fmin(p->time[i], demanded[i]));
        high = fmax(high, p->time[i]);
    }
    low = pow(10, floor(log10(low)));
    high = pow(10, ceil(log10(high)));
    for (double y = low; y < high * 1.01; y *= 10) {
        double at = place(y, low, high, top + 150, top);
        fprintf(file,
                "<path d=\"M%.1f %.1fh200\" stroke=\"#ddd\"/><text x=\"%.1f\" y=\"%.1f\" "
                "text-anchor=\"end\">%g</text>\n",
                left, at, left - 6, at + 4, y);
    }
    for (size_t i = 0; i < p->count; i++) {
        double at = place((double)p->values[i], (double)p->values[0],
                          (double)p->values[p->count - 1], left, left + 200);
        fprintf(file,
                "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\" font-size=\"10\">%zu</text>\n",
                at, top + 166, p->values[i]);
    }
    draw_line(file, p, demanded, low, high, left, top, "stroke=\"#999\" stroke-dasharray=\"4 3\"");
    draw_line(file, p, p->time, low, high, left, top, "stroke=\"#1f77b4\" stroke-width=\"2\"");
    fprintf(
        file,
        "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n<text x=\"%.1f\" "
        "y=\"%.1f\" text-anchor=\"middle\" font-weight=\"bold\">%s</text>\n<text "
        "transform=\"translate(%.1f %.1f) rotate(-90)\" text-anchor=\"middle\">microseconds per "
        "token</text>\n",
        left + 100, top + 184, p->axis, left + 100, top - 10, p->title, left - 52, top + 75);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: growth FILE.svg\n");
        return 2;
    }
    for (size_t i = 0; i < PANELS; i++) {
        measure(i);
    }
    FILE *file = fopen(argv[1], "w");
    if (file == NULL) {
        fprintf(stderr, "growth: cannot write %s\n", argv[1]);
        return 1;
    }
    fprintf(file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 860 480\" "
            "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"860\" height=\"480\" "
            "fill=\"white\"/>\n<text x=\"60\" y=\"18\">LSTM, V %d, embedding %d, H %d, B %d, T %d "
            "but for what varies; one thread. Dashed: what the arithmetic demands.</text>\n",
            BASE_V, E, BASE_H, BASE_B, BASE_T);
    for (size_t i = 0; i < PANELS; i++) {
        draw_panel(file, &panels[i], 76 + 274 * (double)(i % 3), 60 + 225 * (double)(i / 3));
    }
    fputs("</svg>\n", file);
    return fclose(file) == 0 ? 0 : 1;
}
