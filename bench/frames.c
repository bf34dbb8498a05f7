/* The search over frames. Arguments: the work, threads (1), a folder.
 *   frames-W-V   prefix beam search of width W over frames of V outputs, of which one stands out in
 *                each: the blank in three of four
 * Unit: a frame. The value to compare is the number of labels found. */
#include <math.h>
#include <stdio.h>

#include "common.h"

typedef struct job {
    lrnn_ctc *ctc;
    float *frames;
    size_t T, V;
} job;

static double run(void *user)
{
    job *j = user;
    lrnn_ctc_result result;
    must(lrnn_ctc_reset(j->ctc));
    must(lrnn_ctc_feed(j->ctc, j->frames, j->T, j->V));
    must(lrnn_ctc_result_init(&result, sizeof result));
    must(lrnn_ctc_get_result(&result, j->ctc, 0));
    return (double)result.count;
}

static double no_limit(void *user)
{
    (void)user;
    return 0;
}

/* Log-probabilities, as both sides read them. */
static float *make_frames(size_t T, size_t V)
{
    float *frames = allocate(T * V, sizeof *frames);
    for (size_t t = 0; t < T; t++) {
        float *row = frames + t * V;
        double sum = 0;
        uint32_t draw = number_at(T * V + t);
        size_t best = draw % 4 != 0 ? 0 : 1 + draw / 4 % (V - 1);
        for (size_t v = 0; v < V; v++) {
            row[v] = (float)number_at(t * V + v) / 1073741824.0f * 3 + (v == best ? 7 : 0);
        }
        for (size_t v = 0; v < V; v++) {
            sum += exp((double)row[v]);
        }
        for (size_t v = 0; v < V; v++) {
            row[v] -= (float)log(sum);
        }
    }
    return frames;
}

int main(int argc, char **argv)
{
    static job j;
    size_t width;
    if (argc != 4 || sscanf(argv[1], "frames-%zu-%zu", &width, &j.V) != 2) {
        fprintf(stderr, "usage: %s WORK THREADS FOLDER\n", argv[0]);
        return 2;
    }
    j.T = j.V > 1000 ? 100 : 1000;
    j.frames = make_frames(j.T, j.V);
    lrnn_ctc_options options;
    must(lrnn_ctc_options_init(&options, sizeof options));
    options.output_size = j.V;
    options.beam_width = width;
    options.max_length = j.T;
    options.input = LRNN_CTC_LOG_PROBS;
    must(lrnn_ctc_create(&j.ctc, &options));
    work of = {(double)j.T, run, no_limit, &j};
    return serve(&of, "lrnn_ctc_feed");
}
