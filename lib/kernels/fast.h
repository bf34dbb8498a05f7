/* The fast kernels: included once by the file of each instruction set, which defines KERNEL_TABLE
 * and KERNEL_NAME and is compiled with the flags of that set (flags.mk). */
#include <stdbool.h>

#include "fast_cells.h"
#include "fast_elementwise.h"
#include "fast_multiply.h"
#include "fast_pairs.h"
#include "fast_step.h"
#include "tables.h"

const kernel_table KERNEL_TABLE = {
    .name = KERNEL_NAME,
    .panel = PANEL,
    .multiply_packed = multiply_packed,
    .multiply_parts = multiply_parts,
    .multiply_packed_from = multiply_packed_from,
    .multiply_pairs = multiply_pairs,
    .exp = map_exp,
    .sigmoid = map_sigmoid,
    .tanh = map_tanh,
    .add = add,
    .scale = scale,
    .add_rows = add_rows,
    .dot = dot,
    .rnn_tanh_forward = rnn_tanh_forward,
    .rnn_relu_forward = rnn_relu_forward,
    .lstm_forward = lstm_forward,
    .gru_forward = gru_forward,
    .lanes = VECTOR_LENGTH,
    .rnn_tanh_step = rnn_tanh_step,
    .rnn_relu_step = rnn_relu_step,
    .lstm_step = lstm_step,
    .gru_step = gru_step,
    .rnn_tanh_backward = rnn_tanh_backward,
    .rnn_relu_backward = rnn_relu_backward,
    .lstm_backward = lstm_backward,
    .gru_backward = gru_backward,
    .max_sum_exp = max_sum_exp,
    .exp_below_max = exp_below_max,
    .exp_shifted = exp_shifted,
    .adam = adam,
};
