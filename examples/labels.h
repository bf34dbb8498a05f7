/* For the examples that turn a sequence of frames into a shorter sequence of labels, of which
 * nobody says where in the sequence they are: connectionist temporal classification (Graves et al.
 * 2006).
 *
 * The net gives each frame a distribution over the labels and the blank, "nothing new here". One
 * output for each frame is an alignment; with repetitions and then blanks taken out it reads as
 * labels, "_ 3 3 _ _ 1 1 _" as "3 1". The loss is -log of the sum over all alignments that read as
 * the right labels; the decoder searches for the labels whose alignments have the largest sum.
 *
 * Here: a list of such sequences, a net trained on it, and how many labels it then gets wrong. */
#ifndef LABELS_H
#define LABELS_H

#include "distance.h"
#include <lrnn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The steps of all sequences one after the other, and their labels likewise. */
typedef struct sequences {
    size_t width; /* numbers of a step; 0: a step is a token */
    size_t count, step_count, label_count, ended_steps, ended_labels;
    void *steps; /* [step_count, width] float, or [step_count] int32_t */
    int32_t *labels;
    int32_t *lengths, *label_counts; /* [count] */
} sequences;

static void must(lrnn_status status)
{
    if (status != LRNN_OK) {
        fprintf(stderr, "%s\n", lrnn_last_error());
        exit(1);
    }
}

/* Makes room for item `count` by doubling whenever that is a power of two. */
static void *room(void *memory, size_t count, size_t size)
{
    if ((count & (count - 1)) == 0) {
        memory = realloc(memory, (count > 0 ? 2 * count : 1) * size);
    }
    if (memory == NULL) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    return memory;
}

static size_t step_size(const sequences *s)
{
    return s->width > 0 ? s->width * sizeof(float) : sizeof(int32_t);
}

/* step: the numbers, or the token. */
static void add_step(sequences *s, const void *step)
{
    s->steps = room(s->steps, s->step_count, step_size(s));
    memcpy((char *)s->steps + s->step_count++ * step_size(s), step, step_size(s));
}

static void add_label(sequences *s, int32_t label)
{
    s->labels = room(s->labels, s->label_count, sizeof *s->labels);
    s->labels[s->label_count++] = label;
}

static void end_sequence(sequences *s)
{
    s->lengths = room(s->lengths, s->count, sizeof *s->lengths);
    s->label_counts = room(s->label_counts, s->count, sizeof *s->label_counts);
    s->lengths[s->count] = (int32_t)(s->step_count - s->ended_steps);
    s->label_counts[s->count++] = (int32_t)(s->label_count - s->ended_labels);
    s->ended_steps = s->step_count;
    s->ended_labels = s->label_count;
}

static void drop_sequences(sequences *s)
{
    free(s->steps);
    free(s->labels);
    free(s->lengths);
    free(s->label_counts);
}

/* For the same training elsewhere (bench/peers/labels.py): what to learn from and then what to test
 * with, as 4-byte numbers of this machine. */
static void write_sequences(const char *path, const sequences *const *sets, size_t count)
{
    FILE *file = fopen(path, "wb");
    for (size_t k = 0; file != NULL && k < count; k++) {
        const sequences *s = sets[k];
        int32_t sizes[4] = {(int32_t)s->count, (int32_t)s->step_count, (int32_t)s->label_count,
                            (int32_t)s->width};
        fwrite(sizes, 4, 4, file);
        fwrite(s->lengths, 4, s->count, file);
        fwrite(s->label_counts, 4, s->count, file);
        fwrite(s->labels, 4, s->label_count, file);
        fwrite(s->steps, step_size(s), s->step_count, file);
    }
    if (file == NULL || fclose(file) != 0) {
        fprintf(stderr, "cannot write %s\n", path);
        exit(1);
    }
}

/* ---- training ---- */

typedef struct training {
    size_t batch, bucket;
    double learning_rate; /* falls to 0 along a cosine */
    int passes;
    int32_t blank;
    int32_t zero_infinity; /* 1: labels that do not fit into their steps are skipped */
    uint64_t seed;
} training;

static lrnn_batches *make_batches(const sequences *s, const training *how)
{
    lrnn_examples examples;
    lrnn_batches_options options;
    lrnn_batches *batches;
    must(lrnn_examples_init(&examples, sizeof examples));
    must(lrnn_batches_options_init(&options, sizeof options));
    examples.count = s->count;
    examples.lengths = s->lengths;
    examples.features = s->width > 0 ? s->steps : NULL;
    examples.feature_size = s->width;
    examples.tokens = s->width > 0 ? NULL : s->steps;
    examples.targets = s->labels;
    examples.target_lengths = s->label_counts;
    options.batch = how->batch;
    options.bucket = how->bucket;
    options.shuffle = 1;
    options.seed = how->seed;
    must(lrnn_batches_create_from_examples(&batches, &examples, &options));
    return batches;
}

static lrnn_trainer *make_trainer(const lrnn_model *model, const lrnn_batches *batches,
                                  const training *how)
{
    lrnn_trainer_options options;
    lrnn_trainer *trainer;
    must(lrnn_trainer_options_init(&options, sizeof options));
    options.batch = how->batch;
    options.steps = lrnn_batches_steps(batches);
    options.target_steps = lrnn_batches_target_steps(batches);
    options.loss = LRNN_LOSS_CTC;
    options.blank = how->blank;
    options.zero_infinity = how->zero_infinity;
    options.clip_norm = 5;
    options.carry_state = 0;
    must(lrnn_trainer_create(&trainer, model, &options));
    return trainer;
}

/* The mean loss of the pass, in nats per label. */
static double train_pass(lrnn_trainer *trainer, lrnn_optimizer *optimizer, lrnn_schedule *schedule,
                         lrnn_batches *batches)
{
    double sum = 0, weight = 0;
    lrnn_sequences window;
    lrnn_train_result result;
    must(lrnn_sequences_init(&window, sizeof window));
    must(lrnn_train_result_init(&result, sizeof result));
    while (lrnn_batches_next(batches, &window) == LRNN_OK) {
        must(lrnn_optimizer_set_learning_rate(optimizer, lrnn_schedule_learning_rate(schedule)));
        must(lrnn_trainer_step(trainer, optimizer, &window, &result));
        must(lrnn_schedule_advance(schedule));
        sum += result.loss_sum;
        weight += result.loss_weight;
    }
    return sum / weight;
}

static lrnn_model *train(const sequences *s, const lrnn_model_options *shape, const training *how)
{
    lrnn_model *model;
    lrnn_optimizer *optimizer;
    lrnn_schedule *schedule;
    lrnn_schedule_options falling;
    lrnn_batches *batches = make_batches(s, how);
    must(lrnn_model_create(&model, shape));
    lrnn_trainer *trainer = make_trainer(model, batches, how);
    must(lrnn_optimizer_create(&optimizer, lrnn_model_parameter_count(model), NULL));
    must(lrnn_schedule_options_init(&falling, sizeof falling));
    falling.kind = LRNN_SCHEDULE_COSINE;
    falling.learning_rate = how->learning_rate;
    falling.period = (uint64_t)how->passes * lrnn_batches_count(batches);
    must(lrnn_schedule_create(&schedule, &falling));
    for (int pass = 1; pass <= how->passes; pass++) {
        printf("pass %d: %.4f nats per label\n", pass,
               train_pass(trainer, optimizer, schedule, batches));
        fflush(stdout);
    }
    lrnn_model_destroy(model);
    must(lrnn_trainer_snapshot(&model, trainer));
    lrnn_schedule_destroy(schedule);
    lrnn_optimizer_destroy(optimizer);
    lrnn_trainer_destroy(trainer);
    lrnn_batches_destroy(batches);
    return model;
}

/* ---- reading ---- */

typedef struct reader {
    lrnn_state *state;
    lrnn_ctc *ctc;
    float *outputs; /* [longest, output_size] */
    size_t output_size;
} reader;

/* width 0: the best path, else a prefix beam search of that width. */
static lrnn_ctc_options search_for(const lrnn_model *model, int32_t blank, size_t width)
{
    lrnn_ctc_options search;
    must(lrnn_ctc_options_init(&search, sizeof search));
    search.output_size = lrnn_model_output_size(model);
    search.method = width > 0 ? LRNN_CTC_BEAM : LRNN_CTC_GREEDY;
    search.beam_width = width > 0 ? width : search.beam_width;
    search.max_length = LONGEST_LABELS;
    search.blank = blank;
    return search;
}

/* For sequences of s. */
static reader make_reader_with(const lrnn_model *model, const sequences *s,
                               const lrnn_ctc_options *search)
{
    reader r;
    int32_t longest = 1;
    lrnn_state_options state;
    for (size_t i = 0; i < s->count; i++) {
        longest = s->lengths[i] > longest ? s->lengths[i] : longest;
    }
    must(lrnn_state_options_init(&state, sizeof state));
    state.steps = (size_t)longest; /* in two directions a net must see all of a sequence at once */
    must(lrnn_state_create(&r.state, model, &state));
    must(lrnn_ctc_create(&r.ctc, search));
    r.output_size = search->output_size;
    r.outputs = room(NULL, 0, (size_t)longest * r.output_size * sizeof *r.outputs);
    return r;
}

static reader make_reader(const lrnn_model *model, const sequences *s, int32_t blank, size_t width)
{
    lrnn_ctc_options search = search_for(model, blank, width);
    return make_reader_with(model, s, &search);
}

static void drop_reader(reader *r)
{
    lrnn_ctc_destroy(r->ctc);
    lrnn_state_destroy(r->state);
    free(r->outputs);
}

/* Sequence i of s, whose first step is `at`. What is found is lent until the next one is read. */
static lrnn_ctc_result read_labels(reader *r, const sequences *s, size_t i, size_t at)
{
    lrnn_sequences window;
    lrnn_ctc_result found;
    must(lrnn_sequences_init(&window, sizeof window));
    must(lrnn_ctc_result_init(&found, sizeof found));
    window.batch = 1;
    window.steps = (size_t)s->lengths[i];
    window.features = s->width > 0 ? (const float *)s->steps + at * s->width : NULL;
    window.tokens = s->width > 0 ? NULL : (const int32_t *)s->steps + at;
    must(lrnn_state_reset(r->state));
    must(lrnn_state_forward(r->state, &window, r->outputs));
    must(lrnn_ctc_reset(r->ctc));
    must(lrnn_ctc_feed(r->ctc, r->outputs, window.steps, r->output_size));
    must(lrnn_ctc_get_result(&found, r->ctc, 0));
    return found;
}

/* Reads all sequences; `show` sees the first few. Returns wrong labels per right one. */
static inline double error_rate(reader *r, const sequences *s,
                                void (*show)(const lrnn_ctc_result *found, const int32_t *right,
                                             size_t count))
{
    size_t wrong = 0, at = 0, label = 0;
    for (size_t i = 0; i < s->count; i++) {
        size_t count = (size_t)s->label_counts[i];
        lrnn_ctc_result found = read_labels(r, s, i, at);
        wrong += distance(found.tokens, found.count, s->labels + label, count);
        if (show != NULL && i < 5) {
            show(&found, s->labels + label, count);
        }
        at += (size_t)s->lengths[i];
        label += count;
    }
    return (double)wrong / (double)s->label_count;
}

#endif
