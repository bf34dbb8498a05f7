/* Whether all ranks have the same, and whether all have come so far. */
#include <stdlib.h>
#include <string.h>

#include "group.h"

/* FNV-1a of 64 bits: against accidents, not against enemies. */
static uint64_t digest(const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    uint64_t sum = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < length; i++) {
        sum = (sum ^ at[i]) * UINT64_C(1099511628211);
    }
    return sum;
}

/* The number of the first rank whose pair is not rank 0's; 0: there is none. */
static lrnn_status find_other(int *rank, lrnn_mpi *group, const uint64_t own[2])
{
    uint64_t first[2] = {own[0], own[1]};
    CHECK_MPI(MPI_Bcast(first, 2, MPI_UINT64_T, 0, group->comm));
    int other = own[0] == first[0] && own[1] == first[1] ? group->ranks : group->rank;
    CHECK_MPI(MPI_Allreduce(&other, rank, 1, MPI_INT, MPI_MIN, group->comm));
    *rank = *rank == group->ranks ? 0 : *rank;
    return LRNN_OK;
}

lrnn_status lrnn_mpi_agree(lrnn_mpi *group, const char *what, const void *bytes, size_t length)
{
    if (group == NULL || what == NULL || (bytes == NULL && length > 0)) {
        return group_fail(LRNN_ERR_INVALID, "%s: NULL",
                          group == NULL  ? "group"
                          : what == NULL ? "what"
                                         : "bytes");
    }
    int other;
    uint64_t own[2] = {digest(bytes, length), length};
    CHECK(find_other(&other, group, own));
    return other == 0
               ? LRNN_OK
               : group_fail(LRNN_ERR_INVALID, "rank %d has another %s than rank 0", other, what);
}

/* ---- coming together ---- */

typedef struct report {
    int status;
    char text[MESSAGE];
} report;

/* The rank with the cause: one that fails because of another is not it. */
static int find_cause(const int *statuses, int ranks)
{
    int found = -1;
    for (int rank = ranks; rank-- > 0;) {
        if (statuses[rank] != LRNN_OK && (found < 0 || statuses[rank] != LRNN_ERR_CALLBACK ||
                                          statuses[found] == LRNN_ERR_CALLBACK)) {
            found = rank;
        }
    }
    return found;
}

static lrnn_status tell_cause(lrnn_mpi *group, const int *statuses, lrnn_status own)
{
    char text[MESSAGE] = "";
    int cause = find_cause(statuses, group->ranks);
    if (cause < 0) {
        return LRNN_OK;
    }
    const char *detail = lrnn_last_error();
    strncpy(text, detail[0] != '\0' ? detail : lrnn_status_text(own), sizeof text - 1);
    CHECK_MPI(MPI_Bcast(text, sizeof text, MPI_CHAR, cause, group->comm));
    text[sizeof text - 1] = '\0';
    return group_fail(own != LRNN_OK ? own : LRNN_ERR_CALLBACK, "rank %d: %s", cause, text);
}

lrnn_status lrnn_mpi_meet(lrnn_mpi *group, lrnn_status own)
{
    if (group == NULL) {
        return group_fail(LRNN_ERR_INVALID, "group: NULL");
    }
    int worst = 0, failed = own != LRNN_OK, status = (int)own;
    CHECK_MPI(MPI_Allreduce(&failed, &worst, 1, MPI_INT, MPI_MAX, group->comm));
    if (!worst) {
        return LRNN_OK;
    }
    int *statuses = calloc((size_t)group->ranks, sizeof *statuses);
    if (statuses == NULL) {
        MPI_Abort(group->comm, 1);
        return group_fail(LRNN_ERR_MEMORY, "out of memory");
    }
    lrnn_status result = group_fail_mpi("MPI_Allgather");
    if (MPI_Allgather(&status, 1, MPI_INT, statuses, 1, MPI_INT, group->comm) == MPI_SUCCESS) {
        result = tell_cause(group, statuses, own);
    }
    free(statuses);
    return result;
}
