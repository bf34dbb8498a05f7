/* The ranks of an MPI job. All run the same command line and read the same files; rank 0 speaks and
 * writes.
 *
 * What a rank complains of is kept in a file without a name. When one fails, ranks tell each other
 * what they have there, and rank 0 prints each message once, with the ranks that it came from. A
 * rank that fails where the others go on waits a moment for them, prints its own message and ends
 * the job. Waiting for others is by a communicator of its own, so that it never meets a call that a
 * training step is in. */
#include "workers.h"

#include <lrnn-mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "output.h"

enum { TEXT = 1500, PATIENCE = 4 /* seconds */ };

typedef struct report {
    int failed;
    char text[TEXT];
} report;

static struct {
    MPI_Comm comm;
    int rank, ranks;
    lrnn_mpi *group; /* once a trainer has joined */
    FILE *complaints;
    long spoken;  /* of them */
    int terminal; /* what was standard error */
    bool over;    /* somebody has failed, or all have ended */
    bool join_failed;
    char program[64];
} all;

/* ---- what ranks complain of ---- */

static void keep_complaints(void)
{
    all.complaints = tmpfile();
    all.terminal = dup(STDERR_FILENO);
    if (all.complaints == NULL || all.terminal < 0 ||
        dup2(fileno(all.complaints), STDERR_FILENO) < 0) {
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    if (all.rank != 0 && freopen("/dev/null", "w", stdout) == NULL) {
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
}

/* The rest of the complaints. */
static void read_complaints(char text[TEXT])
{
    fflush(stderr);
    off_t end = lseek(fileno(all.complaints), 0, SEEK_END);
    off_t first = all.spoken;
    if (end - first >= TEXT) {
        first = end - TEXT + 1;
    }
    ssize_t length = pread(fileno(all.complaints), text, (size_t)(end - first), first);
    text[length < 0 ? 0 : length] = '\0';
    all.spoken = (long)end;
}

static void print(const char *ranks, const char *text)
{
    if (text[0] != '\0') {
        dprintf(all.terminal, "%s%s", ranks, text);
    }
}

void workers_speak(void)
{
    char text[TEXT];
    if (all.rank == 0) {
        read_complaints(text);
        print("", text);
    }
}

/* "rank 1, 3: " of the ranks that say the same as `first`; "" if all do. Those are marked. */
static void name_ranks(char *names, size_t room, report *reports, int first)
{
    int count = 0;
    size_t used = (size_t)snprintf(names, room, "rank ");
    const char *text = reports[first].text;
    for (int rank = all.ranks; rank-- > first;) {
        count += strcmp(reports[rank].text, text) == 0;
    }
    bool shared = count == all.ranks;
    for (int rank = first, named = 0; rank < all.ranks; rank++) {
        if (strcmp(reports[rank].text, text) == 0) {
            if (used < room) {
                used += (size_t)snprintf(names + used, room - used, "%s%d", named++ > 0 ? ", " : "",
                                         rank);
            }
            reports[rank].failed = 0;
        }
    }
    if (used < room) {
        snprintf(names + used, room - used, ": ");
    }
    names[0] = shared ? '\0' : names[0];
}

static void print_reports(report *reports)
{
    for (int rank = 0; rank < all.ranks; rank++) {
        char names[200], text[TEXT];
        if (reports[rank].failed) {
            snprintf(text, sizeof text, "%s", reports[rank].text);
            name_ranks(names, sizeof names, reports, rank);
            print(names, text);
        }
    }
}

/* ---- meetings ---- */

static void nap(void)
{
    struct timespec time = {0, 500000};
    nanosleep(&time, NULL);
}

/* False: `patience` seconds were not enough; 0: for ever. */
static bool wait_for(MPI_Request *request, double patience)
{
    int done = 0;
    double start = now();
    while (MPI_Test(request, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && !done) {
        if (patience > 0 && now() - start > patience) {
            return false;
        }
        nap();
    }
    return done != 0;
}

/* The others do not come: they wait for this rank elsewhere. */
static void end_job(const report *own)
{
    char name[32];
    snprintf(name, sizeof name, "rank %d: ", all.rank);
    print(name, own->text);
    all.over = true;
    MPI_Abort(all.comm, 1);
}

static bool any_failed(const report *reports)
{
    for (int rank = 0; rank < all.ranks; rank++) {
        if (reports[rank].failed) {
            return true;
        }
    }
    return false;
}

/* Returns 1 if a rank has failed; what was complained of has been printed then. */
static int meet(int failed)
{
    report own = {.failed = failed != 0};
    report *reports = calloc((size_t)all.ranks, sizeof *reports);
    MPI_Request request;
    if (failed) {
        read_complaints(own.text);
    }
    if (reports == NULL ||
        MPI_Iallgather(&own, sizeof own, MPI_BYTE, reports, sizeof own, MPI_BYTE, all.comm,
                       &request) != MPI_SUCCESS ||
        !wait_for(&request, failed ? PATIENCE : 0)) {
        end_job(&own);
    }
    bool any = any_failed(reports);
    if (any && all.rank == 0) {
        print_reports(reports);
    }
    free(reports);
    all.over = all.over || any;
    return any;
}

int workers_meet(int failed)
{
    return all.over ? 1 : meet(failed);
}

/* ---- beginning and end ---- */

/* For those who leave by exit(). */
static void leave(void)
{
    if (!all.over) {
        workers_end(1);
    }
}

void workers_begin(int *argc, char ***argv)
{
    MPI_Init(argc, argv);
    MPI_Comm_dup(MPI_COMM_WORLD, &all.comm);
    MPI_Comm_rank(all.comm, &all.rank);
    MPI_Comm_size(all.comm, &all.ranks);
    snprintf(all.program, sizeof all.program, "mpirun -n %d lrnn-mpi", all.ranks);
    keep_complaints();
    atexit(leave);
}

int workers_end(int code)
{
    fflush(stdout);
    if (!all.over && meet(code != 0 && code != EXIT_INTERRUPTED) != 0 && code == 0) {
        code = 1;
    }
    workers_speak();
    all.over = true;
    lrnn_mpi_destroy(all.group);
    all.group = NULL;
    MPI_Finalize();
    return code;
}

bool workers_are_first(void)
{
    return all.rank == 0;
}

/* What mpirun gives to a rank may be one even where its own output is not. */
bool workers_have_terminal(void)
{
    return false;
}

bool workers_take_part(const char *command)
{
    return all.rank == 0 || strcmp(command, "train") == 0;
}

const char *workers_program(void)
{
    return all.program;
}

/* ---- have all the same? ---- */

/* The next line, without those that may differ; NULL at the end. */
static const char *next_line(const char *at, size_t *length)
{
    static const char own[] = "option threads ";
    while (strncmp(at, own, sizeof own - 1) == 0) {
        at += strcspn(at, "\n");
        at += *at == '\n';
    }
    *length = strcspn(at, "\n");
    return *at == '\0' ? NULL : at;
}

static int compare_lines(const char *first, const char *own)
{
    size_t first_length, length;
    for (;;) {
        first = next_line(first, &first_length);
        own = next_line(own, &length);
        if (first == NULL || own == NULL) {
            return first == own ? 0 : complain("another set of options than on rank 0");
        }
        if (length != first_length || memcmp(first, own, length) != 0) {
            return complain("other options than on rank 0: '%.*s' here, '%.*s' there", (int)length,
                            own, (int)first_length, first);
        }
        first += first_length + (first[first_length] == '\n');
        own += length + (own[length] == '\n');
    }
}

int workers_compare_options(const char *lines)
{
    unsigned long long length = strlen(lines) + 1;
    MPI_Bcast(&length, 1, MPI_UNSIGNED_LONG_LONG, 0, all.comm);
    char *first = malloc((size_t)length);
    if (first == NULL) {
        MPI_Abort(all.comm, 1);
        return complain("out of memory");
    }
    if (all.rank == 0) {
        memcpy(first, lines, (size_t)length);
    }
    MPI_Bcast(first, (int)length, MPI_CHAR, 0, all.comm);
    int failed = compare_lines(first, lines);
    free(first);
    return meet(failed);
}

int workers_compare(const char *what, const void *bytes, size_t length)
{
    return lrnn_mpi_agree(all.group, what, bytes, length) == LRNN_OK
               ? 0
               : complain("%s", lrnn_mpi_last_error());
}

/* ---- training together ---- */

lrnn_status workers_join(lrnn_trainer_options *options, const lrnn_model *model, size_t *shards)
{
    lrnn_mpi_options split;
    lrnn_status status = lrnn_mpi_options_init(&split, sizeof split);
    split.shards = *shards;
    if (status == LRNN_OK && all.group == NULL) {
        status = lrnn_mpi_create(&all.group, MPI_COMM_WORLD, &split);
    }
    if (status == LRNN_OK) {
        *shards = lrnn_mpi_shards(all.group);
        status = lrnn_mpi_join(all.group, options, model);
    }
    all.join_failed = status != LRNN_OK;
    return status;
}

const char *workers_error(void)
{
    return all.join_failed ? lrnn_mpi_last_error() : NULL;
}

int workers_gather(lrnn_trainer *trainer)
{
    return lrnn_mpi_gather_state(all.group, trainer) == LRNN_OK
               ? 0
               : complain("%s", lrnn_mpi_last_error());
}

void workers_ask_to_stop(void)
{
    lrnn_mpi_ask_to_stop(all.group);
}

bool workers_are_stopping(void)
{
    return lrnn_mpi_is_stopping(all.group) != 0;
}
