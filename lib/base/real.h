/* The floating-point type of all parameters and activations: float in the library that ships,
 * double (-DLRNN_REAL=double) in the archive that serves gradient checks. */
#ifndef BASE_REAL_H
#define BASE_REAL_H

#ifdef LRNN_REAL
#define LRNN_REAL_IS_FLOAT 0
typedef LRNN_REAL real;
#else
#define LRNN_REAL_IS_FLOAT 1
typedef float real;
#endif

#endif
