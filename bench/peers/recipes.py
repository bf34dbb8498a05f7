"""The classic recipes of docs/training.md in PyTorch: on token files of `lrnn encode`, with the
windows, carried state, schedule, clipping and validation of `lrnn train`. The first parameters are
drawn from the same distribution, or are those of a model of the library, which `lrnn train` writes
with a learning rate of 1e-30; masks of dropout differ. Prints for each epoch the perplexity of
training and of validation, and the seconds of processor time of both.

    recipes.py characters|small|medium TRAINING VALIDATION [EPOCHS [MODEL]]
"""
import collections
import json
import math
import sys
import time

import numpy as np
import torch
from torch.nn.functional import cross_entropy, one_hot

from common import load_weights

torch.set_num_threads(1)

# E (0: one-hot), H, range of the initial parameters, B, T, epochs, optimizer, learning rate, its
# factor after each epoch from the last one at the full rate on, dropout
Recipe = collections.namedtuple(
    "Recipe", "embedding hidden range batch steps epochs optimizer rate factor full dropout")
RECIPES = {"characters": Recipe(0, 128, 0.08, 100, 100, 50, "rmsprop", 0.002, 0.95, 10, 0),
           "small": Recipe(200, 200, 0.1, 20, 20, 13, "sgd", 1, 0.5, 4, 0),
           "medium": Recipe(650, 650, 0.05, 20, 35, 39, "sgd", 1, 0.8333333, 6, 0.5)}


def read(path):
    """The tokens and how many there are in the vocabulary."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        entry, data = header["tokens"], file.read()
    begin, end = entry["data_offsets"]
    kind = {"U8": np.uint8, "U16": np.uint16, "I32": np.int32}[entry["dtype"]]
    tokens = torch.from_numpy(np.frombuffer(data[begin:end], kind).astype(np.int64))
    return tokens, len(json.loads(header["__metadata__"]["lrnn.vocab"])["tokens"])


class Net(torch.nn.Module):
    def __init__(self, recipe, vocab):
        super().__init__()
        self.vocab = vocab
        self.embedding = torch.nn.Embedding(vocab, recipe.embedding) if recipe.embedding else None
        self.dropout = torch.nn.Dropout(recipe.dropout)
        self.rnn = torch.nn.LSTM(recipe.embedding or vocab, recipe.hidden, 2, dropout=recipe.dropout)
        self.head = torch.nn.Linear(recipe.hidden, vocab)
        for p in self.parameters():
            torch.nn.init.uniform_(p, -recipe.range, recipe.range)

    def forward(self, x, state):
        x = self.embedding(x) if self.embedding else one_hot(x, self.vocab).float()
        y, state = self.rnn(self.dropout(x), state)
        return self.head(self.dropout(y)), tuple(s.detach() for s in state)


def rows(tokens, batch, length):
    """[length, batch]: row b begins where row b - 1 ends; what is left over is -1."""
    padded = torch.full((batch * length,), -1)
    count = min(len(tokens), len(padded))
    padded[:count] = tokens[:count]
    return padded.reshape(batch, length).T.contiguous()


def streams(tokens, batch, steps):
    """Inputs and targets of training: whole windows only, and the last token's target is the first."""
    used = tokens[:len(tokens) // (batch * steps) * batch * steps]
    return [rows(x, batch, len(used) // batch) for x in (used, used.roll(-1))]


def loss_sum(net, x, y, state):
    scores, state = net(x, state)
    return cross_entropy(scores.flatten(0, 1), y.flatten(), ignore_index=-1, reduction="sum"), state


def train(net, optimizer, recipe, data):
    net.train()
    total, state = 0, None
    for x, y in zip(*(part.split(recipe.steps) for part in data)):
        optimizer.zero_grad()
        loss, state = loss_sum(net, x, y, state)
        if recipe.optimizer == "sgd":
            (loss / recipe.batch).backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 5, foreach=True)
        else:
            (loss / x.numel()).backward()
            torch.nn.utils.clip_grad_value_(net.parameters(), 5, foreach=True)
        optimizer.step()
        total += loss.item()
    return total / data[0].numel()


def evaluate(net, recipe, tokens):
    net.eval()
    length = -(-(len(tokens) - 1) // recipe.batch)
    x, y = (rows(part, recipe.batch, length) for part in (tokens[:-1], tokens[1:]))
    total, state = 0, None
    with torch.no_grad():
        for inputs, targets in zip(x.clamp(min=0).split(recipe.steps), y.split(recipe.steps)):
            loss, state = loss_sum(net, inputs, targets, state)
            total += loss.item()
    return total / (len(tokens) - 1)


def main(name, training, validation, epochs=0, model=None):
    recipe = RECIPES[name]
    tokens, vocab = read(training)
    data, held_out = streams(tokens, recipe.batch, recipe.steps), read(validation)[0]
    torch.manual_seed(1)
    net = Net(recipe, vocab)
    if model:
        net.load_state_dict(load_weights(model))
    optimizer = (torch.optim.SGD(net.parameters(), recipe.rate, fused=True) if recipe.optimizer == "sgd"
                 else torch.optim.RMSprop(net.parameters(), recipe.rate, alpha=0.95, foreach=True))
    for epoch in range(1, 1 + (int(epochs) or recipe.epochs)):
        optimizer.param_groups[0]["lr"] = recipe.rate * recipe.factor ** max(0, epoch - recipe.full)
        begin = time.process_time()
        losses = train(net, optimizer, recipe, data), evaluate(net, recipe, held_out)
        took = time.process_time() - begin
        print("epoch {}: training {:.4g}, validation {:.4g}, {:.1f} s".format(
            epoch, *map(math.exp, losses), took), flush=True)


main(*sys.argv[1:])
