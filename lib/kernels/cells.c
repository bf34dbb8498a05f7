/* The table of cells. With x the input of the layer, h and c its state, * element-wise, s the
 * logistic sigmoid, biases left out:
 *   RNN   h' = tanh(W x + U h), or its positive part
 *   LSTM  i,f,o = s(W x + U h)   g = tanh(W x + U h)   c' = f*c + i*g   h' = o*tanh(c')
 *   GRU   r,z = s(W x + U h)   n = tanh(W x + r*(U h))   h' = (1-z)*n + z*h
 * torch.nn.RNN, LSTM and GRU; sources and gradients are in docs/mathematics.md. */
#include "cells.h"

#include <string.h>

static const cell_kind cells[] = {
    {.kind = LRNN_CELL_RNN_TANH, .name = "rnn_tanh", .module = "RNN", .gates = 1, .common = true},
    {.kind = LRNN_CELL_RNN_RELU, .name = "rnn_relu", .module = "RNN", .gates = 1},
    {.kind = LRNN_CELL_LSTM,
     .name = "lstm",
     .module = "LSTM",
     .gates = 4,
     .has_c = true,
     .projects = true,
     .common = true,
     .activations = {"input_gate", "forget_gate", "candidate", "output_gate"}},
    {.kind = LRNN_CELL_GRU,
     .name = "gru",
     .module = "GRU",
     .gates = 3,
     .apart = true,
     .passes_h = true,
     .common = true,
     .activations = {"reset_gate", "update_gate", "candidate"}},
};

#define COUNT (sizeof cells / sizeof *cells)

const cell_kind *cell_find(int32_t kind)
{
    for (size_t i = 0; i < COUNT; i++) {
        if (cells[i].kind == kind) {
            return &cells[i];
        }
    }
    return NULL;
}

const cell_kind *cell_named(const char *name)
{
    for (size_t i = 0; i < COUNT; i++) {
        if (strcmp(cells[i].name, name) == 0) {
            return &cells[i];
        }
    }
    return NULL;
}

const cell_kind *cell_with_gates(size_t gates)
{
    for (size_t i = 0; i < COUNT; i++) {
        if (cells[i].gates == gates && cells[i].common) {
            return &cells[i];
        }
    }
    return NULL;
}

size_t cell_forget_gate(const cell_kind *cell)
{
    for (size_t gate = 0; gate < cell->gates; gate++) {
        const char *name = cell->activations[gate]; /* a plain RNN has no names */
        if (name != NULL && strcmp(name, "forget_gate") == 0) {
            return gate;
        }
    }
    return cell->gates;
}

int32_t cell_last(void)
{
    return cells[COUNT - 1].kind;
}
