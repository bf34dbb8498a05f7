/* Loading a model takes memory of the order of its file, whatever its shape: at most eight times as
 * much and 16 MB, all that the library asks its allocator for counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "support/expect.h"
#include "support/scratch.h"

/* ---- an allocator that knows the most it has given at once ---- */

typedef struct counter {
    lrnn_allocator allocator;
    size_t live, peak;
} counter;

enum { BEFORE = 64 }; /* bytes before a block, which hold its size and keep it aligned */

static void *count_allocate(void *user, size_t bytes)
{
    counter *to = user;
    unsigned char *block = malloc(BEFORE + bytes);
    if (block == NULL) {
        return NULL;
    }
    memcpy(block, &bytes, sizeof bytes);
    to->live += bytes;
    to->peak = to->live > to->peak ? to->live : to->peak;
    return block + BEFORE;
}

static void count_release(void *user, void *pointer)
{
    counter *to = user;
    size_t bytes;
    unsigned char *block = (unsigned char *)pointer - BEFORE;
    memcpy(&bytes, block, sizeof bytes);
    to->live -= bytes;
    free(block);
}

static void start_counting(counter *to)
{
    *to = (counter){.live = 0};
    EXPECT_OK(lrnn_allocator_init(&to->allocator, sizeof to->allocator));
    to->allocator.user = to;
    to->allocator.allocate = count_allocate;
    to->allocator.release = count_release;
}

/* ---- models of extreme shapes ---- */

typedef struct shape {
    const char *name;
    size_t vocab, embedding, features, layers, hidden, projection, output;
    int32_t cell, bias, bidirectional;
} shape;

static const shape shapes[] = {
    {"one-hot, hidden 1", 1250000, 0, 0, 1, 1, 0, 1, LRNN_CELL_RNN_TANH, 1, 0},
    {"one-hot, hidden 1, both directions", 500000, 0, 0, 1, 1, 0, 1, LRNN_CELL_GRU, 1, 1},
    {"one-hot, LSTM of 9", 100000, 0, 3, 1, 9, 0, 2, LRNN_CELL_LSTM, 1, 0},
    {"one-hot, LSTM of 17", 50000, 0, 0, 1, 17, 0, 2, LRNN_CELL_LSTM, 0, 0},
    {"one-hot, no layers, one output", 1250000, 0, 0, 0, 0, 0, 1, LRNN_CELL_RNN_TANH, 1, 0},
    {"embedding 1 wide", 1250000, 1, 0, 1, 1, 0, 1, LRNN_CELL_RNN_TANH, 1, 0},
    {"embedding 1 wide, small", 262144, 1, 0, 1, 1, 0, 1, LRNN_CELL_RNN_TANH, 1, 0},
    {"embedding of one token", 1, 1250000, 0, 1, 1, 0, 1, LRNN_CELL_RNN_TANH, 1, 0},
    {"features, hidden 1", 0, 0, 1250000, 1, 1, 0, 1, LRNN_CELL_RNN_RELU, 1, 0},
    {"features, no layers", 0, 0, 1250000, 0, 0, 0, 3, LRNN_CELL_RNN_RELU, 1, 0},
    {"outputs of hidden 1", 1, 0, 0, 1, 1, 0, 1250000, LRNN_CELL_RNN_TANH, 1, 0},
    {"projection to 1", 1, 0, 0, 1, 200000, 1, 1, LRNN_CELL_LSTM, 0, 0},
    {"1,024 layers", 1, 0, 0, 1024, 1, 0, 1, LRNN_CELL_LSTM, 1, 1},
    {"1,024 projections to 1", 1, 0, 0, 1024, 256, 1, 1, LRNN_CELL_LSTM, 0, 0},
};

static lrnn_model *create(const shape *of, int32_t weight_type)
{
    lrnn_model_options options;
    lrnn_model *model;
    EXPECT_OK(lrnn_model_options_init(&options, sizeof options));
    options.vocab_size = of->vocab;
    options.embedding_size = of->embedding;
    options.feature_size = of->features;
    options.layers = of->layers;
    options.hidden_size = of->hidden;
    options.projection_size = of->projection;
    options.output_size = of->output;
    options.cell = of->cell;
    options.bias = of->bias;
    options.bidirectional = of->bidirectional;
    options.weight_type = weight_type;
    EXPECT_OK(lrnn_model_create(&model, &options));
    return model;
}

static void expect_little_memory(const char *name, const char *path)
{
    struct stat about;
    counter count;
    lrnn_model *model;
    start_counting(&count);
    assert_int_equal(stat(path, &about), 0);
    EXPECT_OK(lrnn_model_load(&model, path, &count.allocator));
    lrnn_model_destroy(model);
    assert_int_equal(count.live, 0);
    size_t file = (size_t)about.st_size, most = 8 * file + ((size_t)16 << 20);
    if (count.peak > most) {
        print_message("%s: %zu bytes of memory for a file of %zu, %.1f times\n", name, count.peak,
                      file, (double)count.peak / (double)file);
    }
    assert_true(count.peak <= most);
}

static void loading_takes_memory_of_the_order_of_the_file(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        for (int32_t type = LRNN_WEIGHT_FLOAT32; type <= LRNN_WEIGHT_INT8; type++) {
            const char *path = scratch_path(&folder, "model");
            lrnn_model *model = create(&shapes[i], type);
            EXPECT_OK(lrnn_model_save(model, path));
            lrnn_model_destroy(model);
            expect_little_memory(shapes[i].name, path);
        }
    }
    scratch_destroy(&folder);
}

/* ---- long vocabularies ---- */

/* `count` words of six characters, all different. */
static char *make_words(size_t count, size_t *length)
{
    *length = count * 7;
    char *text = malloc(*length + 1);
    assert_non_null(text);
    for (size_t i = 0; i < count; i++) {
        snprintf(text + 7 * i, 8, "%06zx ", i);
    }
    return text;
}

static void loading_a_long_vocabulary_does_too(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "model");
    lrnn_vocab_options words;
    lrnn_model_options options;
    lrnn_model *model;
    lrnn_vocab *vocab;
    size_t length, count = 500000;
    char *text = make_words(count, &length);
    EXPECT_OK(lrnn_vocab_options_init(&words, sizeof words));
    words.level = LRNN_LEVEL_WORD;
    EXPECT_OK(lrnn_vocab_create_from_text(&vocab, text, length, &words));
    EXPECT_OK(lrnn_model_options_init(&options, sizeof options));
    options.input_vocab = vocab;
    options.embedding_size = options.hidden_size = 1;
    options.output_size = 1;
    EXPECT_OK(lrnn_model_create(&model, &options));
    EXPECT_OK(lrnn_model_save(model, path));
    lrnn_model_destroy(model);
    lrnn_vocab_destroy(vocab);
    free(text);
    expect_little_memory("a long vocabulary", path);
    scratch_destroy(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loading_takes_memory_of_the_order_of_the_file),
        cmocka_unit_test(loading_a_long_vocabulary_does_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
