/* The smallest recurrent network worth looking at: it reads "hell" letter by letter and learns to
 * say, after each letter, which one comes next. The letter l is followed by l the first time and by
 * o the second: only what the network remembers can tell the two apart. docs/hello.md explains it.
 */
#include <lrnn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { LETTERS = 4, STEPS = 4, HIDDEN = 8, UPDATES = 200 };

static void must(lrnn_status status, const char *what)
{
    if (status != LRNN_OK) {
        fprintf(stderr, "%s: %s\n", what, lrnn_last_error());
        exit(1);
    }
}

/* An RNN that reads each letter as a one-hot vector: h' = tanh(W x + U h + b), scores = V h' + c.
 */
static lrnn_model *create_model(const lrnn_vocab *vocab)
{
    lrnn_model_options options;
    must(lrnn_model_options_init(&options), "options");
    options.input_vocab = vocab;
    options.output_vocab = vocab;
    options.embedding_size = 0;
    options.hidden_size = HIDDEN;
    options.cell = LRNN_CELL_RNN_TANH;
    lrnn_model *model;
    must(lrnn_model_create(&model, &options), "model");
    return model;
}

/* Shows the network "hell" with the answers "ello" until it knows them. */
static lrnn_model *train(const lrnn_model *model, const int32_t *hello)
{
    lrnn_trainer *trainer;
    lrnn_trainer_options trainer_options;
    must(lrnn_trainer_options_init(&trainer_options), "options");
    trainer_options.batch = 1;
    trainer_options.steps = STEPS;
    trainer_options.carry_state = 0; /* every time the word starts from a state of zero */
    must(lrnn_trainer_create(&trainer, model, &trainer_options), "trainer");

    lrnn_optimizer *optimizer;
    lrnn_optimizer_options optimizer_options;
    must(lrnn_optimizer_options_init(&optimizer_options), "options");
    optimizer_options.learning_rate = 0.02;
    must(lrnn_optimizer_create(&optimizer, lrnn_model_parameter_count(model), &optimizer_options),
         "optimizer");

    lrnn_sequences word;
    must(lrnn_sequences_init(&word), "sequences");
    word.batch = 1;
    word.steps = STEPS;
    word.tokens = hello;      /* h e l l */
    word.targets = hello + 1; /* e l l o */
    lrnn_train_result result;
    must(lrnn_train_result_init(&result), "result");
    for (int update = 1; update <= UPDATES; update++) {
        must(lrnn_trainer_step(trainer, optimizer, &word, &result), "step");
        if (update == 1 || update % 50 == 0) {
            printf("update %3d   loss %.4f\n", update, result.loss_sum / result.loss_weight);
        }
    }
    lrnn_model *trained;
    must(lrnn_trainer_snapshot(&trained, trainer), "snapshot");
    lrnn_optimizer_destroy(optimizer);
    lrnn_trainer_destroy(trainer);
    return trained;
}

/* p_i = exp(score_i) / sum of exp(score_j) */
static void softmax(float probabilities[LETTERS], const float scores[LETTERS])
{
    float sum = 0;
    for (int i = 0; i < LETTERS; i++) {
        sum += probabilities[i] = expf(scores[i]);
    }
    for (int i = 0; i < LETTERS; i++) {
        probabilities[i] /= sum;
    }
}

static const char *letter(const lrnn_vocab *vocab, int32_t id)
{
    const char *token;
    must(lrnn_vocab_get_token(&token, NULL, vocab, id), "letter");
    return token;
}

/* Draws what the network expects and returns the likeliest letter. */
static int32_t show(const lrnn_vocab *vocab, const float probabilities[LETTERS])
{
    static const char bar[] = "##############################";
    int32_t best = 0;
    for (int32_t i = 0; i < LETTERS; i++) {
        best = probabilities[i] > probabilities[best] ? i : best;
        printf("    %s %5.1f%% %.*s\n", letter(vocab, i), 100 * (double)probabilities[i],
               (int)lroundf(30 * probabilities[i]), bar);
    }
    return best;
}

/* Feeds "hell" one letter at a time; returns how many of the four answers are right. */
static int recite(const lrnn_model *model, const lrnn_vocab *vocab, const int32_t *hello)
{
    lrnn_state *state;
    must(lrnn_state_create(&state, model, NULL), "state");
    int right = 0;
    for (int step = 0; step < STEPS; step++) {
        float scores[LETTERS];
        float probabilities[LETTERS];
        must(lrnn_state_step(state, &hello[step], NULL, scores), "step");
        softmax(probabilities, scores);
        printf("\nafter \"%.*s\":\n", step + 1, "hell");
        int32_t answer = show(vocab, probabilities);
        right += answer == hello[step + 1];
        printf("  -> %s\n", letter(vocab, answer));
    }
    lrnn_state_destroy(state);
    return right;
}

int main(void)
{
    lrnn_vocab *vocab;
    int32_t hello[STEPS + 1];
    size_t count;
    must(lrnn_vocab_create_from_text(&vocab, "hello", 5, NULL), "vocabulary");
    must(lrnn_vocab_encode(hello, STEPS + 1, &count, vocab, "hello", 5), "encode");

    lrnn_model *model = create_model(vocab);
    lrnn_model *trained = train(model, hello);
    int right = recite(trained, vocab, hello);
    printf("\n%d of %d right\n", right, STEPS);

    lrnn_model_destroy(trained);
    lrnn_model_destroy(model);
    lrnn_vocab_destroy(vocab);
    return right == STEPS ? 0 : 1;
}
