/* Given word vectors, frozen: a text file of vectors, as GloVe comes
 * (nlp.stanford.edu/projects/glove), becomes the embedding of a classifier of sentences. Words that
 * the file does not have keep the vectors that were drawn. What is learned of one word holds for
 * its neighbours then, also where training has never seen them.
 *
 *     word_vectors [VECTORS.txt SENTENCES.tsv]
 *
 * VECTORS: a word and its E numbers a line, separated by spaces. SENTENCES: a label, a tab and a
 * sentence a line; each fifth one is for testing. What is wrong with a line of the vectors is said
 * by its number. Without files the little ones below are used. */
#include <errno.h>
#include <lrnn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SENTENCES = 20000, LETTERS = 1 << 22, LINE = 1 << 16, LABELS = 16, BATCH = 8, PASSES = 30 };

static const char own_vectors[] = "cat 1 0.1 0.9 0\ndog 0.9 0.2 1 0.1\nhorse 1.1 0 0.8 0\n"
                                  "bus -1 0.1 -0.9 0\ntrain -0.9 0 -1 0.2\nlorry -1 0.2 -0.8 0\n"
                                  "the 0 1 0 0\na 0 0.9 0 0.1\nsleeps 0.1 0 0.2 1\n"
                                  "stops -0.1 0 -0.1 1.1\neats 0.2 0.1 0.1 0.9\n";
/* Each fifth has an animal or a vehicle that no other has. */
static const char own_sentences[] = "animal\tthe cat sleeps\nvehicle\ta bus stops\n"
                                    "animal\ta cat eats\nvehicle\tthe bus stops\n"
                                    "animal\tthe horse stops\n"
                                    "vehicle\tthe train sleeps\nanimal\ta dog stops quietly\n"
                                    "vehicle\ta train stops\nanimal\tthe dog eats\n"
                                    "vehicle\ta lorry sleeps\n";

typedef struct sentences {
    char text[LETTERS]; /* one after the other, a blank between */
    size_t starts[SENTENCES + 1];
    int32_t labels[SENTENCES];
    size_t count;
} sentences;

static sentences all;
static char label_names[LABELS][32];
static int32_t label_count;

static void must(lrnn_status status)
{
    if (status != LRNN_OK) {
        fprintf(stderr, "%s\n", lrnn_last_error());
        exit(1);
    }
}

static void fail(const char *path, size_t line, const char *what, const char *word)
{
    fprintf(stderr, "%s:%zu: %s%s%s\n", path, line, what, word != NULL ? ": " : "",
            word != NULL ? word : "");
    exit(1);
}

/* A file, or text that is there already. */
static FILE *open_text(const char *path, const char *own, size_t length)
{
    union {
        const char *text;
        char *lent; /* fmemopen only reads it */
    } same = {own};
    FILE *file = path != NULL ? fopen(path, "r") : fmemopen(same.lent, length, "r");
    if (file == NULL) {
        fprintf(stderr, "%s: %s\n", path != NULL ? path : "own text", strerror(errno));
        exit(1);
    }
    return file;
}

/* ---- sentences ---- */

static int32_t find_label(const char *name, const char *path, size_t line)
{
    for (int32_t i = 0; i < label_count; i++) {
        if (strcmp(label_names[i], name) == 0) {
            return i;
        }
    }
    if (label_count == LABELS || strlen(name) >= sizeof label_names[0]) {
        fail(path, line, "too many labels, or one that is too long", name);
    }
    strcpy(label_names[label_count], name);
    return label_count++;
}

static void read_sentences(const char *path)
{
    static char line[LINE];
    FILE *file = open_text(path, own_sentences, sizeof own_sentences - 1);
    const char *name = path != NULL ? path : "own sentences";
    for (size_t number = 1; fgets(line, sizeof line, file) != NULL; number++) {
        char *tab = strchr(line, '\t');
        if (tab == NULL) {
            fail(name, number, "expected a label, a tab and a sentence", NULL);
        }
        *tab = '\0';
        size_t length = strcspn(tab + 1, "\n"), start = all.starts[all.count];
        if (all.count == SENTENCES || start + length + 1 >= LETTERS) {
            fail(name, number, "more sentences than this example has room for", NULL);
        }
        all.labels[all.count] = find_label(line, name, number);
        memcpy(all.text + start, tab + 1, length);
        all.text[start + length] = ' ';
        all.starts[++all.count] = start + length + 1;
    }
    fclose(file);
    if (all.count < 5) {
        fail(name, all.count, "expected at least five sentences", NULL);
    }
}

/* ---- vectors ---- */

static char line[LINE];

/* Numbers on the line after its word. */
static size_t count_numbers(const char *text)
{
    size_t count = 0;
    for (text += strcspn(text, " "); *text != '\0'; text += strcspn(text, " ")) {
        text += strspn(text, " ");
        count += *text != '\0';
    }
    return count;
}

/* Replaces the word of the line by its vector, [size]. */
static void read_numbers(float *vector, size_t size, const char *path, size_t number)
{
    char *at = line + strlen(line) + 1;
    for (size_t i = 0; i < size; i++) {
        char *end;
        vector[i] = strtof(at, &end);
        if (end == at || (*end != ' ' && *end != '\0') || !isfinite(vector[i])) {
            at += strspn(at, " ");
            at[strcspn(at, " ")] = '\0';
            fail(path, number, "expected a finite number, found", at);
        }
        at = end;
    }
}

static FILE *open_vectors(const char *path)
{
    return open_text(path, own_vectors, sizeof own_vectors - 1);
}

/* The length of the first vector. */
static size_t vector_size(const char *path, const char *name)
{
    FILE *file = open_vectors(path);
    size_t size = fgets(line, sizeof line, file) != NULL ? count_numbers(line) : 0;
    fclose(file);
    if (size == 0) {
        fail(name, 1, "expected a word and its vector", NULL);
    }
    return size;
}

/* Rows of `embedding`, [vocabulary,size], for the words that both have; returns how many. */
static size_t read_vectors(float *embedding, size_t size, const lrnn_vocab *vocab, const char *path,
                           const char *name)
{
    size_t found = 0;
    unsigned char *seen = calloc(lrnn_vocab_size(vocab), 1);
    FILE *file = open_vectors(path);
    for (size_t number = 1; seen != NULL && fgets(line, sizeof line, file) != NULL; number++) {
        int32_t id;
        size_t length = strcspn(line, " "), end = strcspn(line, "\n");
        if (line[end] != '\n' && !feof(file)) {
            fail(name, number, "the line is too long", NULL);
        }
        line[end] = '\0';
        size_t count = count_numbers(line);
        if (length == 0 || count != size) {
            char text[64];
            snprintf(text, sizeof text, "expected %zu, found %zu", size, count);
            fail(name, number, "numbers after the word", text);
        }
        if (lrnn_vocab_find(&id, vocab, line, length) != LRNN_OK) {
            continue;
        }
        line[length] = '\0';
        if (seen[id]++ != 0) {
            fail(name, number, "a second vector for", line);
        }
        read_numbers(embedding + (size_t)id * size, size, name, number);
        found++;
    }
    fclose(file);
    free(seen);
    return found;
}

/* ---- the net ---- */

static lrnn_vocab *make_vocab(void)
{
    lrnn_vocab *vocab;
    lrnn_vocab_options options;
    must(lrnn_vocab_options_init(&options, sizeof options));
    options.level = LRNN_LEVEL_WORD;
    must(lrnn_vocab_create_from_text(&vocab, all.text, all.starts[all.count], &options));
    return vocab;
}

static lrnn_trainer *make_trainer(const lrnn_vocab *vocab, size_t size, size_t steps)
{
    lrnn_model *model;
    lrnn_trainer *trainer;
    lrnn_model_options options;
    lrnn_trainer_options training;
    must(lrnn_model_options_init(&options, sizeof options));
    must(lrnn_trainer_options_init(&training, sizeof training));
    options.vocab_size = lrnn_vocab_size(vocab);
    options.embedding_size = size;
    options.hidden_size = 16;
    options.head = LRNN_HEAD_LAST;
    options.output_size = (size_t)label_count;
    training.batch = BATCH;
    training.steps = steps;
    training.carry_state = 0;
    must(lrnn_model_create(&model, &options));
    must(lrnn_trainer_create(&trainer, model, &training));
    lrnn_model_destroy(model); /* the trainer has what it needs */
    return trainer;
}

/* The vectors of the file in place of those that were drawn; none of them is trained. */
static void set_embedding(lrnn_trainer *trainer, const lrnn_vocab *vocab, size_t size,
                          const char *path, const char *name)
{
    lrnn_model *drawn;
    size_t words = lrnn_vocab_size(vocab), count = words * size;
    float *embedding = malloc(count * sizeof *embedding);
    if (embedding == NULL) {
        fail(name, 0, "out of memory", NULL);
    }
    must(lrnn_trainer_snapshot(&drawn, trainer));
    must(lrnn_model_copy_parameter(embedding, count, drawn, "embedding.weight"));
    size_t found = read_vectors(embedding, size, vocab, path, name);
    must(lrnn_trainer_set_parameter(trainer, "embedding.weight", embedding, count));
    must(lrnn_trainer_set_frozen(trainer, "embedding.weight", 1));
    printf("%zu of %zu words have a given vector of %zu numbers\n", found, words, size);
    lrnn_model_destroy(drawn);
    free(embedding);
}

/* ---- windows ---- */

/* A list of the sentences for training, or for testing. */
static lrnn_batches *make_batches(const lrnn_vocab *vocab, int testing)
{
    static int32_t ids[LETTERS / 2], lengths[SENTENCES], labels[SENTENCES];
    lrnn_examples examples;
    lrnn_batches_options options;
    lrnn_batches *batches;
    size_t used = 0, count = 0;
    must(lrnn_examples_init(&examples, sizeof examples));
    must(lrnn_batches_options_init(&options, sizeof options));
    for (size_t i = 0; i < all.count; i++) {
        size_t words, length = all.starts[i + 1] - all.starts[i];
        if ((i % 5 == 4) != testing) {
            continue;
        }
        must(lrnn_vocab_encode(ids + used, LETTERS / 2 - used, &words, vocab,
                               all.text + all.starts[i], length));
        if (words > 0) {
            labels[count] = all.labels[i];
            lengths[count++] = (int32_t)words;
            used += words;
        }
    }
    examples.count = count;
    examples.lengths = lengths;
    examples.tokens = ids;
    examples.targets = labels;
    examples.per_example = 1;
    options.batch = BATCH;
    options.shuffle = !testing;
    must(lrnn_batches_create_from_examples(&batches, &examples, &options));
    return batches;
}

static double test(lrnn_trainer *trainer, lrnn_batches *batches)
{
    lrnn_sequences window;
    lrnn_train_result result;
    double right = 0, items = 0;
    must(lrnn_sequences_init(&window, sizeof window));
    must(lrnn_train_result_init(&result, sizeof result));
    while (lrnn_batches_next(batches, &window) == LRNN_OK) {
        must(lrnn_trainer_reset_evaluation(trainer));
        must(lrnn_trainer_evaluate(trainer, &window, &result));
        right += (double)result.right;
        items += (double)result.items;
    }
    return right / items;
}

static void train(lrnn_trainer *trainer, lrnn_batches *batches)
{
    lrnn_optimizer *adam;
    lrnn_model *model;
    lrnn_sequences window;
    must(lrnn_trainer_snapshot(&model, trainer));
    must(lrnn_optimizer_create(&adam, lrnn_model_parameter_count(model), NULL));
    must(lrnn_optimizer_set_learning_rate(adam, 0.02));
    must(lrnn_sequences_init(&window, sizeof window));
    for (int pass = 0; pass < PASSES; pass++) {
        while (lrnn_batches_next(batches, &window) == LRNN_OK) {
            must(lrnn_trainer_step(trainer, adam, &window, NULL));
        }
    }
    lrnn_optimizer_destroy(adam);
    lrnn_model_destroy(model);
}

int main(int argc, char **argv)
{
    const char *vectors = argc == 3 ? argv[1] : NULL;
    const char *name = vectors != NULL ? vectors : "own vectors";
    if (argc != 1 && argc != 3) {
        fprintf(stderr, "usage: word_vectors [VECTORS.txt SENTENCES.tsv]\n");
        return 2;
    }
    read_sentences(argc == 3 ? argv[2] : NULL);
    lrnn_vocab *vocab = make_vocab();
    lrnn_batches *training = make_batches(vocab, 0), *testing = make_batches(vocab, 1);
    size_t size = vector_size(vectors, name), steps = lrnn_batches_steps(training);
    steps = steps > lrnn_batches_steps(testing) ? steps : lrnn_batches_steps(testing);
    for (int given = 0; given <= 1; given++) {
        lrnn_trainer *trainer = make_trainer(vocab, size, steps);
        if (given) {
            set_embedding(trainer, vocab, size, vectors, name);
        }
        train(trainer, training);
        printf("%s vectors: test accuracy %.4f\n", given ? "given" : "learned",
               test(trainer, testing));
        lrnn_trainer_destroy(trainer);
    }
    lrnn_batches_destroy(training);
    lrnn_batches_destroy(testing);
    lrnn_vocab_destroy(vocab);
    return 0;
}
