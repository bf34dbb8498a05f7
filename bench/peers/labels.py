"""The nets of the examples that train with CTC, in PyTorch: on the sequences that an example writes
with -e, with the same settings and order of the data; only the initial weights differ, drawn by
PyTorch from the same distributions. Prints the sequences and the labels in them that are wrong, in
%, mean and standard deviation over the seeds, by the best path and by a prefix beam search of width
16, for each set to test with. Of adjacent sequences with the same steps any one's labels are right.

    labels.py digits|pronounce|printed_lines FILE [SEED...]
"""
import collections
import itertools
import math
import statistics
import sys
import time

import numpy as np
import torch

from order import windows

torch.set_num_threads(1)

# tokens that the net reads, in vectors of 64 (0: it reads numbers), H, outputs (0: as many as there
# are labels), blank, batch, bucket, passes, learning rate
Settings = collections.namedtuple("Settings", "tokens hidden outputs blank batch bucket passes rate")
SETTINGS = {"digits": Settings(0, 64, 11, 10, 16, 8, 16, 0.004),
            "pronounce": Settings(128, 128, 0, 0, 64, 32, 10, 0.004),
            "printed_lines": Settings(0, 96, 0, 0, 16, 16, 8, 0.008)}


def read(path):
    """What to learn from and what to test with, each [(steps, labels)]."""
    data, at, found = np.fromfile(path, np.int32), 0, []
    while at < len(data):
        count, steps, label_count, width = data[at:at + 4]
        lengths, target_lengths, labels, values = np.split(
            data[at + 4:at + 4 + 2 * count + label_count + steps * max(width, 1)],
            np.cumsum([count, count, label_count]))
        at += 4 + 2 * count + label_count + steps * max(width, 1)
        values = values.view(np.float32).reshape(-1, width) if width else values.astype(np.int64)
        found.append([(torch.tensor(x), y.tolist()) for x, y in zip(
            np.split(values, np.cumsum(lengths)[:-1]), np.split(labels, np.cumsum(target_lengths)[:-1]))])
    return found


class Net(torch.nn.Module):
    """An LSTM in each direction, as nn.LSTM(bidirectional=True) of a packed sequence, which on a CPU
    takes four times as long: the second reads each sequence from its end."""

    def __init__(self, size, tokens, hidden, outputs):
        super().__init__()
        self.read = torch.nn.Embedding(tokens, 64) if tokens else torch.nn.Identity()
        self.rnn = torch.nn.ModuleList(
            torch.nn.LSTM(64 if tokens else size, hidden) for _ in range(2))
        self.head = torch.nn.Linear(2 * hidden, outputs)

    def forward(self, x, lengths):
        x = self.read(x).transpose(0, 1)
        step, row = torch.arange(len(x))[:, None], torch.arange(x.shape[1])
        turned = torch.where(step < lengths, lengths - 1 - step, step)
        y = self.rnn[0](x)[0], self.rnn[1](x[turned, row])[0][turned, row]
        return self.head(torch.cat(y, -1)).transpose(0, 1).log_softmax(-1)


def gather(data, chosen):
    x = torch.nn.utils.rnn.pad_sequence([data[i][0] for i in chosen], batch_first=True)
    return (x, torch.tensor([len(data[i][0]) for i in chosen]),
            torch.tensor([label for i in chosen for label in data[i][1]]),
            torch.tensor([len(data[i][1]) for i in chosen]))


def train(data, settings, seed):
    torch.manual_seed(seed)
    outputs = settings.outputs or 1 + max(label for _, labels in data for label in labels)
    net = Net(data[0][0].shape[-1], settings.tokens, settings.hidden, outputs)
    optimizer = torch.optim.Adam(net.parameters(), settings.rate)
    lengths = [len(x) for x, _ in data]
    updates = settings.passes * -(-len(data) // settings.batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates)
    for epoch in range(settings.passes):
        for chosen in windows(lengths, settings.batch, seed, epoch, settings.bucket):
            x, n, y, m = gather(data, chosen)
            optimizer.zero_grad()
            scores = net(x, n).transpose(0, 1)
            torch.nn.functional.ctc_loss(scores, y, n, m, settings.blank,
                                         zero_infinity=True).backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 5)
            optimizer.step()
            schedule.step()
    return net


def best_path(scores, blank):
    path = scores.argmax(-1).tolist()
    return [label for i, label in enumerate(path) if label != blank and (i == 0 or path[i - 1] != label)]


def add(a, b):
    high, low = max(a, b), min(a, b)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))


def prefix_search(scores, blank, width=16):
    """Hannun et al. 2014: of each prefix the probability that it ends in a blank, and that not."""
    beam = {(): (0.0, -math.inf)}
    for frame in scores.tolist():
        found = {}

        def put(prefix, ends, gain):
            old = found.get(prefix, (-math.inf, -math.inf))
            found[prefix] = (add(old[0], gain), old[1]) if ends else (old[0], add(old[1], gain))

        likely = [v for v, score in enumerate(frame) if v != blank and score > -16]
        for prefix, (ended, open_) in beam.items():
            both = add(ended, open_)
            put(prefix, True, both + frame[blank])
            if prefix:
                put(prefix, False, open_ + frame[prefix[-1]])
            for v in likely:
                put(prefix + (v,), False, (ended if prefix[-1:] == (v,) else both) + frame[v])
        beam = dict(sorted(found.items(), key=lambda item: -add(*item[1]))[:width])
    return list(next(iter(beam)))


def distance(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        corner, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            corner, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, corner + (x != y))
    return row[-1]


def test(net, data, blank):
    """Wrong sequences and labels in % by the best path, then by prefix search."""
    wrong, sequences, labels = [0, 0, 0, 0], 0, [0, 0]
    with torch.no_grad():
        for _, same in itertools.groupby(data, key=lambda pair: pair[0].numpy().tobytes()):
            same = list(same)
            x = same[0][0]
            scores = net(x[None], torch.tensor([len(x)]))[0]
            sequences += 1
            for i, search in enumerate((best_path, prefix_search)):
                found = search(scores, blank)
                errors, length = min(((distance(found, y), len(y)) for _, y in same), key=lambda e: e[0])
                wrong[2 * i] += errors > 0
                wrong[2 * i + 1] += errors
                labels[i] += length
    return [100 * w / (labels[i // 2] if i % 2 else sequences) for i, w in enumerate(wrong)]


def main(what, path, *seeds):
    settings = SETTINGS[what]
    learn, *held_out = read(path)
    results = []
    for seed in map(int, seeds or range(1, 6)):
        begin = time.process_time()
        net = train(learn, settings, seed)
        took = time.process_time() - begin
        results.append([value for data in held_out for value in test(net, data, settings.blank)])
        print(f"seed {seed}: {' '.join(f'{value:.2f}' for value in results[-1])}, training took {took:.0f} s",
              file=sys.stderr, flush=True)
    names = (f"set {k + 1}, {search}, {unit}" for k in range(len(held_out))
             for search in ("best path", "beam search") for unit in ("sequences", "labels"))
    for name, values in zip(names, zip(*results)):
        spread = statistics.stdev(values) if len(values) > 1 else 0
        print(f"{what}, {name}: {statistics.mean(values):.2f} +- {spread:.2f} % wrong")


main(*sys.argv[1:])
