/* For translate.c: pairs of a source and a target from a text file, which of them are held out, the
 * vocabularies of both sides, and batches. */
#ifndef PAIRS_H
#define PAIRS_H

#include <ctype.h>
#include <lrnn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAIRS = 160000, TEXT = 1 << 23, BATCH = 64, LONGEST = 60 };

typedef struct pair {
    const char *source, *target; /* NUL-terminated, in `text` */
    int held_out;
} pair;

static char text[TEXT];
static pair pairs[PAIRS];
static size_t pair_count, text_length;
static int by_words, one_in = 1; /* the options -w and -k */
static uint64_t seed = 1;

static lrnn_vocab *source_vocab, *target_vocab;
static int32_t end_token; /* marks the start of a target too */

static void must(lrnn_status status)
{
    if (status != LRNN_OK) {
        fprintf(stderr, "%s\n", lrnn_last_error());
        exit(1);
    }
}

static void *take(size_t count)
{
    void *memory = calloc(count, sizeof(float));
    if (memory == NULL) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    return memory;
}

static unsigned hash_of(const char *source)
{
    unsigned hash = 2166136261u; /* FNV-1a */
    for (; *source != '\0'; source++) {
        hash = (hash ^ (unsigned char)*source) * 16777619u;
    }
    return hash;
}

/* Bytes of white space here: of ASCII, or one of the two no-break spaces of French typography. */
static size_t space_at(const char *at)
{
    size_t wide = strncmp(at, "\xc2\xa0", 2) == 0 ? 2 : strncmp(at, "\xe2\x80\xaf", 3) == 0 ? 3 : 0;
    return isspace((unsigned char)*at) ? 1 : wide;
}

/* Copies into `text`, with single spaces between words; -w: in lower case, punctuation separated.
 */
static const char *keep(const char *from, size_t length)
{
    char *to = text + text_length, *at = to;
    if (text_length + 3 * length + 2 > TEXT) {
        fprintf(stderr, "the file is too large\n");
        exit(1);
    }
    for (size_t i = 0, space; i < length; i += (space > 0 ? space : 1)) {
        int apart = by_words && strchr(".,!?;:\"", from[i]) != NULL;
        space = space_at(from + i);
        if ((apart || space > 0) && at > to && at[-1] != ' ') {
            *at++ = ' ';
        }
        if (space == 0) {
            *at++ = (char)(by_words ? tolower((unsigned char)from[i]) : from[i]);
        }
        if (apart) {
            *at++ = ' ';
        }
    }
    at -= at > to && at[-1] == ' ';
    *at++ = '\0';
    text_length = (size_t)(at - text);
    return to;
}

static size_t words_of(const char *kept)
{
    size_t count = 1;
    for (; *kept != '\0'; kept++) {
        count += *kept == ' ';
    }
    return count;
}

/* Pairs too long for the arrays of LONGEST, </s> included, are left out. */
static void add_pair(const char *source, size_t source_length, const char *target)
{
    pair *made = &pairs[pair_count];
    if (pair_count == PAIRS || source_length == 0 || strcspn(target, "#\r\n") == 0) {
        return;
    }
    made->source = keep(source, source_length);
    made->target = keep(target, strcspn(target, "#\r\n"));
    unsigned hash = hash_of(made->source);
    made->held_out = hash % 10 == 0;
    pair_count += hash / 16 % (unsigned)one_in == 0 && strlen(made->source) < LONGEST &&
                  made->target[0] != '\0' && words_of(made->target) < LONGEST;
}

static void read_pairs(const char *path)
{
    char line[1024];
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(1);
    }
    while (fgets(line, sizeof line, file) != NULL) {
        int tab = strchr(line, '\t') != NULL;
        size_t length = strcspn(line, tab ? "\t" : " \n");
        size_t bare = tab ? length : strcspn(line, "( \n");
        add_pair(line, bare > 0 ? bare : length, line + length + (line[length] != '\0'));
    }
    fclose(file);
}

static void reverse_words(void)
{
    for (unsigned i = 0; i < 3000; i++) {
        char source[8] = "", target[16] = "";
        unsigned number = i * 2654435761u;
        int length = 2 + (int)(i % 5);
        for (int k = 0; k < length; k++, number = number / 6 + 40503u * i) {
            source[k] = (char)('a' + number % 6);
            target[2 * (length - 1 - k)] = source[k];
            target[2 * (length - 1 - k) + 1] = ' ';
        }
        add_pair(source, (size_t)length, target);
    }
}

/* Of all pairs that are not held out: sources joined by spaces, each target ended by </s>. */
static void make_vocabularies(void)
{
    char *all = take(TEXT / sizeof(float));
    lrnn_vocab_options options;
    must(lrnn_vocab_options_init(&options, sizeof options));
    options.unknown = 1;
    for (int target = 0; target < 2; target++) {
        size_t length = 0;
        for (size_t i = 0; i < pair_count; i++) {
            const char *from = target ? pairs[i].target : pairs[i].source;
            if (!pairs[i].held_out && length + strlen(from) + 8 < TEXT) {
                length += (size_t)sprintf(all + length, target ? "%s </s> " : "%s ", from);
            }
        }
        options.level = target || by_words ? LRNN_LEVEL_WORD : LRNN_LEVEL_CHAR;
        options.min_count = by_words ? 2 : 1;
        must(lrnn_vocab_create_from_text(target ? &target_vocab : &source_vocab, all, length,
                                         &options));
    }
    must(lrnn_vocab_find(&end_token, target_vocab, "</s>", 4));
    free(all);
}

static size_t encode(int32_t *ids, const lrnn_vocab *vocab, const char *from)
{
    size_t count;
    must(lrnn_vocab_encode(ids, LONGEST, &count, vocab, from, strlen(from)));
    return count;
}

/* The sources of the training pairs, or their targets as the decoder reads and writes them. */
static lrnn_batches *make_batches(int target)
{
    int32_t *ids = take(pair_count * LONGEST), *next = take(pair_count * LONGEST);
    int32_t *lengths = take(pair_count);
    size_t steps = 0;
    lrnn_examples examples;
    lrnn_batches_options options;
    lrnn_batches *batches;
    must(lrnn_examples_init(&examples, sizeof examples));
    must(lrnn_batches_options_init(&options, sizeof options));
    for (size_t i = 0; i < pair_count; i++) {
        if (pairs[i].held_out) {
            continue;
        }
        size_t length = target ? encode(next + steps, target_vocab, pairs[i].target)
                               : encode(ids + steps, source_vocab, pairs[i].source);
        if (target) { /* reads </s> a b c, writes a b c </s> */
            ids[steps] = next[steps + length] = end_token;
            memcpy(ids + steps + 1, next + steps, length++ * sizeof *ids);
        }
        lengths[examples.count++] = (int32_t)length;
        steps += length;
    }
    examples.lengths = lengths;
    examples.tokens = ids;
    examples.targets = target ? next : NULL;
    options.batch = BATCH;
    options.shuffle = 1;
    options.bucket = 32;
    options.seed = seed;
    must(lrnn_batches_create_from_examples(&batches, &examples, &options));
    free(ids);
    free(next);
    free(lengths);
    return batches;
}

#endif
