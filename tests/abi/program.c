/* Uses every struct of the headers that it is compiled against. Each lies before bytes that must
 * stay as they are; structs of arrays stand two in a row. */
#include <lrnn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GUARDED(type)                                                                              \
    struct {                                                                                       \
        type it;                                                                                   \
        unsigned char after[256];                                                                  \
    }

#define START(guarded, init)                                                                       \
    do {                                                                                           \
        memset(&(guarded), 0xa5, sizeof(guarded));                                                 \
        must(init(&(guarded).it, sizeof(guarded).it));                                             \
        untouched((guarded).after);                                                                \
    } while (0)

static void must(lrnn_status status)
{
    if (status != LRNN_OK) {
        fprintf(stderr, "%s: %s\n", lrnn_status_text(status), lrnn_last_error());
        exit(1);
    }
}

static void untouched(const unsigned char after[256])
{
    for (int i = 0; i < 256; i++) {
        if (after[i] != 0xa5) {
            fprintf(stderr, "the library wrote past the end of a struct\n");
            exit(1);
        }
    }
}

static lrnn_model *make_model(const lrnn_vocab *vocab)
{
    GUARDED(lrnn_model_options) options;
    GUARDED(lrnn_allocator) allocator;
    lrnn_model *model;
    START(allocator, lrnn_allocator_init);
    START(options, lrnn_model_options_init);
    options.it.allocator = &allocator.it;
    options.it.input_vocab = options.it.output_vocab = vocab;
    options.it.embedding_size = 4;
    options.it.hidden_size = 8;
    must(lrnn_model_create(&model, &options.it));
    must(lrnn_model_get_options(&options.it, model));
    untouched(options.after);
    return model;
}

static lrnn_model *train(const lrnn_model *model, const int32_t *ids, size_t count)
{
    GUARDED(lrnn_trainer_options) options;
    GUARDED(lrnn_optimizer_options) rule;
    GUARDED(lrnn_batches_options) cut;
    GUARDED(lrnn_sequences) window;
    GUARDED(lrnn_train_result) result;
    GUARDED(lrnn_backward) backward;
    GUARDED(lrnn_checkpoint) checkpoint;
    lrnn_trainer *trainer;
    lrnn_optimizer *adam;
    lrnn_batches *batches;
    lrnn_model *trained;
    START(options, lrnn_trainer_options_init);
    START(rule, lrnn_optimizer_options_init);
    START(cut, lrnn_batches_options_init);
    START(window, lrnn_sequences_init);
    START(result, lrnn_train_result_init);
    START(backward, lrnn_backward_init);
    START(checkpoint, lrnn_checkpoint_init);
    options.it.batch = cut.it.batch = 2;
    options.it.steps = cut.it.steps = 4;
    must(lrnn_trainer_create(&trainer, model, &options.it));
    must(lrnn_optimizer_create(&adam, lrnn_model_parameter_count(model), &rule.it));
    must(lrnn_batches_create(&batches, ids, count, &cut.it));
    must(lrnn_batches_next(batches, &window.it));
    untouched(window.after);
    must(lrnn_trainer_step(trainer, adam, &window.it, &result.it));
    must(lrnn_trainer_forward(trainer, &window.it, &result.it));
    must(lrnn_trainer_backward(trainer, &backward.it));
    untouched(result.after);
    checkpoint.it.trainer = trainer;
    checkpoint.it.optimizer = adam;
    checkpoint.it.batches = batches;
    must(lrnn_checkpoint_save(&checkpoint.it, "program.checkpoint", "a note"));
    must(lrnn_checkpoint_load(&checkpoint.it, "program.checkpoint"));
    untouched(checkpoint.after);
    must(lrnn_trainer_snapshot(&trained, trainer));
    lrnn_batches_destroy(batches);
    lrnn_optimizer_destroy(adam);
    lrnn_trainer_destroy(trainer);
    return trained;
}

static void decode(const lrnn_model *model)
{
    GUARDED(lrnn_decoder_options) options;
    GUARDED(lrnn_request) request;
    GUARDED(lrnn_result) result;
    static const int32_t prompt[1] = {0};
    lrnn_decoder *decoder;
    START(options, lrnn_decoder_options_init);
    START(request, lrnn_request_init);
    START(result, lrnn_result_init);
    options.it.max_length = 5;
    request.it.tokens = prompt;
    request.it.count = 1;
    must(lrnn_decoder_create(&decoder, model, &options.it));
    must(lrnn_decoder_run(decoder, &request.it, 1));
    must(lrnn_decoder_get_result(&result.it, decoder, 0, 0));
    untouched(result.after);
    lrnn_decoder_destroy(decoder);
}

static void copy(const lrnn_model *model)
{
    GUARDED(lrnn_parameter) parameter;
    GUARDED(lrnn_state_options) running;
    lrnn_tensor tensors[16];
    lrnn_model_options options;
    lrnn_model *same;
    lrnn_state *state;
    size_t count = lrnn_model_tensor_count(model);
    START(parameter, lrnn_parameter_init);
    for (size_t i = 0; i < count; i++) {
        must(lrnn_model_get_parameter(&parameter.it, model, i));
        untouched(parameter.after);
        float *values = malloc(parameter.it.count * sizeof *values);
        must(lrnn_model_copy_parameter(values, parameter.it.count, model, parameter.it.name));
        must(lrnn_tensor_init(&tensors[i], sizeof tensors[i]));
        tensors[i].name = parameter.it.name;
        tensors[i].values = values;
        tensors[i].rank = parameter.it.rank;
        memcpy(tensors[i].shape, parameter.it.shape, sizeof tensors[i].shape);
    }
    must(lrnn_model_options_init(&options, sizeof options));
    must(lrnn_model_get_options(&options, model));
    must(lrnn_model_create_from_tensors(&same, &options, tensors, count));
    START(running, lrnn_state_options_init);
    must(lrnn_state_create(&state, same, &running.it));
    lrnn_state_destroy(state);
    lrnn_model_destroy(same);
    for (size_t i = 0; i < count; i++) {
        free((float *)(size_t)tensors[i].values);
    }
}

static int32_t all_equal(void *user, const lrnn_rows *rows, float *logits)
{
    int32_t token;
    (void)user;
    if (rows->size < offsetof(lrnn_rows, decoder) + sizeof rows->decoder ||
        lrnn_rows_copy_tokens(&token, 0, rows, 0) == LRNN_OK) {
        return 1;
    }
    memset(logits, 0, rows->count * 3 * sizeof *logits);
    return 0;
}

static void score(void)
{
    GUARDED(lrnn_decoder_options) options;
    GUARDED(lrnn_scorer) scorer;
    GUARDED(lrnn_result) result;
    lrnn_request requests[2];
    static const int32_t prompt[1] = {0};
    lrnn_decoder *decoder;
    START(options, lrnn_decoder_options_init);
    START(scorer, lrnn_scorer_init);
    START(result, lrnn_result_init);
    scorer.it.vocab_size = 3;
    scorer.it.score = all_equal;
    options.it.max_length = 2;
    options.it.batch = 2;
    for (size_t i = 0; i < 2; i++) {
        must(lrnn_request_init(&requests[i], sizeof requests[i]));
        requests[i].tokens = prompt;
        requests[i].count = 1;
    }
    must(lrnn_decoder_create_with_scorer(&decoder, &scorer.it, &options.it));
    must(lrnn_decoder_run(decoder, requests, 2));
    must(lrnn_decoder_get_result(&result.it, decoder, 1, 0));
    untouched(result.after);
    lrnn_decoder_destroy(decoder);
}

static void files(const lrnn_model *model)
{
    GUARDED(lrnn_export_options) out;
    GUARDED(lrnn_import_options) in;
    lrnn_model *again;
    START(out, lrnn_export_options_init);
    START(in, lrnn_import_options_init);
    must(lrnn_model_export(model, "program.export", &out.it));
    must(lrnn_model_import(&again, "program.export", &in.it));
    lrnn_model_destroy(again);
}

static void examples(const int32_t *ids)
{
    GUARDED(lrnn_batches_options) cut;
    GUARDED(lrnn_examples) examples;
    GUARDED(lrnn_sequences) window;
    GUARDED(lrnn_schedule_options) rule;
    static const int32_t lengths[2] = {3, 2};
    lrnn_batches *batches;
    lrnn_schedule *schedule;
    START(cut, lrnn_batches_options_init);
    START(examples, lrnn_examples_init);
    START(window, lrnn_sequences_init);
    START(rule, lrnn_schedule_options_init);
    cut.it.batch = 2;
    cut.it.steps = 3;
    examples.it.count = 2;
    examples.it.lengths = lengths;
    examples.it.tokens = examples.it.targets = ids;
    must(lrnn_batches_create_from_examples(&batches, &examples.it, &cut.it));
    must(lrnn_batches_next(batches, &window.it));
    untouched(window.after);
    lrnn_batches_destroy(batches);
    must(lrnn_schedule_create(&schedule, &rule.it));
    lrnn_schedule_destroy(schedule);
}

#if LRNN_VERSION_NUMBER >= 200
static int32_t add_doubles(void *user, double *values, size_t count)
{
    (void)user, (void)values, (void)count;
    return 0;
}

static int32_t add_floats(void *user, float *values, size_t count)
{
    (void)user, (void)values, (void)count;
    return 0;
}

static void exchange(const lrnn_model *model)
{
    GUARDED(lrnn_exchange) with;
    lrnn_trainer_options options;
    lrnn_trainer *trainer;
    START(with, lrnn_exchange_init);
    with.it.sum_doubles = add_doubles;
    with.it.sum_floats = add_floats;
    must(lrnn_trainer_options_init(&options, sizeof options));
    options.exchange = &with.it;
    must(lrnn_trainer_create(&trainer, model, &options));
    lrnn_trainer_destroy(trainer);
}

static void frames(void)
{
    GUARDED(lrnn_ctc_options) options;
    GUARDED(lrnn_ctc_result) result;
    static const float logits[6] = {0, 1, 0, 1, 0, 0};
    lrnn_ctc *ctc;
    START(options, lrnn_ctc_options_init);
    START(result, lrnn_ctc_result_init);
    options.it.output_size = 3;
    options.it.max_length = 4;
    must(lrnn_ctc_create(&ctc, &options.it));
    must(lrnn_ctc_feed(ctc, logits, 2, 3));
    must(lrnn_ctc_finish(ctc));
    must(lrnn_ctc_get_result(&result.it, ctc, 0));
    untouched(result.after);
    lrnn_ctc_destroy(ctc);
}
#endif

int main(void)
{
    static const char text[] = "abcabdabcabdabcabdabcabd";
    int32_t ids[sizeof text];
    size_t count;
    GUARDED(lrnn_vocab_options) options;
    lrnn_vocab *vocab;
    START(options, lrnn_vocab_options_init);
    must(lrnn_vocab_create_from_text(&vocab, text, strlen(text), &options.it));
    must(lrnn_vocab_encode(ids, sizeof text, &count, vocab, text, strlen(text)));
    lrnn_model *model = make_model(vocab), *trained = train(model, ids, count);
    decode(trained);
    copy(trained);
    score();
    files(trained);
    examples(ids);
#if LRNN_VERSION_NUMBER >= 200
    exchange(trained);
    frames();
#endif
    lrnn_model_destroy(trained);
    lrnn_model_destroy(model);
    lrnn_vocab_destroy(vocab);
    return 0;
}
