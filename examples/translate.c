/* Many to many: an encoder reads a sequence, and a decoder that starts from its final state writes
 * another (Sutskever, Vinyals & Le 2014); with -a it also looks back at every state of the encoder
 * by dot-product attention (Luong, Pham & Manning 2015). Three models are trained as one: encoder,
 * decoder and, after attention, the linear layer over the output vocabulary, which is a model of 0
 * layers.
 *
 *     translate [-a] [-w] [-s SEED] [-p PASSES] [-k K] [-t TESTS] [FILE]
 *
 * A line of FILE is source TAB target, or source SPACE target with the "(2)" of second
 * pronunciations taken off (cmudict.dict). The source is read by characters, with -w by words; the
 * target is written by words (phonemes are). -k: take one source in K. A tenth of the sources is
 * held out, and the first TESTS of it are decoded by beam search. Without FILE it learns to reverse
 * words, and checks its gradient by finite differences. */
#include "measures.h"
#include "pairs.h"

enum { E = 64, H = 128, BEAM = 5 };

static int with_attention, passes = 8, tests = PAIRS;

/* ---- attention ---- */

/* x [2H] = the decoder's h, then the encoder's states e [S,H] weighted by a = softmax(e h). */
static void attend(float *x, float *a, const float *h, const float *e, size_t S)
{
    float sum = 0, greatest = -INFINITY;
    memcpy(x, h, H * sizeof *x);
    memset(x + H, 0, H * sizeof *x);
    for (size_t s = 0; s < S; s++) {
        a[s] = 0;
        for (size_t k = 0; k < H; k++) {
            a[s] += e[s * H + k] * h[k];
        }
        greatest = a[s] > greatest ? a[s] : greatest;
    }
    for (size_t s = 0; s < S; s++) {
        sum += a[s] = expf(a[s] - greatest);
    }
    for (size_t s = 0; s < S; s++) {
        a[s] /= sum;
        for (size_t k = 0; k < H; k++) {
            x[H + k] += a[s] * e[s * H + k];
        }
    }
}

/* The gradient: with dc that of the weighted sum, da = e dc, and through the softmax
 * dscore = a (da - sum of a da); h and e receive theirs as inputs of both products. */
static void attend_backward(float *dh, float *de, const float *dx, const float *a, const float *h,
                            const float *e, size_t S)
{
    float da[LONGEST], mean = 0;
    memcpy(dh, dx, H * sizeof *dh);
    for (size_t s = 0; s < S; s++) {
        da[s] = 0;
        for (size_t k = 0; k < H; k++) {
            da[s] += e[s * H + k] * dx[H + k];
        }
        mean += a[s] * da[s];
    }
    for (size_t s = 0; s < S; s++) {
        float dscore = a[s] * (da[s] - mean);
        for (size_t k = 0; k < H; k++) {
            dh[k] += dscore * e[s * H + k];
            de[s * H + k] += dscore * h[k] + a[s] * dx[H + k];
        }
    }
}

/* ---- training ---- */

static struct {
    lrnn_trainer *encoder, *decoder, *head;
    lrnn_optimizer *optimizers[3];
    float *e, *de, *h, *dh, *x, *dx, *a; /* states of encoder and decoder, what the head reads */
    float first_h[BATCH * H], first_c[BATCH * H];
    lrnn_sequences seen; /* what the head reads, until its backward pass is done */
    lrnn_schedule *schedule;
} net;

static size_t width(void) /* of what the head reads */
{
    return with_attention ? 2 * H : H;
}

static lrnn_trainer *make_trainer(lrnn_model_options *shape, size_t steps, int32_t loss,
                                  lrnn_optimizer **optimizer)
{
    lrnn_model *model;
    lrnn_trainer *trainer;
    lrnn_trainer_options options;
    must(lrnn_trainer_options_init(&options));
    options.batch = BATCH;
    options.steps = steps;
    options.loss = loss;
    options.carry_state = 0;
    shape->seed = seed;
    must(lrnn_model_create(&model, shape));
    must(lrnn_trainer_create(&trainer, model, &options));
    must(lrnn_optimizer_create(optimizer, lrnn_model_parameter_count(model), NULL));
    lrnn_model_destroy(model);
    return trainer;
}

/* S, T: most steps of a source and of a target; updates: of the whole training. */
static void make_net(size_t S, size_t T, size_t updates)
{
    lrnn_model_options shape;
    for (int target = 0; target < 2; target++) {
        must(lrnn_model_options_init(&shape));
        shape.input_vocab = target ? target_vocab : source_vocab;
        shape.embedding_size = E;
        shape.hidden_size = H;
        shape.head = LRNN_HEAD_NONE;
        *(target ? &net.decoder : &net.encoder) =
            make_trainer(&shape, target ? T : S, LRNN_LOSS_NONE, &net.optimizers[target]);
    }
    must(lrnn_model_options_init(&shape));
    shape.layers = 0;
    shape.feature_size = width();
    shape.output_vocab = target_vocab;
    net.head = make_trainer(&shape, T, LRNN_LOSS_CROSS_ENTROPY, &net.optimizers[2]);
    net.e = take(BATCH * S * H), net.de = take(BATCH * S * H);
    net.h = take(BATCH * T * H), net.dh = take(BATCH * T * H);
    net.x = take(BATCH * T * 2 * H), net.dx = take(BATCH * T * 2 * H);
    net.a = take(BATCH * T * S);
    lrnn_schedule_options falling;
    must(lrnn_schedule_options_init(&falling));
    falling.kind = LRNN_SCHEDULE_COSINE;
    falling.learning_rate = 0.004;
    falling.period = updates;
    must(lrnn_schedule_create(&net.schedule, &falling));
}

static void forward(const lrnn_sequences *source, const lrnn_sequences *target,
                    lrnn_train_result *result)
{
    size_t S = source->steps, T = target->steps;
    must(lrnn_trainer_forward(net.encoder, source, NULL));
    must(lrnn_trainer_copy_outputs(net.e, BATCH * S * H, net.encoder));
    must(lrnn_trainer_export_state(net.first_h, net.first_c, net.encoder));
    must(lrnn_trainer_import_state(net.decoder, net.first_h, net.first_c, target->batch));
    must(lrnn_trainer_forward(net.decoder, target, NULL));
    must(lrnn_trainer_copy_outputs(net.h, BATCH * T * H, net.decoder));
    for (size_t i = 0; with_attention && i < target->batch * T; i++) {
        size_t b = i / T;
        attend(net.x + i * 2 * H, net.a + i * S, net.h + i * H, net.e + b * S * H,
               (size_t)source->lengths[b]);
    }
    net.seen = *target;
    net.seen.tokens = NULL;
    net.seen.features = with_attention ? net.x : net.h;
    must(lrnn_trainer_forward(net.head, &net.seen, result));
}

static void backward(const lrnn_sequences *source, const lrnn_sequences *target)
{
    size_t S = source->steps, T = target->steps;
    lrnn_backward back;
    must(lrnn_backward_init(&back));
    back.features = net.dx;
    must(lrnn_trainer_zero_gradients(net.head));
    must(lrnn_trainer_backward(net.head, &back));

    memset(net.de, 0, BATCH * S * H * sizeof *net.de);
    for (size_t i = 0; with_attention && i < target->batch * T; i++) {
        size_t b = i / T;
        attend_backward(net.dh + i * H, net.de + b * S * H, net.dx + i * 2 * H, net.a + i * S,
                        net.h + i * H, net.e + b * S * H, (size_t)source->lengths[b]);
    }
    must(lrnn_backward_init(&back));
    back.loss_scale = 0; /* neither decoder nor encoder has a loss of its own */
    back.outputs = with_attention ? net.dh : net.dx;
    back.initial_h = net.first_h;
    back.initial_c = net.first_c;
    must(lrnn_trainer_zero_gradients(net.decoder));
    must(lrnn_trainer_backward(net.decoder, &back));

    must(lrnn_backward_init(&back));
    back.loss_scale = 0;
    back.outputs = net.de;
    back.final_h = net.first_h; /* the decoder's first state is the encoder's last */
    back.final_c = net.first_c;
    must(lrnn_trainer_zero_gradients(net.encoder));
    must(lrnn_trainer_backward(net.encoder, &back));
}

/* Nats per token of the target. */
static double train_pass(lrnn_batches *sources, lrnn_batches *targets)
{
    double sum = 0, weight = 0;
    lrnn_sequences source, target;
    lrnn_train_result result;
    lrnn_trainer *all[3] = {net.encoder, net.decoder, net.head};
    must(lrnn_sequences_init(&source));
    must(lrnn_sequences_init(&target));
    must(lrnn_train_result_init(&result));
    while (lrnn_batches_next(targets, &target) == LRNN_OK) {
        const int32_t *rows;
        must(lrnn_batches_get_rows(&rows, targets));
        must(lrnn_batches_select(sources, rows, target.batch, &source));
        forward(&source, &target, &result);
        backward(&source, &target);
        must(lrnn_trainers_clip_norm(all, 3, 5, NULL));
        for (int i = 0; i < 3; i++) {
            must(lrnn_optimizer_set_learning_rate(net.optimizers[i],
                                                  lrnn_schedule_learning_rate(net.schedule)));
            must(lrnn_trainer_update(all[i], net.optimizers[i]));
        }
        must(lrnn_schedule_advance(net.schedule));
        sum += result.loss_sum;
        weight += result.loss_weight;
    }
    return sum / weight;
}

/* ---- is the gradient right? ---- */

/* Mean loss with the parameters of one trainer moved by step * direction. */
static double moved_loss(lrnn_trainer *trainer, const float *at, const float *direction,
                         size_t count, float step, const lrnn_sequences window[2])
{
    float *moved = take(count);
    lrnn_train_result result;
    must(lrnn_train_result_init(&result));
    for (size_t i = 0; i < count; i++) {
        moved[i] = at[i] + step * direction[i];
    }
    must(lrnn_trainer_set_parameter(trainer, NULL, moved, count));
    forward(&window[0], &window[1], &result);
    free(moved);
    return result.loss_sum / result.loss_weight;
}

/* For each tensor of one trainer: the slope of the loss in a direction of +-1, by central
 * differences, against gradient . direction. Returns the largest difference, relative to the norm
 * of the tensor's gradient. */
static double check_trainer(lrnn_trainer *trainer, const lrnn_sequences window[2])
{
    const float step = 2e-4f;
    double worst = 0;
    float *gradient;
    size_t count;
    lrnn_model *model;
    uint32_t random = 1;
    must(lrnn_trainer_get_gradients(&gradient, &count, trainer));
    must(lrnn_trainer_snapshot(&model, trainer));
    float *at = take(count);
    must(lrnn_model_copy_parameter(at, count, model, NULL));
    for (size_t i = 0; i < lrnn_model_tensor_count(model); i++) {
        lrnn_parameter tensor;
        float *direction = take(count);
        double expected = 0, square = 0;
        must(lrnn_parameter_init(&tensor));
        must(lrnn_model_get_parameter(&tensor, model, i));
        for (size_t k = tensor.offset; k < tensor.offset + tensor.count; k++) {
            random = random * 1664525u + 1013904223u;
            direction[k] = random >> 31 ? 1.0f : -1.0f;
            expected += (double)gradient[k] * direction[k];
            square += (double)gradient[k] * gradient[k];
        }
        double slope = (moved_loss(trainer, at, direction, count, step, window) -
                        moved_loss(trainer, at, direction, count, -step, window)) /
                       (2 * (double)step);
        worst = fmax(worst, fabs(slope - expected) / sqrt(square));
        printf("%s %g %g %g\n", tensor.name, slope, expected, sqrt(square));
        free(direction);
    }
    must(lrnn_trainer_set_parameter(trainer, NULL, at, count));
    lrnn_model_destroy(model);
    free(at);
    return worst;
}

/* Of the loss of the first pairs, through all three models. */
static double check_gradient(lrnn_batches *sources, lrnn_batches *targets)
{
    int32_t rows[BATCH];
    double worst = 0;
    lrnn_sequences window[2];
    lrnn_trainer *all[3] = {net.encoder, net.decoder, net.head};
    for (int32_t i = 0; i < BATCH; i++) {
        rows[i] = i;
    }
    must(lrnn_sequences_init(&window[0]));
    must(lrnn_sequences_init(&window[1]));
    must(lrnn_batches_select(sources, rows, BATCH, &window[0]));
    must(lrnn_batches_select(targets, rows, BATCH, &window[1]));
    forward(&window[0], &window[1], NULL);
    backward(&window[0], &window[1]);
    for (int i = 0; i < 3; i++) {
        worst = fmax(worst, check_trainer(all[i], window));
    }
    return worst;
}

/* ---- decoding ---- */

typedef struct translator {
    lrnn_model *models[3];
    lrnn_state *encoder, *decoder, *head;
    float e[LONGEST * H], first_h[H], first_c[H];
    size_t S;
} translator;

/* Scores of the next token for each hypothesis. */
static int32_t score(void *user, const lrnn_rows *rows, float *logits)
{
    translator *t = user;
    float h[BEAM * H], x[BEAM * 2 * H], a[LONGEST];
    int32_t fresh[BEAM] = {-1, -1, -1, -1, -1};
    must(lrnn_state_reorder(t->decoder, rows->parents, rows->count));
    if (rows->parents[0] < 0) { /* the first step: one row, starting where the encoder ended */
        must(lrnn_state_import(t->decoder, t->first_h, t->first_c));
    }
    must(lrnn_state_step(t->decoder, rows->tokens, NULL, h));
    for (size_t row = 0; with_attention && row < rows->count; row++) {
        attend(x + row * 2 * H, a, h + row * H, t->e, t->S);
    }
    must(lrnn_state_reorder(t->head, fresh, rows->count));
    must(lrnn_state_step(t->head, NULL, with_attention ? x : h, logits));
    return 0;
}

static void make_translator(translator *t)
{
    lrnn_trainer *trainers[3] = {net.encoder, net.decoder, net.head};
    lrnn_state_options options;
    must(lrnn_state_options_init(&options));
    for (int i = 0; i < 3; i++) {
        must(lrnn_trainer_snapshot(&t->models[i], trainers[i]));
    }
    must(lrnn_state_create(&t->encoder, t->models[0], &options));
    options.batch = BEAM;
    must(lrnn_state_create(&t->decoder, t->models[1], &options));
    must(lrnn_state_create(&t->head, t->models[2], &options));
}

static void drop_translator(translator *t)
{
    lrnn_state_destroy(t->encoder);
    lrnn_state_destroy(t->decoder);
    lrnn_state_destroy(t->head);
    for (int i = 0; i < 3; i++) {
        lrnn_model_destroy(t->models[i]);
    }
}

/* Writes the best target for the source, without </s>; returns how many tokens. */
static size_t translate(int32_t *found, translator *t, lrnn_decoder *decoder, const char *from)
{
    int32_t source[LONGEST];
    lrnn_sequences window;
    lrnn_request request;
    lrnn_result result;
    must(lrnn_sequences_init(&window));
    must(lrnn_request_init(&request));
    must(lrnn_result_init(&result));
    window.batch = 1;
    window.steps = t->S = encode(source, source_vocab, from);
    window.tokens = source;
    must(lrnn_state_reset(t->encoder));
    must(lrnn_state_forward(t->encoder, &window, t->e));
    must(lrnn_state_export(t->first_h, t->first_c, t->encoder));
    request.tokens = &end_token;
    request.count = 1;
    must(lrnn_decoder_run(decoder, &request, 1));
    must(lrnn_decoder_get_result(&result, decoder, 0, 0));
    size_t count = result.count;
    count -= count > 0 && result.tokens[count - 1] == end_token;
    memcpy(found, result.tokens, count * sizeof *found);
    return count;
}

/* ---- how well ---- */

/* Sources with several targets are adjacent in the file; any of the targets is right. Words that
 * the target vocabulary does not know are <unk> in the references, which is never written. Returns
 * the share of wrong ones. */
static double test(translator *t, lrnn_decoder *decoder)
{
    static int32_t references[16][LONGEST];
    size_t lengths[16], wrong = 0, tested = 0;
    double errors = 0, tokens = 0;
    for (size_t i = 0, next; i < pair_count && tested < (size_t)tests; i = next) {
        size_t count = 0, least = LONGEST, length = 1;
        int32_t found[LONGEST];
        for (next = i; next < pair_count && strcmp(pairs[next].source, pairs[i].source) == 0;
             next++) {
            if (count < 16) {
                lengths[count] = encode(references[count], target_vocab, pairs[next].target);
                count++;
            }
        }
        if (!pairs[i].held_out) {
            continue;
        }
        size_t n = translate(found, t, decoder, pairs[i].source);
        for (size_t r = 0; r < count; r++) {
            size_t d = distance(found, n, references[r], lengths[r]);
            if (d < least) {
                least = d;
                length = lengths[r];
            }
        }
        count_grams(found, n, (const int32_t(*)[LONGEST])references, lengths, count);
        wrong += least > 0;
        errors += (double)least;
        tokens += (double)length;
        if (tested++ < 8) {
            char line[512];
            size_t size;
            must(lrnn_vocab_decode(line, sizeof line, &size, target_vocab, found, n));
            printf("  %s  ->  %s%s\n", pairs[i].source, line, least > 0 ? "  (wrong)" : "");
        }
    }
    printf("%zu held-out sources: %.2f %% wrong, %.2f %% of the tokens; BLEU %.2f\n", tested,
           100.0 * (double)wrong / (double)tested, 100 * errors / tokens, bleu());
    return (double)wrong / (double)tested;
}

static const char *read_options(int argc, char **argv)
{
    const char *path = NULL;
    for (int i = 1; i < argc; i++) {
        int number = i + 1 < argc ? atoi(argv[i + 1]) : 0;
        if (argv[i][0] != '-') {
            path = argv[i];
        } else if (argv[i][1] == 'a') {
            with_attention = 1;
        } else if (argv[i][1] == 'w') {
            by_words = 1;
        } else if (number < 1 || strchr("spkt", argv[i][1]) == NULL) {
            fprintf(stderr, "usage: translate [-a] [-w] [-s SEED] [-p PASSES] [-k K] [-t TESTS] "
                            "[FILE]\n");
            exit(2);
        } else {
            seed = argv[i][1] == 's' ? (uint64_t)number : seed;
            passes = argv[i][1] == 'p' ? number : passes;
            one_in = argv[i][1] == 'k' ? number : one_in;
            tests = argv[i][1] == 't' ? number : tests;
            i++;
        }
    }
    return path;
}

int main(int argc, char **argv)
{
    const char *path = read_options(argc, argv);
    if (path == NULL) {
        with_attention = 1;
        reverse_words();
    } else {
        read_pairs(path);
    }
    make_vocabularies();
    lrnn_batches *sources = make_batches(0), *targets = make_batches(1);
    make_net(lrnn_batches_steps(sources), lrnn_batches_steps(targets),
             (size_t)passes * lrnn_batches_count(targets));
    printf("%zu pairs; %zu source and %zu target tokens\n", pair_count,
           lrnn_vocab_size(source_vocab), lrnn_vocab_size(target_vocab));
    double gradient_error = 0;
    for (int pass = 1; pass <= passes; pass++) {
        printf("pass %d: %.4f nats per target token\n", pass, train_pass(sources, targets));
        fflush(stdout);
        if (path == NULL && pass == 1) { /* by now attention has found something to look at */
            gradient_error = check_gradient(sources, targets);
            printf("the gradient is wrong by %.5f of its norm\n", gradient_error);
        }
    }
    translator *t = calloc(1, sizeof *t);
    if (t == NULL) {
        return 1;
    }
    make_translator(t);
    lrnn_scorer scorer;
    lrnn_decoder_options options;
    lrnn_decoder *decoder;
    int32_t unknown = lrnn_vocab_unknown(target_vocab);
    must(lrnn_scorer_init(&scorer));
    must(lrnn_decoder_options_init(&options));
    scorer.user = t;
    scorer.vocab_size = lrnn_vocab_size(target_vocab);
    scorer.score = score;
    options.method = LRNN_METHOD_BEAM;
    options.beam_width = BEAM;
    options.stopping = LRNN_STOP_HEURISTIC; /* the first to finish is seldom the best */
    options.max_length = 40;
    options.end_tokens = &end_token;
    options.end_count = 1;
    options.banned_tokens = &unknown; /* it is never right */
    options.banned_count = 1;
    must(lrnn_decoder_create_with_scorer(&decoder, &scorer, &options));
    double wrong = test(t, decoder);

    lrnn_decoder_destroy(decoder);
    drop_translator(t);
    free(t);
    lrnn_trainer_destroy(net.encoder);
    lrnn_trainer_destroy(net.decoder);
    lrnn_trainer_destroy(net.head);
    for (int i = 0; i < 3; i++) {
        lrnn_optimizer_destroy(net.optimizers[i]);
    }
    float *memory[] = {net.e, net.de, net.h, net.dh, net.x, net.dx, net.a};
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++) {
        free(memory[i]);
    }
    lrnn_schedule_destroy(net.schedule);
    lrnn_batches_destroy(sources);
    lrnn_batches_destroy(targets);
    lrnn_vocab_destroy(source_vocab);
    lrnn_vocab_destroy(target_vocab);
    return path == NULL && (wrong > 0.1 || gradient_error > 0.01);
}
