/* liblrnn-mpi: training with liblrnn on several processes and machines, over MPI.
 *
 * Every rank of a communicator makes the same model, trainer, optimizer and batches, and calls
 * lrnn_trainer_step with the same whole windows; a rank computes the shards of a window that are
 * its own, and what all have is added in one fixed tree. With the same number of shards any number
 * of ranks, one too, ends with the same bits.
 *
 *     lrnn_mpi *group;
 *     MPI_Init(&argc, &argv);
 *     lrnn_mpi_create(&group, MPI_COMM_WORLD, NULL);
 *     ...
 *     lrnn_mpi_join(group, &trainer_options, model);     before lrnn_trainer_create
 *     ... steps and evaluations as ever; output from rank 0 alone ...
 *     lrnn_mpi_destroy(group);
 *     MPI_Finalize();
 *
 * All functions but those that say otherwise are collective: every rank calls them, in the same
 * order. A status is the same on all ranks, if not said otherwise. A rank that dies ends the job:
 * that is MPI's part, and the last checkpoint is where to go on. Used by one thread at a time; MPI
 * needs no support for threads. Since 0.2. */
#ifndef LRNN_MPI_H
#define LRNN_MPI_H

#include <mpi.h>

#include "lrnn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The ranks that train one model together. */
typedef struct lrnn_mpi lrnn_mpi;

typedef struct lrnn_mpi_options {
    size_t size; /* set by lrnn_mpi_options_init */
    /* Into how many shards the rows of a window are cut; results depend on it. The ranks must share
     * them evenly, and with more than one rank the share is a power of two: 8 shards for 1, 2, 4
     * and 8 ranks, 12 for 1, 3, 6 and 12. At most the batch. 0 (default): the number of ranks. */
    size_t shards;
} lrnn_mpi_options;

/* Fills in the defaults; not collective. struct_size: sizeof(lrnn_mpi_options).
 * LRNN_ERR_INVALID: NULL, or too small a size. Since 0.2. */
LRNN_API lrnn_status lrnn_mpi_options_init(lrnn_mpi_options *options, size_t struct_size);

/* Makes a group of all ranks of a communicator, which is duplicated. options: NULL means the
 * defaults. *group is NULL on failure.
 * LRNN_ERR_INVALID: NULL argument, shards that the ranks cannot share, or that other ranks were
 * given differently; LRNN_ERR_UNSUPPORTED: a rank has another version of liblrnn, other kernels or
 * another byte order than rank 0, and the message says which; LRNN_ERR_STATE: MPI is not
 * initialized; LRNN_ERR_MEMORY; LRNN_ERR_CALLBACK: MPI failed. Since 0.2. */
LRNN_API lrnn_status lrnn_mpi_create(lrnn_mpi **group, MPI_Comm communicator,
                                     const lrnn_mpi_options *options);

/* Accepts NULL. After the trainers that joined, and before MPI_Finalize. Since 0.2. */
LRNN_API void lrnn_mpi_destroy(lrnn_mpi *group);

/* One line about the last error of a function of this library in this thread; "" before the first.
 * Not collective. Since 0.2. */
LRNN_API const char *lrnn_mpi_last_error(void);

/* This process's rank, from 0, and the number of ranks; -1 and 0 for NULL. Not collective.
 * Since 0.2. */
LRNN_API int32_t lrnn_mpi_rank(const lrnn_mpi *group);
LRNN_API int32_t lrnn_mpi_ranks(const lrnn_mpi *group);

/* Number of shards of a window. 0 for NULL. Not collective. Since 0.2. */
LRNN_API size_t lrnn_mpi_shards(const lrnn_mpi *group);

/* Makes sure that all ranks have the same bytes, such as options, a vocabulary or a text. what: in
 * the message, "rank 3 has another WHAT than rank 0". A digest of 64 bits is compared.
 * LRNN_ERR_INVALID: they have not, or NULL argument; LRNN_ERR_CALLBACK: MPI failed. Since 0.2. */
LRNN_API lrnn_status lrnn_mpi_agree(lrnn_mpi *group, const char *what, const void *bytes,
                                    size_t length);

/* Brings the ranks together: LRNN_OK if `own` is LRNN_OK on all of them. Otherwise a rank's own
 * status where it has failed, LRNN_ERR_CALLBACK where it has not, and the message names the rank
 * and has what lrnn_last_error said there. Since 0.2. */
LRNN_API lrnn_status lrnn_mpi_meet(lrnn_mpi *group, lrnn_status own);

/* Sets `exchange`, `shards`, `first_shard` and `own_shards` of a trainer's options, for any number
 * of trainers made from them and from this model while the group exists. `batch` is that of the
 * whole window. All ranks must have the same options, but for `threads` and `allocator`, and the
 * same model with the same vocabularies; parameters too: see lrnn_mpi_broadcast.
 * LRNN_ERR_INVALID: they have not, NULL argument, options of a program that was built for 0.1, or
 * more shards than rows; LRNN_ERR_MEMORY; LRNN_ERR_CALLBACK: MPI failed. Since 0.2. */
LRNN_API lrnn_status lrnn_mpi_join(lrnn_mpi *group, lrnn_trainer_options *options,
                                   const lrnn_model *model);

/* Gives the trainers of all ranks the parameters that rank 0's has: before the first step, where
 * ranks do not make or load the same model by themselves.
 * LRNN_ERR_INVALID: NULL argument; LRNN_ERR_MEMORY; LRNN_ERR_NUMERIC: a parameter is not finite;
 * LRNN_ERR_CALLBACK: MPI failed. Since 0.2. */
LRNN_API lrnn_status lrnn_mpi_broadcast(lrnn_mpi *group, lrnn_trainer *trainer);

/* Gives the trainers of all ranks the carried state of all rows, of which each has its own: before
 * one of them saves a checkpoint, which any number of ranks can load then. The trainer must be of
 * the model that joined last. Errors as lrnn_mpi_broadcast. Since 0.2. */
LRNN_API lrnn_status lrnn_mpi_gather_state(lrnn_mpi *group, lrnn_trainer *trainer);

/* Asks all ranks to stop; they know after the next step or evaluation. Not collective, and may be
 * called by the handler of a signal. Accepts NULL. Since 0.2. */
LRNN_API void lrnn_mpi_ask_to_stop(lrnn_mpi *group);

/* 1 if a rank had asked before the last step or evaluation was over, on all ranks alike. 0 for
 * NULL. Not collective. Since 0.2. */
LRNN_API int32_t lrnn_mpi_is_stopping(const lrnn_mpi *group);

/* What a step has sent so far, for measurements: calls of MPI, and bytes of this rank's. Any of the
 * two may be NULL. Not collective. Since 0.2. */
LRNN_API void lrnn_mpi_traffic(const lrnn_mpi *group, uint64_t *calls, uint64_t *bytes);

#ifdef __cplusplus
}
#endif

/* Without the size too, as in lrnn/init.h. */
#ifdef LRNN_SIZED
#define lrnn_mpi_options_init(...) LRNN_SIZED(lrnn_mpi_options_init, __VA_ARGS__)
#endif

#endif
