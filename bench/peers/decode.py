"""Decoding in PyTorch: greedy search and beam search with all hypotheses as one batch.
Arguments: the work, threads, the folder with the model."""
import sys

import torch
from torch import nn

from common import load_weights, serve

LENGTH = 60


class Net(nn.Module):
    def __init__(self, vocab, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, hidden)
        self.rnn = nn.LSTMCell(hidden, hidden)
        self.head = nn.Linear(hidden, vocab)

    def forward(self, tokens, state):
        state = self.rnn(self.embedding(tokens), state)
        return self.head(state[0]), state


def greedy(net):
    token, state, tokens = torch.tensor([1]), None, []
    for _ in range(LENGTH):
        logits, state = net(token, state)
        token = logits.argmax(1)
        tokens.append(token)
    return torch.cat(tokens)


def beam(net, width, vocab):
    logits, state = net(torch.tensor([1]), None)
    scores, tokens = logits.log_softmax(1)[0].topk(width)
    texts = tokens[:, None]
    state = tuple(s.expand(width, -1) for s in state)
    for _ in range(LENGTH - 1):
        logits, state = net(tokens, state)
        total = (scores[:, None] + logits.log_softmax(1)).view(-1)
        scores, best = total.topk(width)
        parents, tokens = best // vocab, best % vocab
        texts = torch.cat((texts[parents], tokens[:, None]), 1)
        state = tuple(s[parents] for s in state)
    return scores[0]


def log_probability(net, tokens):
    state, total, token = None, 0.0, torch.tensor([1])
    for following in tokens:
        logits, state = net(token, state)
        total += float(logits.log_softmax(1)[0, following])
        token = following[None]
    return total


def main():
    name, threads, folder = sys.argv[1:]
    torch.set_num_threads(int(threads))
    *kind, vocab, hidden = name.split("-")
    vocab, hidden = int(vocab), int(hidden)
    width = int(kind[1]) if kind[0] == "beam" else 1
    net = Net(vocab, hidden)
    weights = load_weights(f"{folder}/{name}.safetensors")
    net.load_state_dict({k.removesuffix("_l0"): v for k, v in weights.items()})
    repetition = 1 + int(2e7 / (hidden * vocab + 8 * hidden * hidden) / width)
    with torch.inference_mode():
        known = log_probability(net, greedy(net)) if kind[0] == "greedy" else None

        def run():
            for _ in range(repetition):
                value = greedy(net) if kind[0] == "greedy" else beam(net, width, vocab)
            return known if kind[0] == "greedy" else float(value)

        serve(run, repetition * LENGTH, "LSTMCell, one batch of hypotheses")


main()
