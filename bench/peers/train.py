"""Training steps in PyTorch. Arguments: the work, threads, the folder with the initial model and
the way to write it: "best" or "notebook"."""
import sys

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from common import load_weights, numbers, serve

# bench/train.c has the same table: V, embedding, hidden, layers, B, T, cell, steps a repetition, tokens as frequent as
# those of a text, cutoffs of an adaptive softmax
WORKS = {
    "word-lstm": (14746, 64, 64, 1, 16, 32, nn.LSTM, 4, False, []),
    "word-adaptive": (14746, 64, 64, 1, 16, 32, nn.LSTM, 16, True, [1000, 4000]),
    "many-words": (100000, 64, 64, 1, 16, 32, nn.LSTM, 1, True, []),
    "many-words-adaptive": (100000, 64, 64, 1, 16, 32, nn.LSTM, 8, True, [2000, 10000]),
    "char-lstm": (96, 64, 128, 2, 50, 50, nn.LSTM, 4, False, []),
    "char-gru": (96, 64, 128, 2, 50, 50, nn.GRU, 4, False, []),
    "char-rnn": (96, 64, 128, 2, 50, 50, nn.RNN, 8, False, []),
    "large-lstm": (96, 128, 512, 2, 64, 64, nn.LSTM, 1, False, []),
}
WINDOWS = 4


class Net(nn.Module):
    def __init__(self, vocab, embedding, hidden, layers, cell, batch_first, cutoffs):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embedding)
        self.rnn = cell(embedding, hidden, layers, batch_first=batch_first)
        self.head = nn.AdaptiveLogSoftmaxWithLoss(hidden, vocab, cutoffs) if cutoffs else nn.Linear(hidden, vocab)
        self.adaptive = bool(cutoffs)

    def forward(self, x, state):
        y, state = self.rnn(self.embedding(x), state)
        return y if self.adaptive else self.head(y), state


def detach(state):
    return tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()


def main():
    name, threads, folder, way = sys.argv[1:]
    torch.set_num_threads(int(threads))
    vocab, embedding, hidden, layers, batch, steps, cell, repetition, text, cutoffs = WORKS[name]
    notebook = way == "notebook"
    net = Net(vocab, embedding, hidden, layers, cell, notebook, cutoffs)
    net.load_state_dict(load_weights(f"{folder}/{name}.safetensors"))
    rows = numbers(WINDOWS * batch * (steps + 1))
    power = 1 << rows % vocab.bit_length()
    rows = (power + rows // vocab.bit_length() % power - 1) % vocab if text else rows % vocab
    rows = torch.from_numpy(rows).reshape(WINDOWS, batch, steps + 1)
    inputs, targets = rows[:, :, :-1].contiguous(), rows[:, :, 1:].contiguous()
    if not notebook:  # time first, as the layers have it inside
        inputs, targets = inputs.mT.contiguous(), targets.mT.contiguous()
    adam = torch.optim.Adam(net.parameters(), lr=0.001, fused=None if notebook else True)
    criterion = nn.CrossEntropyLoss()
    done, state = 0, None

    def notebook_step(x, y):
        nonlocal state
        net.train()
        adam.zero_grad()
        logits, state = net(x, state)
        loss = criterion(logits.transpose(1, 2), y)
        state = detach(state)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5)
        adam.step()
        loss.item()
        return loss

    def best_step(x, y):
        nonlocal state
        adam.zero_grad(set_to_none=True)
        logits, state = net(x, state)
        loss = (net.head(logits.view(-1, hidden), y.view(-1)).loss if cutoffs
                else cross_entropy(logits.view(-1, vocab), y.view(-1)))
        state = detach(state)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5, foreach=True)
        adam.step()
        return loss

    step = notebook_step if notebook else best_step

    def run():
        nonlocal done
        for _ in range(repetition):
            loss = step(inputs[done % WINDOWS], targets[done % WINDOWS])
            done += 1
        return float(loss.detach())

    serve(run, repetition, "as in the notebook" if notebook else "time first, fused Adam")


main()
