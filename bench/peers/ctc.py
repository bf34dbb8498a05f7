"""The CTC loss in PyTorch. Arguments: the work, threads, the folder with the model."""
import sys

import torch
from torch.nn import functional

from common import load_weights, numbers, serve

B, T, S, F = 32, 500, 100, 8


def main():
    name, threads, folder = sys.argv[1:]
    torch.set_num_threads(int(threads))
    V = int(name.split("-")[1])
    weights = load_weights(f"{folder}/{name}.safetensors")
    layer = torch.nn.Linear(F, V)
    layer.load_state_dict({k.removeprefix("head."): v for k, v in weights.items()})
    draws = torch.from_numpy(numbers(1000000 + B * S))
    x = (draws[: B * T * F].float() / 1073741824.0 - 1).reshape(B, T, F).transpose(0, 1).contiguous()
    labels = (1 + draws[1000000:] % (V - 1)).reshape(B, S)
    steps = torch.full((B,), T)
    lengths = S - 2 * torch.arange(B)

    def run():
        layer.zero_grad()
        loss = functional.ctc_loss(layer(x).log_softmax(2), labels, steps, lengths)
        loss.backward()
        return float(loss.detach())

    serve(run, 1, "functional.ctc_loss")


main()
