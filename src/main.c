/* lrnn: train recurrent language models, and use them, from the command line. Everything it does is
 * done through the public header of the library. */
#include <lrnn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "output.h"
#include "system.h"
#include "workers.h"

static const struct {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"train", "train a language model on text files", command_train},
    {"generate", "continue a prompt with a model", command_generate},
    {"encode", "turn texts into a token file", command_encode},
    {"eval", "perplexity and bits per character of a text", command_eval},
    {"score", "log-probability of each token of a text", command_score},
    {"inspect", "show what is in a model file", command_inspect},
    {"convert", "write a model with bfloat16 weights", command_convert},
    {"import", "turn a network trained with PyTorch into a model", command_import},
    {"export", "write a model's parameters for PyTorch", command_export},
};

enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

static void print_help(FILE *stream)
{
    fputs("usage: lrnn COMMAND [options] ...\n\n", stream);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        fprintf(stream, "  %-10s %s\n", commands[i].name, commands[i].summary);
    }
    fputs("\n'lrnn COMMAND --help' lists the options of a command; 'lrnn --version' shows the "
          "version.\n",
          stream);
}

/* LRNN_KERNELS names the kernels to use. If they are not available, the library uses the best. */
static int check_kernels(void)
{
    const char *wanted = getenv("LRNN_KERNELS");
    if (wanted == NULL || wanted[0] == '\0') {
        return 0;
    }
    static const char key[] = "\nkernels: ";
    const char *used = strstr(lrnn_build_info(), key);
    if (used == NULL) {
        return 0;
    }
    used += sizeof key - 1;
    size_t length = strcspn(used, "\n");
    if (strlen(wanted) == length && strncmp(used, wanted, length) == 0) {
        return 0;
    }
    complain("LRNN_KERNELS: '%s' is not available here; expected one of reference, baseline, avx2, "
             "avx2_vnni, avx512, avx512_vnni, neon and neon_dot that this processor has, the best "
             "being %.*s",
             wanted, (int)length, used);
    return EXIT_USAGE;
}

/* Commands of one word take no more. */
static void refuse_more(int argc, char **argv)
{
    if (argc > 2) {
        fprintf(stderr, "lrnn %s: unexpected argument '%s'\n", argv[1], argv[2]);
        exit(EXIT_USAGE);
    }
}

static int run(int argc, char **argv)
{
    if (check_kernels() != 0) {
        return EXIT_USAGE;
    }
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        refuse_more(argc, argv);
        print_help(stdout);
        return output_flush();
    }
    if (strcmp(argv[1], "--version") == 0) {
        refuse_more(argc, argv);
        printf("lrnn %s\n%s", lrnn_version_string(), lrnn_build_info());
        return output_flush();
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            return workers_take_part(argv[1]) ? commands[i].run(argc - 1, argv + 1) : 0;
        }
    }
    fprintf(stderr, "lrnn: '%s' is not a command: expected ", argv[1]);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        const char *joint = i == 0 ? "" : i + 1 < COMMAND_COUNT ? ", " : " or ";
        fprintf(stderr, "%s%s", joint, commands[i].name);
    }
    fputc('\n', stderr);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    system_begin(&argc, &argv);
    workers_begin(&argc, &argv);
    return workers_end(run(argc, argv));
}
