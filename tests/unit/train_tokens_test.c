/* Token files and counting in pieces: the same ids, vocabularies and windows as from memory, and an
 * error by name for every file that is not one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/random.h"
#include "lrnn.h"
#include "support/expect.h"
#include "support/fault_allocator.h"
#include "support/safetensors_bytes.h"
#include "support/scratch.h"

static uint32_t draw(uint32_t below, uint64_t stream, uint64_t index)
{
    return (uint32_t)(random_uniform(1, stream, index) * below);
}

static lrnn_vocab_options options_of(int32_t level)
{
    lrnn_vocab_options options;
    EXPECT_OK(lrnn_vocab_options_init(&options, sizeof options));
    options.level = level;
    return options;
}

/* Bytes that are awkward to cut: quotes and punctuation at the edges of lines, empty lines, runs of
 * white space, characters of one to four bytes. */
static size_t random_text(char *to, size_t capacity, uint64_t seed)
{
    static const char *const parts[] = {"\"",
                                        "\\",
                                        "\n",
                                        "\r\n",
                                        " ",
                                        "  ",
                                        "\t",
                                        "the",
                                        "a",
                                        "It's",
                                        "--",
                                        "\xc3\xa9",
                                        "end.",
                                        "\xe6\xbc\xa2",
                                        "\xf0\x9f\x98\x80",
                                        "\"x\""};
    size_t used = 0;
    for (uint64_t i = 0;; i++) {
        const char *part = parts[draw(16, seed, i)];
        size_t length = strlen(part);
        if (used + length > capacity) {
            return used;
        }
        memcpy(to + used, part, length);
        used += length;
    }
}

static void assert_same_vocab(const lrnn_vocab *a, const lrnn_vocab *b)
{
    assert_int_equal(lrnn_vocab_size(a), lrnn_vocab_size(b));
    for (size_t id = 0; id < lrnn_vocab_size(a); id++) {
        const char *x, *y;
        size_t n, m;
        EXPECT_OK(lrnn_vocab_get_token(&x, &n, a, (int32_t)id));
        EXPECT_OK(lrnn_vocab_get_token(&y, &m, b, (int32_t)id));
        assert_int_equal(n, m);
        assert_memory_equal(x, y, n);
    }
}

static lrnn_vocab *count_in_pieces(const char *text, size_t length, size_t piece,
                                   const lrnn_vocab_options *options)
{
    lrnn_vocab_counter *counter;
    lrnn_vocab *vocab;
    EXPECT_OK(lrnn_vocab_counter_create(&counter, options));
    for (size_t at = 0; at < length; at += piece) {
        EXPECT_OK(
            lrnn_vocab_counter_add(counter, text + at, length - at < piece ? length - at : piece));
    }
    EXPECT_OK(lrnn_vocab_create_from_counter(&vocab, counter));
    lrnn_vocab_counter_destroy(counter);
    return vocab;
}

static void write_in_pieces(const char *path, const lrnn_vocab *vocab, const char *text,
                            size_t length, size_t piece)
{
    lrnn_token_writer *writer;
    EXPECT_OK(lrnn_token_writer_create(&writer, path, vocab, NULL));
    for (size_t at = 0; at < length; at += piece) {
        EXPECT_OK(
            lrnn_token_writer_add(writer, text + at, length - at < piece ? length - at : piece));
    }
    EXPECT_OK(lrnn_token_writer_finish(writer));
    lrnn_token_writer_destroy(writer);
}

static void assert_file_holds(const char *path, const lrnn_vocab *vocab, const int32_t *ids,
                              size_t count)
{
    lrnn_tokens *tokens;
    int32_t *read = malloc((count + 1) * sizeof *read);
    EXPECT_OK(lrnn_tokens_open(&tokens, path, NULL));
    assert_int_equal(lrnn_tokens_count(tokens), count);
    assert_same_vocab(lrnn_tokens_vocab(tokens), vocab);
    EXPECT_OK(lrnn_tokens_read(read, tokens, 0, count));
    if (count > 0) {
        assert_memory_equal(read, ids, count * sizeof *ids);
        EXPECT_OK(lrnn_tokens_read(read, tokens, count / 2, count - count / 2));
        assert_memory_equal(read, ids + count / 2, (count - count / 2) * sizeof *ids);
    }
    lrnn_tokens_destroy(tokens);
    free(read);
}

enum { LENGTH = 700 };

static void pieces_of_any_size_count_and_encode_as_the_whole_does(void **state)
{
    (void)state;
    scratch files = scratch_create();
    for (uint64_t seed = 0; seed < 40; seed++) {
        char text[LENGTH];
        int32_t ids[LENGTH];
        size_t length = random_text(text, sizeof text, seed), count;
        lrnn_vocab_options options = options_of((int32_t)(seed % 3));
        options.strip_punctuation = options.level == LRNN_LEVEL_WORD && seed % 2 == 0;
        options.keep_empty = options.level == LRNN_LEVEL_WORD && seed % 4 < 2;
        lrnn_vocab *vocab;
        EXPECT_OK(lrnn_vocab_create_from_text(&vocab, text, length, &options));
        EXPECT_OK(lrnn_vocab_encode(ids, LENGTH, &count, vocab, text, length));
        for (size_t piece = 1; piece < 20; piece += 1 + piece / 2) {
            lrnn_vocab *counted = count_in_pieces(text, length, piece, &options);
            assert_same_vocab(counted, vocab);
            lrnn_vocab_destroy(counted);
            write_in_pieces(scratch_path(&files, "t"), vocab, text, length, piece);
            assert_file_holds(scratch_path(&files, "t"), vocab, ids, count);
        }
        lrnn_vocab_destroy(vocab);
    }
    scratch_destroy(&files);
}

static void texts_larger_than_a_block_are_cut_between_tokens(void **state)
{
    (void)state;
    size_t capacity = 300000, length, count;
    char *text = malloc(capacity);
    int32_t *ids = malloc(capacity * sizeof *ids);
    scratch files = scratch_create();
    length = random_text(text, capacity, 7);
    memset(text + 1000, 'w', 150000); /* a word longer than two blocks */
    for (int32_t level = LRNN_LEVEL_CHAR; level <= LRNN_LEVEL_WORD; level++) {
        lrnn_vocab_options options = options_of(level);
        while ((text[1000 + 150000] & 0xc0) == 0x80) {
            text[1000 + 150000] = 'w'; /* what is left of a character that was overwritten */
            memmove(text + 151000, text + 151001, length - 151001);
            length--;
        }
        while (((unsigned char)text[999] & 0x80) != 0) {
            memset(text + 990, 'v', 10);
        }
        lrnn_vocab *vocab, *counted;
        if (lrnn_vocab_create_from_text(&vocab, text, length, &options) != LRNN_OK) {
            fail_msg("%s", lrnn_last_error());
        }
        EXPECT_OK(lrnn_vocab_encode(ids, capacity, &count, vocab, text, length));
        counted = count_in_pieces(text, length, length, &options);
        assert_same_vocab(counted, vocab);
        write_in_pieces(scratch_path(&files, "t"), vocab, text, length, length);
        assert_file_holds(scratch_path(&files, "t"), vocab, ids, count);
        lrnn_vocab_destroy(counted);
        lrnn_vocab_destroy(vocab);
    }
    scratch_destroy(&files);
    free(text);
    free(ids);
}

static void no_token_spans_two_texts(void **state)
{
    (void)state;
    lrnn_vocab_options options = options_of(LRNN_LEVEL_WORD);
    lrnn_vocab_counter *counter;
    lrnn_vocab *vocab;
    EXPECT_OK(lrnn_vocab_counter_create(&counter, &options));
    EXPECT_OK(lrnn_vocab_counter_add(counter, "un", 2));
    EXPECT_OK(lrnn_vocab_counter_end(counter));
    EXPECT_OK(lrnn_vocab_counter_add(counter, "do", 2));
    EXPECT_OK(lrnn_vocab_create_from_counter(&vocab, counter));
    assert_int_equal(lrnn_vocab_size(vocab), 2);
    assert_int_equal(lrnn_vocab_counter_add(counter, "x", 1), LRNN_ERR_STATE);
    lrnn_vocab_counter_destroy(counter);
    lrnn_vocab_destroy(vocab);
}

static void a_bad_byte_is_placed_in_the_whole_text(void **state)
{
    (void)state;
    lrnn_vocab_counter *counter;
    EXPECT_OK(lrnn_vocab_counter_create(&counter, NULL));
    EXPECT_OK(lrnn_vocab_counter_add(counter, "ab\nc", 4));
    EXPECT_OK(lrnn_vocab_counter_add(counter, "d\n\xc3", 3));
    assert_int_equal(lrnn_vocab_counter_add(counter, "(x", 2), LRNN_ERR_FORMAT);
    assert_string_equal(lrnn_last_error(),
                        "text: invalid UTF-8 at byte 6 (line 3, column 1): 0xc3");
    assert_int_equal(lrnn_vocab_counter_add(counter, "x", 1), LRNN_ERR_STATE);
    lrnn_vocab_counter_destroy(counter);
    /* half a character at the end of a text */
    EXPECT_OK(lrnn_vocab_counter_create(&counter, NULL));
    EXPECT_OK(lrnn_vocab_counter_add(counter, "a\xe6\xbc", 3));
    assert_int_equal(lrnn_vocab_counter_end(counter), LRNN_ERR_FORMAT);
    lrnn_vocab_counter_destroy(counter);
}

/* ---- files ---- */

/* A vocabulary of `size` labels, and `count` ids of it in a file. */
static lrnn_vocab *write_labels(const char *path, size_t size, const int32_t *ids, size_t count)
{
    char(*names)[24] = malloc(size * sizeof *names);
    const char **labels = malloc(size * sizeof *labels);
    for (size_t i = 0; i < size; i++) {
        snprintf(names[i], sizeof names[i], "%zu", i);
        labels[i] = names[i];
    }
    lrnn_vocab *vocab;
    lrnn_token_writer *writer;
    EXPECT_OK(lrnn_vocab_create_from_labels(&vocab, labels, size, NULL));
    EXPECT_OK(lrnn_token_writer_create(&writer, path, vocab, NULL));
    EXPECT_OK(lrnn_token_writer_add_ids(writer, ids, count));
    EXPECT_OK(lrnn_token_writer_finish(writer));
    lrnn_token_writer_destroy(writer);
    free(names);
    free(labels);
    return vocab;
}

static void a_token_takes_as_many_bytes_as_the_vocabulary_needs(void **state)
{
    (void)state;
    static const struct {
        size_t vocab, bytes;
    } sizes[] = {{256, 1}, {257, 2}, {65536, 2}, {65537, 4}};
    scratch files = scratch_create();
    for (size_t i = 0; i < 4; i++) {
        int32_t ids[1000], none = 0;
        struct stat empty, full;
        for (size_t k = 0; k < 1000; k++) {
            ids[k] = (int32_t)draw((uint32_t)sizes[i].vocab, i, k);
        }
        ids[7] = (int32_t)sizes[i].vocab - 1;
        lrnn_vocab_destroy(write_labels(scratch_path(&files, "e"), sizes[i].vocab, &none, 0));
        lrnn_vocab *vocab = write_labels(scratch_path(&files, "t"), sizes[i].vocab, ids, 1000);
        assert_file_holds(scratch_path(&files, "t"), vocab, ids, 1000);
        assert_int_equal(stat(scratch_path(&files, "e"), &empty), 0);
        assert_int_equal(stat(scratch_path(&files, "t"), &full), 0);
        /* and the digest of their one block */
        assert_int_equal(full.st_size - empty.st_size, 1000 * sizes[i].bytes + 8);
        lrnn_vocab_destroy(vocab);
    }
    scratch_destroy(&files);
}

/* Both from the stream, and from the file with tokens before and after the stream. */
static void assert_same_windows(size_t count, size_t batch, size_t steps, int32_t order)
{
    enum { BEFORE = 5, AFTER = 3 };
    scratch files = scratch_create();
    int32_t *ids = malloc((BEFORE + count + AFTER) * sizeof *ids);
    for (size_t i = 0; i < BEFORE + count + AFTER; i++) {
        ids[i] = (int32_t)draw(300, 11, i);
    }
    lrnn_vocab_destroy(write_labels(scratch_path(&files, "t"), 300, ids, BEFORE + count + AFTER));
    lrnn_tokens *tokens;
    lrnn_batches *memory, *file;
    lrnn_batches_options options;
    EXPECT_OK(lrnn_batches_options_init(&options, sizeof options));
    options.batch = batch;
    options.steps = steps;
    options.order = order;
    EXPECT_OK(lrnn_tokens_open(&tokens, scratch_path(&files, "t"), NULL));
    EXPECT_OK(lrnn_batches_create(&memory, ids + BEFORE, count, &options));
    EXPECT_OK(lrnn_batches_create_from_tokens(&file, tokens, BEFORE, count, &options));
    lrnn_tokens_destroy(tokens); /* the batches keep it open */
    for (size_t pass = 0; pass < 2; pass++) {
        lrnn_sequences a, b;
        EXPECT_OK(lrnn_sequences_init(&a, sizeof a));
        EXPECT_OK(lrnn_sequences_init(&b, sizeof b));
        EXPECT_OK(lrnn_batches_seek(memory, pass * lrnn_batches_count(memory) / 3));
        EXPECT_OK(lrnn_batches_seek(file, pass * lrnn_batches_count(memory) / 3));
        lrnn_status status;
        while ((status = lrnn_batches_next(memory, &a)) == LRNN_OK) {
            EXPECT_OK(lrnn_batches_next(file, &b));
            assert_memory_equal(a.tokens, b.tokens, batch * steps * sizeof *a.tokens);
            assert_memory_equal(a.targets, b.targets, batch * steps * sizeof *a.targets);
        }
        assert_int_equal(status, LRNN_END);
        assert_int_equal(lrnn_batches_next(file, &b), LRNN_END);
    }
    lrnn_batches_destroy(memory);
    lrnn_batches_destroy(file);
    scratch_destroy(&files);
    free(ids);
}

static void windows_of_a_file_are_those_of_memory(void **state)
{
    (void)state;
    for (int32_t order = LRNN_BATCHES_STREAMS; order <= LRNN_BATCHES_ROWS; order++) {
        assert_same_windows(1000, 3, 7, order);
        assert_same_windows(12, 2, 3, order);
        assert_same_windows(13, 13, 1, order);
        assert_same_windows(9, 1, 9, order);
        assert_same_windows(200000, 2, 33, order); /* longer than what is read ahead */
    }
}

static void a_file_that_shrinks_is_an_error_and_moves_no_cursor(void **state)
{
    (void)state;
    scratch files = scratch_create();
    size_t count = 200000;
    int32_t *ids = calloc(count, sizeof *ids);
    lrnn_vocab_destroy(write_labels(scratch_path(&files, "t"), 300, ids, count));
    lrnn_tokens *tokens;
    lrnn_batches *batches;
    lrnn_batches_options options;
    lrnn_sequences window;
    EXPECT_OK(lrnn_batches_options_init(&options, sizeof options));
    options.batch = 1;
    EXPECT_OK(lrnn_sequences_init(&window, sizeof window));
    EXPECT_OK(lrnn_tokens_open(&tokens, scratch_path(&files, "t"), NULL));
    EXPECT_OK(lrnn_batches_create_from_tokens(&batches, tokens, 0, count, &options));
    EXPECT_OK(lrnn_batches_next(batches, &window));
    assert_int_equal(truncate(scratch_path(&files, "t"), 100000), 0);
    lrnn_status status;
    while ((status = lrnn_batches_next(batches, &window)) == LRNN_OK) {
    }
    size_t position = lrnn_batches_position(batches);
    assert_int_equal(status, LRNN_ERR_IO);
    assert_non_null(strstr(lrnn_last_error(), "became shorter"));
    assert_int_equal(lrnn_batches_next(batches, &window), LRNN_ERR_IO);
    assert_int_equal(lrnn_batches_position(batches), position);
    assert_int_equal(lrnn_tokens_read(ids, tokens, count - 10, 10), LRNN_ERR_IO);
    lrnn_batches_destroy(batches);
    lrnn_tokens_destroy(tokens);
    assert_int_equal(lrnn_tokens_open(&tokens, scratch_path(&files, "t"), NULL), LRNN_ERR_FORMAT);
    assert_null(tokens);
    scratch_destroy(&files);
    free(ids);
}

/* Puts `to` in the place of the first `from`, which is as long. */
static void replace(unsigned char *bytes, size_t length, const char *from, const char *to)
{
    size_t size = strlen(from), at = 0;
    while (at + size <= length && memcmp(bytes + at, from, size) != 0) {
        at++;
    }
    assert_true(at + size <= length);
    memcpy(bytes + at, to, size);
}

static void an_id_outside_the_vocabulary_is_named(void **state)
{
    (void)state;
    scratch files = scratch_create();
    int32_t ids[50] = {0};
    lrnn_vocab_destroy(write_labels(scratch_path(&files, "t"), 20, ids, 50));
    size_t length;
    unsigned char *bytes = undigested_bytes(&length, scratch_path(&files, "t"));
    replace(bytes, length, "\"digests\"", "\"ignored\"");
    bytes[length - 8 - 8] = 20;
    scratch_write(scratch_path(&files, "t"), bytes, length);
    free(bytes);
    lrnn_tokens *tokens;
    EXPECT_OK(lrnn_tokens_open(&tokens, scratch_path(&files, "t"), NULL));
    EXPECT_OK(lrnn_tokens_read(ids, tokens, 0, 42));
    assert_int_equal(lrnn_tokens_read(ids, tokens, 40, 10), LRNN_ERR_FORMAT);
    assert_non_null(strstr(lrnn_last_error(), "token 42: expected 0..19, found 20"));
    assert_int_equal(lrnn_tokens_read(ids, tokens, 45, 6), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_tokens_read(ids, tokens, SIZE_MAX, 2), LRNN_ERR_INVALID);
    lrnn_tokens_destroy(tokens);
    scratch_destroy(&files);
}

/* Files of one block, of a short last one, of a whole last one; 1, 2 and 4 bytes a token. */
static void damage_is_seen_wherever_tokens_are_read(void **state)
{
    (void)state;
    static const struct {
        size_t vocab, count, size;
    } cases[] = {{200, 100, 1}, {300, 3 * 8192 + 5, 2}, {70000, 2 * 4096, 4}};
    scratch files = scratch_create();
    char path[512];
    snprintf(path, sizeof path, "%s", scratch_path(&files, "t"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t count = cases[i].count, length, read;
        size_t blocks = (count * cases[i].size + 16383) / 16384;
        int32_t *ids = calloc(count, sizeof *ids), *found = calloc(count, sizeof *found);
        lrnn_vocab_destroy(write_labels(path, cases[i].vocab, ids, count));
        unsigned char *bytes = file_bytes(&length, path);
        size_t tokens_at = length - 8 * blocks - count * cases[i].size;
        for (size_t k = 0; k < 40; k++) {
            lrnn_tokens *tokens;
            size_t bad = draw((uint32_t)count, i, k);
            bytes[tokens_at + bad * cases[i].size] ^= 1;
            scratch_write(path, bytes, length);
            bytes[tokens_at + bad * cases[i].size] ^= 1;
            EXPECT_OK(lrnn_tokens_open(&tokens, path, NULL));
            size_t first = draw((uint32_t)bad + 1, 7, k);
            read = bad - first + 1 + draw((uint32_t)(count - bad), 8, k);
            EXPECT_FAILURE(lrnn_tokens_read(found, tokens, first, read), LRNN_ERR_FORMAT, path,
                           "damaged");
            EXPECT_FAILURE(lrnn_tokens_read(found, tokens, bad, 1), LRNN_ERR_FORMAT, "damaged");
            size_t block = bad * cases[i].size / 16384, other = block == 0 ? count - 1 : 0;
            if (other * cases[i].size / 16384 != block) {
                EXPECT_OK(lrnn_tokens_read(found, tokens, other, 1));
            }
            lrnn_tokens_destroy(tokens);
        }
        bytes[length - 1] ^= 1; /* a digest itself */
        scratch_write(path, bytes, length);
        lrnn_tokens *tokens;
        EXPECT_FAILURE(lrnn_tokens_open(&tokens, path, NULL), LRNN_ERR_FORMAT, path, "digests");
        free(bytes);
        free(ids);
        free(found);
    }
    scratch_destroy(&files);
}

static void a_model_is_no_token_file_and_the_other_way_round(void **state)
{
    (void)state;
    scratch files = scratch_create();
    int32_t ids[4] = {0, 1, 2, 3};
    lrnn_tokens *tokens;
    lrnn_model *model;
    lrnn_model_options options;
    lrnn_vocab *vocab = write_labels(scratch_path(&files, "t"), 4, ids, 4);
    EXPECT_OK(lrnn_model_options_init(&options, sizeof options));
    options.input_vocab = vocab;
    options.hidden_size = 2;
    EXPECT_OK(lrnn_model_create(&model, &options));
    EXPECT_OK(lrnn_model_save(model, scratch_path(&files, "m")));
    lrnn_model_destroy(model);
    lrnn_vocab_destroy(vocab);
    assert_int_equal(lrnn_tokens_open(&tokens, scratch_path(&files, "m"), NULL), LRNN_ERR_FORMAT);
    assert_non_null(strstr(lrnn_last_error(), "found model"));
    assert_int_equal(lrnn_model_load(&model, scratch_path(&files, "t"), NULL), LRNN_ERR_FORMAT);
    assert_non_null(strstr(lrnn_last_error(), "found tokens"));
    assert_int_equal(lrnn_tokens_open(&tokens, scratch_path(&files, "none"), NULL), LRNN_ERR_IO);
    scratch_destroy(&files);
}

static void a_file_that_is_not_finished_is_gone_and_the_old_one_stays(void **state)
{
    (void)state;
    scratch files = scratch_create();
    int32_t ids[3] = {1, 0, 1};
    lrnn_token_writer *writer;
    lrnn_vocab *vocab = write_labels(scratch_path(&files, "t"), 2, ids, 3);
    EXPECT_OK(lrnn_token_writer_create(&writer, scratch_path(&files, "t"), vocab, NULL));
    EXPECT_OK(lrnn_token_writer_add(writer, "1 1 1 1 1 ", 10));
    ids[1] = 2;
    assert_int_equal(lrnn_token_writer_add_ids(writer, ids, 3), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_token_writer_add(writer, "0 two 1", 7), LRNN_ERR_NOT_FOUND);
    assert_int_equal(lrnn_token_writer_finish(writer), LRNN_ERR_STATE);
    assert_int_equal(lrnn_token_writer_add(writer, "1", 1), LRNN_ERR_STATE);
    lrnn_token_writer_destroy(writer);
    ids[1] = 0;
    assert_file_holds(scratch_path(&files, "t"), vocab, ids, 3);
    assert_int_equal(scratch_files(&files, false), 1);
    lrnn_vocab_destroy(vocab);
    scratch_destroy(&files);
}

/* ---- memory ---- */

static lrnn_status everything(const char *path, fault_allocator *fault)
{
    static const char text[] = "to be or not to be that is the question whether tis nobler to be";
    lrnn_vocab_options options = options_of(LRNN_LEVEL_WORD);
    lrnn_batches_options cut;
    lrnn_vocab_counter *counter = NULL;
    lrnn_vocab *vocab = NULL;
    lrnn_token_writer *writer = NULL;
    lrnn_tokens *tokens = NULL;
    lrnn_batches *batches = NULL;
    options.allocator = &fault->allocator;
    EXPECT_OK(lrnn_batches_options_init(&cut, sizeof cut));
    cut.allocator = &fault->allocator;
    cut.batch = 2;
    cut.steps = 3;
    lrnn_status status = lrnn_vocab_counter_create(&counter, &options);
    status = status ? status : lrnn_vocab_counter_add(counter, text, sizeof text - 1);
    status = status ? status : lrnn_vocab_create_from_counter(&vocab, counter);
    status = status ? status : lrnn_token_writer_create(&writer, path, vocab, &fault->allocator);
    status = status ? status : lrnn_token_writer_add(writer, text, sizeof text - 1);
    status = status ? status : lrnn_token_writer_finish(writer);
    status = status ? status : lrnn_tokens_open(&tokens, path, &fault->allocator);
    status = status ? status : lrnn_batches_create_from_tokens(&batches, tokens, 0, 12, &cut);
    lrnn_batches_destroy(batches);
    lrnn_tokens_destroy(tokens);
    lrnn_token_writer_destroy(writer);
    lrnn_vocab_destroy(vocab);
    lrnn_vocab_counter_destroy(counter);
    return status;
}

static void each_allocation_may_fail(void **state)
{
    (void)state;
    scratch files = scratch_create();
    fault_allocator fault;
    for (size_t n = 1;; n++) {
        fault_allocator_start(&fault, n);
        lrnn_status status = everything(scratch_path(&files, "t"), &fault);
        assert_int_equal(fault_allocator_live(&fault), 0);
        if (!fault_allocator_failed(&fault)) {
            assert_int_equal(status, LRNN_OK);
            assert_true(n > 15);
            break;
        }
        assert_int_equal(status, LRNN_ERR_MEMORY);
    }
    scratch_destroy(&files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_of_any_size_count_and_encode_as_the_whole_does),
        cmocka_unit_test(texts_larger_than_a_block_are_cut_between_tokens),
        cmocka_unit_test(no_token_spans_two_texts),
        cmocka_unit_test(a_bad_byte_is_placed_in_the_whole_text),
        cmocka_unit_test(a_token_takes_as_many_bytes_as_the_vocabulary_needs),
        cmocka_unit_test(windows_of_a_file_are_those_of_memory),
        cmocka_unit_test(a_file_that_shrinks_is_an_error_and_moves_no_cursor),
        cmocka_unit_test(an_id_outside_the_vocabulary_is_named),
        cmocka_unit_test(damage_is_seen_wherever_tokens_are_read),
        cmocka_unit_test(a_model_is_no_token_file_and_the_other_way_round),
        cmocka_unit_test(a_file_that_is_not_finished_is_gone_and_the_old_one_stays),
        cmocka_unit_test(each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
