/* Making a group: do the ranks fit together, and can they share the shards? Each rank tells what it
 * is in plain bytes, all look at the same list, and so all come to the same answer. */
#include "group.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- errors ---- */

static _Thread_local char message[512];

const char *lrnn_mpi_last_error(void)
{
    return message;
}

lrnn_status group_fail(lrnn_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return status;
}

lrnn_status group_fail_mpi(const char *what)
{
    return group_fail(LRNN_ERR_CALLBACK, "MPI failed: %.*s", (int)strcspn(what, "("), what);
}

/* ---- options ---- */

static const lrnn_mpi_options default_options = {.size = sizeof(lrnn_mpi_options)};

lrnn_status(lrnn_mpi_options_init)(lrnn_mpi_options *options, size_t struct_size)
{
    if (options == NULL || struct_size < sizeof *options) {
        return group_fail(LRNN_ERR_INVALID, "%s",
                          options == NULL ? "options: NULL" : "struct_size: too small");
    }
    memset(options, 0, struct_size);
    *options = default_options;
    options->size = struct_size;
    return LRNN_OK;
}

/* As for liblrnn's own structs: what this library does not know must be 0. */
static lrnn_status read_options(lrnn_mpi_options *copy, const lrnn_mpi_options *given)
{
    *copy = default_options;
    if (given == NULL) {
        return LRNN_OK;
    }
    if (given->size < sizeof *copy) {
        return group_fail(LRNN_ERR_INVALID,
                          "options: size is %zu; call lrnn_mpi_options_init first", given->size);
    }
    const unsigned char *bytes = (const unsigned char *)given;
    for (size_t i = sizeof *copy; i < given->size; i++) {
        if (bytes[i] != 0) {
            return group_fail(LRNN_ERR_UNSUPPORTED, "options: the field at byte %zu is not known",
                              i);
        }
    }
    *copy = *given;
    return LRNN_OK;
}

/* ---- who is there ---- */

static hello own_hello(size_t shards)
{
    static const char key[] = "\nkernels: ";
    hello own = {.order = HELLO_ORDER, .shards = shards};
    const char *kernels = strstr(lrnn_build_info(), key);
    snprintf(own.version, sizeof own.version, "%s", lrnn_version_string());
    if (kernels != NULL) {
        kernels += sizeof key - 1;
        snprintf(own.kernels, sizeof own.kernels, "%.*s", (int)strcspn(kernels, "\n"), kernels);
    }
    return own;
}

const char *hello_difference(const hello *first, const hello *other)
{
    if (first->order != other->order) {
        return "another byte order";
    }
    if (strncmp(first->version, other->version, sizeof first->version) != 0) {
        return "another version of liblrnn";
    }
    if (strncmp(first->kernels, other->kernels, sizeof first->kernels) != 0) {
        return "other kernels";
    }
    return first->shards != other->shards ? "another number of shards" : NULL;
}

static lrnn_status compare(const hello *all, int ranks)
{
    for (int rank = 1; rank < ranks; rank++) {
        const hello *first = &all[0], *other = &all[rank];
        const char *what = hello_difference(first, other);
        if (what == NULL) {
            continue;
        }
        if (first->order != other->order) {
            return group_fail(LRNN_ERR_UNSUPPORTED, "rank %d has %s than rank 0", rank, what);
        }
        if (first->shards != other->shards) {
            return group_fail(LRNN_ERR_INVALID, "shards: rank %d has %llu, rank 0 %llu", rank,
                              (unsigned long long)other->shards, (unsigned long long)first->shards);
        }
        return group_fail(
            LRNN_ERR_UNSUPPORTED,
            "rank %d has %s: liblrnn %.32s with %.32s kernels; on rank 0 it is %.32s with "
            "%.32s (LRNN_KERNELS chooses kernels)",
            rank, what, other->version, other->kernels, first->version, first->kernels);
    }
    return LRNN_OK;
}

static lrnn_status say_hello(lrnn_mpi *group, size_t shards)
{
    hello own = own_hello(shards);
    hello *all = calloc((size_t)group->ranks, sizeof *all);
    if (all == NULL) {
        MPI_Abort(group->comm, 1); /* the others wait for this rank */
        return group_fail(LRNN_ERR_MEMORY, "out of memory for %d ranks", group->ranks);
    }
    int answer = MPI_Allgather(&own, sizeof own, MPI_BYTE, all, sizeof own, MPI_BYTE, group->comm);
    lrnn_status status =
        answer == MPI_SUCCESS ? compare(all, group->ranks) : group_fail_mpi("MPI_Allgather");
    free(all);
    return status;
}

/* ---- shards ---- */

bool shards_fit(size_t shards, size_t ranks)
{
    size_t share = shards / ranks;
    return shards % ranks == 0 && share > 0 && (ranks == 1 || (share & (share - 1)) == 0);
}

static lrnn_status check_shards(size_t shards, int ranks)
{
    char fitting[200] = "";
    size_t used = 0;
    if (shards_fit(shards, (size_t)ranks)) {
        return LRNN_OK;
    }
    for (size_t other = 1; other <= shards && used < sizeof fitting - 24; other++) {
        if (shards_fit(shards, other)) {
            used += (size_t)snprintf(fitting + used, sizeof fitting - used, "%s%zu",
                                     used > 0 ? ", " : "", other);
        }
    }
    return group_fail(
        LRNN_ERR_INVALID,
        "shards: %d ranks cannot share %zu shards; each needs a whole branch of their tree, "
        "so the number of ranks must be one of %s",
        ranks, shards, fitting);
}

/* ---- the group ---- */

static lrnn_status fill(lrnn_mpi *made, MPI_Comm communicator, size_t shards)
{
    CHECK_MPI(MPI_Comm_dup(communicator, &made->comm));
    CHECK_MPI(MPI_Comm_set_errhandler(made->comm, MPI_ERRORS_RETURN));
    CHECK_MPI(MPI_Comm_rank(made->comm, &made->rank));
    CHECK_MPI(MPI_Comm_size(made->comm, &made->ranks));
    CHECK(say_hello(made, shards));
    made->shards = shards > 0 ? shards : (size_t)made->ranks;
    CHECK(check_shards(made->shards, made->ranks));
    made->slices = malloc(SLICES * sizeof *made->slices);
    made->numbers = malloc((size_t)made->ranks * NUMBERS * sizeof *made->numbers);
    made->counts = malloc((size_t)made->ranks * 4 * sizeof *made->counts);
    CHECK(lrnn_exchange_init(&made->exchange, sizeof made->exchange));
    made->exchange.user = made;
    made->exchange.sum_doubles = group_sum_doubles;
    made->exchange.sum_floats = group_sum_floats;
    bool whole = made->slices != NULL && made->numbers != NULL && made->counts != NULL;
    return lrnn_mpi_meet(made, whole ? LRNN_OK : LRNN_ERR_MEMORY);
}

lrnn_status lrnn_mpi_create(lrnn_mpi **group, MPI_Comm communicator,
                            const lrnn_mpi_options *options)
{
    int initialized = 0;
    lrnn_mpi_options o;
    if (group == NULL) {
        return group_fail(LRNN_ERR_INVALID, "group: NULL");
    }
    *group = NULL;
    if (MPI_Initialized(&initialized) != MPI_SUCCESS || !initialized) {
        return group_fail(LRNN_ERR_STATE, "MPI is not initialized; call MPI_Init first");
    }
    CHECK(read_options(&o, options));
    lrnn_mpi *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return group_fail(LRNN_ERR_MEMORY, "out of memory");
    }
    made->comm = MPI_COMM_NULL;
    lrnn_status status = fill(made, communicator, o.shards);
    if (status != LRNN_OK) {
        lrnn_mpi_destroy(made);
        return status;
    }
    *group = made;
    return LRNN_OK;
}

void lrnn_mpi_destroy(lrnn_mpi *group)
{
    if (group != NULL) {
        if (group->comm != MPI_COMM_NULL) {
            MPI_Comm_free(&group->comm);
        }
        free(group->slices);
        free(group->numbers);
        free(group->counts);
        free(group->rows.bits);
        free(group->rows.packed);
        free(group);
    }
}

int32_t lrnn_mpi_rank(const lrnn_mpi *group)
{
    return group == NULL ? -1 : group->rank;
}

int32_t lrnn_mpi_ranks(const lrnn_mpi *group)
{
    return group == NULL ? 0 : group->ranks;
}

size_t lrnn_mpi_shards(const lrnn_mpi *group)
{
    return group == NULL ? 0 : group->shards;
}

void lrnn_mpi_ask_to_stop(lrnn_mpi *group)
{
    if (group != NULL) {
        group->wants_stop = 1;
    }
}

int32_t lrnn_mpi_is_stopping(const lrnn_mpi *group)
{
    return group != NULL && group->stopping;
}

void lrnn_mpi_traffic(const lrnn_mpi *group, uint64_t *calls, uint64_t *bytes)
{
    if (calls != NULL) {
        *calls = group == NULL ? 0 : group->calls;
    }
    if (bytes != NULL) {
        *bytes = group == NULL ? 0 : group->bytes;
    }
}
