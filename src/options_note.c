/* What a checkpoint's note remembers of the command line: a line "option NAME VALUE" for each row
 * that is to be matched or adopted. */
#include <stdlib.h>
#include <string.h>

#include "options_value.h"
#include "output.h"

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
            option_write_value(row, field, 17, stream);
        }
        fputc('\n', stream);
    }
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
        option_sizes sizes;
        uint64_t seed;
        double number;
        int32_t choice;
        const char *text;
    } remembered;
    unescape(value);
    if (i == line->count || line->rows[i].memory == OPTION_FORGET ||
        !option_read_value(&line->rows[i], &remembered, value)) {
        return complain("--%.60s %.60s: in the checkpoint, but not an option of this version", name,
                        value);
    }
    const option_row *row = &line->rows[i];
    void *field = (char *)settings + row->offset;
    if (line->given[i]) {
        if (row->memory == OPTION_MATCH && !option_same_value(row, field, &remembered)) {
            return complain("--%s: the checkpoint was made with '%.200s'", name, value);
        }
    } else if (row->kind == OPTION_TEXT && value[0] == '\0') {
        *(const char **)field = NULL;
    } else {
        option_read_value(row, field, value);
    }
    return 0;
}
