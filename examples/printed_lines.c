/* Reads lines of printed text: letters touch, lean and differ from font to font, so nobody cuts
 * them apart first. An LSTM in each direction sees the picture two columns of pixels at a time, is
 * trained with CTC on drawn lines, and says which letter it has just passed, or nothing new. On bad
 * copies it helps to know the language: a second LSTM, which has learnt what letter follows which,
 * takes part in the search.
 *
 *     printed_lines [-s SEED] [-p PASSES] [-e FILE] [-m MODEL] [-o PICTURE] [-f FONTS] [TEXT]
 *
 * The start of each line of TEXT is drawn in one of eight fonts; a tenth of the lines is held out,
 * chosen so that equal ones stay together. -m: the language model, made by `lrnn train`; without it
 * one is trained here. -e: writes the sequences to FILE instead, for the same training elsewhere,
 * and the text to learn the language from to FILE.txt. -o: writes a picture (PGM) of the lines that
 * are shown. -f: the folder of fonts. Without TEXT it reads numbers in words in a single font.
 *
 * Built with the flags of FreeType: pkg-config --cflags --libs freetype2 */
#include "printed.h"

enum { BLANK = 0, CHARACTERS = 128, SHOWN = 3, WIDE = 16 };

/* ---- the text ---- */

typedef struct lines {
    char (*line)[LONGEST + 1];
    size_t count;
} lines;

static lines learnt, held_out;
static char
    *language; /* what the language is learnt from: the lines that are not held out, whole */
static size_t language_length;
static int32_t label_of[CHARACTERS]; /* 0: a character that is not in the text */
static char characters[CHARACTERS];  /* by label, from 1 */
static size_t character_count = 1;

static void add_language(const char *line)
{
    for (; *line != '\0'; line++) {
        language = room(language, language_length, 1);
        language[language_length++] = *line;
    }
}

static unsigned hash_of(const char *word)
{
    unsigned hash = 2166136261u; /* FNV-1a */
    for (; *word != '\0'; word++) {
        hash = (hash ^ (unsigned char)*word) * 16777619u;
    }
    return hash;
}

/* The words of a line that fit; 0: it has few letters, or others than ASCII has. */
static int start_of(char *start, const char *line)
{
    size_t length = strcspn(line, "\r\n"), words = length;
    for (size_t i = 0; i < length; i++) {
        if (line[i] < ' ' || line[i] > '~') {
            return 0;
        }
    }
    while (words > LONGEST) {
        do {
            words--;
        } while (words > 0 && line[words] != ' ');
    }
    memcpy(start, line, words);
    start[words] = '\0';
    return words >= 8;
}

/* line: with the newline at its end. */
static void add_line(const char *line)
{
    char start[LONGEST + 1];
    if (!start_of(start, line)) {
        return;
    }
    lines *to = hash_of(start) % 10 == 0 ? &held_out : &learnt;
    to->line = room(to->line, to->count, sizeof *to->line);
    strcpy(to->line[to->count++], start);
    if (to == &learnt) {
        add_language(line);
        for (const char *at = start; *at != '\0'; at++) {
            int32_t *label = &label_of[(int)*at];
            *label = *label > 0 ? *label : (int32_t)character_count;
            characters[*label] = *at;
            character_count += (size_t)*label == character_count;
        }
    }
}

static void read_text(const char *path)
{
    char line[4096];
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(1);
    }
    while (fgets(line, sizeof line, file) != NULL) {
        add_line(line);
    }
    fclose(file);
}

static void count_aloud(void)
{
    static const char *const words[] = {"zero", "one", "two",   "three", "four",
                                        "five", "six", "seven", "eight", "nine"};
    for (int n = 0; n < 3000; n++) {
        char line[64];
        snprintf(line, sizeof line, "%s %s %s\n", words[below(10)], words[below(10)],
                 words[below(10)]);
        add_line(line);
    }
}

/* ---- pictures ---- */

static void draw_line(sequences *s, const char *line, double rough)
{
    static picture p;
    draw(&p, line, rough);
    for (size_t x = 0; x + COLUMNS <= p.width; x += COLUMNS) {
        add_step(s, p.ink[x]);
    }
    for (; *line != '\0'; line++) {
        add_label(s, label_of[(int)*line]);
    }
    end_sequence(s);
}

static int can_be_read(const char *line)
{
    while (*line != '\0' && label_of[(int)*line] > 0) {
        line++;
    }
    return *line == '\0';
}

/* To learn from, more clean lines than bad copies; each line to test with is drawn as both. */
static void draw_lines(sequences *learn, sequences *clean, sequences *bad, size_t count,
                       double roughest)
{
    for (size_t i = 0; i < count; i++) {
        const char *line = learnt.line[below(learnt.count)];
        double rough = uniform();
        draw_line(learn, line, roughest * rough * rough);
    }
    for (size_t i = 0; i < count / 28;) {
        const char *line = held_out.line[below(held_out.count)];
        if (can_be_read(line)) {
            draw_line(clean, line, between(0, 0.25) * roughest);
            draw_line(bad, line, roughest);
            i++;
        }
    }
}

/* ---- the language ---- */

static lrnn_model *learn_language(uint64_t seed, int passes, size_t hidden)
{
    lrnn_vocab *vocab;
    lrnn_model *model, *trained;
    lrnn_model_options shape;
    lrnn_batches_options windows;
    lrnn_trainer_options options;
    lrnn_schedule_options falling;
    lrnn_batches *batches;
    lrnn_trainer *trainer;
    lrnn_optimizer *optimizer;
    lrnn_schedule *schedule;
    size_t count;
    int32_t *tokens = room(NULL, 0, language_length * sizeof *tokens);
    must(lrnn_vocab_create_from_text(&vocab, language, language_length, NULL));
    must(lrnn_vocab_encode(tokens, language_length, &count, vocab, language, language_length));
    must(lrnn_model_options_init(&shape, sizeof shape));
    shape.input_vocab = shape.output_vocab = vocab;
    shape.hidden_size = hidden;
    shape.seed = seed;
    must(lrnn_model_create(&model, &shape));
    must(lrnn_batches_options_init(&windows, sizeof windows));
    must(lrnn_trainer_options_init(&options, sizeof options));
    windows.batch = options.batch = 32;
    options.clip_norm = 5;
    must(lrnn_batches_create(&batches, tokens, count, &windows));
    must(lrnn_trainer_create(&trainer, model, &options));
    must(lrnn_optimizer_create(&optimizer, lrnn_model_parameter_count(model), NULL));
    must(lrnn_schedule_options_init(&falling, sizeof falling));
    falling.kind = LRNN_SCHEDULE_COSINE;
    falling.learning_rate = 0.005;
    falling.period = (uint64_t)passes * lrnn_batches_count(batches);
    must(lrnn_schedule_create(&schedule, &falling));
    for (int pass = 1; pass <= passes; pass++) {
        must(lrnn_trainer_reset_state(trainer));
        printf("language, pass %d: %.4f nats per character\n", pass,
               train_pass(trainer, optimizer, schedule, batches));
    }
    must(lrnn_trainer_snapshot(&trained, trainer));
    lrnn_schedule_destroy(schedule);
    lrnn_optimizer_destroy(optimizer);
    lrnn_trainer_destroy(trainer);
    lrnn_batches_destroy(batches);
    lrnn_model_destroy(model);
    lrnn_vocab_destroy(vocab);
    free(tokens);
    return trained;
}

static int32_t token_of(const lrnn_vocab *vocab, char character)
{
    int32_t token;
    must(lrnn_vocab_find(&token, vocab, &character, 1));
    return token;
}

/* The language model reads each label as its own token for that character; a line starts after a
 * newline. */
static reader make_fused_reader(const lrnn_model *model, const lrnn_model *language_model,
                                const sequences *s)
{
    int32_t tokens[CHARACTERS] = {-1};
    const lrnn_vocab *vocab = lrnn_model_input_vocab(language_model);
    lrnn_ctc_options search = search_for(model, BLANK, WIDE);
    if (vocab == NULL) {
        fprintf(stderr, "the language model has no vocabulary\n");
        exit(1);
    }
    for (size_t label = 1; label < character_count; label++) {
        tokens[label] = token_of(vocab, characters[label]);
    }
    search.language_model = language_model;
    search.lm_tokens = tokens;
    search.lm_start = token_of(vocab, '\n');
    search.lm_weight = 0.6;
    search.insertion_bonus = 1;
    search.token_threshold = 12;
    return make_reader_with(model, s, &search);
}

/* ---- how well ---- */

/* The picture, and below it each letter at the frame in which it was read. */
static void show(const float *steps, size_t count, const lrnn_ctc_result *found,
                 const int32_t *right, size_t letters)
{
    size_t t = 0;
    print_picture(steps, count);
    printf("  ");
    for (size_t i = 0; i < found->count; i++, t++) {
        printf("%*s%c", (int)((size_t)found->frames[i] - t), "", characters[found->tokens[i]]);
        t = (size_t)found->frames[i];
    }
    printf("\n  printed: ");
    for (size_t i = 0; i < letters; i++) {
        putchar(characters[right[i]]);
    }
    puts("\n");
}

static void show_some(reader *r, const sequences *s, sheet *to)
{
    for (size_t i = 0, at = 0, label = 0; i < s->count && i < SHOWN; i++) {
        const float *steps = (const float *)s->steps + at * s->width;
        size_t count = (size_t)s->lengths[i], letters = (size_t)s->label_counts[i];
        lrnn_ctc_result found = read_labels(r, s, i, at);
        show(steps, count, &found, s->labels + label, letters);
        add_to_sheet(to, steps, count, found.frames, found.count);
        at += count;
        label += letters;
    }
}

/* Returns the share of wrong characters of the last of three ways to read. */
static double measure(const lrnn_model *model, const lrnn_model *language_model, const sequences *s,
                      const char *name, sheet *to)
{
    double wrong[3];
    reader readers[3] = {make_reader(model, s, BLANK, 0), make_reader(model, s, BLANK, WIDE),
                         make_fused_reader(model, language_model, s)};
    show_some(&readers[2], s, to);
    for (int i = 0; i < 3; i++) {
        wrong[i] = error_rate(&readers[i], s, NULL);
        drop_reader(&readers[i]);
    }
    printf("%s: best path %.2f %%, beam search %.2f %%, with the language %.2f %% wrong\n", name,
           100 * wrong[0], 100 * wrong[1], 100 * wrong[2]);
    return wrong[2];
}

/* ---- the program ---- */

static training how = {
    .batch = 16, .bucket = 16, .learning_rate = 0.008, .blank = BLANK, .seed = 1};
static const char *path, *sequences_to, *language_from, *picture_to;
static const char *folder = "/usr/share/fonts/truetype";

static void read_options(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        char option = strlen(argv[i]) == 2 ? argv[i][1] : '?';
        int number = atoi(value), counts = option == 's' || option == 'p';
        if (argv[i][0] != '-') {
            path = argv[i];
        } else if (strchr("spemof", option) == NULL || value[0] == '\0' || (counts && number < 1)) {
            fprintf(stderr, "usage: printed_lines [-s SEED] [-p PASSES] [-e FILE] [-m MODEL] "
                            "[-o PICTURE] [-f FONTS] [TEXT]\n");
            exit(2);
        } else {
            how.seed = option == 's' ? (uint64_t)number : how.seed;
            how.passes = option == 'p' ? number : how.passes;
            sequences_to = option == 'e' ? value : sequences_to;
            language_from = option == 'm' ? value : language_from;
            picture_to = option == 'o' ? value : picture_to;
            folder = option == 'f' ? value : folder;
            i++;
        }
    }
}

/* -e */
static void write_all(const sequences *learn, const sequences *clean, const sequences *bad)
{
    char name[4096];
    write_sequences(sequences_to, (const sequences *const[]){learn, clean, bad}, 3);
    snprintf(name, sizeof name, "%s.txt", sequences_to);
    FILE *file = fopen(name, "wb");
    if (file != NULL) {
        fwrite(language, 1, language_length, file);
    }
    if (file == NULL || fclose(file) != 0) {
        fprintf(stderr, "cannot write %s\n", name);
        exit(1);
    }
}

static double learn_and_read(const sequences *learn, const sequences *clean, const sequences *bad)
{
    sheet picture_of = {NULL, 0, 0};
    lrnn_model *language_model;
    lrnn_model_options shape;
    must(lrnn_model_options_init(&shape, sizeof shape));
    shape.feature_size = learn->width;
    shape.hidden_size = path != NULL ? 96 : 32;
    shape.bidirectional = 1;
    shape.output_size = character_count;
    shape.seed = how.seed;
    lrnn_model *model = train(learn, &shape, &how);
    if (language_from != NULL) {
        must(lrnn_model_load(&language_model, language_from, NULL));
    } else {
        language_model = learn_language(how.seed, 3, path != NULL ? 192 : 32);
    }
    double wrong = measure(model, language_model, clean, "clean lines", &picture_of);
    measure(model, language_model, bad, "bad copies", &picture_of);
    if (picture_to != NULL) {
        write_sheet(picture_to, &picture_of);
    }
    lrnn_model_destroy(language_model);
    lrnn_model_destroy(model);
    free(picture_of.pixels);
    return wrong;
}

int main(int argc, char **argv)
{
    sequences learn = {.width = HEIGHT * COLUMNS}, clean = learn, bad = learn;
    read_options(argc, argv);
    open_fonts(folder, path != NULL ? FONTS : 1);
    if (font_count == 0) {
        fprintf(stderr, "none of the fonts is in %s\n", folder);
        return 1;
    }
    if (path != NULL) {
        read_text(path);
    } else {
        count_aloud();
        how.batch = 8;
        how.learning_rate = 0.01;
    }
    how.passes = how.passes > 0 ? how.passes : path != NULL ? 8 : 20;
    if (learnt.count == 0 || held_out.count == 0) {
        fprintf(stderr, "%s: too few lines\n", path);
        return 1;
    }
    draw_lines(&learn, &clean, &bad, path != NULL ? 14000 : 600, path != NULL ? 1 : 0.8);
    printf("%zu lines to learn from, %zu to test with, %zu characters, %zu fonts\n", learn.count,
           clean.count, character_count - 1, font_count);
    double wrong = 0;
    if (sequences_to != NULL) {
        write_all(&learn, &clean, &bad);
    } else {
        wrong = learn_and_read(&learn, &clean, &bad);
    }
    close_fonts();
    drop_sequences(&learn);
    drop_sequences(&clean);
    drop_sequences(&bad);
    free(learnt.line);
    free(held_out.line);
    free(language);
    return path == NULL && wrong > 0.1;
}
