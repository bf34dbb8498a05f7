/* lrnn encode: texts become a token file. They are read twice, a block at a time: once to count the
 * tokens, once to encode them; with a given vocabulary only once. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "corpus.h"
#include "options.h"
#include "output.h"
#include "vocab_list.h"
#include "vocab_options.h"

enum { BLOCK = 1 << 20 };

typedef struct encode_settings {
    const char *output;
    const char *vocab;
    vocab_settings text;
    bool force;
} encode_settings;

static const option_row rows[] = {
    HEADING("Options:"),
    {.kind = OPTION_TEXT,
     .name = "output",
     .letter = 'o',
     .argument = "FILE",
     AT(encode_settings, output),
     .file = FILE_TOKENS,
     .help = "write the token file here; required"},
    FORCE(encode_settings),
    HEADING("Vocabulary:"),
    {.kind = OPTION_TEXT,
     .name = "vocab",
     .argument = "MODEL|FILE",
     AT(encode_settings, vocab),
     .file = FILE_INPUT,
     .help = "use the vocabulary of this model, checkpoint or token file, or this list of tokens "
             "(as for lrnn import), instead of making one of the texts"},
    VOCAB_ROWS(encode_settings, text, OPTION_FORGET),
};

static const char closing[] =
    "For texts larger than memory, and to read a text once for many runs: 'lrnn train FILE' and "
    "'lrnn eval FILE' read the tokens as they need them. Memory depends on the vocabulary, not on "
    "the length of the texts. FILE is a safetensors file with the tensor \"tokens\", of 1, 2 or 4 "
    "bytes a token, and the vocabulary. Several texts are documents, as for lrnn train.\n"
    "\n"
    "Example:\n  lrnn encode -o book.tokens --level word book.txt\n"
    "  lrnn train -o model.lrnn --valid 0.1 book.tokens";

/* ---- reading texts a block at a time ---- */

/* Takes the next bytes of a text; `end`: the text is over. */
typedef lrnn_status take_bytes(void *user, const char *bytes, size_t length, bool end);

static int read_blocks(FILE *stream, const char *name, int32_t level, char *block, take_bytes *take,
                       void *user)
{
    bool first = true;
    for (;;) {
        size_t length = fread(block, 1, BLOCK, stream), mark = 0;
        if (ferror(stream)) {
            return complain("cannot read %s: %s", name, strerror(errno));
        }
        if (first && level != LRNN_LEVEL_BYTE &&
            text_check_beginning(&mark, block, length, name) != 0) {
            return 1;
        }
        first = false;
        lrnn_status status = take(user, block + mark, length - mark, length < BLOCK);
        if (status != LRNN_OK) {
            return status == LRNN_ERR_IO ? complain_status(status, NULL)
                                         : complain_text(status, name);
        }
        if (length < BLOCK) {
            return 0;
        }
    }
}

static int read_text(const char *path, int32_t level, char *block, take_bytes *take, void *user)
{
    if (corpus_is_file(path)) {
        return complain("%s: a token file already", path);
    }
    FILE *stream = text_open(path);
    if (stream == NULL) {
        return 1;
    }
    int failed = read_blocks(stream, text_name(path), level, block, take, user);
    text_close(stream);
    return failed;
}

static int read_texts(char *const *paths, int count, int32_t level, take_bytes *take, void *user)
{
    char *block = malloc(BLOCK);
    int failed = block == NULL ? complain("out of memory") : 0;
    for (int i = 0; i < count && !failed; i++) {
        failed = read_text(paths[i], level, block, take, user);
    }
    free(block);
    return failed;
}

/* ---- the vocabulary ---- */

static lrnn_status count_bytes(void *user, const char *bytes, size_t length, bool end)
{
    CHECK(lrnn_vocab_counter_add(user, bytes, length));
    return end ? lrnn_vocab_counter_end(user) : LRNN_OK;
}

static int count_texts(lrnn_vocab **vocab, const command_line *line,
                       const encode_settings *settings, char *const *paths, int count)
{
    lrnn_vocab_options options;
    lrnn_vocab_counter *counter = NULL;
    lrnn_status status = vocab_options_of(&options, &settings->text);
    if (status == LRNN_OK) {
        status = lrnn_vocab_counter_create(&counter, &options);
    }
    int failed = status != LRNN_OK ? options_fail_status(line, status, "vocabulary")
                                   : read_texts(paths, count, options.level, count_bytes, counter);
    if (!failed) {
        status = lrnn_vocab_create_from_counter(vocab, counter);
        char *names = text_names(paths, count);
        failed = status != LRNN_OK ? options_fail_status(line, status, names) : 0;
        free(names);
    }
    lrnn_vocab_counter_destroy(counter);
    return failed;
}

static int vocab_of_file(lrnn_vocab **vocab, const command_line *line,
                         const encode_settings *settings)
{
    const char *path = settings->vocab;
    lrnn_model *model;
    if (lrnn_model_load(&model, path, NULL) == LRNN_OK) {
        const lrnn_vocab *own = lrnn_model_input_vocab(model);
        *vocab = own != NULL ? lrnn_vocab_share(own) : NULL;
        lrnn_model_destroy(model);
        options_need(line, "level", false, "a list of tokens as --vocab: a model has its level");
        return own != NULL ? 0 : complain("%s: the model has no vocabulary", path);
    }
    if (corpus_is_file(path)) {
        options_need(line, "level", false,
                     "a list of tokens as --vocab: a token file has its level");
        corpus tokens;
        if (corpus_open(&tokens, path) != 0) {
            return 1;
        }
        *vocab = lrnn_vocab_share(lrnn_tokens_vocab(tokens.file));
        corpus_free(&tokens);
        return 0;
    }
    return vocab_read_list(vocab, path, settings->text.level);
}

/* ---- encoding ---- */

static lrnn_status encode_bytes(void *user, const char *bytes, size_t length, bool end)
{
    CHECK(lrnn_token_writer_add(user, bytes, length));
    return end ? lrnn_token_writer_end(user) : LRNN_OK;
}

static int encode_texts(const encode_settings *settings, const lrnn_vocab *vocab,
                        char *const *paths, int count)
{
    lrnn_token_writer *writer;
    lrnn_status status = lrnn_token_writer_create(&writer, settings->output, vocab, NULL);
    if (status != LRNN_OK) {
        return complain_status(status, NULL);
    }
    int failed = read_texts(paths, count, lrnn_vocab_level(vocab), encode_bytes, writer);
    if (!failed) {
        status = lrnn_token_writer_finish(writer);
        failed = status != LRNN_OK ? complain_status(status, NULL) : 0;
    }
    lrnn_token_writer_destroy(writer);
    return failed;
}

static int report(const char *path)
{
    corpus made;
    if (corpus_open(&made, path) != 0) {
        return 1;
    }
    printf("%s: %zu tokens, %zu distinct\n", path, made.count,
           lrnn_vocab_size(lrnn_tokens_vocab(made.file)));
    corpus_free(&made);
    return output_flush();
}

/* Standard input cannot be read a second time, and a list has no options of counting. */
static void check_options(const command_line *line, const encode_settings *settings,
                          char *const *paths, int count)
{
    if (settings->output == NULL) {
        options_fail(line, "-o FILE is required");
    }
    vocab_check_options(line, &settings->text);
    if (settings->vocab != NULL) {
        static const char *const counting[] = {"strip-punctuation", "keep-empty", "lowercase",
                                               "min-count",         "max-vocab",  "unknown"};
        for (size_t i = 0; i < sizeof counting / sizeof counting[0]; i++) {
            options_need(line, counting[i], false, "a vocabulary made of the texts, not --vocab");
        }
        return;
    }
    for (int i = 0; i < count; i++) {
        if (strcmp(paths[i], "-") == 0) {
            options_fail(line, "-: standard input can be read only once, and the vocabulary needs "
                               "a first reading: give --vocab, or a file");
        }
    }
}

int command_encode(int argc, char **argv)
{
    encode_settings settings = {.text = VOCAB_DEFAULTS};
    command_line line = {
        .command = "encode",
        .arguments = "-o FILE [options] TEXT...",
        .summary = "Turns texts into a token file, for lrnn train and lrnn eval.",
        .closing = closing,
        .rows = rows,
        .count = sizeof rows / sizeof rows[0],
        .operands_minimum = 1,
        .operands_maximum = argc,
        .operand = "TEXT",
        .operand_file = FILE_TEXT,
    };
    int first = options_parse(&line, &settings, argc, argv), count = argc - first;
    char *const *paths = argv + first;
    check_options(&line, &settings, paths, count);
    if (options_claim_files(&line, &settings, paths) != 0) {
        return 1;
    }
    lrnn_vocab *vocab = NULL;
    int failed = settings.vocab != NULL ? vocab_of_file(&vocab, &line, &settings)
                                        : count_texts(&vocab, &line, &settings, paths, count);
    failed = failed || encode_texts(&settings, vocab, paths, count) || report(settings.output);
    lrnn_vocab_destroy(vocab);
    return failed;
}
