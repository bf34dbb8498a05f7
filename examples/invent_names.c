/* One to many: from a language to a new name. The language becomes the state in which an LSTM
 * starts to write, as a picture does in image captioning: a linear layer, which is a model of 0
 * layers, turns a one-hot language into h and c. The gradient of the LSTM's initial state is the
 * gradient of that layer's outputs.
 *
 *     invent_names [-s SEED] FILE.txt...        one name a line, each file a language
 *
 * A tenth of the names is held out, as in classify_names. Without files the names below are used.
 */
#include <lrnn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES = 40000, LETTERS = 1 << 20, LANGUAGES = 64, H = 128, BATCH = 32, PASSES = 8 };

static char text[LETTERS]; /* a line feed before and after each name */
static int32_t tokens[LETTERS];
static struct {
    size_t first, length; /* in text, line feeds left out */
    int32_t language;
} names[NAMES];
static char labels[LANGUAGES][64];
static size_t name_count, text_length = 1, language_count;

/* Both models, in training and published. */
static lrnn_trainer *starter, *writer;
static float start[BATCH * 2 * H], h[BATCH * H], c[BATCH * H];

static void must(lrnn_status status)
{
    if (status != LRNN_OK) {
        fprintf(stderr, "%s\n", lrnn_last_error());
        exit(1);
    }
}

/* ---- data ---- */

/* Adds a name unless the language has it already. */
static void add_name(const char *name, int32_t language)
{
    size_t length = strcspn(name, "\r\n");
    for (size_t i = name_count; i-- > 0 && names[i].language == language;) {
        if (names[i].length == length && memcmp(text + names[i].first, name, length) == 0) {
            return;
        }
    }
    if (length > 0 && name_count < NAMES && text_length + length + 1 < LETTERS) {
        memcpy(text + text_length, name, length);
        names[name_count].first = text_length;
        names[name_count].length = length;
        names[name_count++].language = language;
        text_length += length;
        text[text_length++] = '\n';
    }
}

static void read_file(const char *path)
{
    char line[256];
    const char *base = strrchr(path, '/');
    FILE *file = fopen(path, "r");
    if (file == NULL || language_count == LANGUAGES) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(1);
    }
    base = base == NULL ? path : base + 1;
    snprintf(labels[language_count], sizeof labels[0], "%.*s", (int)strcspn(base, "."), base);
    while (fgets(line, sizeof line, file) != NULL) {
        add_name(line, (int32_t)language_count);
    }
    fclose(file);
    language_count++;
}

static void use_own(void)
{
    static const char *const own[2][7] = {
        {"Italian", "Rossi", "Ferrari", "Bianchi", "Romano", "Colombo", "Ricci"},
        {"Japanese", "Suzuki", "Takahashi", "Tanaka", "Watanabe", "Yamamoto", "Nakamura"},
    };
    for (; language_count < 2; language_count++) {
        strcpy(labels[language_count], own[language_count][0]);
        for (int i = 1; i < 7; i++) {
            add_name(own[language_count][i], (int32_t)language_count);
        }
    }
}

/* FNV-1a */
static int held_out(size_t i)
{
    unsigned hash = 2166136261u;
    for (size_t k = 0; k < names[i].length; k++) {
        hash = (hash ^ (unsigned char)text[names[i].first + k]) * 16777619u;
    }
    return hash % 10 == 0;
}

/* A name is read from the line feed before it, and ends with the line feed after it. languages: of
 * each name in the list, [NAMES]. */
static lrnn_batches *make_batches(const lrnn_vocab *letters, int held, uint64_t seed,
                                  int32_t *languages)
{
    static int32_t targets[LETTERS], lengths[NAMES];
    size_t steps = 0;
    lrnn_examples examples;
    lrnn_batches_options options;
    lrnn_batches *batches;
    must(lrnn_examples_init(&examples));
    must(lrnn_batches_options_init(&options));
    for (size_t i = 0; i < name_count; i++) {
        if (held < 0 || held_out(i) == held) {
            size_t count;
            must(lrnn_vocab_encode(tokens + steps, LETTERS - steps, &count, letters,
                                   text + names[i].first - 1, names[i].length + 1));
            must(lrnn_vocab_encode(targets + steps, LETTERS - steps, &count, letters,
                                   text + names[i].first, names[i].length + 1));
            languages[examples.count] = names[i].language;
            lengths[examples.count++] = (int32_t)count;
            steps += count;
        }
    }
    examples.tokens = tokens;
    examples.targets = targets;
    examples.lengths = lengths;
    options.batch = BATCH;
    options.shuffle = held != 1;
    options.bucket = 16;
    options.seed = seed;
    must(lrnn_batches_create_from_examples(&batches, &examples, &options));
    return batches;
}

/* ---- the two models together ---- */

/* Writes the initial state of each language to h and c, [count,H]. */
static void begin(const int32_t *chosen, size_t count)
{
    lrnn_sequences window;
    must(lrnn_sequences_init(&window));
    window.batch = count;
    window.steps = 1;
    window.tokens = chosen;
    must(lrnn_trainer_forward(starter, &window, NULL));
    must(lrnn_trainer_copy_outputs(start, BATCH * 2 * H, starter));
    for (size_t b = 0; b < count; b++) {
        memcpy(h + b * H, start + b * 2 * H, H * sizeof *h);
        memcpy(c + b * H, start + b * 2 * H + H, H * sizeof *c);
    }
}

static void run(lrnn_batches *batches, const int32_t *languages, const lrnn_sequences *window,
                lrnn_train_result *result)
{
    int32_t chosen[BATCH];
    const int32_t *rows;
    must(lrnn_batches_get_rows(&rows, batches));
    for (size_t b = 0; b < window->batch; b++) {
        chosen[b] = languages[rows[b]];
    }
    begin(chosen, window->batch);
    must(lrnn_trainer_import_state(writer, h, c, window->batch));
    must(lrnn_trainer_forward(writer, window, result));
}

static void learn(lrnn_optimizer *const optimizers[2], size_t count)
{
    lrnn_trainer *both[2] = {starter, writer};
    lrnn_backward back;
    must(lrnn_backward_init(&back));
    must(lrnn_trainer_zero_gradients(starter));
    must(lrnn_trainer_zero_gradients(writer));
    back.initial_h = h;
    back.initial_c = c;
    must(lrnn_trainer_backward(writer, &back));
    for (size_t b = 0; b < count; b++) {
        memcpy(start + b * 2 * H, h + b * H, H * sizeof *h);
        memcpy(start + b * 2 * H + H, c + b * H, H * sizeof *c);
    }
    must(lrnn_backward_init(&back));
    back.loss_scale = 0; /* the starter has no loss of its own */
    back.outputs = start;
    must(lrnn_trainer_backward(starter, &back));
    must(lrnn_trainers_clip_norm(both, 2, 5, NULL));
    must(lrnn_trainer_update(starter, optimizers[0]));
    must(lrnn_trainer_update(writer, optimizers[1]));
}

/* A pass over the data; returns nats per character, the end of the name counted as one. */
static double pass(lrnn_batches *batches, const int32_t *languages,
                   lrnn_optimizer *const optimizers[2])
{
    double sum = 0, weight = 0;
    lrnn_sequences window;
    lrnn_train_result result;
    must(lrnn_sequences_init(&window));
    must(lrnn_train_result_init(&result));
    while (lrnn_batches_next(batches, &window) == LRNN_OK) {
        run(batches, languages, &window, &result);
        sum += result.loss_sum;
        weight += result.loss_weight;
        if (optimizers != NULL) {
            learn(optimizers, window.batch);
        }
    }
    return sum / weight;
}

static lrnn_trainer *make_trainer(const lrnn_model_options *shape, size_t steps, int32_t loss,
                                  lrnn_optimizer **optimizer, double learning_rate)
{
    lrnn_model *model;
    lrnn_trainer *trainer;
    lrnn_trainer_options options;
    must(lrnn_trainer_options_init(&options));
    options.batch = BATCH;
    options.steps = steps;
    options.loss = loss;
    options.carry_state = 0;
    must(lrnn_model_create(&model, shape));
    must(lrnn_trainer_create(&trainer, model, &options));
    must(lrnn_optimizer_create(optimizer, lrnn_model_parameter_count(model), NULL));
    must(lrnn_optimizer_set_learning_rate(*optimizer, learning_rate));
    lrnn_model_destroy(model);
    return trainer;
}

/* ---- new names ---- */

static void invent(const lrnn_vocab *letters, int32_t language)
{
    int32_t end;
    lrnn_model *model;
    lrnn_decoder *decoder;
    lrnn_decoder_options options;
    lrnn_request requests[5];
    must(lrnn_vocab_find(&end, letters, "\n", 1));
    must(lrnn_trainer_snapshot(&model, writer));
    must(lrnn_decoder_options_init(&options));
    options.method = LRNN_METHOD_SAMPLE;
    options.temperature = 0.7;
    options.max_length = 20;
    options.end_tokens = &end;
    options.end_count = 1;
    options.batch = 5;
    must(lrnn_decoder_create(&decoder, model, &options));
    begin(&language, 1);
    for (uint64_t i = 0; i < 5; i++) {
        must(lrnn_request_init(&requests[i]));
        requests[i].tokens = &end; /* it marks the start too */
        requests[i].count = 1;
        requests[i].seed = i;
        requests[i].h = h;
        requests[i].c = c;
    }
    must(lrnn_decoder_run(decoder, requests, 5));
    printf("%12s:", labels[language]);
    for (size_t i = 0; i < 5; i++) {
        char name[100];
        size_t length;
        lrnn_result result;
        must(lrnn_result_init(&result));
        must(lrnn_decoder_get_result(&result, decoder, i, 0));
        must(lrnn_vocab_decode(name, sizeof name, &length, letters, result.tokens, result.count));
        printf(" %.*s", (int)strcspn(name, "\n"), name);
    }
    putchar('\n');
    lrnn_decoder_destroy(decoder);
    lrnn_model_destroy(model);
}

int main(int argc, char **argv)
{
    int first = argc > 2 && strcmp(argv[1], "-s") == 0 ? 3 : 1, own = argc <= first;
    uint64_t seed = first == 3 ? strtoull(argv[2], NULL, 10) : 1;
    text[0] = '\n';
    for (int i = first; i < argc; i++) {
        read_file(argv[i]);
    }
    if (own) {
        use_own();
    }
    static int32_t of_training[NAMES], of_testing[NAMES];
    lrnn_vocab *letters;
    must(lrnn_vocab_create_from_text(&letters, text, text_length, NULL));
    lrnn_batches *training = make_batches(letters, own ? -1 : 0, seed, of_training);
    lrnn_batches *testing = make_batches(letters, own ? -1 : 1, seed, of_testing);
    size_t steps = lrnn_batches_steps(training);
    steps = steps > lrnn_batches_steps(testing) ? steps : lrnn_batches_steps(testing);

    lrnn_optimizer *optimizers[2];
    lrnn_model_options shape;
    must(lrnn_model_options_init(&shape));
    shape.vocab_size = language_count;
    shape.embedding_size = 0; /* one-hot */
    shape.layers = 0;
    shape.output_size = 2 * H;
    shape.seed = seed;
    starter = make_trainer(&shape, 1, LRNN_LOSS_NONE, &optimizers[0], own ? 0.02 : 0.003);
    must(lrnn_model_options_init(&shape));
    shape.input_vocab = shape.output_vocab = letters;
    shape.embedding_size = 32;
    shape.hidden_size = H;
    shape.seed = seed;
    writer =
        make_trainer(&shape, steps, LRNN_LOSS_CROSS_ENTROPY, &optimizers[1], own ? 0.02 : 0.003);

    printf("%zu names of %zu languages\n", name_count, language_count);
    double loss = 0;
    for (int n = 1; n <= (own ? 40 : PASSES); n++) {
        double trained = pass(training, of_training, optimizers);
        loss = pass(testing, of_testing, NULL);
        if (!own || n == 40) {
            printf("pass %d: %.3f nats per character, %s %.4f\n", n, trained,
                   own ? "then" : "held out", loss);
        }
    }
    for (int32_t language = 0; language < (int32_t)language_count; language++) {
        invent(letters, language);
    }
    lrnn_batches_destroy(training);
    lrnn_batches_destroy(testing);
    lrnn_optimizer_destroy(optimizers[0]);
    lrnn_optimizer_destroy(optimizers[1]);
    lrnn_trainer_destroy(starter);
    lrnn_trainer_destroy(writer);
    lrnn_vocab_destroy(letters);
    return own && loss > 0.6; /* learned by heart, except which name comes next */
}
