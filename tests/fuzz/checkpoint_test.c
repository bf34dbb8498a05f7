/* Checkpoints that are nearly right, loaded into a trainer of the model that is in the same file:
 * what is refused has changed nothing; what loads takes a step, and what is saved then loads as the
 * same numbers.
 *
 * An input is a byte for the kind of optimizer and one for that of the schedule, then the file. */
#include "change_safetensors.h"
#include "train/optimizer.h"
#include "train/trainer.h"
#include "use.h"

enum { CHECKPOINT_PREFIX = 2, CHECKPOINT_MEMORY = 8 << 20, MOST_PARAMETERS = 1 << 12 };

/* One run, of whose objects some may be missing. */
typedef struct objects {
    lrnn_checkpoint all;
    lrnn_model *model;
    size_t parameters;
} objects;

static lrnn_trainer_options trainer_options(const lrnn_model *model)
{
    lrnn_trainer_options options;
    FUZZ_CHECK(lrnn_trainer_options_init(&options, sizeof options) == LRNN_OK);
    options.batch = options.steps = 2;
    if (use_options(model).head == LRNN_HEAD_NONE) {
        options.loss = LRNN_LOSS_NONE;
    }
    return options;
}

static lrnn_status create_batches(lrnn_batches **batches, const lrnn_allocator *allocator)
{
    const int32_t tokens[] = {0, 1, 0, 1, 1, 0, 0, 1, 0, 1};
    lrnn_batches_options options;
    FUZZ_CHECK(lrnn_batches_options_init(&options, sizeof options) == LRNN_OK);
    options.allocator = allocator;
    options.batch = options.steps = 2;
    return lrnn_batches_create(batches, tokens, 10, &options);
}

/* Makes the objects; false when there is not enough memory for them. */
static bool create(objects *run, lrnn_model *model, unsigned optimizer_kind, unsigned schedule_kind)
{
    lrnn_optimizer_options optimizer;
    lrnn_schedule_options schedule;
    lrnn_trainer_options trainer = trainer_options(model);
    FUZZ_CHECK(lrnn_checkpoint_init(&run->all, sizeof run->all) == LRNN_OK);
    FUZZ_CHECK(lrnn_optimizer_options_init(&optimizer, sizeof optimizer) == LRNN_OK);
    FUZZ_CHECK(lrnn_schedule_options_init(&schedule, sizeof schedule) == LRNN_OK);
    optimizer.allocator = schedule.allocator = &fuzz_allocator;
    optimizer.kind = (int32_t)(optimizer_kind % 5);
    optimizer.momentum = optimizer.kind < LRNN_OPTIMIZER_ADAGRAD ? 0.5 : 0;
    schedule.kind = (int32_t)(schedule_kind % 5);
    run->model = model;
    run->parameters = lrnn_model_parameter_count(model);
    return lrnn_trainer_create(&run->all.trainer, model, &trainer) == LRNN_OK &&
           lrnn_optimizer_create(&run->all.optimizer, run->parameters, &optimizer) == LRNN_OK &&
           lrnn_schedule_create(&run->all.schedule, &schedule) == LRNN_OK &&
           create_batches(&run->all.batches, &fuzz_allocator) == LRNN_OK;
}

static void destroy(objects *run)
{
    lrnn_trainer_destroy(run->all.trainer);
    lrnn_optimizer_destroy(run->all.optimizer);
    lrnn_schedule_destroy(run->all.schedule);
    lrnn_batches_destroy(run->all.batches);
}

/* What a load may change, in numbers. */
static uint64_t fingerprint(const objects *run)
{
    const real *arrays[] = {run->all.trainer->parameters, run->all.optimizer->m,
                            run->all.optimizer->v};
    uint64_t hash = lrnn_optimizer_updates(run->all.optimizer) * 31;
    double rates[] = {lrnn_optimizer_learning_rate(run->all.optimizer),
                      lrnn_schedule_learning_rate(run->all.schedule)};
    hash += lrnn_batches_position(run->all.batches) * 7 + run->all.trainer->carry.batch;
    for (size_t a = 0; a < 3; a++) {
        for (size_t i = 0; arrays[a] != NULL && i < run->parameters; i++) {
            uint32_t bits;
            memcpy(&bits, &arrays[a][i], sizeof bits);
            hash = hash * UINT64_C(0x100000001b3) ^ bits;
        }
    }
    for (size_t i = 0; i < 2; i++) {
        uint64_t bits;
        memcpy(&bits, &rates[i], sizeof bits);
        hash = hash * UINT64_C(0x100000001b3) ^ bits;
    }
    return hash;
}

/* A step with what was loaded: it works, or changes nothing. */
static void step(objects *run)
{
    static int32_t tokens[4], targets[4];
    static float features[USE_FLOATS];
    lrnn_model_options o = use_options(run->model);
    lrnn_sequences window;
    uint64_t before = fingerprint(run);
    FUZZ_CHECK(lrnn_sequences_init(&window, sizeof window) == LRNN_OK);
    window.batch = window.steps = 2;
    window.tokens = o.vocab_size > 0 ? tokens : NULL;
    window.features = o.feature_size > 0 ? features : NULL;
    window.targets = o.head != LRNN_HEAD_NONE ? targets : NULL;
    if (o.feature_size > USE_FLOATS / 4) {
        return;
    }
    lrnn_status status = lrnn_trainer_step(run->all.trainer, run->all.optimizer, &window, NULL);
    if (status != LRNN_OK) {
        FUZZ_CHECK(status == LRNN_ERR_NUMERIC || status == LRNN_ERR_UNSUPPORTED ||
                   status == LRNN_ERR_INVALID); /* a carried state of another batch */
        FUZZ_CHECK(fingerprint(run) == before);
    }
    FUZZ_CHECK(lrnn_schedule_advance(run->all.schedule) == LRNN_OK);
    status = lrnn_batches_next(run->all.batches, &window);
    FUZZ_CHECK(status == LRNN_OK || status == LRNN_END);
}

/* What is saved loads as the same. */
static void save(objects *run, objects *second)
{
    const char *path = fuzz_output("checkpoint");
    lrnn_status status = lrnn_checkpoint_save(&run->all, path, NULL);
    FUZZ_CHECK(status == LRNN_OK || status == LRNN_ERR_MEMORY || status == LRNN_ERR_NUMERIC);
    if (status == LRNN_OK) {
        status = lrnn_checkpoint_load(&second->all, path);
        FUZZ_CHECK(status == LRNN_OK || status == LRNN_ERR_MEMORY || status == LRNN_ERR_NUMERIC);
        FUZZ_CHECK(status != LRNN_OK || fingerprint(run) == fingerprint(second));
    }
}

static void load(const char *path, lrnn_model *model, unsigned optimizer, unsigned schedule)
{
    objects run = {0}, second = {0};
    if (create(&run, model, optimizer, schedule) && create(&second, model, optimizer, schedule)) {
        uint64_t before = fingerprint(&run);
        if (lrnn_checkpoint_load(&run.all, path) == LRNN_OK) {
            step(&run);
            save(&run, &second);
        } else {
            FUZZ_CHECK(fingerprint(&run) == before);
        }
    }
    destroy(&run);
    destroy(&second);
}

static void fuzz_one(const unsigned char *bytes, size_t length)
{
    fuzz_bytes from = {bytes, length};
    unsigned optimizer = fuzz_byte(&from), schedule = fuzz_byte(&from);
    const lrnn_allocator *allocator = fuzz_memory_begin(CHECKPOINT_MEMORY);
    const char *path = fuzz_file(from.next, from.left);
    lrnn_model *model, *best;
    char note[64];
    size_t note_length;
    lrnn_checkpoint_read_note(note, sizeof note, &note_length, path);
    if (lrnn_checkpoint_load_best(&best, path, allocator) == LRNN_OK) {
        use_state(best);
    }
    lrnn_model_destroy(best);
    if (lrnn_model_load(&model, path, allocator) == LRNN_OK &&
        lrnn_model_parameter_count(model) <= MOST_PARAMETERS) {
        load(path, model, optimizer, schedule);
    }
    lrnn_model_destroy(model);
    fuzz_memory_end();
}

static size_t fuzz_change(unsigned char *bytes, size_t length, size_t room, uint64_t *random)
{
    static const char *const words[] = {
        "checkpoint.", "trainer.",  "optimizer.", "schedule.", "batches.",  "kind",
        "updates",     "rate",      "best",       "counters",  "numbers",   "rates",
        "h",           "c",         "m",          "v",         "lrnn.note", "lrnn.kind",
        "checkpoint",  "lrnn.best", "windows",    "position",  "seed",      "learning_rate"};
    if (length < CHECKPOINT_PREFIX || fuzz_random(random, 32) == 0) {
        return fuzz_any(bytes, length, room, random);
    }
    return CHECKPOINT_PREFIX + change_safetensors(bytes + CHECKPOINT_PREFIX,
                                                  length - CHECKPOINT_PREFIX,
                                                  room - CHECKPOINT_PREFIX, words,
                                                  sizeof words / sizeof *words, random);
}

FUZZ_TARGET("checkpoint");
