#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"

enum { HELP_COLUMN = 26, HELP_WIDTH = 79, ROW_BASE = 1000 };

/* ---- values ---- */

static bool in_bounds(const option_row *row, double value)
{
    bool high_enough =
        (row->bounds & ABOVE_MINIMUM) != 0 ? value > row->minimum : value >= row->minimum;
    bool low_enough =
        row->maximum == 0 ||
        ((row->bounds & BELOW_MAXIMUM) != 0 ? value < row->maximum : value <= row->maximum);
    return high_enough && low_enough;
}

static bool read_whole(const char *text, uint64_t *value)
{
    if (!isdigit((unsigned char)text[0])) {
        return false;
    }
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    *value = number;
    return errno == 0 && *end == '\0';
}

static bool read_choice(const char *const *choices, const char *text, int32_t *value)
{
    for (int32_t i = 0; choices[i] != NULL; i++) {
        if (strcmp(choices[i], text) == 0) {
            *value = i;
            return true;
        }
    }
    return false;
}

/* Stores the value in the field; false if it is not one that the row takes. */
static bool read_value(const option_row *row, void *field, const char *text)
{
    uint64_t whole;
    double number;
    char *end;
    switch (row->kind) {
    case OPTION_FLAG: *(bool *)field = strcmp(text, "0") != 0; return true;
    case OPTION_SEED: return read_whole(text, field);
    case OPTION_CHOICE: return read_choice(row->choices, text, field);
    case OPTION_TEXT: *(const char **)field = text; return true;
    case OPTION_COUNT:
        if (!read_whole(text, &whole) || whole > SIZE_MAX / 2 || !in_bounds(row, (double)whole)) {
            return false;
        }
        *(size_t *)field = (size_t)whole;
        return true;
    case OPTION_NUMBER:
        number = strtod(text, &end);
        if (end == text || *end != '\0' || isspace((unsigned char)text[0]) || !isfinite(number) ||
            !in_bounds(row, number)) {
            return false;
        }
        *(double *)field = number;
        return true;
    case OPTION_HEADING: break;
    }
    return false;
}

static void write_value(const option_row *row, const void *field, int digits, FILE *stream)
{
    const char *text;
    switch (row->kind) {
    case OPTION_FLAG: fputc(*(const bool *)field ? '1' : '0', stream); return;
    case OPTION_COUNT: fprintf(stream, "%zu", *(const size_t *)field); return;
    case OPTION_SEED: fprintf(stream, "%llu", *(const unsigned long long *)field); return;
    case OPTION_NUMBER: fprintf(stream, "%.*g", digits, *(const double *)field); return;
    case OPTION_CHOICE: fputs(row->choices[*(const int32_t *)field], stream); return;
    case OPTION_TEXT:
        text = *(const char *const *)field;
        fputs(text != NULL ? text : "none", stream);
        return;
    case OPTION_HEADING: return;
    }
}

/* ---- help ---- */

/* Is every number of the option's kind in its bounds? */
static bool takes_all(const option_row *row)
{
    bool bounded =
        row->minimum > 0 || row->maximum != 0 || row->bounds != 0 || row->kind == OPTION_NUMBER;
    return !bounded || (row->kind != OPTION_COUNT && row->kind != OPTION_NUMBER);
}

/* "at least 1", "0 to 1", "above 0, below 1". */
static void write_bounds(const option_row *row, FILE *stream)
{
    bool below = (row->bounds & BELOW_MAXIMUM) != 0;
    bool above = (row->bounds & ABOVE_MINIMUM) != 0;
    if (row->bounds == 0 && row->maximum != 0) {
        fprintf(stream, "%g to %g", row->minimum, row->maximum);
        return;
    }
    fprintf(stream, "%s %g", above ? "above" : "at least", row->minimum);
    if (row->maximum != 0) {
        fprintf(stream, ", %s %g", below ? "below" : "at most", row->maximum);
    }
}

static void write_expected(const option_row *row, FILE *stream)
{
    if (row->kind == OPTION_CHOICE) {
        for (size_t i = 0; row->choices[i] != NULL; i++) {
            const char *joint = i == 0 ? "" : row->choices[i + 1] != NULL ? ", " : " or ";
            fprintf(stream, "%s%s", joint, row->choices[i]);
        }
        return;
    }
    fputs(row->kind == OPTION_NUMBER ? "a number" : "a whole number", stream);
    if (!takes_all(row)) {
        bool span = row->bounds == 0 && row->maximum != 0;
        fputs(span ? " from " : (row->bounds & ABOVE_MINIMUM) != 0 ? " " : " of ", stream);
        write_bounds(row, stream);
    }
}

/* Prints text from `column` on, broken between words, with `indent` spaces before later lines. */
static void print_wrapped(const char *text, int column, int indent)
{
    int spaces = 0;
    for (const char *word = text; *word != '\0';) {
        int length = (int)strcspn(word, " \n");
        if (column + spaces + length > HELP_WIDTH && column > indent) {
            printf("\n%*s", indent, "");
            column = indent;
            spaces = 0;
        }
        printf("%*s%.*s", spaces, "", length, word);
        column += spaces + length;
        word += length;
        spaces = (int)strspn(word, " ");
        word += spaces;
        for (; *word == '\n'; word++) {
            printf("\n%*s", word[1] != '\n' ? indent : 0, "");
            column = indent;
            spaces = (int)strspn(word + 1, " ");
            word += spaces;
        }
    }
    putchar('\n');
}

static int print_name(const option_row *row)
{
    int column = 2;
    column += row->letter != 0 ? printf("  -%c, ", row->letter) - 2 : printf("  ") - 2;
    column += printf("--%s", row->name);
    if (row->kind == OPTION_CHOICE) {
        for (size_t i = 0; row->choices[i] != NULL; i++) {
            column += printf("%c%s", i == 0 ? ' ' : '|', row->choices[i]);
        }
    } else if (row->kind != OPTION_FLAG) {
        column += printf(" %s", row->argument != NULL ? row->argument : "N");
    }
    return column;
}

static void print_row(const option_row *row, const char *settings)
{
    int column = print_name(row);
    if (column + 2 > HELP_COLUMN) {
        printf("\n%*s", HELP_COLUMN, "");
    } else {
        printf("%*s", HELP_COLUMN - column, "");
    }
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    if (stream == NULL) {
        return;
    }
    fputs(row->help, stream);
    if (row->kind != OPTION_FLAG && row->kind != OPTION_TEXT) {
        fputs(" (", stream);
        if (!takes_all(row)) {
            write_bounds(row, stream);
            fputs("; ", stream);
        }
        fputs("default ", stream);
        write_value(row, settings + row->offset, 6, stream);
        fputc(')', stream);
    }
    if (fclose(stream) == 0) {
        print_wrapped(text, HELP_COLUMN, HELP_COLUMN);
    }
    free(text);
}

static void print_help(const command_line *line, const void *settings)
{
    printf("usage: lrnn %s %s\n\n", line->command, line->arguments);
    print_wrapped(line->summary, 0, 0);
    for (size_t i = 0; i < line->count; i++) {
        if (line->rows[i].kind == OPTION_HEADING) {
            printf("\n%s\n", line->rows[i].help);
        } else {
            print_row(&line->rows[i], settings);
        }
    }
    printf("  %-*s%s\n", HELP_COLUMN - 2, "--help", "this text");
    if (line->closing != NULL) {
        putchar('\n');
        print_wrapped(line->closing, 0, 0);
    }
}

/* ---- parsing ---- */

void options_fail(const command_line *line, const char *format, ...)
{
    fprintf(stderr, "lrnn %s: ", line->command);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\nTry 'lrnn %s --help'.\n", line->command);
    exit(EXIT_USAGE);
}

static void fail_value(const command_line *line, const option_row *row, const char *value)
{
    char *expected = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&expected, &length);
    if (stream != NULL) {
        write_expected(row, stream);
        fclose(stream);
    }
    options_fail(line, "--%s: expected %s, found '%s'", row->name,
                 expected != NULL ? expected : "another value", value);
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

/* getopt_long has left the reason in optopt. */
static void fail_unknown(const command_line *line, const char *argument)
{
    if (optopt >= ROW_BASE) {
        options_fail(line, "--%s: takes no value", line->rows[optopt - ROW_BASE].name);
    }
    if (optopt > 0) {
        options_fail(line, "-%c: no such option", optopt);
    }
    options_fail(line, "%s: no such option, or short for several", argument);
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
            print_help(line, settings);
            exit(output_flush());
        }
        if (found == ':') {
            options_fail(line, "%s: expected a value behind it", argv[optind - 1]);
        }
        if (found == '?') {
            fail_unknown(line, argv[optind - 1]);
        }
        size_t row = row_of(line, found);
        const char *value = optarg != NULL ? optarg : "1";
        if (!read_value(&line->rows[row], (char *)settings + line->rows[row].offset, value)) {
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

/* ---- what a checkpoint remembers ---- */

/* Texts are stored as printable ASCII without spaces or %, everything else as %XX. */
static void write_escaped(const char *text, FILE *stream)
{
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte > ' ' && byte < 127 && byte != '%') {
            fputc(byte, stream);
        } else {
            fprintf(stream, "%%%02X", byte);
        }
    }
}

static void unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; from++) {
        unsigned byte;
        if (*from == '%' && sscanf(from + 1, "%2X", &byte) == 1 && from[1] != '\0') {
            *to++ = (char)byte;
            from += from[2] != '\0' ? 2 : 1;
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
}

void options_remember(const command_line *line, const void *settings, FILE *stream)
{
    for (size_t i = 0; i < line->count; i++) {
        const option_row *row = &line->rows[i];
        if (row->kind == OPTION_HEADING || row->memory == OPTION_FORGET) {
            continue;
        }
        const void *field = (const char *)settings + row->offset;
        fprintf(stream, "option %s ", row->name);
        if (row->kind == OPTION_TEXT) {
            const char *text = *(const char *const *)field;
            write_escaped(text != NULL ? text : "", stream);
        } else {
            write_value(row, field, 17, stream);
        }
        fputc('\n', stream);
    }
}

static bool same_value(const option_row *row, const void *a, const void *b)
{
    const char *text_a;
    const char *text_b;
    switch (row->kind) {
    case OPTION_FLAG: return *(const bool *)a == *(const bool *)b;
    case OPTION_COUNT: return *(const size_t *)a == *(const size_t *)b;
    case OPTION_SEED: return *(const uint64_t *)a == *(const uint64_t *)b;
    case OPTION_CHOICE: return *(const int32_t *)a == *(const int32_t *)b;
    case OPTION_NUMBER:
        return !(*(const double *)a < *(const double *)b) &&
               !(*(const double *)a > *(const double *)b);
    case OPTION_TEXT:
        text_a = *(const char *const *)a;
        text_b = *(const char *const *)b;
        return strcmp(text_a != NULL ? text_a : "", text_b != NULL ? text_b : "") == 0;
    case OPTION_HEADING: break;
    }
    return false;
}

int options_recall(const command_line *line, void *settings, const char *name, char *value)
{
    size_t i = 0;
    while (i < line->count &&
           (line->rows[i].name == NULL || strcmp(line->rows[i].name, name) != 0)) {
        i++;
    }
    union {
        bool flag;
        size_t count;
        uint64_t seed;
        double number;
        int32_t choice;
        const char *text;
    } remembered;
    unescape(value);
    if (i == line->count || !read_value(&line->rows[i], &remembered, value)) {
        return complain("--%s %s: in the checkpoint, but not an option of this version", name,
                        value);
    }
    const option_row *row = &line->rows[i];
    void *field = (char *)settings + row->offset;
    if (line->given[i]) {
        if (row->memory == OPTION_MATCH && !same_value(row, field, &remembered)) {
            return complain("--%s: the checkpoint was made with '%s'", name, value);
        }
    } else if (row->kind == OPTION_TEXT && value[0] == '\0') {
        *(const char **)field = NULL;
    } else {
        read_value(row, field, value);
    }
    return 0;
}
