/* A value is read into the field of the settings that the row names, and only if the row takes it.
 */
#include "options_value.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool in_bounds(const option_row *row, double value)
{
    bool high_enough =
        (row->bounds & ABOVE_MINIMUM) != 0 ? value > row->minimum : value >= row->minimum;
    bool low_enough =
        row->maximum == 0 ||
        ((row->bounds & BELOW_MAXIMUM) != 0 ? value < row->maximum : value <= row->maximum);
    bool whole = (row->bounds & WHOLE) == 0 || value == floor(value);
    return high_enough && low_enough && whole;
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

/* Each within the bounds of the row. */
static bool read_sizes(const option_row *row, const char *text, option_sizes *sizes)
{
    option_sizes read = {.count = 0};
    for (const char *end = ""; read.count == 0 || *end == ','; text = end + 1) {
        errno = 0;
        char *after;
        unsigned long long number = strtoull(text, &after, 10);
        if (!isdigit((unsigned char)text[0]) || errno != 0 || number > SIZE_MAX / 2 ||
            !in_bounds(row, (double)number) || read.count == OPTION_SIZES_MAX) {
            return false;
        }
        read.items[read.count++] = (size_t)number;
        end = after;
        if (*end != ',' && *end != '\0') {
            return false;
        }
    }
    *sizes = read;
    return true;
}

static bool append(option_list *list, const char *text)
{
    if (list->count == OPTION_LIST_MAX) {
        return false;
    }
    list->items[list->count++] = text;
    return true;
}

bool option_read_value(const option_row *row, void *field, const char *text)
{
    uint64_t whole;
    double number;
    char *end;
    switch (row->kind) {
    case OPTION_FLAG: *(bool *)field = strcmp(text, "0") != 0; return true;
    case OPTION_SEED: return read_whole(text, field);
    case OPTION_CHOICE: return read_choice(row->choices, text, field);
    case OPTION_TEXT: *(const char **)field = text; return true;
    case OPTION_LIST: return append(field, text);
    case OPTION_SIZES: return read_sizes(row, text, field);
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

static void write_sizes(const option_sizes *sizes, FILE *stream)
{
    for (size_t i = 0; i < sizes->count; i++) {
        fprintf(stream, "%s%zu", i == 0 ? "" : ",", sizes->items[i]);
    }
}

static bool same_sizes(const option_sizes *a, const option_sizes *b)
{
    return a->count == b->count && memcmp(a->items, b->items, a->count * sizeof *a->items) == 0;
}

void option_write_value(const option_row *row, const void *field, int digits, FILE *stream)
{
    const char *text;
    switch (row->kind) {
    case OPTION_FLAG: fputc(*(const bool *)field ? '1' : '0', stream); return;
    case OPTION_COUNT: fprintf(stream, "%zu", *(const size_t *)field); return;
    case OPTION_SIZES: write_sizes(field, stream); return;
    case OPTION_SEED: fprintf(stream, "%llu", *(const unsigned long long *)field); return;
    case OPTION_NUMBER: fprintf(stream, "%.*g", digits, *(const double *)field); return;
    case OPTION_CHOICE: fputs(row->choices[*(const int32_t *)field], stream); return;
    case OPTION_TEXT:
        text = *(const char *const *)field;
        fputs(text != NULL ? text : "none", stream);
        return;
    case OPTION_LIST: fprintf(stream, "%zu", ((const option_list *)field)->count); return;
    case OPTION_HEADING: return;
    }
}

bool option_same_value(const option_row *row, const void *a, const void *b)
{
    const char *text_a;
    const char *text_b;
    switch (row->kind) {
    case OPTION_FLAG: return *(const bool *)a == *(const bool *)b;
    case OPTION_COUNT: return *(const size_t *)a == *(const size_t *)b;
    case OPTION_SIZES: return same_sizes(a, b);
    case OPTION_SEED: return *(const uint64_t *)a == *(const uint64_t *)b;
    case OPTION_CHOICE: return *(const int32_t *)a == *(const int32_t *)b;
    case OPTION_NUMBER:
        return !(*(const double *)a < *(const double *)b) &&
               !(*(const double *)a > *(const double *)b);
    case OPTION_TEXT:
        text_a = *(const char *const *)a;
        text_b = *(const char *const *)b;
        return strcmp(text_a != NULL ? text_a : "", text_b != NULL ? text_b : "") == 0;
    case OPTION_LIST: /* never remembered, so never compared */
    case OPTION_HEADING: break;
    }
    return false;
}

/* ---- what a row takes ---- */

bool option_has_bounds(const option_row *row)
{
    bool bounded =
        row->minimum > 0 || row->maximum != 0 || row->bounds != 0 || row->kind == OPTION_NUMBER;
    return bounded &&
           (row->kind == OPTION_COUNT || row->kind == OPTION_SIZES || row->kind == OPTION_NUMBER);
}

void option_write_bounds(const option_row *row, FILE *stream)
{
    bool below = (row->bounds & BELOW_MAXIMUM) != 0;
    bool above = (row->bounds & ABOVE_MINIMUM) != 0;
    if ((row->bounds & ~WHOLE) == 0 && row->maximum != 0) {
        fprintf(stream, "%.10g to %.10g", row->minimum, row->maximum);
        return;
    }
    fprintf(stream, "%s %.10g", above ? "above" : "at least", row->minimum);
    if (row->maximum != 0) {
        fprintf(stream, ", %s %.10g", below ? "below" : "at most", row->maximum);
    }
}

void option_write_expected(const option_row *row, FILE *stream)
{
    if (row->kind == OPTION_CHOICE) {
        for (size_t i = 0; row->choices[i] != NULL; i++) {
            const char *joint = i == 0 ? "" : row->choices[i + 1] != NULL ? ", " : " or ";
            fprintf(stream, "%s%s", joint, row->choices[i]);
        }
        return;
    }
    if (row->kind == OPTION_LIST) {
        fprintf(stream, "it at most %d times", OPTION_LIST_MAX);
        return;
    }
    bool fraction = row->kind == OPTION_NUMBER && (row->bounds & WHOLE) == 0;
    fputs(fraction ? "a number" : "a whole number", stream);
    if (option_has_bounds(row)) {
        bool span = (row->bounds & ~WHOLE) == 0 && row->maximum != 0;
        fputs(span ? " from " : (row->bounds & ABOVE_MINIMUM) != 0 ? " " : " of ", stream);
        option_write_bounds(row, stream);
    }
    if (row->kind == OPTION_SIZES) {
        fprintf(stream, ", or up to %d with commas between them", OPTION_SIZES_MAX);
    }
}
