/* From settings to the library's options, and what of it fits together. */
#include "vocab_options.h"

#include "output.h"

const char *const vocab_levels[] = {"byte", "char", "word", NULL};

void vocab_check_options(const command_line *line, const vocab_settings *settings)
{
    static const char all_bytes[] = "--level char or word; of bytes there are always 256";
    bool words = settings->level == LRNN_LEVEL_WORD, bytes = settings->level == LRNN_LEVEL_BYTE;
    options_need(line, "strip-punctuation", words, "--level word");
    options_need(line, "keep-empty", words, "--level word");
    options_need(line, "keep-empty", settings->strip_punctuation, "--strip-punctuation");
    options_need(line, "min-count", !bytes, all_bytes);
    options_need(line, "max-vocab", !bytes, all_bytes);
    options_need(line, "unknown", !bytes, all_bytes);
}

const char *vocab_option_given(const command_line *line)
{
    static const char *const names[] = {"level",     "strip-punctuation", "keep-empty", "lowercase",
                                        "min-count", "max-vocab",         "unknown"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (options_given(line, names[i])) {
            return names[i];
        }
    }
    return NULL;
}

lrnn_status vocab_options_of(lrnn_vocab_options *options, const vocab_settings *settings)
{
    CHECK(lrnn_vocab_options_init(options, sizeof *options));
    options->level = settings->level;
    options->lowercase = settings->lowercase;
    options->strip_punctuation = settings->strip_punctuation;
    options->keep_empty = settings->keep_empty;
    options->unknown = settings->unknown;
    options->min_count = settings->min_count;
    options->max_size = settings->max_vocab == 0 ? LRNN_NO_LIMIT : settings->max_vocab;
    return LRNN_OK;
}
