/* One process: it is the first, has no one to wait for, and agrees with itself. */
#include "workers.h"

#include <signal.h>

#include "system.h"

static volatile sig_atomic_t stopping;

void workers_begin(int *argc, char ***argv)
{
    (void)argc, (void)argv;
}

int workers_end(int code)
{
    return code;
}

bool workers_are_first(void)
{
    return true;
}

bool workers_have_terminal(void)
{
    return system_is_terminal(1);
}

void workers_speak(void)
{
}

bool workers_take_part(const char *command)
{
    (void)command;
    return true;
}

int workers_meet(int failed)
{
    return failed;
}

int workers_compare_options(const char *lines)
{
    (void)lines;
    return 0;
}

int workers_compare(const char *what, const void *bytes, size_t length)
{
    (void)what, (void)bytes, (void)length;
    return 0;
}

lrnn_status workers_join(lrnn_trainer_options *options, const lrnn_model *model, size_t *shards)
{
    (void)model;
    *shards = *shards == 0 ? 1 : *shards;
    options->shards = *shards;
    return LRNN_OK;
}

const char *workers_error(void)
{
    return NULL;
}

int workers_gather(lrnn_trainer *trainer)
{
    (void)trainer;
    return 0;
}

void workers_ask_to_stop(void)
{
    stopping = 1;
}

bool workers_are_stopping(void)
{
    return stopping != 0;
}

const char *workers_program(void)
{
    return "lrnn";
}
