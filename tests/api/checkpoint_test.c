/* Checkpoints: training that was stopped goes on with the same bits, and what does not fit changes
 * nothing. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/expect.h"
#include "../support/safetensors_bytes.h"
#include "../support/scratch.h"
#include "lrnn.h"

enum { TOKENS = 400, V = 7, B = 4, T = 5 };

/* Everything that a checkpoint holds, and how it is made. */
typedef struct plan {
    lrnn_model_options model;
    lrnn_trainer_options trainer;
    lrnn_optimizer_options optimizer;
    lrnn_schedule_options schedule;
    lrnn_batches_options batches;
    size_t tokens;
} plan;

typedef struct run {
    lrnn_model *model;
    lrnn_checkpoint all;
} run;

static plan usual(void)
{
    plan p;
    EXPECT_OK(lrnn_model_options_init(&p.model, sizeof p.model));
    EXPECT_OK(lrnn_trainer_options_init(&p.trainer, sizeof p.trainer));
    EXPECT_OK(lrnn_optimizer_options_init(&p.optimizer, sizeof p.optimizer));
    EXPECT_OK(lrnn_schedule_options_init(&p.schedule, sizeof p.schedule));
    EXPECT_OK(lrnn_batches_options_init(&p.batches, sizeof p.batches));
    p.model.vocab_size = V;
    p.model.embedding_size = 6;
    p.model.hidden_size = 9;
    p.model.layers = 2;
    p.model.dropout = 0.3;
    p.trainer.batch = p.batches.batch = B;
    p.trainer.steps = p.batches.steps = T;
    p.trainer.clip_norm = 1;
    p.trainer.seed = 5;
    p.schedule.kind = LRNN_SCHEDULE_EXPONENTIAL;
    p.schedule.factor = 0.99;
    p.schedule.learning_rate = 0.02;
    p.tokens = TOKENS;
    return p;
}

static run start(const plan *p)
{
    int32_t tokens[TOKENS];
    for (int i = 0; i < TOKENS; i++) {
        tokens[i] = (i * i + i / 3) % V;
    }
    run r;
    EXPECT_OK(lrnn_checkpoint_init(&r.all, sizeof r.all));
    EXPECT_OK(lrnn_model_create(&r.model, &p->model));
    EXPECT_OK(lrnn_trainer_create(&r.all.trainer, r.model, &p->trainer));
    EXPECT_OK(lrnn_optimizer_create(&r.all.optimizer, lrnn_model_parameter_count(r.model),
                                    &p->optimizer));
    EXPECT_OK(lrnn_schedule_create(&r.all.schedule, &p->schedule));
    EXPECT_OK(lrnn_batches_create(&r.all.batches, tokens, p->tokens, &p->batches));
    return r;
}

static void finish(run *r)
{
    lrnn_batches_destroy(r->all.batches);
    lrnn_schedule_destroy(r->all.schedule);
    lrnn_optimizer_destroy(r->all.optimizer);
    lrnn_trainer_destroy(r->all.trainer);
    lrnn_model_destroy(r->model);
}

/* The loss of the last window. */
static double advance(run *r, int steps)
{
    lrnn_sequences window;
    lrnn_train_result result;
    EXPECT_OK(lrnn_sequences_init(&window, sizeof window));
    EXPECT_OK(lrnn_train_result_init(&result, sizeof result));
    for (int i = 0; i < steps; i++) {
        if (lrnn_batches_next(r->all.batches, &window) == LRNN_END) {
            EXPECT_OK(lrnn_trainer_reset_state(r->all.trainer));
            EXPECT_OK(lrnn_batches_next(r->all.batches, &window));
        }
        EXPECT_OK(lrnn_optimizer_set_learning_rate(r->all.optimizer,
                                                   lrnn_schedule_learning_rate(r->all.schedule)));
        EXPECT_OK(lrnn_trainer_step(r->all.trainer, r->all.optimizer, &window, &result));
        EXPECT_OK(lrnn_schedule_advance(r->all.schedule));
        EXPECT_OK(lrnn_schedule_report(r->all.schedule, 2 + sin(i)));
    }
    return result.loss_sum;
}

static void expect_same_run(const run *a, const run *b)
{
    lrnn_model *x, *y;
    EXPECT_OK(lrnn_trainer_snapshot(&x, a->all.trainer));
    EXPECT_OK(lrnn_trainer_snapshot(&y, b->all.trainer));
    expect_same_parameters(x, y);
    lrnn_model_destroy(x);
    lrnn_model_destroy(y);
    float h[2][2 * 2 * B * 9] = {{0}};
    EXPECT_OK(lrnn_trainer_export_state(h[0], NULL, a->all.trainer));
    EXPECT_OK(lrnn_trainer_export_state(h[1], NULL, b->all.trainer));
    assert_memory_equal(h[0], h[1], sizeof h[0]);
    assert_int_equal(lrnn_optimizer_updates(a->all.optimizer),
                     lrnn_optimizer_updates(b->all.optimizer));
    assert_true(lrnn_optimizer_learning_rate(a->all.optimizer) ==
                lrnn_optimizer_learning_rate(b->all.optimizer));
    assert_true(lrnn_schedule_learning_rate(a->all.schedule) ==
                lrnn_schedule_learning_rate(b->all.schedule));
    assert_int_equal(lrnn_batches_position(a->all.batches), lrnn_batches_position(b->all.batches));
}

/* ---- there and back ---- */

/* 61 steps in one go, and 30 of them, a file, and the rest with another number of threads, another
 * seed and other first parameters, which the file replaces. */
static void expect_resumed(const plan *p, size_t threads)
{
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "checkpoint");
    plan other = *p;
    other.trainer.threads = threads;
    other.trainer.seed = 77;
    other.model.seed = 88;
    run whole = start(p), half = start(p), resumed = start(&other);
    double loss = advance(&whole, 61);
    advance(&half, 30);
    EXPECT_OK(lrnn_checkpoint_save(&half.all, path, NULL));
    advance(&resumed, 7);
    EXPECT_OK(lrnn_checkpoint_load(&resumed.all, path));
    expect_same_run(&resumed, &half);
    assert_true(advance(&resumed, 31) == loss);
    expect_same_run(&resumed, &whole);
    assert_true(advance(&half, 31) == loss); /* saving disturbs nothing */
    expect_same_run(&half, &whole);
    finish(&whole);
    finish(&half);
    finish(&resumed);
    scratch_destroy(&folder);
}

static void a_resumed_run_ends_with_the_same_bits(void **state)
{
    (void)state;
    for (int32_t kind = LRNN_OPTIMIZER_SGD; kind <= LRNN_OPTIMIZER_ADAMW; kind++) {
        plan p = usual();
        p.optimizer.kind = kind;
        p.optimizer.momentum = 0.9;
        p.schedule.kind = kind; /* as many of them */
        p.schedule.period = 9;
        p.schedule.patience = 2;
        p.model.cell = kind == LRNN_OPTIMIZER_SGD ? LRNN_CELL_GRU : LRNN_CELL_LSTM;
        p.batches.order = kind % 2;
        p.trainer.carry_state = kind != LRNN_OPTIMIZER_ADAM;
        expect_resumed(&p, 1 + (size_t)kind % 2);
    }
}

static void what_is_not_in_the_struct_is_left_alone(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "checkpoint");
    plan p = usual();
    run saved = start(&p), other = start(&p);
    advance(&saved, 10);
    advance(&other, 3);
    EXPECT_OK(lrnn_checkpoint_save(&saved.all, path, NULL));
    lrnn_checkpoint alone;
    EXPECT_OK(lrnn_checkpoint_init(&alone, sizeof alone));
    alone.trainer = other.all.trainer;
    EXPECT_OK(lrnn_checkpoint_load(&alone, path));
    assert_int_equal(lrnn_optimizer_updates(other.all.optimizer), 3);
    assert_int_equal(lrnn_batches_position(other.all.batches), 3);
    lrnn_model *x, *y;
    EXPECT_OK(lrnn_trainer_snapshot(&x, saved.all.trainer));
    EXPECT_OK(lrnn_trainer_snapshot(&y, other.all.trainer));
    expect_same_parameters(x, y);
    lrnn_model_destroy(x);
    lrnn_model_destroy(y);
    finish(&saved);
    finish(&other);
    scratch_destroy(&folder);
}

static void a_checkpoint_is_a_model_file_too(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "checkpoint");
    plan p = usual();
    run r = start(&p);
    advance(&r, 3);
    EXPECT_OK(lrnn_checkpoint_save(&r.all, path, "note"));
    lrnn_model *loaded, *now;
    EXPECT_OK(lrnn_model_load(&loaded, path, NULL));
    EXPECT_OK(lrnn_trainer_snapshot(&now, r.all.trainer));
    expect_same_parameters(loaded, now);
    lrnn_model_options a, b;
    EXPECT_OK(lrnn_model_options_init(&a, sizeof a));
    EXPECT_OK(lrnn_model_options_init(&b, sizeof b));
    EXPECT_OK(lrnn_model_get_options(&a, loaded));
    EXPECT_OK(lrnn_model_get_options(&b, now));
    assert_memory_equal(&a, &b, sizeof a);
    lrnn_model_destroy(loaded);
    lrnn_model_destroy(now);
    finish(&r);
    scratch_destroy(&folder);
}

static void a_note_is_kept_with_it(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "checkpoint");
    const char *missing = scratch_path(&folder, "missing");
    const char *note = "epoch 3, \"best\" \xc3\xa9\n";
    plan p = usual();
    run r = start(&p);
    char text[32];
    size_t length = 77;
    EXPECT_FAILURE(lrnn_checkpoint_read_note(text, sizeof text, &length, missing), LRNN_ERR_IO,
                   missing);
    EXPECT_OK(lrnn_checkpoint_save(&r.all, path, note));
    EXPECT_OK(lrnn_checkpoint_read_note(NULL, 0, &length, path));
    assert_int_equal(length, strlen(note));
    memset(text, 'x', sizeof text);
    EXPECT_FAILURE(lrnn_checkpoint_read_note(text, length, &length, path), LRNN_ERR_TOO_SMALL,
                   "note", "19 bytes", "room for 19");
    assert_true(text[0] == 'x' && length == strlen(note));
    EXPECT_OK(lrnn_checkpoint_read_note(text, length + 1, &length, path));
    assert_string_equal(text, note);
    EXPECT_FAILURE(lrnn_checkpoint_read_note(text, sizeof text, NULL, path), LRNN_ERR_INVALID,
                   "length is NULL");
    EXPECT_FAILURE(lrnn_checkpoint_read_note(NULL, 1, &length, path), LRNN_ERR_INVALID,
                   "note is NULL");
    EXPECT_FAILURE(lrnn_checkpoint_read_note(text, sizeof text, &length, NULL), LRNN_ERR_INVALID,
                   "path is NULL");
    EXPECT_OK(lrnn_checkpoint_save(&r.all, path, NULL));
    EXPECT_FAILURE(lrnn_checkpoint_read_note(text, sizeof text, &length, path), LRNN_ERR_NOT_FOUND,
                   path, "no note");
    assert_string_equal(text, note);
    FILE *damaged = fopen(path, "wb");
    assert_non_null(damaged);
    assert_int_equal(fclose(damaged), 0);
    EXPECT_FAILURE(lrnn_checkpoint_read_note(text, sizeof text, &length, path), LRNN_ERR_FORMAT,
                   path);
    finish(&r);
    scratch_destroy(&folder);
}

/* ---- what is refused ---- */

static void what_cannot_be_saved_leaves_the_old_file(void **state)
{
    (void)state;
    EXPECT_SIZE_RULES(lrnn_checkpoint);
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "checkpoint");
    const char *nested = scratch_path(&folder, "no/such");
    plan p = usual();
    run r = start(&p);
    EXPECT_OK(lrnn_checkpoint_save(&r.all, path, "old"));
    size_t before_length, after_length;
    unsigned char *before = file_bytes(&before_length, path);
    advance(&r, 1);
    EXPECT_FAILURE(lrnn_checkpoint_save(&r.all, nested, NULL), LRNN_ERR_IO, nested);
    EXPECT_FAILURE(lrnn_checkpoint_save(&r.all, path, "\xff"), LRNN_ERR_INVALID, "note", "UTF-8");
    EXPECT_FAILURE(lrnn_checkpoint_save(&r.all, NULL, NULL), LRNN_ERR_INVALID, "path is NULL");
    EXPECT_FAILURE(lrnn_checkpoint_save(NULL, path, NULL), LRNN_ERR_INVALID,
                   "lrnn_checkpoint is NULL");
    EXPECT_SIZE_CHECKED(&r.all, lrnn_checkpoint, lrnn_checkpoint_save(&r.all, path, NULL));
    lrnn_checkpoint none = r.all;
    none.trainer = NULL;
    EXPECT_FAILURE(lrnn_checkpoint_save(&none, path, NULL), LRNN_ERR_INVALID, "trainer is NULL");
    lrnn_optimizer *other;
    EXPECT_OK(lrnn_optimizer_create(&other, 3, NULL));
    none = r.all;
    none.optimizer = other;
    EXPECT_FAILURE(lrnn_checkpoint_save(&none, path, NULL), LRNN_ERR_INVALID, "optimizer", "for 3");
    unsigned char *after = file_bytes(&after_length, path);
    assert_int_equal(before_length, after_length);
    assert_memory_equal(before, after, before_length);
    assert_int_equal(scratch_files(&folder, false), 1);
    free(before);
    free(after);
    lrnn_optimizer_destroy(other);
    finish(&r);
    scratch_destroy(&folder);
}

/* A run of this plan refuses the file and goes on as one that never saw it. */
static void refuse_load(const plan *p, const char *path, lrnn_status status,
                        const char *const *words, int line)
{
    run tried = start(p), spared = start(p);
    advance(&tried, 2);
    advance(&spared, 2);
    lrnn_allocator_init(NULL, 0);
    expect_failure_at(lrnn_checkpoint_load(&tried.all, path), status, words, "lrnn_checkpoint_load",
                      __FILE__, line);
    expect_same_run(&tried, &spared);
    advance(&tried, 2);
    advance(&spared, 2);
    expect_same_run(&tried, &spared);
    finish(&tried);
    finish(&spared);
}

#define REFUSE(status, change, ...)                                                                \
    do {                                                                                           \
        plan p = usual();                                                                          \
        change;                                                                                    \
        refuse_load(&p, path, status, (const char *const[]){__VA_ARGS__, NULL}, __LINE__);         \
    } while (0)

#define MISFIT(change, ...) REFUSE(LRNN_ERR_INVALID, change, path, __VA_ARGS__)

static void objects_that_do_not_fit_are_named(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    char path[512];
    snprintf(path, sizeof path, "%s", scratch_path(&folder, "checkpoint"));
    plan saved = usual();
    run r = start(&saved);
    advance(&r, 5);
    EXPECT_OK(lrnn_checkpoint_save(&r.all, path, NULL));
    finish(&r);
    MISFIT(p.model.hidden_size = 8, "trainer", "hidden_size is 8", "9");
    MISFIT(p.model.embedding_size = 5, "trainer", "embedding_size is 5", "6");
    MISFIT(p.model.vocab_size = 8, "trainer", "vocab_size is 8", "7");
    MISFIT(p.model.output_size = 9, "trainer", "output_size is 9", "7");
    MISFIT(p.model.layers = 1, "trainer", "layers is 1", "2");
    MISFIT(p.model.bias = 0, "trainer", "bias is 0", "1");
    MISFIT(p.model.projection_size = 4, "trainer", "projection_size is 4", "0");
    MISFIT(p.model.cell = LRNN_CELL_GRU, "trainer", "cell is 3", "2");
    MISFIT(p.model.bidirectional = 1, "trainer", "bidirectional is 1", "0");
    MISFIT(p.trainer.batch = p.batches.batch = B - 1, "trainer", "batch");
    MISFIT(p.optimizer.kind = LRNN_OPTIMIZER_ADAMW, "optimizer", "kind");
    MISFIT(p.schedule.kind = LRNN_SCHEDULE_STEP, "schedule", "kind");
    MISFIT(p.batches.batch = B - 1; p.trainer.carry_state = 0, "batches", "batch");
    MISFIT(p.batches.steps = T - 1, "batches", "steps");
    MISFIT(p.batches.order = LRNN_BATCHES_ROWS, "batches", "order");
    MISFIT(p.tokens = TOKENS / 2, "batches", "tokens");
    scratch_destroy(&folder);
}

static void another_momentum_does_not_fit(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    char path[512];
    snprintf(path, sizeof path, "%s", scratch_path(&folder, "checkpoint"));
    for (int momentum = 0; momentum <= 1; momentum++) {
        plan saved = usual();
        saved.optimizer.kind = LRNN_OPTIMIZER_SGD;
        saved.optimizer.momentum = momentum * 0.5;
        run r = start(&saved);
        EXPECT_OK(lrnn_checkpoint_save(&r.all, path, NULL));
        finish(&r);
        MISFIT(p.optimizer.kind = LRNN_OPTIMIZER_SGD;
               p.optimizer.momentum = 0.5 - momentum * 0.5, "optimizer", "momentum");
    }
    scratch_destroy(&folder);
}

static void what_was_not_saved_is_missed(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "checkpoint");
    static const char *const words[] = {"no optimizer", "no schedule", "no batches"};
    for (int i = 0; i < 3; i++) {
        plan p = usual();
        run r = start(&p);
        lrnn_checkpoint part = r.all;
        part.optimizer = i == 0 ? NULL : part.optimizer;
        part.schedule = i == 1 ? NULL : part.schedule;
        part.batches = i == 2 ? NULL : part.batches;
        EXPECT_OK(lrnn_checkpoint_save(&part, path, NULL));
        finish(&r);
        refuse_load(&p, path, LRNN_ERR_INVALID, (const char *const[]){path, words[i], NULL},
                    __LINE__);
    }
    scratch_destroy(&folder);
}

static void files_that_are_no_checkpoint_are_refused(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    char path[512], missing[512];
    snprintf(path, sizeof path, "%s", scratch_path(&folder, "file"));
    snprintf(missing, sizeof missing, "%s", scratch_path(&folder, "missing"));
    plan usual_plan = usual();
    refuse_load(&usual_plan, missing, LRNN_ERR_IO, (const char *const[]){missing, NULL}, __LINE__);
    run r = start(&usual_plan);
    EXPECT_OK(lrnn_model_save(r.model, path));
    REFUSE(LRNN_ERR_FORMAT, (void)p, path, "not a checkpoint");
    FILE *damaged = fopen(path, "wb");
    assert_non_null(damaged);
    assert_int_equal(fclose(damaged), 0);
    REFUSE(LRNN_ERR_FORMAT, (void)p, path);
    EXPECT_FAILURE(lrnn_checkpoint_load(&r.all, NULL), LRNN_ERR_INVALID, "path is NULL");
    EXPECT_FAILURE(lrnn_checkpoint_load(NULL, path), LRNN_ERR_INVALID, "lrnn_checkpoint is NULL");
    EXPECT_SIZE_CHECKED(&r.all, lrnn_checkpoint, lrnn_checkpoint_load(&r.all, path));
    lrnn_checkpoint none = r.all;
    none.trainer = NULL;
    EXPECT_FAILURE(lrnn_checkpoint_load(&none, path), LRNN_ERR_INVALID, "trainer is NULL");
    finish(&r);
    scratch_destroy(&folder);
}

/* ---- files that were changed ---- */

/* Where a tensor's bytes begin. */
static size_t data_of(const unsigned char *bytes, size_t length, const char *name)
{
    size_t header = safetensors_header_length(bytes);
    char *text = malloc(header + 1), key[64];
    assert_non_null(text);
    assert_true(header < length);
    memcpy(text, bytes + 8, header);
    text[header] = '\0';
    snprintf(key, sizeof key, "\"%s\":{", name);
    const char *at = strstr(text, key);
    assert_non_null(at);
    at = strstr(at, "data_offsets\":[");
    assert_non_null(at);
    size_t offset = 8 + header + strtoul(at + strlen("data_offsets\":["), NULL, 10);
    free(text);
    return offset;
}

/* Overwrites what follows `key` in the header with a text of the same length. */
static void change_text(unsigned char *bytes, const char *key, const char *to)
{
    unsigned char *at = bytes + 8;
    while (memcmp(at, key, strlen(key)) != 0) {
        at++;
    }
    memcpy(at + strlen(key), to, strlen(to));
}

static void numbers_that_cannot_be_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *tensor;
        float value;
        const char *told;
    } tensors[] = {
        {"head.weight", NAN, "head.weight"},
        {"checkpoint.optimizer.m", NAN, "optimizer.m"},
        {"checkpoint.optimizer.v", INFINITY, "optimizer.v"},
        {"checkpoint.optimizer.v", -1, "negative"},
    };
    static const struct {
        const char *key, *to, *told;
    } texts[] = {
        {"optimizer.learning_rate\":\"", "x", "learning_rate"},
        {"optimizer.learning_rate\":\"", "-", "at least 0"},
        {"schedule.learning_rate\":\"", "x", "learning_rate"},
        {"trainer.carried\":\"", "1", "rows of the carried state"},
        {"batches.position\":\"", "x", "position"},
    };
    scratch folder = scratch_create();
    char path[512];
    size_t length;
    snprintf(path, sizeof path, "%s", scratch_path(&folder, "checkpoint"));
    plan saved = usual();
    run r = start(&saved);
    EXPECT_OK(lrnn_checkpoint_save(&r.all, path, NULL));
    finish(&r);
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
        unsigned char *bytes = undigested_bytes(&length, path), *kept = file_bytes(&length, path);
        safetensors_put_float(bytes + data_of(bytes, length, tensors[i].tensor), tensors[i].value);
        scratch_write(path, bytes, length);
        REFUSE(LRNN_ERR_NUMERIC, (void)p, path, tensors[i].told, "value 0");
        scratch_write(path, kept, length);
        free(bytes);
        free(kept);
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        unsigned char *bytes = undigested_bytes(&length, path), *kept = file_bytes(&length, path);
        change_text(bytes, texts[i].key, texts[i].to);
        scratch_write(path, bytes, length);
        REFUSE(LRNN_ERR_FORMAT, (void)p, path, texts[i].told);
        scratch_write(path, kept, length);
        free(bytes);
        free(kept);
    }
    unsigned char *bytes = undigested_bytes(&length, path);
    change_text(bytes, "lrnn.format\":\"", "3");
    scratch_write(path, bytes, length);
    REFUSE(LRNN_ERR_UNSUPPORTED, (void)p, path, "format '3'");
    free(bytes);
    scratch_destroy(&folder);
}

static void what_could_not_be_loaded_is_not_saved(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "checkpoint");
    plan p = usual();
    run r = start(&p);
    size_t length, after;
    EXPECT_OK(lrnn_checkpoint_save(&r.all, path, NULL));
    unsigned char *before = file_bytes(&length, path);
    float *h = calloc(4096, sizeof *h);
    assert_non_null(h);
    h[3] = (float)INFINITY;
    EXPECT_OK(lrnn_trainer_import_state(r.all.trainer, h, NULL, 1));
    EXPECT_FAILURE(lrnn_checkpoint_save(&r.all, path, NULL), LRNN_ERR_NUMERIC, "trainer.h",
                   "value 3");
    unsigned char *now = file_bytes(&after, path);
    assert_int_equal(after, length);
    assert_memory_equal(now, before, length);
    free(before);
    free(now);
    free(h);
    finish(&r);
    scratch_destroy(&folder);
}

/* ---- files of earlier releases ---- */

/* Until the next call. */
static const char *file_of(const char *release, const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, SOURCE_ROOT "/tests/files/%s/%s.safetensors", release, name);
    return path;
}

/* 0.1 had no token files: the text is encoded. */
static size_t read_text(int32_t *ids, size_t room, const char *release, const lrnn_model *model)
{
    static const char text[] = "the cat sat on the mat. the dog sat on the log. "
                               "the cat and the dog sat. the dog sat on the cat. ";
    size_t count;
    lrnn_tokens *tokens;
    if (strcmp(release, "0.1") == 0) {
        EXPECT_OK(lrnn_vocab_encode(ids, room, &count, lrnn_model_input_vocab(model), text,
                                    strlen(text)));
        return count;
    }
    EXPECT_OK(lrnn_tokens_open(&tokens, file_of(release, "tokens"), NULL));
    count = lrnn_tokens_count(tokens);
    assert_int_equal(count, strlen(text));
    EXPECT_OK(lrnn_tokens_read(ids, tokens, 0, count));
    lrnn_tokens_destroy(tokens);
    return count;
}

/* The checkpoint of a release after 7 windows goes on to the parameters that it had after 12. The
 * files were made with the reference kernels; others round differently. */
static void goes_on(const char *release)
{
    lrnn_model *model, *end, *expected;
    lrnn_trainer_options t;
    lrnn_optimizer_options o;
    lrnn_schedule_options c;
    lrnn_batches_options b;
    lrnn_checkpoint all;
    lrnn_sequences s;
    int32_t ids[200];
    EXPECT_OK(lrnn_model_load(&model, file_of(release, "model"), NULL));
    EXPECT_OK(lrnn_model_load(&expected, file_of(release, "end"), NULL));
    size_t count = read_text(ids, sizeof ids / sizeof *ids, release, model);
    EXPECT_OK(lrnn_checkpoint_init(&all, sizeof all));
    EXPECT_OK(lrnn_trainer_options_init(&t, sizeof t));
    EXPECT_OK(lrnn_optimizer_options_init(&o, sizeof o));
    EXPECT_OK(lrnn_schedule_options_init(&c, sizeof c));
    EXPECT_OK(lrnn_batches_options_init(&b, sizeof b));
    EXPECT_OK(lrnn_sequences_init(&s, sizeof s));
    t.batch = b.batch = 2;
    t.steps = b.steps = 6;
    t.clip_norm = 1;
    c.kind = LRNN_SCHEDULE_PLATEAU;
    c.patience = 1;
    EXPECT_OK(lrnn_trainer_create(&all.trainer, model, &t));
    EXPECT_OK(lrnn_optimizer_create(&all.optimizer, lrnn_model_parameter_count(model), &o));
    EXPECT_OK(lrnn_schedule_create(&all.schedule, &c));
    EXPECT_OK(lrnn_batches_create(&all.batches, ids, count, &b));
    EXPECT_OK(lrnn_checkpoint_load(&all, file_of(release, "checkpoint")));
    assert_int_equal(lrnn_optimizer_updates(all.optimizer), 7);
    assert_true(lrnn_optimizer_learning_rate(all.optimizer) == 0.01);
    for (int i = 7; i < 12; i++) {
        if (lrnn_batches_next(all.batches, &s) == LRNN_END) {
            EXPECT_OK(lrnn_trainer_reset_state(all.trainer));
            EXPECT_OK(lrnn_batches_next(all.batches, &s));
        }
        EXPECT_OK(lrnn_trainer_step(all.trainer, all.optimizer, &s, NULL));
    }
    EXPECT_OK(lrnn_trainer_snapshot(&end, all.trainer));
    float *found = parameters_of(end, &count), *wanted = parameters_of(expected, &count);
    bool reference =
        getenv("LRNN_KERNELS") != NULL && strcmp(getenv("LRNN_KERNELS"), "reference") == 0;
    for (size_t i = 0; i < count; i++) {
        assert_true(reference ? found[i] == wanted[i] : fabsf(found[i] - wanted[i]) < 1e-5f);
    }
    free(found);
    free(wanted);
    lrnn_trainer_destroy(all.trainer);
    lrnn_optimizer_destroy(all.optimizer);
    lrnn_schedule_destroy(all.schedule);
    lrnn_batches_destroy(all.batches);
    lrnn_model_destroy(model);
    lrnn_model_destroy(end);
    lrnn_model_destroy(expected);
}

static void checkpoints_and_token_files_of_every_release_go_on(void **state)
{
    (void)state;
    goes_on("0.1");
    goes_on("0.2");
}

/* The parameters of a model, which the caller frees. */
static float *values_of(const lrnn_model *model)
{
    size_t count = lrnn_model_parameter_count(model);
    float *values = malloc(count * sizeof *values);
    EXPECT_OK(lrnn_model_copy_parameter(values, count, model, NULL));
    return values;
}

static void a_second_model_is_kept_with_it(void **state)
{
    (void)state;
    plan p = usual();
    run r = start(&p);
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "best");
    lrnn_model *best;
    advance(&r, 3);
    EXPECT_OK(lrnn_trainer_snapshot(&best, r.all.trainer));
    advance(&r, 3);
    r.all.best = best;
    EXPECT_OK(lrnn_checkpoint_save(&r.all, path, NULL));
    advance(&r, 3);
    EXPECT_OK(lrnn_checkpoint_load(&r.all, path));
    lrnn_model *read, *trained, *now;
    EXPECT_OK(lrnn_checkpoint_load_best(&read, path, NULL));
    EXPECT_OK(lrnn_model_load(&trained, path, NULL));
    EXPECT_OK(lrnn_trainer_snapshot(&now, r.all.trainer));
    size_t bytes = lrnn_model_parameter_count(best) * sizeof(float);
    float *values[] = {values_of(best), values_of(read), values_of(trained), values_of(now)};
    assert_memory_equal(values[0], values[1], bytes);
    assert_memory_equal(values[2], values[3], bytes);
    assert_memory_not_equal(values[0], values[2], bytes);
    for (size_t i = 0; i < 4; i++) {
        free(values[i]);
    }
    lrnn_model_destroy(read);
    lrnn_model_destroy(trained);
    lrnn_model_destroy(now);
    lrnn_model_destroy(best);
    scratch_destroy(&folder);
    finish(&r);
}

static void a_second_model_of_another_architecture_is_refused(void **state)
{
    (void)state;
    plan p = usual();
    run r = start(&p);
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "best");
    EXPECT_OK(lrnn_checkpoint_save(&r.all, path, NULL));
    lrnn_model *best;
    EXPECT_FAILURE(lrnn_checkpoint_load_best(&best, path, NULL), LRNN_ERR_NOT_FOUND, "no best");
    assert_null(best);
    p.model.hidden_size++;
    EXPECT_OK(lrnn_model_create(&best, &p.model));
    r.all.best = best;
    EXPECT_FAILURE(lrnn_checkpoint_save(&r.all, path, NULL), LRNN_ERR_INVALID, "best");
    lrnn_model_destroy(best);
    scratch_destroy(&folder);
    finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_resumed_run_ends_with_the_same_bits),
        cmocka_unit_test(what_is_not_in_the_struct_is_left_alone),
        cmocka_unit_test(a_checkpoint_is_a_model_file_too),
        cmocka_unit_test(a_note_is_kept_with_it),
        cmocka_unit_test(a_second_model_is_kept_with_it),
        cmocka_unit_test(a_second_model_of_another_architecture_is_refused),
        cmocka_unit_test(what_cannot_be_saved_leaves_the_old_file),
        cmocka_unit_test(objects_that_do_not_fit_are_named),
        cmocka_unit_test(another_momentum_does_not_fit),
        cmocka_unit_test(what_was_not_saved_is_missed),
        cmocka_unit_test(files_that_are_no_checkpoint_are_refused),
        cmocka_unit_test(numbers_that_cannot_be_are_refused),
        cmocka_unit_test(what_could_not_be_loaded_is_not_saved),
        cmocka_unit_test(checkpoints_and_token_files_of_every_release_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
