/* Command lines. One table for each subcommand drives the parser, --help with its ranges and
 * defaults, and what a checkpoint remembers of the command line, so that they cannot disagree. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <lrnn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "files.h"
#include "system.h"

enum { OPTIONS_MAX = 128, OPTION_LIST_MAX = 256, OPTION_SIZES_MAX = 8 };

/* What an option holds, and the type of the settings field it is stored in. */
typedef enum option_kind {
    OPTION_HEADING, /* not an option: a heading of --help */
    OPTION_FLAG,    /* bool */
    OPTION_COUNT,   /* size_t */
    OPTION_SIZES,   /* option_sizes: counts with commas between them */
    OPTION_SEED,    /* uint64_t */
    OPTION_NUMBER,  /* double */
    OPTION_TEXT,    /* const char *, NULL until given */
    OPTION_LIST,    /* option_list: may be given several times */
    OPTION_CHOICE   /* int32_t, the index into `choices` */
} option_kind;

typedef struct option_list {
    const char *items[OPTION_LIST_MAX];
    size_t count;
} option_list;

typedef struct option_sizes {
    size_t items[OPTION_SIZES_MAX];
    size_t count;
} option_sizes;

/* Whether a checkpoint remembers the option. */
typedef enum option_memory {
    OPTION_FORGET,
    OPTION_MATCH, /* a resumed run has the same value */
    OPTION_ADOPT  /* a resumed run has the same value unless it is given another */
} option_memory;

/* Bounds are included unless these say otherwise; WHOLE: a number without a fraction. A text has at
 * least one byte unless it MAY_BE_EMPTY. */
enum { ABOVE_MINIMUM = 1, BELOW_MAXIMUM = 2, WHOLE = 4, MAY_BE_EMPTY = 8 };

typedef struct option_row {
    const char *name; /* without the dashes */
    const char *help;
    const char *argument; /* what --help calls the value */
    const char *const *choices;
    size_t offset; /* of the field in the settings, which hold the default before parsing */
    double minimum;
    double maximum;
    option_kind kind;
    option_memory memory;
    file_kind file;     /* of OPTION_TEXT: what is read from or written to that path */
    const char *field;  /* what the library calls it; NULL: the name with _ for - */
    const char *other;  /* another field that it sets, or NULL */
    const char *advice; /* said after a value that is refused, or NULL */
    int bounds;
    char letter; /* short form, or 0 */
} option_row;

/* The usual rows; `field` is of `settings_type`. */
#define HEADING(text)                                                                              \
    {                                                                                              \
        .kind = OPTION_HEADING, .help = (text)                                                     \
    }
#define AT(settings_type, field) .offset = offsetof(settings_type, field)

typedef struct command_line {
    const char *command;   /* "train" */
    const char *arguments; /* after the command in the usage line */
    const char *summary;   /* one paragraph under it */
    const char *closing;   /* last paragraphs of --help, or NULL */
    const option_row *rows;
    size_t count;
    int operands_minimum; /* number of arguments that are not options */
    int operands_maximum;
    const char *operand; /* what messages call one: "TEXT" */
    file_kind operand_file;
    bool given[OPTIONS_MAX]; /* set by options_parse: row i was on the command line */
} command_line;

/* Stores what the command line says in *settings and returns the index of the first operand.
 * --help ends the program with 0, a wrong command line with 2. */
int options_parse(command_line *line, void *settings, int argc, char **argv);

/* Ends the program with 2 after "lrnn COMMAND: message". */
_Noreturn void options_fail(const command_line *line, const char *format, ...)
    __attribute__((format(PRINTF_FORMAT, 2, 3)));

/* For a call of the library that failed with what the options say. Its fields and constants become
 * the options that they are of. Where the message begins with such a field, ends the program with
 * 2, else complains and returns 1. what: the operand, whose name, or "text", may stand before that
 * with a colon; or NULL. */
int options_fail_status(const command_line *line, lrnn_status status, const char *what);

/* Ends the program with 2 if --name is given although `useful` is false: "--name: needs WHAT". */
void options_need(const command_line *line, const char *name, bool useful, const char *what);

/* Was --name on the command line? */
bool options_given(const command_line *line, const char *name);

/* Lists the files that the options and operands name. An output given on the command line together
 * with --force may replace anything. */
int options_list_files(const command_line *line, const void *settings, char *const *operands,
                       file_list *files);

/* Lists them and standard output, and claims them all. */
int options_claim_files(const command_line *line, const void *settings, char *const *operands);

/* The row that lets the command replace what is not its own. */
#define FORCE(settings_type)                                                                       \
    {                                                                                              \
        .kind = OPTION_FLAG, .name = "force", AT(settings_type, force),                            \
        .help = "replace existing files, whatever they contain"                                    \
    }

/* Writes the options that are to be remembered as "option NAME VALUE" lines. */
void options_remember(const command_line *line, const void *settings, FILE *stream);

/* Takes over one remembered option, or complains that the command line has another value. `value`
 * is decoded in place and must stay. A name that the table does not have is an error. */
int options_recall(const command_line *line, void *settings, const char *name, char *value);

#endif
