/* The processes that run the program: one alone (workers.c), or the ranks of an MPI job
 * (mpi/workers.c), which train one model together. The first one speaks and writes files. */
#ifndef WORKERS_H
#define WORKERS_H

#include <lrnn.h>
#include <stdbool.h>

void workers_begin(int *argc, char ***argv);

/* The exit status of this process, whose own would be `code`. */
int workers_end(int code);

/* Is this the process that speaks and writes? */
bool workers_are_first(void);

/* Is standard output a terminal? */
bool workers_have_terminal(void);

/* What has been complained of so far may be shown. */
void workers_speak(void);

/* Does this process take part in a subcommand? */
bool workers_take_part(const char *command);

/* Waits for the others. Returns 1 if one has failed. */
int workers_meet(int failed);

/* Complains and returns 1 unless all have the same: lines "option NAME VALUE", or bytes. */
int workers_compare_options(const char *lines);
int workers_compare(const char *what, const void *bytes, size_t length);

/* Lets a trainer be one of those of all processes. *shards: of a window; 0 becomes one for each
 * process. */
lrnn_status workers_join(lrnn_trainer_options *options, const lrnn_model *model, size_t *shards);

/* Why that failed, or NULL: lrnn_last_error says it. */
const char *workers_error(void);

/* Makes the carried state whole, for a checkpoint. Returns 0, or 1 after it has complained. */
int workers_gather(lrnn_trainer *trainer);

/* May be called by the handler of a signal; the answer is the same everywhere. */
void workers_ask_to_stop(void);
bool workers_are_stopping(void);

/* What a line that starts the program begins with: "lrnn". */
const char *workers_program(void);

#endif
