/* One to one: no recurrence. A model of 0 layers is a linear layer with a softmax, and training it
 * is softmax regression. The same regression is written out beside it in double precision, and the
 * two are compared after training.
 *
 *     softmax_regression [ae.train]
 *
 * Which of nine speakers is it, from one frame of 12 numbers? The file is that of classify_vectors;
 * without it the frames are drawn around nine points. */
#include <lrnn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    F = 12,
    SPEAKERS = 9,
    FRAMES = 6000,
    BATCH = 64,
    UPDATES = 2000,
    PARAMETERS = SPEAKERS * 13
};

#define LEARNING_RATE 0.2

static float frames[FRAMES * F];
static int32_t speakers[FRAMES];
static size_t count;

static void must(lrnn_status status)
{
    if (status != LRNN_OK) {
        fprintf(stderr, "%s\n", lrnn_last_error());
        exit(1);
    }
}

/* 30 utterances of each speaker, a line without 12 numbers (or of ones) after each. */
static void read_frames(const char *path)
{
    char line[512];
    int utterance = 0, length = 0;
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(1);
    }
    while (count < FRAMES && fgets(line, sizeof line, file) != NULL) {
        float *x = frames + count * F;
        int read = sscanf(line, "%f %f %f %f %f %f %f %f %f %f %f %f", x, x + 1, x + 2, x + 3,
                          x + 4, x + 5, x + 6, x + 7, x + 8, x + 9, x + 10, x + 11);
        if (read == F && !(x[0] == 1 && x[1] == 1)) {
            speakers[count++] = utterance / 30;
            length++;
        } else if (length > 0) {
            utterance++;
            length = 0;
        }
    }
    fclose(file);
}

static void draw_frames(void)
{
    for (; count < 900; count++) {
        speakers[count] = (int32_t)(count % SPEAKERS);
        for (size_t f = 0; f < F; f++) {
            frames[count * F + f] = (float)(sin((double)(count % SPEAKERS * 7 + f * 3)) +
                                            sin((double)(count * 31 + f * 17)) / 2);
        }
    }
}

/* ---- the regression, written out ---- */

/* p = softmax(W x + b); the parameters are W [9,12], then b. */
static void probabilities(double *p, const double *parameters, const float *x)
{
    double sum = 0, greatest = -INFINITY;
    for (size_t k = 0; k < SPEAKERS; k++) {
        p[k] = parameters[SPEAKERS * F + k];
        for (size_t f = 0; f < F; f++) {
            p[k] += parameters[k * F + f] * (double)x[f];
        }
        greatest = p[k] > greatest ? p[k] : greatest;
    }
    for (size_t k = 0; k < SPEAKERS; k++) {
        sum += p[k] = exp(p[k] - greatest);
    }
    for (size_t k = 0; k < SPEAKERS; k++) {
        p[k] /= sum;
    }
}

/* One step down the mean gradient of -log p[target] over BATCH frames, which is
 * (p - [target]) x for W and p - [target] for b. */
static void descend(double *parameters, size_t first)
{
    double gradient[PARAMETERS] = {0}, p[SPEAKERS];
    for (size_t b = 0; b < BATCH; b++) {
        size_t i = (first + b) % count;
        probabilities(p, parameters, frames + i * F);
        p[speakers[i]] -= 1;
        for (size_t k = 0; k < SPEAKERS; k++) {
            for (size_t f = 0; f < F; f++) {
                gradient[k * F + f] += p[k] * (double)frames[i * F + f] / BATCH;
            }
            gradient[SPEAKERS * F + k] += p[k] / BATCH;
        }
    }
    for (size_t i = 0; i < PARAMETERS; i++) {
        parameters[i] -= LEARNING_RATE * gradient[i];
    }
}

/* ---- the same with the library ---- */

static void step(lrnn_trainer *trainer, lrnn_optimizer *optimizer, size_t first)
{
    float x[BATCH * F];
    int32_t targets[BATCH];
    lrnn_sequences window; /* BATCH rows of one step */
    for (size_t b = 0; b < BATCH; b++) {
        memcpy(x + b * F, frames + (first + b) % count * F, F * sizeof *x);
        targets[b] = speakers[(first + b) % count];
    }
    must(lrnn_sequences_init(&window));
    window.batch = BATCH;
    window.steps = 1;
    window.features = x;
    window.targets = targets;
    must(lrnn_trainer_step(trainer, optimizer, &window, NULL));
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        read_frames(argv[1]);
    } else {
        draw_frames();
    }
    lrnn_model_options shape;
    must(lrnn_model_options_init(&shape));
    shape.layers = 0;
    shape.feature_size = F;
    shape.output_size = SPEAKERS;
    lrnn_trainer_options of_training;
    must(lrnn_trainer_options_init(&of_training));
    of_training.batch = BATCH;
    lrnn_optimizer_options of_descent;
    must(lrnn_optimizer_options_init(&of_descent));
    of_descent.kind = LRNN_OPTIMIZER_SGD;
    of_descent.learning_rate = LEARNING_RATE;
    lrnn_model *model, *trained;
    lrnn_trainer *trainer;
    lrnn_optimizer *optimizer;
    must(lrnn_model_create(&model, &shape));
    must(lrnn_trainer_create(&trainer, model, &of_training));
    must(lrnn_optimizer_create(&optimizer, PARAMETERS, &of_descent));

    float found[PARAMETERS];
    double expected[PARAMETERS], worst = 0;
    must(lrnn_model_copy_parameter(found, PARAMETERS, model, NULL));
    for (size_t i = 0; i < PARAMETERS; i++) {
        expected[i] = (double)found[i]; /* both start from the same parameters */
    }
    for (size_t update = 0; update < UPDATES; update++) {
        step(trainer, optimizer, update * 61);
        descend(expected, update * 61);
    }
    must(lrnn_trainer_snapshot(&trained, trainer));
    must(lrnn_model_copy_parameter(found, PARAMETERS, trained, NULL));
    double greatest = 0, p[SPEAKERS];
    for (size_t i = 0; i < PARAMETERS; i++) {
        double difference = fabs((double)found[i] - expected[i]);
        worst = difference > worst ? difference : worst;
        greatest = fabs(expected[i]) > greatest ? fabs(expected[i]) : greatest;
    }
    size_t right = 0;
    for (size_t i = 0; i < count; i++) {
        size_t best = 0;
        probabilities(p, expected, frames + i * F);
        for (size_t k = 1; k < SPEAKERS; k++) {
            best = p[k] > p[best] ? k : best;
        }
        right += (int32_t)best == speakers[i];
    }
    printf("%zu frames, %d updates: %.1f %% of the frames are given to the right speaker\n", count,
           UPDATES, 100.0 * (double)right / (double)count);
    printf("largest parameter %.6f, largest difference between the two %.1e\n", greatest, worst);
    lrnn_model_destroy(trained);
    lrnn_optimizer_destroy(optimizer);
    lrnn_trainer_destroy(trainer);
    lrnn_model_destroy(model);
    return worst > 1e-5 * greatest;
}
