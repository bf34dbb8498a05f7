/* A program keeps serving a model while a second thread fine-tunes a copy of it on what the user
 * writes; when the copy is ready the two are exchanged between two requests.
 *
 * It is safe because a model never changes: the trainer works on its own copy of the parameters, a
 * snapshot is a new model, and a replaced model lives for as long as anyone holds it. */
#include <lrnn.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the model learned at home, what this user writes, and what the user writes next. */
static const char common_text[] =
    "the weather is fine today and the train is on time. we meet at the station at nine. "
    "please send me the report before noon. the meeting is in the large room on the first floor. "
    "thank you for the letter that came today. the report is fine and the room is large. "
    "please meet me at the station before nine. the train that came today is on time. "
    "we send the letter at noon. the weather is fine and we meet on the first floor. ";
static const char user_text[] =
    "yo gonna grab pizza l8r, u in? lol that jam was sick. brb got 2 go, ttyl. u gonna jam l8r? "
    "lol no pizza 4 me. yo that was sick, thx 4 the pizza. got 2 grab my bass, brb. ttyl lol. "
    "u got the bass? gonna jam 4 real. thx yo, that was sick lol. grab my jam, no pizza l8r. "
    "yo u in 4 pizza? brb gonna grab it. lol got 2 go jam, ttyl. my bass was sick, thx. u in? ";
static const char next_text[] =
    "yo lol gonna jam l8r, u got my bass? thx 4 that, brb. ttyl, no pizza.";

enum { TEXT_MAX = 512, COMMON_UPDATES = 30, USER_UPDATES = 80 };

static void must(lrnn_status status)
{
    if (status != LRNN_OK) {
        fprintf(stderr, "%s\n", lrnn_last_error());
        exit(1);
    }
}

/* ---- the model that is served now; used by both threads ---- */

static pthread_mutex_t published_lock = PTHREAD_MUTEX_INITIALIZER;
static lrnn_model *published;
static atomic_bool personalised;

static void publish(lrnn_model *model)
{
    pthread_mutex_lock(&published_lock);
    lrnn_model *old = published;
    published = model;
    pthread_mutex_unlock(&published_lock);
    lrnn_model_destroy(old); /* a state that still runs on it keeps it alive */
}

/* A state of the current model: one for each request. The lock is held only while the model is
 * shared. */
static lrnn_state *open_state(void)
{
    pthread_mutex_lock(&published_lock);
    lrnn_model *model = lrnn_model_share(published);
    pthread_mutex_unlock(&published_lock);
    lrnn_state *state;
    must(lrnn_state_create(&state, model, NULL));
    lrnn_model_destroy(model); /* the state holds it too */
    return state;
}

/* ---- serving: how well is a text predicted? ---- */

static double negative_log_softmax(const float *scores, size_t count, int32_t id)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += exp((double)scores[i] - (double)scores[id]);
    }
    return log(sum);
}

/* Perplexity per character, as a keyboard would meet the text: one character at a time. */
static double serve(const lrnn_vocab *vocab, const char *text)
{
    int32_t ids[TEXT_MAX];
    float scores[256];
    size_t count;
    must(lrnn_vocab_encode(ids, TEXT_MAX, &count, vocab, text, strlen(text)));
    lrnn_state *state = open_state();
    double loss = 0;
    for (size_t i = 0; i + 1 < count; i++) {
        must(lrnn_state_step(state, &ids[i], NULL, scores));
        loss += negative_log_softmax(scores, lrnn_vocab_size(vocab), ids[i + 1]);
    }
    lrnn_state_destroy(state);
    return exp(loss / (double)(count - 1));
}

/* ---- training, of the first model and of the copy ---- */

static lrnn_model *train(const lrnn_model *model, const char *text, double rate, int updates)
{
    int32_t ids[TEXT_MAX];
    size_t count;
    must(lrnn_vocab_encode(ids, TEXT_MAX, &count, lrnn_model_input_vocab(model), text,
                           strlen(text)));
    lrnn_batches_options options;
    must(lrnn_batches_options_init(&options));
    options.batch = 4;
    lrnn_batches *batches;
    lrnn_trainer *trainer;
    lrnn_optimizer *optimizer;
    must(lrnn_batches_create(&batches, ids, count, &options));
    must(lrnn_trainer_create(&trainer, model, NULL));
    must(lrnn_optimizer_create(&optimizer, lrnn_model_parameter_count(model), NULL));
    must(lrnn_optimizer_set_learning_rate(optimizer, rate));
    lrnn_sequences window;
    must(lrnn_sequences_init(&window));
    for (int update = 0; update < updates; update++) {
        if (lrnn_batches_next(batches, &window) == LRNN_END) {
            must(lrnn_trainer_reset_state(trainer));
            must(lrnn_batches_next(batches, &window));
        }
        must(lrnn_trainer_step(trainer, optimizer, &window, NULL));
    }
    lrnn_model *trained;
    must(lrnn_trainer_snapshot(&trained, trainer));
    lrnn_optimizer_destroy(optimizer);
    lrnn_trainer_destroy(trainer);
    lrnn_batches_destroy(batches);
    return trained;
}

/* The second thread. */
static void *personalise(void *common)
{
    publish(train(common, user_text, 0.002, USER_UPDATES));
    atomic_store(&personalised, true);
    return NULL;
}

/* The vocabulary has every character that may occur, not only those that the model has seen. */
static lrnn_vocab *create_vocab(void)
{
    char printable[95];
    for (int i = 0; i < 95; i++) {
        printable[i] = (char)(' ' + i);
    }
    lrnn_vocab *vocab;
    must(lrnn_vocab_create_from_text(&vocab, printable, sizeof printable, NULL));
    return vocab;
}

static lrnn_model *create_model(const lrnn_vocab *vocab)
{
    lrnn_model_options options;
    must(lrnn_model_options_init(&options));
    options.input_vocab = options.output_vocab = vocab;
    options.embedding_size = 32;
    options.hidden_size = 64;
    lrnn_model *model;
    must(lrnn_model_create(&model, &options));
    return model;
}

int main(void)
{
    lrnn_vocab *vocab = create_vocab();
    lrnn_model *fresh = create_model(vocab);
    lrnn_model *common = train(fresh, common_text, 0.01, COMMON_UPDATES);
    lrnn_model_destroy(fresh);
    publish(common);
    double before = serve(vocab, next_text);

    pthread_t trainer;
    if (pthread_create(&trainer, NULL, personalise, common) != 0) {
        return fprintf(stderr, "cannot start a thread\n"), 1;
    }
    int served = 0;
    do {
        serve(vocab, next_text);
        served++;
    } while (!atomic_load(&personalised));
    pthread_join(trainer, NULL);
    double after = serve(vocab, next_text);

    printf("perplexity of what the user writes next, per character\n");
    printf("  before  %6.2f\n  after   %6.2f\n", before, after);
    printf("requests served while the copy was trained: %d\n", served);
    publish(NULL);
    lrnn_vocab_destroy(vocab);
    return after < before / 2 ? 0 : 1;
}
