/* Trainers of small networks of every kind, fed windows of odd shapes, tokens, targets, labels and
 * weights, from hand and from batches: a window is refused and has changed nothing, or it trains
 * and leaves finite numbers. */
#include "corpus.h"
#include "train/trainer.h"
#include "world.h"

enum {
    BATCH = 3, /* at most, as are the others */
    STEPS = 5,
    FEATURES = 2,
    OUTPUTS = 4,
    CELLS = BATCH * STEPS,
    NUMBERS = CELLS * OUTPUTS,
    TRAIN_MEMORY = 4 << 20
};

/* What a window points to. */
typedef struct arrays {
    int32_t tokens[CELLS], targets[CELLS], lengths[BATCH], target_lengths[BATCH];
    float features[CELLS * FEATURES], values[NUMBERS], weights[CELLS], value_weights[NUMBERS];
    float class_weights[OUTPUTS];
} arrays;

static int32_t id(fuzz_bytes *from, int32_t count)
{
    unsigned byte = fuzz_byte(from);
    return byte == 255 ? -1 : byte == 254 ? INT32_MAX : byte == 253 ? count : (int32_t)(byte % 4);
}

static void ids(int32_t *to, size_t count, fuzz_bytes *from)
{
    for (size_t i = 0; i < count; i++) {
        to[i] = id(from, OUTPUTS);
    }
}

static void numbers(float *to, size_t count, fuzz_bytes *from, bool absolute)
{
    for (size_t i = 0; i < count; i++) {
        double number = fuzz_number(from);
        to[i] = (float)(absolute && number < 0 ? -number : number);
    }
}

/* ---- what is made ---- */

static lrnn_status create_model(lrnn_model **model, fuzz_bytes *from)
{
    lrnn_model_options o;
    unsigned kinds = fuzz_byte(from), sizes = fuzz_byte(from), more = fuzz_byte(from);
    FUZZ_CHECK(lrnn_model_options_init(&o, sizeof o) == LRNN_OK);
    o.allocator = &fuzz_allocator;
    o.cell = (int32_t)(kinds & 3);
    o.head = (int32_t)(kinds >> 2 & 3);
    o.bidirectional = kinds >> 4 & 1;
    o.bias = kinds >> 5 & 1;
    o.vocab_size = (kinds & 64) != 0 ? 4 : 0;
    o.feature_size = (kinds & 128) != 0 || o.vocab_size == 0 ? FEATURES : 0;
    o.embedding_size = sizes & 3;
    o.hidden_size = 1 + (sizes >> 2 & 3);
    o.layers = sizes >> 4 & 3;
    o.output_size = o.head == LRNN_HEAD_NONE ? LRNN_AUTO : OUTPUTS;
    o.projection_size = sizes >> 6;
    o.dropout = (more & 1) != 0 ? 0.5 : 0;
    o.padding_token = (more & 2) != 0 ? 1 : -1;
    o.weight_type = (more & 4) != 0   ? LRNN_WEIGHT_BFLOAT16
                    : (more & 8) != 0 ? LRNN_WEIGHT_INT8
                                      : LRNN_WEIGHT_FLOAT32;
    return lrnn_model_create(model, &o);
}

static lrnn_status create_trainer(lrnn_trainer **trainer, arrays *in, const lrnn_model *model,
                                  fuzz_bytes *from)
{
    lrnn_trainer_options o;
    unsigned flags = fuzz_byte(from);
    FUZZ_CHECK(lrnn_trainer_options_init(&o, sizeof o) == LRNN_OK);
    o.loss = fuzz_choice(from, LRNN_LOSS_CTC);
    o.batch = BATCH;
    o.steps = STEPS;
    o.reduction = flags & 1;
    o.carry_state = flags >> 1 & 1;
    o.recompute_steps = (flags & 4) != 0 ? fuzz_size(from, 1, STEPS) : 0;
    o.clip_norm = (flags & 8) != 0 ? fuzz_number(from) : 0;
    o.clip_value = (flags & 16) != 0 ? fuzz_number(from) : 0;
    if (o.loss == LRNN_LOSS_CROSS_ENTROPY && (flags & 32) != 0) {
        o.label_smoothing = fuzz_number(from);
    }
    numbers(in->class_weights, OUTPUTS, from, true);
    o.class_weights =
        o.loss == LRNN_LOSS_CROSS_ENTROPY && (flags & 64) != 0 ? in->class_weights : NULL;
    o.positive_weights =
        o.loss == LRNN_LOSS_BINARY_CROSS_ENTROPY && (flags & 64) != 0 ? in->class_weights : NULL;
    if (o.loss == LRNN_LOSS_HUBER || o.loss == LRNN_LOSS_SMOOTH_L1) {
        o.loss_transition = (flags & 128) != 0 ? fuzz_number(from) : 0;
    }
    if (o.loss == LRNN_LOSS_CTC) {
        o.zero_infinity = flags >> 7 & 1;
        o.blank = (flags & 64) != 0 ? id(from, OUTPUTS) : 0;
        o.target_steps = fuzz_below(from, STEPS + 1);
    }
    return lrnn_trainer_create(trainer, model, &o);
}

static lrnn_status create_optimizer(lrnn_optimizer **optimizer, const lrnn_model *model,
                                    fuzz_bytes *from)
{
    lrnn_optimizer_options o;
    FUZZ_CHECK(lrnn_optimizer_options_init(&o, sizeof o) == LRNN_OK);
    o.allocator = &fuzz_allocator;
    o.kind = (int32_t)fuzz_below(from, 5);
    o.learning_rate = fuzz_number(from);
    o.weight_decay = fuzz_below(from, 4) == 0 ? fuzz_number(from) : 0;
    return lrnn_optimizer_create(optimizer, lrnn_model_parameter_count(model), &o);
}

/* ---- windows ---- */

static lrnn_sequences read_window(arrays *in, const lrnn_trainer *trainer, fuzz_bytes *from)
{
    lrnn_sequences window;
    const lrnn_model_options *o = &trainer->net->options;
    int32_t loss = trainer->options.loss;
    unsigned flags = fuzz_byte(from), shape = fuzz_byte(from);
    FUZZ_CHECK(lrnn_sequences_init(&window, sizeof window) == LRNN_OK);
    window.batch = shape == 255 ? SIZE_MAX : shape % (BATCH + 1);
    window.steps = shape == 254 ? (size_t)1 << 62 : shape / 16 % (STEPS + 1);
    ids(in->tokens, CELLS, from);
    ids(in->targets, CELLS, from);
    ids(in->lengths, BATCH, from);
    ids(in->target_lengths, BATCH, from);
    numbers(in->features, CELLS * FEATURES, from, false);
    numbers(in->values, NUMBERS, from, loss == LRNN_LOSS_BINARY_CROSS_ENTROPY);
    numbers(in->weights, CELLS, from, true);
    numbers(in->value_weights, NUMBERS, from, true);
    window.tokens = (o->vocab_size > 0) != (flags == 255) ? in->tokens : NULL;
    window.features = o->feature_size > 0 ? in->features : NULL;
    window.lengths = (flags & 1) != 0 ? in->lengths : NULL;
    bool classes = loss == LRNN_LOSS_CROSS_ENTROPY || loss == LRNN_LOSS_CTC;
    window.targets = classes && (flags & 2) == 0 ? in->targets : NULL;
    window.target_values = !classes && (flags & 2) == 0 ? in->values : NULL;
    window.weights = (flags & 4) != 0 ? in->weights : NULL;
    window.value_weights = !classes && (flags & 8) != 0 ? in->value_weights : NULL;
    window.target_steps = loss == LRNN_LOSS_CTC ? shape / 96 + (flags >> 6) : 0;
    window.target_lengths = loss == LRNN_LOSS_CTC && (flags & 16) != 0 ? in->target_lengths : NULL;
    return window;
}

/* Parameters and carried state, which a step that fails leaves alone. */
static uint64_t fingerprint(const lrnn_trainer *trainer)
{
    uint64_t hash = trainer->carry.batch * 31 + trainer->windows;
    for (size_t i = 0; i < trainer->net->parameter_count; i++) {
        uint32_t bits;
        memcpy(&bits, &trainer->parameters[i], sizeof bits);
        hash = hash * UINT64_C(0x100000001b3) ^ bits;
    }
    return hash;
}

static bool expected(lrnn_status status)
{
    return status == LRNN_OK || status == LRNN_ERR_INVALID || status == LRNN_ERR_NUMERIC ||
           status == LRNN_ERR_UNSUPPORTED || status == LRNN_ERR_STATE;
}

static void step(lrnn_trainer *trainer, lrnn_optimizer *optimizer, const lrnn_sequences *window)
{
    lrnn_train_result result;
    uint64_t before = fingerprint(trainer);
    FUZZ_CHECK(lrnn_train_result_init(&result, sizeof result) == LRNN_OK);
    lrnn_status status = lrnn_trainer_step(trainer, optimizer, window, &result);
    FUZZ_CHECK(expected(status));
    if (status == LRNN_OK) {
        FUZZ_CHECK(isfinite(result.loss_sum) && isfinite(result.loss_weight));
        FUZZ_CHECK(isfinite(result.gradient_norm) && result.right <= result.items);
    } else {
        FUZZ_CHECK(fingerprint(trainer) == before);
    }
}

/* The parts of a step, and what can be read between them. */
static void parts(lrnn_trainer *trainer, const lrnn_sequences *window, fuzz_bytes *from)
{
    static float outputs[NUMBERS * 2];
    static const char *const names[] = {"hidden", "cell", "input_gate", "candidate", "reset_gate"};
    lrnn_train_result result;
    lrnn_backward backward;
    FUZZ_CHECK(lrnn_train_result_init(&result, sizeof result) == LRNN_OK);
    FUZZ_CHECK(lrnn_backward_init(&backward, sizeof backward) == LRNN_OK);
    FUZZ_CHECK(expected(lrnn_trainer_evaluate(trainer, window, &result)));
    lrnn_status status = lrnn_trainer_forward(trainer, window, &result);
    FUZZ_CHECK(expected(status));
    size_t count = sizeof outputs / sizeof *outputs;
    lrnn_status copied = lrnn_trainer_copy_outputs(outputs, count, trainer);
    FUZZ_CHECK(copied == LRNN_OK || copied == LRNN_ERR_STATE || copied == LRNN_ERR_TOO_SMALL);
    copied = lrnn_trainer_copy_activation(outputs, count, trainer, names[fuzz_below(from, 5)],
                                          fuzz_below(from, 4), fuzz_below(from, 3));
    FUZZ_CHECK(expected(copied) || copied == LRNN_ERR_NOT_FOUND || copied == LRNN_ERR_TOO_SMALL);
    backward.loss_scale = fuzz_number(from);
    FUZZ_CHECK(expected(lrnn_trainer_backward(trainer, &backward)));
    lrnn_trainer_zero_gradients(trainer);
}

static void from_batches(lrnn_trainer *trainer, lrnn_optimizer *optimizer, const arrays *in,
                         fuzz_bytes *from)
{
    lrnn_batches *batches;
    lrnn_examples examples;
    lrnn_batches_options options;
    lrnn_sequences window;
    FUZZ_CHECK(lrnn_examples_init(&examples, sizeof examples) == LRNN_OK);
    FUZZ_CHECK(lrnn_batches_options_init(&options, sizeof options) == LRNN_OK);
    FUZZ_CHECK(lrnn_sequences_init(&window, sizeof window) == LRNN_OK);
    unsigned flags = fuzz_byte(from);
    options.allocator = &fuzz_allocator;
    options.batch = fuzz_size(from, 1, BATCH);
    options.shuffle = flags & 1;
    options.drop_last = flags >> 1 & 1;
    options.bucket = fuzz_below(from, 3);
    examples.count = 1 + fuzz_below(from, BATCH);
    examples.lengths = in->lengths;
    examples.tokens = trainer->net->options.vocab_size > 0 ? in->tokens : NULL;
    examples.features = trainer->net->options.feature_size > 0 ? in->features : NULL;
    examples.feature_size = FEATURES;
    examples.targets = (flags & 4) != 0 ? in->targets : NULL;
    examples.target_values = (flags & 8) != 0 ? in->values : NULL;
    examples.target_size = trainer->net->output_size;
    examples.weights = (flags & 16) != 0 ? in->weights : NULL;
    /* what a window points to has no size: these must be what the trainer expects */
    examples.per_example = !network_answers_every_step(trainer->net);
    examples.target_lengths = trainer->options.loss == LRNN_LOSS_CTC ? in->target_lengths : NULL;
    for (size_t i = 0; i < examples.count; i++) {
        if (in->lengths[i] > STEPS || in->target_lengths[i] > STEPS ||
            examples.target_size > OUTPUTS) {
            return; /* it would say that the arrays are longer than they are */
        }
    }
    lrnn_status status = lrnn_batches_create_from_examples(&batches, &examples, &options);
    FUZZ_CHECK(status == LRNN_OK || status == LRNN_ERR_INVALID || status == LRNN_ERR_MEMORY ||
               status == LRNN_ERR_NUMERIC);
    for (size_t i = 0; status == LRNN_OK && i < 4; i++) {
        status = lrnn_batches_next(batches, &window);
        if (status == LRNN_OK) {
            step(trainer, optimizer, &window);
        }
    }
    lrnn_batches_destroy(batches);
}

static void fuzz_one(const unsigned char *bytes, size_t length)
{
    /* A window's own: it must stay until its backward is done, which may be never. */
    static arrays in[2];
    fuzz_bytes from = {bytes, length};
    lrnn_model *model;
    lrnn_trainer *trainer = NULL;
    lrnn_optimizer *optimizer = NULL;
    fuzz_memory_begin(TRAIN_MEMORY);
    if (create_model(&model, &from) == LRNN_OK &&
        create_trainer(&trainer, &in[0], model, &from) == LRNN_OK &&
        create_optimizer(&optimizer, model, &from) == LRNN_OK) {
        for (size_t i = 0; i < 2; i++) {
            lrnn_sequences window = read_window(&in[i], trainer, &from);
            step(trainer, optimizer, &window);
            parts(trainer, &window, &from);
        }
        from_batches(trainer, optimizer, &in[0], &from);
    }
    lrnn_trainer_destroy(trainer);
    lrnn_optimizer_destroy(optimizer);
    lrnn_model_destroy(model);
    fuzz_memory_end();
}

static size_t fuzz_change(unsigned char *bytes, size_t length, size_t room, uint64_t *random)
{
    if (length == 0 || fuzz_random(random, 4) == 0) {
        return fuzz_any(bytes, length, room, random);
    }
    /* the first bytes say what is made */
    size_t few = length < 16 || fuzz_random(random, 2) == 0 ? length : 16;
    bytes[fuzz_random(random, few)] = (unsigned char)fuzz_random(random, 256);
    return length;
}

FUZZ_TARGET("train");
