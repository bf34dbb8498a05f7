/* Synced: a tag for every word. Two LSTMs, one in each direction, read a sentence, and a linear
 * layer at every step says which part of speech the word is.
 *
 *     tag_words [-s SEED] [TRAINING.conllu TEST.conllu]
 *
 * CoNLL-U (universaldependencies.org): a word a line, its form in the second column, its part of
 * speech in the fourth, a blank line after a sentence. Words that do not occur at least twice in
 * training are <unk>. Without files the few sentences below are learned by heart. */
#include <lrnn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS = 60000, SENTENCES = 6000, LETTERS = 1 << 20, TAGS = 32, BATCH = 16, PASSES = 8 };

typedef struct corpus {
    char text[LETTERS]; /* the words, joined by spaces */
    size_t text_length;
    int32_t words[WORDS], tags[WORDS], lengths[SENTENCES];
    size_t word_count, sentence_count;
} corpus;

static corpus training, testing;
static char tag_names[TAGS][16];
static int32_t tag_count;

static const char own[] = "1 the _ DET\n2 dog _ NOUN\n3 sees _ VERB\n4 the _ DET\n5 cat _ NOUN\n\n"
                          "1 a _ DET\n2 saw _ NOUN\n3 saw _ VERB\n4 the _ DET\n5 dog _ NOUN\n\n"
                          "1 the _ DET\n2 cat _ NOUN\n3 saw _ VERB\n4 a _ DET\n5 saw _ NOUN\n\n"
                          "1 a _ DET\n2 cat _ NOUN\n3 sees _ VERB\n4 the _ DET\n5 saw _ NOUN\n\n";

static void must(lrnn_status status)
{
    if (status != LRNN_OK) {
        fprintf(stderr, "%s\n", lrnn_last_error());
        exit(1);
    }
}

/* A tag that occurs only in the test file is -1, which no loss counts. */
static int32_t find_tag(const char *name, int add)
{
    for (int32_t i = 0; i < tag_count; i++) {
        if (strcmp(tag_names[i], name) == 0) {
            return i;
        }
    }
    if (!add || tag_count == TAGS) {
        return -1;
    }
    snprintf(tag_names[tag_count], sizeof tag_names[0], "%s", name);
    return tag_count++;
}

static void read_line(corpus *c, const char *line, int learn, int32_t *length)
{
    char form[200], tag[16];
    size_t room = strcspn(line, "\t ");
    if (line[0] == '#' || memchr(line, '-', room) != NULL || memchr(line, '.', room) != NULL) {
        return; /* a comment, or a word that stands for several */
    }
    if (sscanf(line, "%*s %199s %*s %15s", form, tag) == 2 && c->word_count < WORDS &&
        c->text_length + strlen(form) + 1 < LETTERS) {
        c->text_length += (size_t)sprintf(c->text + c->text_length, "%s ", form);
        c->tags[c->word_count++] = find_tag(tag, learn);
        ++*length;
    } else if (*length > 0 && c->sentence_count < SENTENCES) {
        c->lengths[c->sentence_count++] = *length;
        *length = 0;
    }
}

static void read_corpus(corpus *c, const char *path, int learn)
{
    char line[4096];
    int32_t length = 0;
    FILE *file = path == NULL ? tmpfile() : fopen(path, "r");
    if (file == NULL) {
        fprintf(stderr, "cannot read %s\n", path == NULL ? "a temporary file" : path);
        exit(1);
    }
    if (path == NULL) {
        fputs(own, file);
        rewind(file);
    }
    while (fgets(line, sizeof line, file) != NULL) {
        read_line(c, line, learn, &length);
    }
    fclose(file);
}

static lrnn_batches *make_batches(corpus *c, const lrnn_vocab *words, int32_t shuffle,
                                  uint64_t seed)
{
    lrnn_examples examples;
    lrnn_batches_options options;
    lrnn_batches *batches;
    size_t count;
    must(lrnn_vocab_encode(c->words, WORDS, &count, words, c->text, c->text_length));
    must(lrnn_examples_init(&examples));
    must(lrnn_batches_options_init(&options));
    examples.count = c->sentence_count;
    examples.lengths = c->lengths;
    examples.tokens = c->words;
    examples.targets = c->tags;
    options.batch = BATCH;
    options.shuffle = shuffle;
    options.bucket = 8;
    options.seed = seed;
    must(lrnn_batches_create_from_examples(&batches, &examples, &options));
    return batches;
}

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
    int first = argc > 2 && strcmp(argv[1], "-s") == 0 ? 3 : 1, by_heart = argc < first + 2;
    uint64_t seed = first == 3 ? strtoull(argv[2], NULL, 10) : 1;
    read_corpus(&training, by_heart ? NULL : argv[first], 1);
    read_corpus(&testing, by_heart ? NULL : argv[first + 1], 0);

    lrnn_vocab_options of_words;
    lrnn_vocab *words, *tags;
    const char *pointers[TAGS];
    for (int32_t i = 0; i < tag_count; i++) {
        pointers[i] = tag_names[i];
    }
    must(lrnn_vocab_options_init(&of_words));
    of_words.level = LRNN_LEVEL_WORD;
    of_words.lowercase = 1;
    of_words.unknown = 1;
    of_words.min_count = by_heart ? 1 : 2;
    must(lrnn_vocab_create_from_text(&words, training.text, training.text_length, &of_words));
    must(lrnn_vocab_create_from_labels(&tags, pointers, (size_t)tag_count, NULL));
    lrnn_batches *learn = make_batches(&training, words, 1, seed);
    lrnn_batches *test = make_batches(&testing, words, 0, seed);

    lrnn_model_options shape;
    must(lrnn_model_options_init(&shape));
    shape.input_vocab = words;
    shape.output_vocab = tags;
    shape.hidden_size = 64;
    shape.bidirectional = 1;
    shape.seed = seed;
    lrnn_trainer_options options;
    must(lrnn_trainer_options_init(&options));
    options.batch = BATCH;
    options.steps = lrnn_batches_steps(learn) > lrnn_batches_steps(test) ? lrnn_batches_steps(learn)
                                                                         : lrnn_batches_steps(test);
    options.clip_norm = 5;
    options.carry_state = 0;
    lrnn_model *model;
    lrnn_trainer *trainer;
    lrnn_optimizer *optimizer;
    must(lrnn_model_create(&model, &shape));
    must(lrnn_trainer_create(&trainer, model, &options));
    must(lrnn_optimizer_create(&optimizer, lrnn_model_parameter_count(model), NULL));
    must(lrnn_optimizer_set_learning_rate(optimizer, by_heart ? 0.02 : 0.005));
    printf("%zu sentences of %zu words to learn from, %zu different; %d tags\n",
           training.sentence_count, training.word_count, lrnn_vocab_size(words), (int)tag_count);
    double right = 0;
    for (int pass = 0; pass < (by_heart ? 60 : PASSES); pass++) {
        double sum = 0, weight = 0;
        lrnn_sequences window;
        lrnn_train_result result;
        must(lrnn_sequences_init(&window));
        must(lrnn_train_result_init(&result));
        while (lrnn_batches_next(learn, &window) == LRNN_OK) {
            must(lrnn_trainer_step(trainer, optimizer, &window, &result));
            sum += result.loss_sum;
            weight += result.loss_weight;
        }
        right = accuracy(trainer, test);
        if (!by_heart || pass == 59) {
            printf("pass %d: loss %.3f, test accuracy %.4f\n", pass + 1, sum / weight, right);
        }
    }
    lrnn_batches_destroy(learn);
    lrnn_batches_destroy(test);
    lrnn_optimizer_destroy(optimizer);
    lrnn_trainer_destroy(trainer);
    lrnn_model_destroy(model);
    lrnn_vocab_destroy(words);
    lrnn_vocab_destroy(tags);
    return by_heart && right < 1;
}
