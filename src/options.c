/* getopt_long does the parsing. What a row of the table says about names, values and files is
 * followed here; its values are in options_value.c, its help in options_help.c. */
#include "options.h"

#include <ctype.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "options_value.h"
#include "output.h"
#include "system.h"

enum { ROW_BASE = 1000 };

void options_fail(const command_line *line, const char *format, ...)
{
    fprintf(stderr, "lrnn %s: ", line->command);
    va_list arguments;
    va_start(arguments, format);
    print_message(format, arguments);
    va_end(arguments);
    fprintf(stderr, "\nTry 'lrnn %s --help'.\n", line->command);
    exit(EXIT_USAGE);
}

static void fail_value(const command_line *line, const option_row *row, const char *value)
{
    char *expected = NULL;
    size_t length = 0;
    FILE *stream = system_text_open(&expected, &length);
    if (stream != NULL) {
        option_write_expected(row, stream);
        system_text_close(stream, &expected, &length);
    }
    options_fail(line, "--%s: expected %s, found '%s'%s%s", row->name,
                 expected != NULL ? expected : "another value", value,
                 row->advice != NULL ? "; " : "", row->advice != NULL ? row->advice : "");
}

/* ---- what the library says of them ---- */

/* Is the word of `length` bytes the name, written with _ for -? */
static bool is_word(const char *name, const char *word, size_t length)
{
    size_t i = 0;
    while (i < length && name[i] != '\0' &&
           (word[i] == name[i] || (word[i] == '_' && name[i] == '-'))) {
        i++;
    }
    return i == length && name[i] == '\0';
}

/* The option that the library calls so, or NULL. */
static const option_row *row_of_field(const command_line *line, const char *word, size_t length)
{
    for (size_t i = 0; i < line->count; i++) {
        const option_row *row = &line->rows[i];
        const char *field = row->field != NULL ? row->field : row->name;
        if (row->name != NULL && (is_word(field, word, length) ||
                                  (row->other != NULL && is_word(row->other, word, length)))) {
            return row;
        }
    }
    return NULL;
}

/* "LRNN_METHOD_GREEDY" is --method greedy: the row, and *choice of it; NULL for other words. */
static const option_row *row_of_constant(const command_line *line, const char *word, size_t length,
                                         const char **choice)
{
    for (size_t i = 0; i < line->count; i++) {
        const option_row *row = &line->rows[i];
        for (size_t k = 0; row->kind == OPTION_CHOICE && row->choices[k] != NULL; k++) {
            char name[64];
            int size = snprintf(name, sizeof name, "lrnn_%s_%s", row->name, row->choices[k]);
            for (char *at = name; *at != '\0'; at++) {
                *at = (char)(*at == '-' ? '_' : toupper((unsigned char)*at));
            }
            if ((size_t)size == length && strncmp(name, word, length) == 0) {
                *choice = row->choices[k];
                return row;
            }
        }
    }
    return NULL;
}

/* One word of a message, as the user of the program knows it. A word without _ may be plain
 * English. */
static void write_word(const command_line *line, const char *word, size_t length, FILE *stream)
{
    const char *choice = NULL;
    const option_row *row = row_of_constant(line, word, length, &choice);
    if (row == NULL && memchr(word, '_', length) != NULL) {
        row = row_of_field(line, word, length);
    }
    if (row == NULL) {
        fwrite(word, 1, length, stream);
    } else {
        fprintf(stream, "--%s%s%s", row->name, choice != NULL ? " " : "",
                choice != NULL ? choice : "");
    }
}

static const char word_bytes[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

/* The text, with options where the library names its fields and constants; names of files and
 * tensors, and what is quoted, stay. NULL: out of memory. */
static char *in_options(const command_line *line, const char *text)
{
    char *made = NULL;
    size_t size = 0;
    FILE *stream = system_text_open(&made, &size);
    char before = ' ';
    while (stream != NULL && *text != '\0') {
        size_t length = strspn(text, word_bytes);
        bool part = strchr("./'\"-", before) != NULL || text[length] == '.' || text[length] == '\'';
        if (length > 0 && !part) {
            write_word(line, text, length, stream);
        } else {
            length = length > 0 ? length : 1;
            fwrite(text, 1, length, stream);
        }
        before = text[length - 1];
        text += length;
    }
    return stream != NULL && system_text_close(stream, &made, &size) == 0 ? made : NULL;
}

int options_fail_status(const command_line *line, lrnn_status status, const char *what)
{
    const char *text = after_subject(lrnn_last_error(), what != NULL ? "text" : NULL);
    text = after_subject(text, what);
    size_t length = strspn(text, word_bytes);
    const option_row *row =
        text[length] == ':' || text[length] == ' ' ? row_of_field(line, text, length) : NULL;
    char *said =
        status == LRNN_ERR_INVALID ? in_options(line, text + (row != NULL ? length : 0)) : NULL;
    if (said == NULL) {
        return complain_status(status, what);
    }
    if (row != NULL) {
        options_fail(line, "--%s%s", row->name, said);
    }
    complain("%s%s%s", what != NULL ? what : "", what != NULL ? ": " : "", said);
    free(said);
    return 1;
}

void options_need(const command_line *line, const char *name, bool useful, const char *what)
{
    if (!useful && options_given(line, name)) {
        options_fail(line, "--%s: needs %s", name, what);
    }
}

/* Fills in what getopt_long wants to know; short_names has room for OPTIONS_MAX letters. */
static void describe(const command_line *line, struct option *names, char *short_names)
{
    size_t count = 0;
    *short_names++ = ':';
    *short_names++ = 'h';
    for (size_t i = 0; i < line->count; i++) {
        const option_row *row = &line->rows[i];
        if (row->kind == OPTION_HEADING) {
            continue;
        }
        int has_argument = row->kind == OPTION_FLAG ? no_argument : required_argument;
        names[count++] = (struct option){row->name, has_argument, NULL, ROW_BASE + (int)i};
        if (row->letter != 0) {
            *short_names++ = row->letter;
            if (has_argument == required_argument) {
                *short_names++ = ':';
            }
        }
    }
    *short_names = '\0';
    names[count++] = (struct option){"help", no_argument, NULL, 'h'};
    names[count] = (struct option){NULL, 0, NULL, 0};
}

/* The row that getopt_long found, by its index or by its letter. */
static size_t row_of(const command_line *line, int found)
{
    if (found >= ROW_BASE) {
        return (size_t)(found - ROW_BASE);
    }
    size_t row = 0;
    while (row + 1 < line->count && line->rows[row].letter != found) {
        row++;
    }
    return row;
}

/* "--sch" is no option, or short for those that begin so. */
static _Noreturn void fail_long(const command_line *line, const char *argument)
{
    char *several = NULL;
    size_t size = 0;
    size_t length = strcspn(argument, "=");
    FILE *stream = system_text_open(&several, &size);
    for (size_t i = 0; stream != NULL && length > 2 && i < line->count; i++) {
        const char *name = line->rows[i].name;
        if (name != NULL && strncmp(name, argument + 2, length - 2) == 0) {
            fprintf(stream, "%s--%s", ftell(stream) > 0 ? ", " : "", name);
        }
    }
    if (stream == NULL || system_text_close(stream, &several, &size) != 0 || size == 0) {
        options_fail(line, "%.*s: no such option", (int)length, argument);
    }
    options_fail(line, "%.*s: ambiguous: %s", (int)length, argument, several);
}

/* Some systems say ':' of a flag with a value too. */
static bool is_flag(const command_line *line, int option)
{
    return option >= ROW_BASE && line->rows[option - ROW_BASE].kind == OPTION_FLAG;
}

/* A shell variable that is not set, as a rule. */
static void refuse_empty(const command_line *line, const option_row *row)
{
    bool text = row->kind == OPTION_TEXT || row->kind == OPTION_LIST;
    if (text && (row->bounds & MAY_BE_EMPTY) == 0) {
        options_fail(line, "--%s: is empty; %s%s", row->name,
                     row->advice != NULL ? "" : "expected ",
                     row->advice != NULL ? row->advice : row->argument);
    }
}

/* getopt_long has left the reason in optopt. */
static void fail_unknown(const command_line *line, const char *argument)
{
    if (optopt >= ROW_BASE) {
        options_fail(line, "--%s: takes no value", line->rows[optopt - ROW_BASE].name);
    }
    if (optopt > 0) {
        options_fail(line, "-%c: no such option", optopt);
    }
    fail_long(line, argument);
}

int options_parse(command_line *line, void *settings, int argc, char **argv)
{
    struct option names[OPTIONS_MAX + 2];
    char short_names[2 * OPTIONS_MAX + 3];
    describe(line, names, short_names);
    opterr = 0;
    optind = 1;
    for (int found; (found = getopt_long(argc, argv, short_names, names, NULL)) != -1;) {
        if (found == 'h') {
            options_print_help(line, settings);
            exit(output_flush());
        }
        if (found == ':' && !is_flag(line, optopt)) {
            options_fail(line, "%s: expected a value after it", argv[optind - 1]);
        }
        if (found == '?' || found == ':') {
            fail_unknown(line, argv[optind - 1]);
        }
        size_t row = row_of(line, found);
        const char *value = optarg != NULL ? optarg : "1";
        if (value[0] == '\0') {
            refuse_empty(line, &line->rows[row]);
        }
        if (!option_read_value(&line->rows[row], (char *)settings + line->rows[row].offset,
                               value)) {
            fail_value(line, &line->rows[row], value);
        }
        line->given[row] = true;
    }
    int operands = argc - optind;
    if (operands < line->operands_minimum) {
        options_fail(line, "expected: lrnn %s %s", line->command, line->arguments);
    }
    if (operands > line->operands_maximum) {
        options_fail(line, "unexpected argument '%s'", argv[optind + line->operands_maximum]);
    }
    for (int i = optind; i < argc; i++) {
        if (argv[i][0] == '\0') {
            options_fail(line, "%s: is empty; expected the path of a file", line->operand);
        }
    }
    return optind;
}

bool options_given(const command_line *line, const char *name)
{
    for (size_t i = 0; i < line->count; i++) {
        if (line->given[i] && strcmp(line->rows[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- files ---- */

int options_list_files(const command_line *line, const void *settings, char *const *operands,
                       file_list *files)
{
    bool force = options_given(line, "force");
    for (size_t i = 0; i < line->count; i++) {
        const option_row *row = &line->rows[i];
        if (row->file == FILE_NONE) {
            continue;
        }
        file_use use = {.path = *(const char *const *)((const char *)settings + row->offset),
                        .kind = row->file,
                        .remembered = !line->given[i],
                        .forced = force && line->given[i]};
        if (row->letter != 0) {
            snprintf(use.option, sizeof use.option, "-%c", row->letter);
        } else {
            snprintf(use.option, sizeof use.option, "--%s", row->name);
        }
        if (files_add(files, &use) != 0) {
            return 1;
        }
    }
    for (; *operands != NULL; operands++) {
        file_use use = {.path = *operands, .kind = line->operand_file};
        snprintf(use.option, sizeof use.option, "%s", line->operand);
        if (files_add(files, &use) != 0) {
            return 1;
        }
    }
    return 0;
}

int options_claim_files(const command_line *line, const void *settings, char *const *operands)
{
    file_list files = {0};
    int failed = options_list_files(line, settings, operands, &files) != 0 ||
                 files_add_output(&files) != 0 || files_claim(&files, line) != 0;
    files_free(&files);
    return failed;
}
