/* What the benchmark programs share: the conversation with bench/run, and the machine's limits.
 *
 * A program sets its work up, prints "ready" and a note, and then does one repetition for each line
 * that it reads, so that bench/run can let ours and a peer's take turns. It answers each with four
 * numbers: seconds, seconds of processor time and seconds at the machine's limit, all per unit of
 * work, and a value that must be the same on both sides (a loss, a log-probability). */
#ifndef BENCH_COMMON_H
#define BENCH_COMMON_H

#include <stddef.h>
#include <stdint.h>

#include <lrnn.h>

double seconds_now(void);
double seconds_of_processor(void);

/* Prints the library's error and ends the program unless status is LRNN_OK. */
void must(lrnn_status status);

/* Ends the program when there is no memory. */
void *allocate(size_t count, size_t size);

/* Writes a model, its weights as float32 whatever it keeps them as. */
void save_for_peer(const lrnn_model *model, const char *path);

/* Reads the last argument of a program that takes bfloat16 or int8 after `others` arguments, or
 * nothing: how a model is to keep its weights, and the bytes of one. Returns false where it is
 * something else. */
int read_weights(int32_t *weight_type, size_t *bytes, int argc, char **argv, int others);

/* Number i of a fixed sequence, 0 .. 2^31-1; bench/peers/common.py has the same one. */
uint32_t number_at(uint64_t i);

/* Seconds that so many additions and multiplications take at the peak rate of fused multiply-adds
 * from registers, on so many threads at once: measured at each call. */
double limit_arithmetic(double operations, size_t threads);

/* Seconds that one plain read of a buffer of so many bytes takes, when it is read again and again
 * by each of so many threads: measured at each call. Every thread has a buffer of its own. */
double limit_read(size_t bytes, size_t threads);

typedef struct work {
    double units;                /* in a repetition */
    double (*run)(void *user);   /* does one repetition; returns the value to compare */
    double (*limit)(void *user); /* seconds a unit takes at the machine's limit */
    void *user;
} work;

/* Serves until its input ends. */
int serve(const work *of, const char *note);

#endif
