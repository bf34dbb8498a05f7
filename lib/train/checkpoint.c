/* A checkpoint is a model file with more tensors in it, all named "checkpoint.": moments, carried
 * state, and two tensors of numbers, "checkpoint.counters" (I64) and "checkpoint.rates" (F64),
 * whose places are fixed below. Loading reads everything into memory of its own first, so that a
 * file that turns out to be wrong half-way changes nothing. */
#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/options.h"
#include "base/utf8.h"
#include "batches.h"
#include "checkpoint_best.h"
#include "model/file.h"
#include "optimizer.h"
#include "schedule.h"
#include "trainer.h"

enum {
    COUNTER_WINDOWS,
    COUNTER_SEED,
    COUNTER_CARRIED,
    COUNTER_HAS,
    COUNTER_KIND,
    COUNTER_UPDATES,
    COUNTER_SCHEDULE_KIND,
    COUNTER_ADVANCES,
    COUNTER_BAD_REPORTS,
    COUNTER_BATCH,
    COUNTER_STEPS,
    COUNTER_ORDER,
    COUNTER_USED,
    COUNTER_POSITION,
    COUNTER_EXAMPLES,
    COUNTER_PASS,
    COUNTER_MIXING,
    COUNTER_BATCHES_SEED,
    COUNTER_ROWS,
    COUNTERS
};

enum { RATE_OPTIMIZER, RATE_SCHEDULE, RATE_BEST, RATES };

enum { HAS_OPTIMIZER = 1, HAS_SCHEDULE = 2, HAS_BATCHES = 4 };

static const lrnn_checkpoint default_checkpoint = {.size = sizeof(lrnn_checkpoint)};

lrnn_status lrnn_checkpoint_init(lrnn_checkpoint *checkpoint, size_t struct_size)
{
    return OPTIONS_INIT(checkpoint, struct_size, &default_checkpoint, lrnn_checkpoint);
}

static lrnn_status read_checkpoint(lrnn_checkpoint *all, const lrnn_checkpoint *given,
                                   const char *path)
{
    lrnn_status status = OPTIONS_READ(all, given, &default_checkpoint, lrnn_checkpoint);
    if (status == LRNN_OK && (all->trainer == NULL || path == NULL)) {
        status = error_null(path == NULL ? "path" : "checkpoint.trainer");
    }
    if (status == LRNN_OK && all->optimizer != NULL &&
        all->optimizer->count != all->trainer->net->parameter_count) {
        status =
            error_set(LRNN_ERR_INVALID, "optimizer: made for %zu parameters, the trainer has %zu",
                      all->optimizer->count, all->trainer->net->parameter_count);
    }
    return status;
}

/* ---- saving ---- */

static void gather_numbers(const lrnn_checkpoint *all, int64_t *counters, double *rates)
{
    const lrnn_trainer *trainer = all->trainer;
    counters[COUNTER_WINDOWS] = (int64_t)trainer->windows;
    counters[COUNTER_SEED] = (int64_t)trainer->options.seed;
    counters[COUNTER_CARRIED] = (int64_t)trainer->carry.batch;
    counters[COUNTER_ROWS] = (int64_t)trainer->carry.rows;
    if (all->optimizer != NULL) {
        counters[COUNTER_HAS] |= HAS_OPTIMIZER;
        counters[COUNTER_KIND] = all->optimizer->options.kind;
        counters[COUNTER_UPDATES] = (int64_t)all->optimizer->updates;
        rates[RATE_OPTIMIZER] = all->optimizer->options.learning_rate;
    }
    if (all->schedule != NULL) {
        counters[COUNTER_HAS] |= HAS_SCHEDULE;
        counters[COUNTER_SCHEDULE_KIND] = all->schedule->options.kind;
        counters[COUNTER_ADVANCES] = (int64_t)all->schedule->advances;
        counters[COUNTER_BAD_REPORTS] = (int64_t)all->schedule->bad_reports;
        rates[RATE_SCHEDULE] = all->schedule->rate;
        rates[RATE_BEST] = all->schedule->best;
    }
    if (all->batches != NULL) {
        counters[COUNTER_HAS] |= HAS_BATCHES;
        counters[COUNTER_BATCH] = (int64_t)all->batches->options.batch;
        counters[COUNTER_STEPS] = (int64_t)all->batches->options.steps;
        counters[COUNTER_ORDER] = all->batches->options.order;
        counters[COUNTER_USED] = (int64_t)all->batches->used;
        counters[COUNTER_POSITION] = (int64_t)all->batches->position;
        counters[COUNTER_EXAMPLES] = (int64_t)all->batches->examples.count;
        counters[COUNTER_PASS] = (int64_t)all->batches->pass;
        counters[COUNTER_MIXING] = batches_mixing(all->batches);
        counters[COUNTER_BATCHES_SEED] = (int64_t)all->batches->options.seed;
    }
}

static lrnn_status put_reals(safetensors_writer *writer, const char *name, const real *values,
                             size_t count)
{
    if (values == NULL || count == 0) {
        return LRNN_OK;
    }
    return safetensors_writer_tensor(writer, name, TENSOR_REAL, 1, &count, values);
}

static lrnn_status describe(safetensors_writer *writer, const lrnn_checkpoint *all,
                            const int64_t *counters, const double *rates, const char *note)
{
    const lrnn_trainer *trainer = all->trainer;
    size_t rows = trainer->carry.rows;
    size_t counter_count = COUNTERS, rate_count = RATES;
    lrnn_status status = model_describe(writer, trainer->model, trainer->parameters, "checkpoint");
    if (status == LRNN_OK) {
        status = safetensors_writer_tensor(writer, "checkpoint.counters", TENSOR_I64, 1,
                                           &counter_count, counters);
    }
    if (status == LRNN_OK) {
        status = safetensors_writer_tensor(writer, "checkpoint.rates", TENSOR_F64, 1, &rate_count,
                                           rates);
    }
    if (status == LRNN_OK) {
        status =
            put_reals(writer, "checkpoint.h", trainer->carry.h, carried_h_count(trainer, rows));
    }
    if (status == LRNN_OK) {
        status =
            put_reals(writer, "checkpoint.c", trainer->carry.c, carried_c_count(trainer, rows));
    }
    if (status == LRNN_OK && all->optimizer != NULL) {
        status = put_reals(writer, "checkpoint.m", all->optimizer->m, all->optimizer->count);
    }
    if (status == LRNN_OK && all->optimizer != NULL) {
        status = put_reals(writer, "checkpoint.v", all->optimizer->v, all->optimizer->count);
    }
    if (status == LRNN_OK) {
        status = checkpoint_describe_best(writer, trainer, all->best);
    }
    if (status == LRNN_OK && note != NULL) {
        status = safetensors_writer_metadata(writer, "lrnn.note", note, strlen(note));
    }
    return status;
}

lrnn_status lrnn_checkpoint_save(const lrnn_checkpoint *checkpoint, const char *path,
                                 const char *note)
{
    lrnn_checkpoint all;
    int64_t counters[COUNTERS] = {0};
    double rates[RATES] = {0};
    lrnn_status status = read_checkpoint(&all, checkpoint, path);
    if (status == LRNN_OK && note != NULL &&
        utf8_valid_prefix(note, strlen(note)) != strlen(note)) {
        status = error_set(LRNN_ERR_INVALID, "note: invalid UTF-8 at byte %zu",
                           utf8_valid_prefix(note, strlen(note)));
    }
    if (status != LRNN_OK) {
        return status;
    }
    gather_numbers(&all, counters, rates);
    safetensors_writer *writer;
    status = safetensors_writer_create(&writer, &all.trainer->allocator);
    if (status != LRNN_OK) {
        return status;
    }
    status = describe(writer, &all, counters, rates, note);
    if (status == LRNN_OK) {
        status = safetensors_writer_save(writer, path);
    }
    safetensors_writer_destroy(writer);
    return status;
}

/* ---- loading ---- */

typedef struct loaded {
    int64_t counters[COUNTERS];
    double rates[RATES];
    void *storage;
    real *parameters, *h, *c, *m, *v;
} loaded;

static lrnn_status find_tensor(const tensor_view **view, const safetensors *file, const char *name,
                               tensor_dtype dtype, size_t count)
{
    *view = safetensors_find(file, name);
    if (*view == NULL) {
        return error_set(LRNN_ERR_FORMAT, "%s: tensor %s is missing", safetensors_name(file), name);
    }
    if ((*view)->dtype != dtype || (*view)->count != count) {
        return error_set(LRNN_ERR_FORMAT,
                         "%s: tensor %s: expected %zu values of %s, found %zu of %s",
                         safetensors_name(file), name, count, tensor_dtype_name(dtype),
                         (*view)->count, tensor_dtype_name((*view)->dtype));
    }
    return LRNN_OK;
}

static lrnn_status get_reals(real *values, const safetensors *file, const char *name, size_t count)
{
    const tensor_view *view;
    if (values == NULL || count == 0) {
        return LRNN_OK;
    }
    lrnn_status status = find_tensor(&view, file, name, TENSOR_REAL, count);
    return status == LRNN_OK ? tensor_read(values, view, 0, count) : status;
}

static lrnn_status get_numbers(loaded *in, const safetensors *file)
{
    const tensor_view *view;
    lrnn_status status = find_tensor(&view, file, "checkpoint.counters", TENSOR_I64, COUNTERS);
    if (status == LRNN_OK) {
        status = tensor_bytes(in->counters, view, 0, COUNTERS);
    }
    if (status == LRNN_OK) {
        status = find_tensor(&view, file, "checkpoint.rates", TENSOR_F64, RATES);
    }
    if (status == LRNN_OK) {
        status = tensor_bytes(in->rates, view, 0, RATES);
    }
    return status;
}

static lrnn_status mismatch(const safetensors *file, const char *what)
{
    return error_set(LRNN_ERR_INVALID, "%s: %s than the one that was saved", safetensors_name(file),
                     what);
}

/* Was the saved model of the trainer's architecture? */
static lrnn_status check_architecture(const lrnn_checkpoint *all, const safetensors *file)
{
    const lrnn_model_options *ours = &all->trainer->net->options;
    lrnn_model_options saved;
    CHECK(model_options_from_file(&saved, file));
    const struct {
        const char *name;
        size_t ours, saved;
    } fields[] = {
        {"vocab_size", ours->vocab_size, saved.vocab_size},
        {"embedding_size", ours->embedding_size, saved.embedding_size},
        {"feature_size", ours->feature_size, saved.feature_size},
        {"hidden_size", ours->hidden_size, saved.hidden_size},
        {"projection_size", ours->projection_size, saved.projection_size},
        {"layers", ours->layers, saved.layers},
        {"output_size", ours->output_size, saved.output_size},
        {"cell", (size_t)ours->cell, (size_t)saved.cell},
        {"head", (size_t)ours->head, (size_t)saved.head},
        {"bidirectional", (size_t)ours->bidirectional, (size_t)saved.bidirectional},
        {"bias", (size_t)ours->bias, (size_t)saved.bias},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (fields[i].ours != fields[i].saved) {
            return error_set(
                LRNN_ERR_INVALID, "%s: trainer: %s is %zu, that of the one that was saved %zu",
                safetensors_name(file), fields[i].name, fields[i].ours, fields[i].saved);
        }
    }
    return LRNN_OK;
}

/* Adam always has a first moment; of these two only some have one. */
static bool differs_in_momentum(const lrnn_optimizer *optimizer, const safetensors *file)
{
    int32_t kind = optimizer->options.kind;
    return (kind == LRNN_OPTIMIZER_SGD || kind == LRNN_OPTIMIZER_RMSPROP) &&
           (optimizer->m != NULL) != (safetensors_find(file, "checkpoint.m") != NULL);
}

static lrnn_status check_rate(const safetensors *file, const char *what, double rate)
{
    if (!isfinite(rate) || rate < 0) {
        return error_set(isfinite(rate) ? LRNN_ERR_FORMAT : LRNN_ERR_NUMERIC,
                         "%s: %s: expected a finite number of at least 0, found %g",
                         safetensors_name(file), what, rate);
    }
    return LRNN_OK;
}

/* Do the caller's objects fit the file? */
static lrnn_status check_fit(const lrnn_checkpoint *all, const loaded *in, const safetensors *file)
{
    const int64_t *n = in->counters;
    if (n[COUNTER_ROWS] < 0 || (size_t)n[COUNTER_ROWS] > all->trainer->options.batch) {
        return mismatch(file, "trainer: batch is smaller");
    }
    if (n[COUNTER_CARRIED] != 0 && n[COUNTER_CARRIED] != n[COUNTER_ROWS]) {
        return error_set(LRNN_ERR_FORMAT, "%s: the rows of the carried state are damaged",
                         safetensors_name(file));
    }
    if (all->optimizer != NULL && !(n[COUNTER_HAS] & HAS_OPTIMIZER)) {
        return error_set(LRNN_ERR_INVALID, "%s: holds no optimizer", safetensors_name(file));
    }
    if (all->schedule != NULL && !(n[COUNTER_HAS] & HAS_SCHEDULE)) {
        return error_set(LRNN_ERR_INVALID, "%s: holds no schedule", safetensors_name(file));
    }
    if (all->batches != NULL && !(n[COUNTER_HAS] & HAS_BATCHES)) {
        return error_set(LRNN_ERR_INVALID, "%s: holds no batches", safetensors_name(file));
    }
    if (all->optimizer != NULL && n[COUNTER_KIND] != all->optimizer->options.kind) {
        return mismatch(file, "optimizer: another kind");
    }
    if (all->optimizer != NULL && differs_in_momentum(all->optimizer, file)) {
        return mismatch(file, "optimizer: other momentum");
    }
    if (all->schedule != NULL && n[COUNTER_SCHEDULE_KIND] != all->schedule->options.kind) {
        return mismatch(file, "schedule: another kind");
    }
    if (all->optimizer != NULL) {
        CHECK(check_rate(file, "learning rate of the optimizer", in->rates[RATE_OPTIMIZER]));
    }
    if (all->schedule != NULL) {
        CHECK(check_rate(file, "learning rate of the schedule", in->rates[RATE_SCHEDULE]));
    }
    if (all->batches == NULL) {
        return LRNN_OK;
    }
    const lrnn_batches *b = all->batches;
    if (n[COUNTER_BATCH] != (int64_t)b->options.batch ||
        n[COUNTER_STEPS] != (int64_t)b->options.steps || n[COUNTER_ORDER] != b->options.order ||
        n[COUNTER_USED] != (int64_t)b->used || n[COUNTER_EXAMPLES] != (int64_t)b->examples.count) {
        return mismatch(file, "batches: other batch, steps, order, examples or number of tokens");
    }
    if (n[COUNTER_MIXING] != batches_mixing(b)) {
        return mismatch(file, "batches: other shuffle, drop_last or bucket");
    }
    if (n[COUNTER_POSITION] < 0 || (size_t)n[COUNTER_POSITION] > b->windows) {
        return error_set(LRNN_ERR_FORMAT, "%s: the batch cursor is out of range",
                         safetensors_name(file));
    }
    return LRNN_OK;
}

static void lay_out(loaded *in, const lrnn_checkpoint *all, arena *from)
{
    const lrnn_trainer *trainer = all->trainer;
    size_t rows = (size_t)in->counters[COUNTER_ROWS];
    in->parameters = arena_take(from, trainer->net->parameter_count, sizeof(real));
    in->h = arena_take(from, carried_h_count(trainer, rows), sizeof(real));
    if (trainer->carry.c != NULL) {
        in->c = arena_take(from, carried_c_count(trainer, rows), sizeof(real));
    }
    if (all->optimizer != NULL && all->optimizer->m != NULL) {
        in->m = arena_take(from, all->optimizer->count, sizeof(real));
    }
    if (all->optimizer != NULL && all->optimizer->v != NULL) {
        in->v = arena_take(from, all->optimizer->count, sizeof(real));
    }
}

static lrnn_status get_tensors(loaded *in, const lrnn_checkpoint *all, const safetensors *file)
{
    const lrnn_trainer *trainer = all->trainer;
    size_t rows = (size_t)in->counters[COUNTER_ROWS];
    arena pieces = {0};
    lay_out(in, all, &pieces);
    lrnn_status status = arena_allocate(&pieces, &trainer->allocator, "checkpoint");
    if (status != LRNN_OK) {
        return status;
    }
    in->storage = pieces.base;
    lay_out(in, all, &pieces);
    status = parameters_from_file(in->parameters, trainer->net, file);
    if (status == LRNN_OK) {
        status = get_reals(in->h, file, "checkpoint.h", carried_h_count(trainer, rows));
    }
    if (status == LRNN_OK) {
        status = get_reals(in->c, file, "checkpoint.c", carried_c_count(trainer, rows));
    }
    if (status == LRNN_OK && all->optimizer != NULL) {
        status = get_reals(in->m, file, "checkpoint.m", all->optimizer->count);
    }
    if (status == LRNN_OK && all->optimizer != NULL) {
        status = get_reals(in->v, file, "checkpoint.v", all->optimizer->count);
    }
    return status;
}

static void copy_reals(real *to, const real *from, size_t count)
{
    if (to != NULL && from != NULL && count > 0) {
        memcpy(to, from, count * sizeof(real));
    }
}

/* Nothing fails from here on. */
static void put_back(const lrnn_checkpoint *all, const loaded *in)
{
    lrnn_trainer *trainer = all->trainer;
    const int64_t *n = in->counters;
    size_t rows = (size_t)n[COUNTER_ROWS];
    copy_reals(trainer->parameters, in->parameters, trainer->net->parameter_count);
    copy_reals(trainer->carry.h, in->h, carried_h_count(trainer, rows));
    copy_reals(trainer->carry.c, in->c, carried_c_count(trainer, rows));
    trainer->carry.batch = (size_t)n[COUNTER_CARRIED];
    trainer->carry.rows = rows;
    trainer->windows = (uint64_t)n[COUNTER_WINDOWS];
    trainer->options.seed = (uint64_t)n[COUNTER_SEED];
    trainer->ready = trainer->answered = false;
    if (all->optimizer != NULL) {
        copy_reals(all->optimizer->m, in->m, all->optimizer->count);
        copy_reals(all->optimizer->v, in->v, all->optimizer->count);
        all->optimizer->updates = (uint64_t)n[COUNTER_UPDATES];
        all->optimizer->options.learning_rate = in->rates[RATE_OPTIMIZER];
    }
    if (all->schedule != NULL) {
        all->schedule->advances = (uint64_t)n[COUNTER_ADVANCES];
        all->schedule->bad_reports = (uint64_t)n[COUNTER_BAD_REPORTS];
        all->schedule->rate = in->rates[RATE_SCHEDULE];
        all->schedule->best = in->rates[RATE_BEST];
    }
    if (all->batches != NULL) {
        all->batches->position = (size_t)n[COUNTER_POSITION];
        all->batches->pass = (uint64_t)n[COUNTER_PASS];
        all->batches->options.seed = (uint64_t)n[COUNTER_BATCHES_SEED];
        all->batches->examples.ordered = false;
    }
}

lrnn_status lrnn_checkpoint_load(const lrnn_checkpoint *checkpoint, const char *path)
{
    lrnn_checkpoint all;
    loaded in = {0};
    safetensors *file;
    lrnn_status status = read_checkpoint(&all, checkpoint, path);
    if (status == LRNN_OK) {
        status = safetensors_open(&file, &all.trainer->allocator, path);
    }
    if (status != LRNN_OK) {
        return status;
    }
    const char *kind = safetensors_metadata(file, "lrnn.kind", NULL);
    if (kind == NULL || strcmp(kind, "checkpoint") != 0) {
        status = error_set(LRNN_ERR_FORMAT, "%s: not a checkpoint", path);
    }
    if (status == LRNN_OK) {
        status = check_architecture(&all, file);
    }
    if (status == LRNN_OK) {
        status = get_numbers(&in, file);
    }
    if (status == LRNN_OK) {
        status = check_fit(&all, &in, file);
    }
    if (status == LRNN_OK) {
        status = get_tensors(&in, &all, file);
    }
    if (status == LRNN_OK) {
        put_back(&all, &in);
    }
    memory_release(&all.trainer->allocator, in.storage);
    safetensors_destroy(file);
    return status;
}

lrnn_status lrnn_checkpoint_read_note(char *note, size_t capacity, size_t *length, const char *path)
{
    lrnn_allocator allocator;
    safetensors *file;
    if (length == NULL || path == NULL || (note == NULL && capacity > 0)) {
        return error_null(length == NULL ? "length" : path == NULL ? "path" : "note");
    }
    *length = 0;
    lrnn_status status = allocator_read(&allocator, NULL);
    if (status == LRNN_OK) {
        status = safetensors_open(&file, &allocator, path);
    }
    if (status != LRNN_OK) {
        return status;
    }
    const char *found = safetensors_metadata(file, "lrnn.note", length);
    if (found == NULL) {
        status = error_set(LRNN_ERR_NOT_FOUND, "%s: has no note", path);
    } else if (note != NULL && capacity <= *length) {
        status = error_set(LRNN_ERR_TOO_SMALL, "note: %zu bytes and a NUL, room for %zu", *length,
                           capacity);
    } else if (note != NULL) {
        memcpy(note, found, *length + 1);
    }
    safetensors_destroy(file);
    return status;
}
