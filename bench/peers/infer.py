"""Inference in PyTorch. Arguments: the work, threads, the folder with the model."""
import sys

import torch
from torch import nn

from common import fastest, load_weights, numbers, serve

STEPS = 1000


def make_layer(cell, hidden, weights):
    layer = getattr(nn, cell.upper())(hidden, hidden)
    layer.load_state_dict({k.removeprefix("rnn."): v for k, v in weights.items()})
    return layer


def make_cell(cell, hidden, weights):
    module = getattr(nn, cell.upper() + "Cell")(hidden, hidden)
    module.load_state_dict({k.removeprefix("rnn.").removesuffix("_l0"): v for k, v in weights.items()})
    return module


class Steps:
    """One stream, step by step, through nn.LSTMCell (or GRUCell) or nn.LSTM (or GRU)."""

    def __init__(self, module, xs, lstm):
        self.module, self.xs, self.lstm = module, xs, lstm
        self.state = None

    def run(self, count):
        module, state, lstm = self.module, self.state, self.lstm
        if isinstance(module, nn.RNNBase):
            for i in range(count):
                y, state = module(self.xs[i % STEPS], state)
        elif lstm:
            for i in range(count):
                state = module(self.xs[i % STEPS], state)
            y = state[0]
        else:
            for i in range(count):
                state = y = module(self.xs[i % STEPS], state)
        self.state = state
        return float(y.sum())


def main():
    name, threads, folder = sys.argv[1:]
    torch.set_num_threads(int(threads))
    kind, cell, hidden, *batch = name.split("-")
    hidden, batch = int(hidden), int(batch[0]) if batch else 1
    weights = load_weights(f"{folder}/{name}.safetensors")
    lstm = cell == "lstm"
    features = torch.from_numpy(numbers(batch * STEPS * hidden)).float() / 1073741824.0 - 1
    features = features.reshape(batch, STEPS, hidden).transpose(0, 1).contiguous()
    count = 2 * (4 if lstm else 3) * hidden * hidden
    with torch.inference_mode():
        if kind == "step":
            repetition = 1 + int(1e9 / count)
            xs = list(features)
            ways = {
                "Cell": lambda: Steps(make_cell(cell, hidden, weights), xs, lstm),
                "layer": lambda: Steps(
                    make_layer(cell, hidden, weights), [x.unsqueeze(0) for x in xs], lstm
                ),
            }
            way = fastest(ways, lambda make: make().run(2000))
            steps = ways[way]()
            serve(lambda: steps.run(repetition), repetition, f"nn.{cell.upper()} {way}")
        else:
            repetition = 1 + int(1e6 / count)
            layer = make_layer(cell, hidden, weights)
            state = None

            def run():
                nonlocal state
                for _ in range(repetition):
                    y, state = layer(features, state)
                return float(y[-1, -1].sum())

            serve(run, repetition, f"nn.{cell.upper()}")


main()
