"""Writes tests/golden/losses.safetensors: what PyTorch gives for losses: values, gradients, and curves of 50 updates.

    pip install torch numpy safetensors
    python tests/golden/losses_pytorch.py

Inputs are made by the formula of train_pytorch.py on both sides. All is computed in float64 and stored as float32.
"""

import numpy
import torch
from torch.nn import functional as F

from train_pytorch import fill, number, store, whole

B, T, O, I, H = 3, 5, 6, 4, 8
CASES = 500


# ---- CTC ----

def ctc_case(i):
    """T, V, N, S, scale of the outputs, blank, sum instead of mean, zero_infinity."""
    draw = [int(x) for x in whole(10000 + i, 1 << 20, 8)]
    T = 1 + draw[0] % (6 if i % 5 == 0 else 24)
    V = 2 + draw[1] % 6
    N = 1 + draw[2] % 3
    S = draw[3] % (T + 3 if i % 4 == 0 else T // 2 + 1)
    scale = [1, 4, 20, 400][draw[4] % 4]
    if i == CASES - 1:
        T, V, N, S, scale = 4000, 3, 1, 700, 8
    return T, V, N, S, scale, draw[5] % V, draw[6] % 2, draw[7] % 2


def ctc_inputs(i, case):
    T, V, N, S, scale, blank, *_ = case
    y = number(20000 + i, N, T, V) * scale
    lengths = whole(30000 + i, T, N) + 1
    target_lengths = whole(40000 + i, S + 1, N)
    if i == CASES - 1:
        lengths[0], target_lengths[0] = T, S
    labels = whole(50000 + i, V - 1, N, S)
    labels = labels + (labels >= blank).long()
    return y, lengths, target_lengths, labels


def ctc():
    cases = [ctc_case(i) for i in range(CASES)]
    losses, gradients = [], []
    for i, case in enumerate(cases):
        y, lengths, target_lengths, labels = ctc_inputs(i, case)
        y.requires_grad_()
        loss = F.ctc_loss(y.log_softmax(2).transpose(0, 1), labels, lengths, target_lengths, blank=case[5],
                          reduction="sum" if case[6] else "mean", zero_infinity=bool(case[7]))
        loss.backward()
        losses.append(loss.detach())
        gradient = y.grad.reshape(-1)
        gradients.append(torch.nan_to_num(gradient))
    return {"ctc.loss": torch.stack(losses), "ctc.gradient": torch.cat(gradients)}, cases


# ---- losses of items ----

def item_losses():
    """name: function of the outputs [B,T,O]; the order is that of the table in the test."""
    target = whole(2, O + 2, B, T) - 2  # below 0: ignored
    flat = target.reshape(-1).clamp(min=-1)
    values = number(3, B, T, O) * 4
    chances = number(4, B, T, O) + 0.5
    mask = (number(5, B, T, O) + 0.5) * (whole(6, 4, B, T, O) > 0)
    classes = number(7, O) + 0.5
    positives = number(8, O) + 1

    def entropy(smoothing, weights):
        return lambda y: F.cross_entropy(y.reshape(-1, O), flat, weight=weights, ignore_index=-1,
                                         label_smoothing=smoothing)

    def masked(loss):
        return lambda y: (loss(y) * mask).sum() / mask.sum()

    return {
        "class weights": entropy(0, classes),
        "class weights, smoothing": entropy(0.1, classes),
        "squared, masked": masked(lambda y: F.mse_loss(y, values, reduction="none")),
        "absolute": lambda y: F.l1_loss(y, values),
        "absolute, masked": masked(lambda y: F.l1_loss(y, values, reduction="none")),
        "Huber 1": lambda y: F.huber_loss(y, values),
        "Huber 0.5": lambda y: F.huber_loss(y, values, delta=0.5),
        "smooth L1": lambda y: F.smooth_l1_loss(y, values, beta=0.25),
        "binary": lambda y: F.binary_cross_entropy_with_logits(y, chances),
        "binary, positive weights": lambda y: F.binary_cross_entropy_with_logits(y, chances, pos_weight=positives),
        "binary, masked": masked(lambda y: F.binary_cross_entropy_with_logits(y, chances, reduction="none")),
    }


def labels_loss(y):
    """CTC of a window [B,T,O]: two labels, one, none."""
    return F.ctc_loss(y.log_softmax(2).transpose(0, 1), torch.tensor([[1, 2], [3, 0], [0, 0]]),
                      torch.tensor([5, 3, 4]), torch.tensor([2, 1, 0]))


def curve(loss):
    """50 updates of an LSTM with Adam."""
    rnn = torch.nn.LSTM(I, H, batch_first=True, dtype=torch.float64)
    head = torch.nn.Linear(H, O, dtype=torch.float64)
    parameters = fill([rnn, head])
    adam = torch.optim.Adam(parameters, 0.01)
    x, losses = number(9, B, T, I), []
    for _ in range(50):
        adam.zero_grad()
        found = loss(head(rnn(x)[0]))
        found.backward()
        adam.step()
        losses.append(found.detach())
    return torch.stack(losses)


def main():
    tensors, cases = ctc()
    losses = item_losses()
    y = number(1, B, T, O) * 6
    for i, loss in enumerate(losses.values()):
        leaf = y.clone().requires_grad_()
        found = loss(leaf)
        found.backward()
        tensors[f"item.{i}.loss"] = found
        tensors[f"item.{i}.gradient"] = leaf.grad.reshape(-1)
        tensors[f"item.{i}.curve"] = curve(loss)
    tensors["ctc.curve"] = curve(labels_loss)
    store("losses.safetensors", tensors, **{"ctc.cases": numpy.array(cases)})
    print(len(losses), "losses,", tensors["ctc.gradient"].numel(), "numbers,",
          int(torch.isinf(tensors["ctc.loss"]).sum()), "infinite")


main()
