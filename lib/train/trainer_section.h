/* The trainer's section of a checkpoint: carried state and what dropout is drawn from; see
 * section.h. Its parameters are the model of the file. */
#ifndef TRAIN_TRAINER_SECTION_H
#define TRAIN_TRAINER_SECTION_H

#include "section.h"
#include "trainer.h"

typedef struct trainer_saved {
    uint64_t windows, seed, carried, rows;
    uint64_t averages, averaged;
    real *parameters, *average, *h, *c;
} trainer_saved;

lrnn_status trainer_save(const section_writer *to, const lrnn_trainer *trainer);
lrnn_status trainer_read(trainer_saved *saved, const section_reader *from,
                         const lrnn_trainer *trainer);
void trainer_restore(lrnn_trainer *trainer, trainer_saved *saved);
void trainer_saved_release(trainer_saved *saved, const lrnn_trainer *trainer);

#endif
