/* CBLAS, which only products of the reference table ever reach; a build with BLAS=none is without.
 */
#ifndef KERNELS_BLAS_H
#define KERNELS_BLAS_H

#include "multiply.h"

/* Whether blas_run is the one to call. */
bool blas_takes(const multiply *p);

/* From one thread at a time: BLAS has its own threads, or none. */
void blas_run(const multiply *p);

#endif
