/* Runs a program a number of times and prints the median and least seconds of a run, and the most
 * memory that one had, in MB. Arguments: times, program and its arguments; it reads our input and
 * its output is dropped. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"

#define MOST_TIMES 1000

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Seconds of one run. */
static double run(char **command)
{
    double start = seconds_now();
    pid_t child = fork();
    int status = 1;
    if (child == 0) {
        int nowhere = open("/dev/null", O_WRONLY);
        dup2(nowhere, 1);
        execvp(command[0], command);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
        fprintf(stderr, "%s failed\n", command[0]);
        exit(1);
    }
    return seconds_now() - start;
}

int main(int argc, char **argv)
{
    double seconds[MOST_TIMES];
    struct rusage usage;
    size_t times = argc > 2 ? strtoul(argv[1], NULL, 10) : 0;
    if (times == 0 || times > MOST_TIMES) {
        fprintf(stderr, "usage: %s TIMES PROGRAM [ARGUMENT...]\n", argv[0]);
        return 2;
    }
    for (size_t i = 0; i < times; i++) {
        seconds[i] = run(argv + 2);
    }
    getrusage(RUSAGE_CHILDREN, &usage);
    qsort(seconds, times, sizeof *seconds, ascending);
    printf("%.9g %.9g %.1f\n", seconds[times / 2], seconds[0], (double)usage.ru_maxrss / 1024);
    return 0;
}
