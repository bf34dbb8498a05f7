/* The options by which a text becomes a vocabulary, for the commands that make one. */
#ifndef VOCAB_OPTIONS_H
#define VOCAB_OPTIONS_H

#include <lrnn.h>
#include <stdbool.h>

#include "options.h"

typedef struct vocab_settings {
    int32_t level;
    bool strip_punctuation;
    bool keep_empty;
    bool lowercase;
    bool unknown;
    size_t min_count;
    size_t max_vocab; /* 0: no limit */
} vocab_settings;

extern const char *const vocab_levels[];

/* Their rows; `place` is of settings_type, and a vocab_settings. */
#define VOCAB_ROW(settings_type, place, option_kind_, option_name, member, memory_)                \
    .kind = (option_kind_), .name = (option_name), .memory = (memory_),                            \
    AT(settings_type, place.member)
#define VOCAB_ROWS(settings_type, place, memory_)                                                  \
    {VOCAB_ROW(settings_type, place, OPTION_CHOICE, "level", level, memory_),                      \
     .choices = vocab_levels, .help = "what a token is"},                                          \
        {VOCAB_ROW(settings_type, place, OPTION_FLAG, "strip-punctuation", strip_punctuation,      \
                   memory_),                                                                       \
         .help = "word level: remove ASCII punctuation from words"},                               \
        {VOCAB_ROW(settings_type, place, OPTION_FLAG, "keep-empty", keep_empty, memory_),          \
         .help = "word level: keep words that become empty, as the empty word"},                   \
        {VOCAB_ROW(settings_type, place, OPTION_FLAG, "lowercase", lowercase, memory_),            \
         .help = "turn A-Z into a-z"},                                                             \
        {VOCAB_ROW(settings_type, place, OPTION_COUNT, "min-count", min_count, memory_),           \
         .minimum = 1, .help = "replace tokens that occur less often than this by <unk>"},         \
        {VOCAB_ROW(settings_type, place, OPTION_COUNT, "max-vocab", max_vocab, memory_),           \
         .field = "max_size",                                                                      \
         .help = "keep only this many tokens, the most frequent ones, <unk> included; 0: all"},    \
    {                                                                                              \
        VOCAB_ROW(settings_type, place, OPTION_FLAG, "unknown", unknown, memory_),                 \
            .help = "add <unk> even if no token was cut"                                           \
    }

#define VOCAB_DEFAULTS                                                                             \
    {                                                                                              \
        .level = LRNN_LEVEL_CHAR, .min_count = 1                                                   \
    }

/* Ends the program with 2 if one of them is given and has no effect on the level. */
void vocab_check_options(const command_line *line, const vocab_settings *settings);

/* Is one of them on the command line? Its name, or NULL. */
const char *vocab_option_given(const command_line *line);

/* The library's options for them. */
lrnn_status vocab_options_of(lrnn_vocab_options *options, const vocab_settings *settings);

#endif
