/* Models with an adaptive softmax, through the public interface: log-probabilities, training,
 * files, decoding, and what is refused. PyTorch's numbers are in tests/unit/train_golden_test.c. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lrnn.h"
#include "support/expect.h"
#include "support/malloc_trap.h"
#include "support/scratch.h"

/* So many that the shortlist with the tails' values and the last tail take several slices. */
enum { V = 3300, H = 24, E = 6, B = 9, T = 11, FIRST = 1030, SECOND = 1700 };

static int32_t tokens[B * T], targets[B * T];
static const int32_t lengths[B] = {11, 4, 1, 11, 9, 11, 2, 11, 7};

static int fill(void **state)
{
    (void)state;
    for (int i = 0; i < B * T; i++) {
        tokens[i] = (i * 29 + i / 7) % V;
        targets[i] = i % 9 == 4 ? -1 : (i * 613 + 1020) % V;
    }
    /* The first and the last output of each section. */
    static const int32_t edges[] = {0, FIRST - 1, FIRST, SECOND - 1, SECOND, V - 1};
    static const int places[] = {0, 6, 36, 42, 60, 78};
    for (int i = 0; i < 6; i++) {
        targets[places[i]] = edges[i];
    }
    return 0;
}

static lrnn_model_options options_of(void)
{
    lrnn_model_options o;
    EXPECT_OK(lrnn_model_options_init(&o, sizeof o));
    o.vocab_size = V;
    o.embedding_size = E;
    o.hidden_size = H;
    o.cutoffs[0] = FIRST;
    o.cutoffs[1] = SECOND;
    o.div_value = 3;
    o.adaptive_bias = 1;
    return o;
}

static lrnn_model *create_with(const lrnn_model_options *o)
{
    lrnn_model *model;
    EXPECT_OK(lrnn_model_create(&model, o));
    return model;
}

/* Parameters large enough that outputs differ much. */
static lrnn_model *create(void)
{
    lrnn_model_options o = options_of();
    o.initial_range = 1.2;
    return create_with(&o);
}

static lrnn_state *create_state(const lrnn_model *model, size_t batch)
{
    lrnn_state_options o;
    lrnn_state *state;
    EXPECT_OK(lrnn_state_options_init(&o, sizeof o));
    o.batch = batch;
    EXPECT_OK(lrnn_state_create(&state, model, &o));
    return state;
}

static lrnn_sequences window_of(size_t batch, size_t steps)
{
    lrnn_sequences s;
    EXPECT_OK(lrnn_sequences_init(&s, sizeof s));
    s.batch = batch;
    s.steps = steps;
    s.tokens = tokens;
    s.targets = targets;
    return s;
}

static lrnn_trainer *create_shards(const lrnn_model *model, size_t threads, size_t shards)
{
    lrnn_trainer_options o;
    lrnn_trainer *trainer;
    EXPECT_OK(lrnn_trainer_options_init(&o, sizeof o));
    o.batch = B;
    o.steps = T;
    o.threads = threads;
    o.shards = shards;
    EXPECT_OK(lrnn_trainer_create(&trainer, model, &o));
    return trainer;
}

static lrnn_trainer *create_trainer(const lrnn_model *model, size_t threads, size_t recompute)
{
    lrnn_trainer_options o;
    lrnn_trainer *trainer;
    EXPECT_OK(lrnn_trainer_options_init(&o, sizeof o));
    o.batch = B;
    o.steps = T;
    o.threads = threads;
    o.recompute_steps = recompute;
    EXPECT_OK(lrnn_trainer_create(&trainer, model, &o));
    return trainer;
}

static int32_t best_between(const float *outputs, int32_t first, int32_t end)
{
    int32_t best = first;
    for (int32_t v = first; v < end; v++) {
        best = outputs[v] > outputs[best] ? v : best;
    }
    return best;
}

static size_t best_of(const float *outputs)
{
    return (size_t)best_between(outputs, 0, V);
}

/* The best of one slice of the shortlist, which is not the best of another. */
static int32_t second_best_of(const float *outputs)
{
    int32_t a = best_between(outputs, 0, 512), b = best_between(outputs, 512, 1024);
    return outputs[a] > outputs[b] ? b : a;
}

/* ---- outputs ---- */

static void outputs_are_log_probabilities(void **unused)
{
    (void)unused;
    static float outputs[B * T * V];
    lrnn_model *model = create();
    lrnn_state *state = create_state(model, B);
    lrnn_sequences s = window_of(B, T);
    EXPECT_OK(lrnn_state_forward(state, &s, outputs));
    for (size_t i = 0; i < B * T; i++) {
        double sum = 0;
        for (size_t v = 0; v < V; v++) {
            sum += exp((double)outputs[i * V + v]);
        }
        assert_true(fabs(sum - 1) < 1e-5);
    }
    lrnn_state_destroy(state);
    lrnn_model_destroy(model);
}

static void a_step_gives_the_bits_of_a_window_and_a_row_those_of_a_batch(void **unused)
{
    (void)unused;
    static float together[B * T * V], alone[V];
    lrnn_model *model = create();
    lrnn_state *state = create_state(model, B), *one = create_state(model, 1);
    lrnn_sequences s = window_of(B, T);
    EXPECT_OK(lrnn_state_forward(state, &s, together));
    for (size_t b = 0; b < B; b += 4) {
        EXPECT_OK(lrnn_state_reset(one));
        for (size_t t = 0; t < T; t++) {
            EXPECT_OK(lrnn_state_step(one, &tokens[b * T + t], NULL, alone));
            assert_memory_equal(alone, together + (b * T + t) * V, sizeof alone);
        }
    }
    lrnn_state_destroy(one);
    lrnn_state_destroy(state);
    lrnn_model_destroy(model);
}

/* ---- training ---- */

/* The loss, the count of right predictions and the outputs of a trainer against the model's. */
static void a_trainer_finds_the_loss_and_what_is_right(void **unused)
{
    (void)unused;
    static float outputs[B * T * V], copied[B * T * V];
    lrnn_model *model = create();
    lrnn_state *state = create_state(model, B);
    lrnn_trainer *trainer = create_trainer(model, 2, 0);
    lrnn_sequences s = window_of(B, T);
    lrnn_train_result result;
    double loss = 0;
    uint64_t items = 0, right = 0;
    int32_t likeliest[B * T];
    s.lengths = lengths;
    EXPECT_OK(lrnn_train_result_init(&result, sizeof result));
    EXPECT_OK(lrnn_state_forward(state, &s, outputs));
    for (size_t i = 0; i < B * T; i++) {
        likeliest[i] = i % 3 != 0   ? (int32_t)best_of(outputs + i * V)
                       : i % 6 == 0 ? targets[i]
                                    : second_best_of(outputs + i * V);
        if (likeliest[i] >= 0 && (int)(i % T) < lengths[i / T]) {
            items++;
            loss -= (double)outputs[i * V + (size_t)likeliest[i]];
            right += best_of(outputs + i * V) == (size_t)likeliest[i];
        }
    }
    s.targets = likeliest;
    EXPECT_OK(lrnn_trainer_evaluate(trainer, &s, &result));
    assert_true(fabs(result.loss_sum - loss) < 1e-4 * loss);
    assert_int_equal(result.items, items);
    assert_int_equal(result.right, right);
    assert_true(right > items / 2 && right < items);
    EXPECT_OK(lrnn_trainer_copy_outputs(copied, B * T * V, trainer));
    for (size_t i = 0; i < B * T * V; i++) {
        assert_true(fabsf(copied[i] - outputs[i]) < 1e-4f);
    }
    lrnn_trainer_destroy(trainer);
    lrnn_state_destroy(state);
    lrnn_model_destroy(model);
}

/* Targets of all kinds: likeliest in the shortlist, in each tail, and not. */
static void what_is_right_is_told_in_every_section(void **unused)
{
    (void)unused;
    static float outputs[B * T * V];
    int32_t likeliest[B * T];
    size_t found[3] = {0};
    lrnn_model_options o = options_of();
    o.initial_range = 3;
    o.div_value = 1;
    o.cutoffs[0] = 12;
    for (o.seed = 1; o.seed < 6; o.seed++) {
        lrnn_model *model = create_with(&o);
        lrnn_state *state = create_state(model, B);
        lrnn_trainer *trainer = create_trainer(model, 1, 0);
        lrnn_sequences s = window_of(B, T);
        lrnn_train_result result;
        EXPECT_OK(lrnn_train_result_init(&result, sizeof result));
        EXPECT_OK(lrnn_state_forward(state, &s, outputs));
        for (size_t i = 0; i < B * T; i++) {
            likeliest[i] = (int32_t)best_of(outputs + i * V);
            found[likeliest[i] < 12 ? 0 : likeliest[i] < SECOND ? 1 : 2]++;
        }
        s.targets = likeliest;
        EXPECT_OK(lrnn_trainer_evaluate(trainer, &s, &result));
        assert_int_equal(result.items, B * T);
        assert_int_equal(result.right, B * T);
        for (size_t i = 0; i < B * T; i++) { /* the best of another section */
            int32_t best = likeliest[i];
            likeliest[i] = best >= SECOND ? best_between(outputs + i * V, 12, SECOND)
                           : best >= 12   ? best_between(outputs + i * V, 0, 12)
                           : i % 2 == 0   ? best_between(outputs + i * V, SECOND, V)
                                          : (best + 1) % 12;
        }
        EXPECT_OK(lrnn_trainer_reset_evaluation(trainer));
        EXPECT_OK(lrnn_trainer_evaluate(trainer, &s, &result));
        assert_int_equal(result.right, 0);
        lrnn_trainer_destroy(trainer);
        lrnn_state_destroy(state);
        lrnn_model_destroy(model);
    }
    assert_true(found[0] > 0 && found[1] > 0 && found[2] > 0);
}

static lrnn_model *train(const lrnn_model *model, size_t threads, size_t recompute, int32_t kind,
                         lrnn_train_result *result)
{
    lrnn_trainer *trainer = create_trainer(model, threads, recompute);
    lrnn_optimizer_options o;
    lrnn_optimizer *optimizer;
    lrnn_model *end;
    EXPECT_OK(lrnn_optimizer_options_init(&o, sizeof o));
    o.kind = kind;
    o.learning_rate = kind == LRNN_OPTIMIZER_SGD ? 0.5 : 0.01;
    EXPECT_OK(lrnn_optimizer_create(&optimizer, lrnn_model_parameter_count(model), &o));
    EXPECT_OK(lrnn_train_result_init(result, sizeof *result));
    for (int i = 0; i < 6; i++) {
        lrnn_sequences s = window_of(B, T);
        s.lengths = i % 2 == 0 ? NULL : lengths;
        EXPECT_OK(lrnn_trainer_step(trainer, optimizer, &s, result));
    }
    EXPECT_OK(lrnn_trainer_snapshot(&end, trainer));
    lrnn_optimizer_destroy(optimizer);
    lrnn_trainer_destroy(trainer);
    return end;
}

static void any_number_of_threads_gives_the_same_bits(void **unused)
{
    (void)unused;
    lrnn_model *model = create();
    for (int32_t kind = LRNN_OPTIMIZER_SGD; kind <= LRNN_OPTIMIZER_ADAMW; kind++) {
        lrnn_train_result one, other;
        lrnn_model *first = train(model, 1, 0, kind, &one);
        for (size_t threads = 2; threads <= 5; threads += 3) {
            lrnn_model *again = train(model, threads, 0, kind, &other);
            assert_true(one.loss_sum == other.loss_sum && one.right == other.right);
            expect_same_parameters(first, again);
            lrnn_model_destroy(again);
        }
        lrnn_model_destroy(first);
    }
    lrnn_model_destroy(model);
}

static void recomputing_trains_the_same_model(void **unused)
{
    (void)unused;
    lrnn_model *model = create();
    lrnn_train_result one, other;
    lrnn_model *kept = train(model, 2, 0, LRNN_OPTIMIZER_SGD, &one);
    lrnn_model *again = train(model, 2, 4, LRNN_OPTIMIZER_SGD, &other);
    size_t count;
    float *a = parameters_of(kept, &count), *b = parameters_of(again, &count);
    assert_int_equal(one.right, other.right);
    for (size_t i = 0; i < count; i++) {
        assert_true(fabsf(a[i] - b[i]) < 1e-4f);
    }
    free(a);
    free(b);
    lrnn_model_destroy(again);
    lrnn_model_destroy(kept);
    lrnn_model_destroy(model);
}

/* Rows of a window are run by themselves, and their gradients added. */
static void shards_have_the_gradients_of_the_window(void **unused)
{
    (void)unused;
    lrnn_model *model = create();
    lrnn_train_result one, other;
    lrnn_trainer *whole = create_trainer(model, 1, 0), *cut = create_shards(model, 2, 3);
    lrnn_optimizer_options o;
    lrnn_optimizer *optimizers[2];
    lrnn_sequences s = window_of(B, T);
    float *a, *b;
    size_t count;
    EXPECT_OK(lrnn_optimizer_options_init(&o, sizeof o));
    o.kind = LRNN_OPTIMIZER_SGD;
    for (int i = 0; i < 2; i++) {
        EXPECT_OK(lrnn_optimizer_create(&optimizers[i], lrnn_model_parameter_count(model), &o));
    }
    EXPECT_OK(lrnn_train_result_init(&one, sizeof one));
    EXPECT_OK(lrnn_train_result_init(&other, sizeof other));
    EXPECT_OK(lrnn_trainer_step(whole, optimizers[0], &s, &one));
    EXPECT_OK(lrnn_trainer_step(cut, optimizers[1], &s, &other));
    assert_true(fabs(one.loss_sum - other.loss_sum) < 1e-6 * one.loss_sum);
    assert_true(one.items == other.items && one.right == other.right);
    EXPECT_OK(lrnn_trainer_get_gradients(&a, &count, whole));
    EXPECT_OK(lrnn_trainer_get_gradients(&b, &count, cut));
    for (size_t i = 0; i < count; i++) {
        assert_true(fabsf(a[i] - b[i]) < 1e-6f);
    }
    for (int i = 0; i < 2; i++) {
        lrnn_optimizer_destroy(optimizers[i]);
    }
    lrnn_trainer_destroy(cut);
    lrnn_trainer_destroy(whole);
    lrnn_model_destroy(model);
}

static void training_lowers_the_loss(void **unused)
{
    (void)unused;
    lrnn_model_options o = options_of();
    lrnn_model *model = create_with(&o), *end;
    lrnn_trainer *trainer = create_trainer(model, 1, 0);
    lrnn_sequences s = window_of(B, T);
    lrnn_train_result before, after;
    EXPECT_OK(lrnn_train_result_init(&before, sizeof before));
    EXPECT_OK(lrnn_trainer_evaluate(trainer, &s, &before));
    end = train(model, 1, 0, LRNN_OPTIMIZER_ADAM, &after);
    assert_true(after.loss_sum / after.loss_weight < before.loss_sum / before.loss_weight - 0.2);
    lrnn_trainer_destroy(trainer);
    lrnn_model_destroy(end);
    lrnn_model_destroy(model);
}

static void steps_and_training_allocate_nothing(void **unused)
{
    (void)unused;
    static float outputs[V];
    lrnn_model *model = create();
    lrnn_state *state = create_state(model, 1);
    lrnn_trainer *trainer = create_trainer(model, 1, 0);
    lrnn_optimizer *optimizer;
    lrnn_sequences s = window_of(B, T);
    EXPECT_OK(lrnn_optimizer_create(&optimizer, lrnn_model_parameter_count(model), NULL));
    malloc_trap_arm();
    lrnn_status stepped = lrnn_state_step(state, tokens, NULL, outputs);
    lrnn_status trained = lrnn_trainer_step(trainer, optimizer, &s, NULL);
    size_t caught = malloc_trap_disarm();
    assert_int_equal(stepped, LRNN_OK);
    assert_int_equal(trained, LRNN_OK);
    assert_int_equal(caught, 0);
    lrnn_optimizer_destroy(optimizer);
    lrnn_trainer_destroy(trainer);
    lrnn_state_destroy(state);
    lrnn_model_destroy(model);
}

/* ---- files ---- */

static void a_file_keeps_the_sections_under_pytorchs_names(void **unused)
{
    (void)unused;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "m");
    lrnn_model *model = create(), *loaded;
    lrnn_model_options o;
    lrnn_parameter p;
    EXPECT_OK(lrnn_model_save(model, path));
    EXPECT_OK(lrnn_model_load(&loaded, path, NULL));
    expect_same_parameters(model, loaded);
    EXPECT_OK(lrnn_model_options_init(&o, sizeof o));
    EXPECT_OK(lrnn_model_get_options(&o, loaded));
    assert_int_equal(o.cutoffs[0], FIRST);
    assert_int_equal(o.cutoffs[1], SECOND);
    assert_int_equal(o.cutoffs[2], 0);
    assert_true(o.div_value == 3 && o.adaptive_bias == 1);
    EXPECT_OK(lrnn_parameter_init(&p, sizeof p));
    EXPECT_OK(lrnn_model_find_parameter(&p, loaded, "head.head.weight"));
    assert_true(p.shape[0] == FIRST + 2 && p.shape[1] == H);
    EXPECT_OK(lrnn_model_find_parameter(&p, loaded, "head.head.bias"));
    EXPECT_OK(lrnn_model_find_parameter(&p, loaded, "head.tail.1.0.weight"));
    assert_true(p.shape[0] == H / 9 && p.shape[1] == H);
    EXPECT_OK(lrnn_model_find_parameter(&p, loaded, "head.tail.1.1.weight"));
    assert_true(p.shape[0] == V - SECOND && p.shape[1] == H / 9);
    lrnn_model_destroy(loaded);
    lrnn_model_destroy(model);
    scratch_destroy(&folder);
}

static void a_checkpoint_names_other_cutoffs(void **unused)
{
    (void)unused;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "c");
    lrnn_model_options o = options_of();
    lrnn_model *model = create(), *other;
    lrnn_trainer *trainer = create_trainer(model, 1, 0), *second;
    lrnn_checkpoint what;
    EXPECT_OK(lrnn_checkpoint_init(&what, sizeof what));
    what.trainer = trainer;
    EXPECT_OK(lrnn_checkpoint_save(&what, path, NULL));
    EXPECT_OK(lrnn_checkpoint_load(&what, path));
    o.cutoffs[1] = SECOND + 1;
    other = create_with(&o);
    second = create_trainer(other, 1, 0);
    what.trainer = second;
    EXPECT_FAILURE(lrnn_checkpoint_load(&what, path), LRNN_ERR_INVALID, "cutoffs", "1030,1701",
                   "1030,1700");
    lrnn_trainer_destroy(second);
    lrnn_trainer_destroy(trainer);
    lrnn_model_destroy(other);
    lrnn_model_destroy(model);
    scratch_destroy(&folder);
}

/* ---- decoding ---- */

static lrnn_decoder_options decoder_options(int32_t method)
{
    lrnn_decoder_options o;
    EXPECT_OK(lrnn_decoder_options_init(&o, sizeof o));
    o.method = method;
    o.max_length = 5;
    return o;
}

/* What every method finds has the log-probability that scoring and the steps say; greedy search
 * takes the likeliest output of each step. */
static void decoders_find_what_the_outputs_say(void **unused)
{
    (void)unused;
    static float outputs[V];
    lrnn_model *model = create();
    lrnn_state *state = create_state(model, 1);
    for (int32_t method = LRNN_METHOD_GREEDY; method <= LRNN_METHOD_SAMPLED_BEAM; method++) {
        lrnn_decoder_options o = decoder_options(method);
        lrnn_decoder *decoder;
        lrnn_request request;
        lrnn_result result;
        double scored, sum = 0;
        int32_t text[8] = {3};
        o.top_k = method == LRNN_METHOD_SAMPLE ? 40 : 0;
        o.top_p = method == LRNN_METHOD_SAMPLE ? 0.9 : 1;
        EXPECT_OK(lrnn_decoder_create(&decoder, model, &o));
        EXPECT_OK(lrnn_request_init(&request, sizeof request));
        EXPECT_OK(lrnn_result_init(&result, sizeof result));
        request.tokens = text;
        request.count = 1;
        EXPECT_OK(lrnn_decoder_run(decoder, &request, 1));
        EXPECT_OK(lrnn_decoder_get_result(&result, decoder, 0, 0));
        assert_int_equal(result.count, 5);
        EXPECT_OK(lrnn_state_reset(state));
        for (size_t i = 0; i < 5; i++) {
            EXPECT_OK(lrnn_state_step(state, &text[i], NULL, outputs));
            text[i + 1] = result.tokens[i];
            sum += (double)outputs[text[i + 1]];
            assert_true(method != LRNN_METHOD_GREEDY || best_of(outputs) == (size_t)text[i + 1]);
        }
        assert_true(fabs(sum - result.log_probability) < 1e-4);
        request.count = 6;
        EXPECT_OK(lrnn_decoder_score(&scored, NULL, decoder, &request, 1));
        assert_true(fabs(sum - scored) < 1e-4);
        lrnn_decoder_destroy(decoder);
    }
    lrnn_state_destroy(state);
    lrnn_model_destroy(model);
}

/* ---- what is refused ---- */

static void cutoffs_that_make_no_sense_are_named(void **unused)
{
    (void)unused;
    lrnn_model *model;
    lrnn_model_options o = options_of();
    o.cutoffs[1] = FIRST;
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_INVALID, "cutoffs", "1030", "id 1");
    o.cutoffs[1] = V;
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_INVALID, "cutoffs", "3300", "id 1");
    o.cutoffs[1] = 0;
    o.cutoffs[2] = 2000;
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_INVALID, "cutoffs", "id 2");
    o = options_of();
    o.div_value = 5;
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_INVALID, "div_value", "tail 1");
    o.div_value = 0.5;
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_INVALID, "div_value", "0.5");
    o.div_value = (double)NAN;
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_INVALID, "div_value");
    o = options_of();
    o.cutoffs[0] = o.cutoffs[1] = 0;
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_INVALID, "div_value", "cutoffs");
    o.div_value = 0;
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_INVALID, "adaptive_bias", "cutoffs");
    o = options_of();
    o.head = LRNN_HEAD_NONE;
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_INVALID, "cutoffs");
    o = options_of();
    o.output_activation = LRNN_ACTIVATION_LOG_SOFTMAX;
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_INVALID, "output_activation");
    o = options_of();
    o.tied_weights = 1;
    o.embedding_size = H;
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_UNSUPPORTED, "tied_weights", "cutoffs");
}

static void losses_that_need_all_outputs_are_refused_by_name(void **unused)
{
    (void)unused;
    lrnn_model *model = create();
    lrnn_trainer *trainer;
    lrnn_trainer_options o;
    EXPECT_OK(lrnn_trainer_options_init(&o, sizeof o));
    o.loss = LRNN_LOSS_CTC;
    EXPECT_FAILURE(lrnn_trainer_create(&trainer, model, &o), LRNN_ERR_UNSUPPORTED, "loss",
                   "cutoffs", "CTC");
    o.loss = LRNN_LOSS_SQUARED_ERROR;
    EXPECT_FAILURE(lrnn_trainer_create(&trainer, model, &o), LRNN_ERR_UNSUPPORTED, "loss",
                   "cutoffs");
    o.loss = LRNN_LOSS_CROSS_ENTROPY;
    o.label_smoothing = 0.1;
    EXPECT_FAILURE(lrnn_trainer_create(&trainer, model, &o), LRNN_ERR_UNSUPPORTED,
                   "label_smoothing", "cutoffs");
    lrnn_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_are_log_probabilities),
        cmocka_unit_test(a_step_gives_the_bits_of_a_window_and_a_row_those_of_a_batch),
        cmocka_unit_test(a_trainer_finds_the_loss_and_what_is_right),
        cmocka_unit_test(what_is_right_is_told_in_every_section),
        cmocka_unit_test(any_number_of_threads_gives_the_same_bits),
        cmocka_unit_test(recomputing_trains_the_same_model),
        cmocka_unit_test(shards_have_the_gradients_of_the_window),
        cmocka_unit_test(training_lowers_the_loss),
        cmocka_unit_test(steps_and_training_allocate_nothing),
        cmocka_unit_test(a_file_keeps_the_sections_under_pytorchs_names),
        cmocka_unit_test(a_checkpoint_names_other_cutoffs),
        cmocka_unit_test(decoders_find_what_the_outputs_say),
        cmocka_unit_test(cutoffs_that_make_no_sense_are_named),
        cmocka_unit_test(losses_that_need_all_outputs_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
