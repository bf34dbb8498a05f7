/* How is a word pronounced? Two LSTMs, one in each direction, read its letters, each of them twice,
 * since a letter may stand for two sounds (the x of "fox"), and at each of these steps the net
 * writes a sound or nothing. Trained with CTC, because a dictionary does not say which sound
 * belongs to which letter; the net finds out. translate.c does the same with an encoder and a
 * decoder.
 *
 *     pronounce [-s SEED] [-p PASSES] [-k K] [-e FILE] [FILE]
 *
 * A line of FILE is a word and its sounds, with "(2)" after the word if it is a second
 * pronunciation (cmudict.dict). A tenth of the words is held out. -k: take one word in K. -e:
 * writes the sequences to a file instead, for the same training elsewhere. Without FILE it reads
 * words in a spelling of its own, with digraphs and silent letters. */
#include "labels.h"

enum { LETTERS = 128, TWICE = 2, BLANK = 0, SOUNDS = 100, LONGEST_WORD = 60 };

/* ---- words and sounds ---- */

typedef struct words {
    sequences pairs;
    int32_t *word; /* [pairs.count]: a word with several pronunciations has several pairs */
    size_t count;  /* of words */
} words;

static words learn, test;
static char sounds[SOUNDS][8] = {"_"}; /* by label, the blank first */
static size_t sound_count = 1;
static char last_word[LONGEST_WORD + 1];
static unsigned one_in = 1; /* -k */

static int32_t label_of(const char *sound)
{
    for (size_t i = 1; i < sound_count; i++) {
        if (strcmp(sounds[i], sound) == 0) {
            return (int32_t)i;
        }
    }
    if (sound_count == SOUNDS || strlen(sound) >= sizeof sounds[0]) {
        fprintf(stderr, "more than %d sounds, or one that is too long: %s\n", SOUNDS - 1, sound);
        exit(1);
    }
    strcpy(sounds[sound_count], sound);
    return (int32_t)sound_count++;
}

static unsigned hash_of(const char *word)
{
    unsigned hash = 2166136261u; /* FNV-1a */
    for (; *word != '\0'; word++) {
        hash = (hash ^ (unsigned char)*word) * 16777619u;
    }
    return hash;
}

/* sounds_of: separated by spaces; a '#' starts a comment. */
static void add_pair(const char *word, char *sounds_of)
{
    unsigned hash = hash_of(word);
    words *to = hash % 10 == 0 ? &test : &learn;
    if (hash / 16 % one_in != 0) {
        return;
    }
    for (const char *at = word; *at != '\0'; at++) {
        int32_t letter = *at & (LETTERS - 1);
        for (int i = 0; i < TWICE; i++) {
            add_step(&to->pairs, &letter);
        }
    }
    sounds_of[strcspn(sounds_of, "#\r\n")] = '\0';
    for (char *s = strtok(sounds_of, " "); s != NULL; s = strtok(NULL, " ")) {
        add_label(&to->pairs, label_of(s));
    }
    to->count += strcmp(word, last_word) != 0; /* pronunciations of a word are adjacent */
    strcpy(last_word, word);
    to->word = room(to->word, to->pairs.count, sizeof *to->word);
    to->word[to->pairs.count] = (int32_t)to->count;
    end_sequence(&to->pairs);
}

static void read_dictionary(const char *path)
{
    char line[1024];
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(1);
    }
    while (fgets(line, sizeof line, file) != NULL) {
        size_t length = strcspn(line, " \r\n"), bare = strcspn(line, "( \r\n");
        char *sounds_of = line + length + (line[length] == ' ');
        if (bare > 0 && bare <= LONGEST_WORD && strcspn(sounds_of, "#\r\n") > 0) {
            line[bare] = '\0';
            add_pair(line, sounds_of);
        }
    }
    fclose(file);
}

/* Words of a spelling in which sh, ch and ee are one sound each, x is two, c is S before ee and i
 * and K elsewhere, and each word ends in a silent e. */
static void invent_words(void)
{
    enum { C = 4, EE = 2, I = 6 };
    static const char *const parts[] = {"sh", "ch", "ee", "x", "c", "a", "i", "o",
                                        "u",  "p",  "t",  "m", "s", "l", "r", "k"};
    static const char *const spoken[] = {"SH", "CH", "IY", "K S", "K", "AE", "IH", "AA",
                                         "AH", "P",  "T",  "M",   "S", "L",  "R",  "K"};
    for (unsigned n = 0; n < 3000; n++) {
        char word[32] = "", said[64] = "";
        unsigned number = n * 2654435761u, count = 3 + n % 5; /* each 4 bits are a part */
        for (unsigned i = 0; i < count; i++) {
            unsigned part = number >> 28, next = i + 1 < count ? number >> 24 & 15 : C;
            strcat(word, parts[part]);
            strcat(said, part == C && (next == EE || next == I) ? "S" : spoken[part]);
            strcat(said, " ");
            number <<= 4;
        }
        add_pair(strcat(word, "e"), said);
    }
}

/* ---- how well ---- */

/* The letters, each with the sounds that were heard at it: "k n[N] i[AY1] g h t[T]". */
static void show(const int32_t *letters, size_t steps, const lrnn_ctc_result *found, int wrong)
{
    size_t next = 0;
    printf(" ");
    for (size_t t = 0; t < steps; t += TWICE) {
        printf(" %c", (char)letters[t]);
        for (; next < found->count && (size_t)found->frames[next] < t + TWICE; next++) {
            printf("[%s]", sounds[found->tokens[next]]);
        }
    }
    puts(wrong ? "  (wrong)" : "");
}

/* Any of a word's pronunciations is right. Prints the share of wrong words and sounds, and returns
 * that of words. */
static double measure(reader *r, const char *name, int shown)
{
    const sequences *s = &test.pairs;
    size_t wrong = 0, errors = 0, spoken = 0, step = 0, label = 0;
    for (size_t i = 0, next; i < s->count; i = next) {
        const int32_t *letters = (const int32_t *)s->steps + step;
        size_t least = LONGEST_LABELS, length = 0;
        lrnn_ctc_result found = read_labels(r, s, i, step);
        for (next = i; next < s->count && test.word[next] == test.word[i]; next++) {
            size_t count = (size_t)s->label_counts[next];
            size_t d = distance(found.tokens, found.count, s->labels + label, count);
            length = d < least ? count : length;
            least = d < least ? d : least;
            label += count;
            step += (size_t)s->lengths[next];
        }
        wrong += least > 0;
        errors += least;
        spoken += length;
        if (shown-- > 0) {
            show(letters, (size_t)s->lengths[i], &found, least > 0);
        }
    }
    printf("%s: %.2f %% of %zu held-out words wrong, %.2f %% of their sounds\n", name,
           100 * (double)wrong / (double)test.count, test.count,
           100 * (double)errors / (double)spoken);
    return (double)wrong / (double)test.count;
}

/* ---- the program ---- */

static const char *path, *sequences_to; /* sequences_to: -e */
static training how = {.batch = 64,
                       .bucket = 32,
                       .learning_rate = 0.004,
                       .blank = BLANK,
                       .zero_infinity = 1, /* "w" has more sounds than steps */
                       .seed = 1};

static void read_options(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        int number = i + 1 < argc ? atoi(argv[i + 1]) : 0;
        if (argv[i][0] != '-') {
            path = argv[i];
        } else if (argv[i][1] == 'e' && i + 1 < argc) {
            sequences_to = argv[++i];
        } else if (number < 1 || strchr("spk", argv[i][1]) == NULL) {
            fprintf(stderr, "usage: pronounce [-s SEED] [-p PASSES] [-k K] [-e FILE] [FILE]\n");
            exit(2);
        } else {
            how.seed = argv[i][1] == 's' ? (uint64_t)number : how.seed;
            how.passes = argv[i][1] == 'p' ? number : how.passes;
            one_in = argv[i][1] == 'k' ? (unsigned)number : one_in;
            i++;
        }
    }
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    if (path != NULL) {
        read_dictionary(path);
    } else {
        invent_words();
    }
    how.passes = how.passes > 0 ? how.passes : path != NULL ? 10 : 20;
    printf("%zu words to learn, %zu held out, %zu sounds\n", learn.count, test.count,
           sound_count - 1);
    if (sequences_to != NULL) {
        write_sequences(sequences_to, (const sequences *const[]){&learn.pairs, &test.pairs}, 2);
        return 0;
    }
    lrnn_model_options shape;
    must(lrnn_model_options_init(&shape));
    shape.vocab_size = LETTERS;
    shape.embedding_size = 64;
    shape.hidden_size = path != NULL ? 128 : 32;
    shape.bidirectional = 1;
    shape.output_size = sound_count;
    shape.seed = how.seed;
    lrnn_model *model = train(&learn.pairs, &shape, &how);
    reader best_path = make_reader(model, &test.pairs, BLANK, 0);
    reader beam = make_reader(model, &test.pairs, BLANK, 16);
    measure(&best_path, "best path", 0);
    double wrong = measure(&beam, "beam search", 8);
    drop_reader(&best_path);
    drop_reader(&beam);
    lrnn_model_destroy(model);
    drop_sequences(&learn.pairs);
    drop_sequences(&test.pairs);
    free(learn.word);
    free(test.word);
    return path == NULL && wrong > 0.2;
}
