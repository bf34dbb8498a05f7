/* Many to one: which language is a family name from? An LSTM reads the letters, and a linear layer
 * reads the answer from its last state.
 *
 *     classify_names FILE.txt...        one name a line, each file a language
 *     classify_names -s SEED FILE.txt...
 *
 * A tenth of the names is held out, chosen by hash, so that a name that exists in two languages is
 * on one side only. Without files the few names below are learned by heart. */
#include <lrnn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES = 40000, LETTERS = 1 << 20, LANGUAGES = 64, BATCH = 32, PASSES = 10 };

static char text[LETTERS]; /* all names, concatenated */
static struct {
    const char *letters;
    size_t length;
    int32_t language;
} names[NAMES];
static char labels[LANGUAGES][64];
static size_t name_count, text_length, language_count;

static void must(lrnn_status status)
{
    if (status != LRNN_OK) {
        fprintf(stderr, "%s\n", lrnn_last_error());
        exit(1);
    }
}

/* Adds a name unless the language has it already. */
static void add_name(const char *name, int32_t language)
{
    size_t length = strcspn(name, "\r\n");
    for (size_t i = name_count; i-- > 0 && names[i].language == language;) {
        if (names[i].length == length && memcmp(names[i].letters, name, length) == 0) {
            return;
        }
    }
    if (length == 0 || name_count == NAMES || text_length + length > LETTERS) {
        return;
    }
    names[name_count].letters = memcpy(text + text_length, name, length);
    names[name_count].length = length;
    names[name_count++].language = language;
    text_length += length;
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

static void read_own(void)
{
    static const char *const own[3][9] = {
        {"Italian", "Rossi", "Ferrari", "Bianchi", "Romano", "Colombo", "Ricci", "Marino", "Greco"},
        {"Japanese", "Suzuki", "Takahashi", "Tanaka", "Watanabe", "Yamamoto", "Nakamura",
         "Kobayashi", "Sato"},
        {"German", "Schmidt", "Schneider", "Fischer", "Weber", "Wagner", "Becker", "Hoffmann",
         "Koch"},
    };
    for (; language_count < 3; language_count++) {
        strcpy(labels[language_count], own[language_count][0]);
        for (int i = 1; i < 9; i++) {
            add_name(own[language_count][i], (int32_t)language_count);
        }
    }
}

/* FNV-1a */
static int held_out(size_t i)
{
    unsigned hash = 2166136261u;
    for (size_t k = 0; k < names[i].length; k++) {
        hash = (hash ^ (unsigned char)names[i].letters[k]) * 16777619u;
    }
    return hash % 10 == 0;
}

static lrnn_batches *make_batches(const lrnn_vocab *letters, int held, uint64_t seed)
{
    static int32_t tokens[LETTERS], lengths[NAMES], languages[NAMES];
    size_t steps = 0;
    lrnn_examples examples;
    must(lrnn_examples_init(&examples));
    for (size_t i = 0; i < name_count; i++) {
        if (held < 0 || held_out(i) == held) {
            size_t length;
            must(lrnn_vocab_encode(tokens + steps, LETTERS - steps, &length, letters,
                                   names[i].letters, names[i].length));
            languages[examples.count] = names[i].language;
            lengths[examples.count++] = (int32_t)length;
            steps += length;
        }
    }
    examples.tokens = tokens;
    examples.lengths = lengths;
    examples.targets = languages;
    examples.per_example = 1;
    lrnn_batches_options options;
    must(lrnn_batches_options_init(&options));
    options.batch = BATCH;
    options.shuffle = held != 1;
    options.bucket = 16;
    options.seed = seed;
    lrnn_batches *batches;
    must(lrnn_batches_create_from_examples(&batches, &examples, &options));
    return batches;
}

/* Share of the names whose language has the largest output. */
static double accuracy(lrnn_trainer *trainer, lrnn_batches *batches)
{
    double right = 0, items = 0;
    lrnn_sequences window;
    lrnn_train_result result;
    must(lrnn_sequences_init(&window));
    must(lrnn_train_result_init(&result));
    while (lrnn_batches_next(batches, &window) == LRNN_OK) {
        must(lrnn_trainer_evaluate(trainer, &window, &result));
        right += (double)result.right;
        items += (double)result.items;
    }
    return right / items;
}

int main(int argc, char **argv)
{
    int first = argc > 2 && strcmp(argv[1], "-s") == 0 ? 3 : 1, own = argc <= first;
    uint64_t seed = first == 3 ? strtoull(argv[2], NULL, 10) : 1;
    for (int i = first; i < argc; i++) {
        read_file(argv[i]);
    }
    if (own) {
        read_own();
    }
    const char *pointers[LANGUAGES];
    for (size_t i = 0; i < language_count; i++) {
        pointers[i] = labels[i];
    }
    lrnn_vocab *letters, *languages;
    must(lrnn_vocab_create_from_text(&letters, text, text_length, NULL));
    must(lrnn_vocab_create_from_labels(&languages, pointers, language_count, NULL));
    lrnn_batches *training = make_batches(letters, own ? -1 : 0, seed);
    lrnn_batches *testing = make_batches(letters, own ? -1 : 1, seed);

    lrnn_model_options shape;
    must(lrnn_model_options_init(&shape));
    shape.input_vocab = letters;
    shape.output_vocab = languages;
    shape.embedding_size = 32;
    shape.hidden_size = 128;
    shape.head = LRNN_HEAD_LAST;
    shape.seed = seed;
    lrnn_trainer_options options;
    must(lrnn_trainer_options_init(&options));
    options.batch = BATCH;
    options.steps = lrnn_batches_steps(training) > lrnn_batches_steps(testing)
                        ? lrnn_batches_steps(training)
                        : lrnn_batches_steps(testing);
    options.clip_norm = 5;
    options.carry_state = 0; /* every name starts from a state of zero */
    lrnn_model *model;
    lrnn_trainer *trainer;
    lrnn_optimizer *optimizer;
    must(lrnn_model_create(&model, &shape));
    must(lrnn_trainer_create(&trainer, model, &options));
    must(lrnn_optimizer_create(&optimizer, lrnn_model_parameter_count(model), NULL));
    lrnn_schedule_options falling;
    lrnn_schedule *schedule;
    must(lrnn_schedule_options_init(&falling));
    falling.kind = LRNN_SCHEDULE_COSINE;
    falling.learning_rate = own ? 0.02 : 0.004;
    falling.period = (own ? 60 : PASSES) * lrnn_batches_count(training);
    must(lrnn_schedule_create(&schedule, &falling));

    printf("%zu names of %zu languages\n", name_count, language_count);
    double right = 0;
    for (int pass = 0; pass < (own ? 60 : PASSES); pass++) {
        double sum = 0, weight = 0;
        lrnn_sequences window;
        lrnn_train_result result;
        must(lrnn_sequences_init(&window));
        must(lrnn_train_result_init(&result));
        while (lrnn_batches_next(training, &window) == LRNN_OK) {
            must(
                lrnn_optimizer_set_learning_rate(optimizer, lrnn_schedule_learning_rate(schedule)));
            must(lrnn_trainer_step(trainer, optimizer, &window, &result));
            must(lrnn_schedule_advance(schedule));
            sum += result.loss_sum;
            weight += result.loss_weight;
        }
        right = accuracy(trainer, testing);
        if (!own || pass == 59) {
            printf("pass %d: loss %.3f, %s accuracy %.4f\n", pass + 1, sum / weight,
                   own ? "training" : "held-out", right);
        }
    }
    lrnn_batches_destroy(training);
    lrnn_batches_destroy(testing);
    lrnn_schedule_destroy(schedule);
    lrnn_optimizer_destroy(optimizer);
    lrnn_trainer_destroy(trainer);
    lrnn_model_destroy(model);
    lrnn_vocab_destroy(letters);
    lrnn_vocab_destroy(languages);
    return own && right < 1; /* so few names can be learned by heart */
}
