/* Many to one on vectors of real numbers: who is speaking? Two LSTMs, one in each direction, read
 * the frames of a spoken vowel, and a linear layer reads the answer from their final states.
 *
 *     classify_vectors [-s SEED] [ae.train ae.test]
 *
 * The files are the "Japanese vowels" of the UCI repository (Kudo, Toyama & Shimbo 1999): 12
 * cepstrum coefficients a line, a blank line or one of 1.0s after each utterance, 30 utterances of
 * each of nine speakers for training. Without files it learns to tell two kinds of curve apart. */
#include <lrnn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { F = 12, SPEAKERS = 9, UTTERANCES = 400, FRAMES = 12000, BATCH = 16, PASSES = 40 };

typedef struct recordings {
    float frames[FRAMES * F];
    int32_t lengths[UTTERANCES], speakers[UTTERANCES];
    size_t count, frame_count;
} recordings;

static recordings training, testing;

static void must(lrnn_status status)
{
    if (status != LRNN_OK) {
        fprintf(stderr, "%s\n", lrnn_last_error());
        exit(1);
    }
}

static void read_file(recordings *r, const char *path)
{
    char line[512];
    int32_t length = 0;
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(1);
    }
    for (int more = 1; more;) {
        float *frame = r->frames + r->frame_count * F;
        more = fgets(line, sizeof line, file) != NULL;
        char *at = line;
        int read = 0, ones = 0;
        for (char *end; more && read < F; read++, at = end) {
            frame[read] = strtof(at, &end);
            if (end == at) {
                break;
            }
            ones += frame[read] == 1;
        }
        if (read == F && ones < F && r->frame_count + 1 < FRAMES) {
            r->frame_count++;
            length++;
        } else if (length > 0 && r->count < UTTERANCES) {
            r->lengths[r->count++] = length;
            length = 0;
        }
    }
    fclose(file);
}

/* The files do not say who speaks; their description does. */
static void label(recordings *r, const int *counts)
{
    size_t i = 0;
    for (int32_t speaker = 0; speaker < SPEAKERS; speaker++) {
        for (int k = 0; k < counts[speaker] && i < r->count; k++) {
            r->speakers[i++] = speaker;
        }
    }
}

/* Curves that rise or fall, of many lengths. */
static void invent(recordings *r, int shift)
{
    for (r->count = 0; r->count < 60; r->count++) {
        int32_t length = 7 + (int32_t)(r->count * 5 + (size_t)shift) % 20;
        int32_t kind = (int32_t)r->count % 2;
        r->lengths[r->count] = length;
        r->speakers[r->count] = kind;
        for (int32_t t = 0; t < length; t++, r->frame_count++) {
            for (int f = 0; f < F; f++) {
                double slope = kind == 0 ? t : length - t;
                r->frames[r->frame_count * F + (size_t)f] =
                    (float)(slope / length + sin((double)(t * f) + (double)r->count));
            }
        }
    }
}

/* Scales each coefficient to mean 0 and variance 1 over the training frames. */
static void normalize(void)
{
    recordings *all[2] = {&training, &testing};
    for (size_t f = 0; f < F; f++) {
        double sum = 0, squares = 0, n = (double)training.frame_count;
        for (size_t i = 0; i < training.frame_count; i++) {
            double value = (double)training.frames[i * F + f];
            sum += value;
            squares += value * value;
        }
        double mean = sum / n, deviation = sqrt(squares / n - mean * mean);
        for (int k = 0; k < 2; k++) {
            for (size_t i = 0; i < all[k]->frame_count; i++) {
                float *value = &all[k]->frames[i * F + f];
                *value = (float)(((double)*value - mean) / deviation);
            }
        }
    }
}

static lrnn_batches *make_batches(const recordings *r, int32_t shuffle, uint64_t seed)
{
    lrnn_examples examples;
    lrnn_batches_options options;
    lrnn_batches *batches;
    must(lrnn_examples_init(&examples));
    must(lrnn_batches_options_init(&options));
    examples.count = r->count;
    examples.lengths = r->lengths;
    examples.features = r->frames;
    examples.feature_size = F;
    examples.targets = r->speakers;
    examples.per_example = 1;
    options.batch = BATCH;
    options.shuffle = shuffle;
    options.seed = seed;
    must(lrnn_batches_create_from_examples(&batches, &examples, &options));
    return batches;
}

static double accuracy(lrnn_trainer *trainer, lrnn_batches *batches)
{
    double right = 0, items = 0;
    lrnn_sequences window;
    lrnn_train_result result;
    must(lrnn_sequences_init(&window));
    must(lrnn_train_result_init(&result));
    while (lrnn_batches_next(batches, &window) == LRNN_OK) {
        must(lrnn_trainer_evaluate(trainer, &window, &result));
        right += (double)result.right;
        items += (double)result.items;
    }
    return right / items;
}

int main(int argc, char **argv)
{
    static const int in_training[SPEAKERS] = {30, 30, 30, 30, 30, 30, 30, 30, 30};
    static const int in_testing[SPEAKERS] = {31, 35, 88, 44, 29, 24, 40, 50, 29};
    int first = argc > 2 && strcmp(argv[1], "-s") == 0 ? 3 : 1, own = argc < first + 2;
    uint64_t seed = first == 3 ? strtoull(argv[2], NULL, 10) : 1;
    if (own) {
        invent(&training, 0);
        invent(&testing, 3);
    } else {
        read_file(&training, argv[first]);
        read_file(&testing, argv[first + 1]);
        label(&training, in_training);
        label(&testing, in_testing);
    }
    normalize();
    lrnn_batches *learn = make_batches(&training, 1, seed), *test = make_batches(&testing, 0, seed);

    lrnn_model_options shape;
    must(lrnn_model_options_init(&shape));
    shape.feature_size = F;
    shape.hidden_size = 32;
    shape.bidirectional = 1;
    shape.head = LRNN_HEAD_FINAL;
    shape.output_size = SPEAKERS;
    shape.seed = seed;
    lrnn_trainer_options options;
    must(lrnn_trainer_options_init(&options));
    options.batch = BATCH;
    options.steps = lrnn_batches_steps(learn) > lrnn_batches_steps(test) ? lrnn_batches_steps(learn)
                                                                         : lrnn_batches_steps(test);
    options.clip_norm = 5;
    options.carry_state = 0;
    lrnn_model *model;
    lrnn_trainer *trainer;
    lrnn_optimizer *optimizer;
    must(lrnn_model_create(&model, &shape));
    must(lrnn_trainer_create(&trainer, model, &options));
    must(lrnn_optimizer_create(&optimizer, lrnn_model_parameter_count(model), NULL));
    must(lrnn_optimizer_set_learning_rate(optimizer, 0.005));
    printf("%zu recordings to learn from, %zu to test with\n", training.count, testing.count);
    for (int pass = 0; pass < PASSES; pass++) {
        lrnn_sequences window;
        must(lrnn_sequences_init(&window));
        while (lrnn_batches_next(learn, &window) == LRNN_OK) {
            must(lrnn_trainer_step(trainer, optimizer, &window, NULL));
        }
    }
    double right = accuracy(trainer, test);
    printf("test accuracy %.4f\n", right);
    lrnn_batches_destroy(learn);
    lrnn_batches_destroy(test);
    lrnn_optimizer_destroy(optimizer);
    lrnn_trainer_destroy(trainer);
    lrnn_model_destroy(model);
    return right < 0.95;
}
