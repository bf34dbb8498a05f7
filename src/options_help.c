/* --help: the usage line, the rows of the table with ranges and defaults, the closing paragraphs.
 */
#include <stdlib.h>
#include <string.h>

#include "options_value.h"
#include "system.h"

enum { HELP_COLUMN = 26, HELP_WIDTH = 79 };

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
    FILE *stream = system_text_open(&text, &length);
    if (stream == NULL) {
        return;
    }
    fputs(row->help, stream);
    if (row->kind != OPTION_FLAG && row->kind != OPTION_TEXT && row->kind != OPTION_LIST) {
        fputs(" (", stream);
        if (option_has_bounds(row)) {
            option_write_bounds(row, stream);
            fputs("; ", stream);
        }
        fputs("default ", stream);
        option_write_value(row, settings + row->offset, 6, stream);
        fputc(')', stream);
    }
    if (system_text_close(stream, &text, &length) == 0) {
        print_wrapped(text, HELP_COLUMN, HELP_COLUMN);
    }
    free(text);
}

void options_print_help(const command_line *line, const void *settings)
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
