"""The examples' nets in PyTorch: same data, split, order of the data and settings; only the initial
weights differ, drawn by PyTorch from the same distributions. Prints mean and standard deviation
over the seeds 1 to 5.

    shapes.py names FILE.txt... | vectors ae.train ae.test | tags TRAINING.conllu TEST.conllu
    shapes.py inventions FILE.txt...
"""
import pathlib
import statistics
import sys

import torch

from order import held_out_hash, windows

torch.set_num_threads(1)
SEEDS = range(1, 6)


class Net(torch.nn.Module):
    def __init__(self, read, size, hidden, outputs, bidirectional=False, head="last"):
        super().__init__()
        self.read, self.head = read, head
        self.rnn = torch.nn.LSTM(size, hidden, batch_first=True, bidirectional=bidirectional)
        self.fc = torch.nn.Linear(hidden * (2 if bidirectional else 1), outputs)

    def forward(self, x, lengths):
        packed = torch.nn.utils.rnn.pack_padded_sequence(self.read(x), lengths, batch_first=True,
                                                         enforce_sorted=False)
        y, (h, _) = self.rnn(packed)
        if self.head == "steps":
            y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, batch_first=True)
        elif self.head == "last":
            y = h[-1]
        else:
            y = torch.cat([h[-2], h[-1]], 1)
        return self.fc(y)


def train_and_test(make, training, testing, batch, bucket, epochs, rate, seed, falling=False):
    """Each example is (x, y), y a number or a tensor of one a step; returns the accuracy."""
    torch.manual_seed(seed)
    net = make()
    optimizer = torch.optim.Adam(net.parameters(), rate)
    lengths = [len(x) for x, _ in training]
    updates = epochs * -(-len(training) // batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates) if falling else None

    def gather(data, chosen):
        x = torch.nn.utils.rnn.pad_sequence([data[i][0] for i in chosen], batch_first=True)
        if isinstance(data[chosen[0]][1], int):
            y = torch.tensor([data[i][1] for i in chosen])
        else:
            y = torch.nn.utils.rnn.pad_sequence([data[i][1] for i in chosen], batch_first=True,
                                                padding_value=-1)
        return x, torch.tensor([len(data[i][0]) for i in chosen]), y

    for epoch in range(epochs):
        for chosen in windows(lengths, batch, seed, epoch, bucket):
            x, n, y = gather(training, chosen)
            optimizer.zero_grad()
            logits = net(x, n)
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, -2), y.flatten(), ignore_index=-1)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 5)
            optimizer.step()
            if schedule:
                schedule.step()
    right = count = 0
    with torch.no_grad():
        for at in range(0, len(testing), 64):
            chosen = range(at, min(at + 64, len(testing)))
            x, n, y = gather(testing, list(chosen))
            right += ((net(x, n).argmax(-1) == y) & (y >= 0)).sum().item()
            count += sum(len(testing[i][1]) if torch.is_tensor(testing[i][1]) else 1 for i in chosen)
    return right / count


def report(what, run):
    results = []
    for seed in SEEDS:
        results.append(run(seed))
        print(f"seed {seed}: {results[-1]:.4f}", file=sys.stderr, flush=True)
    print(f"{what}: {statistics.mean(results):.4f} +- {statistics.stdev(results):.4f}")


def read_names(paths):
    data = []
    for language, path in enumerate(paths):
        lines = pathlib.Path(path).read_text(encoding="utf-8").splitlines()
        data += [(name, language) for name in dict.fromkeys(lines) if name]
    letters = {c: i for i, c in enumerate(sorted({c for name, _ in data for c in name} | {"\n"}))}
    return data, letters


def held_out(name):
    return held_out_hash(name.encode()) % 10 == 0


def names(*paths):
    data, letters = read_names(paths)

    def encode(held):
        return [(torch.tensor([letters[c] for c in name]), language) for name, language in data
                if held_out(name) == held]

    training, testing = encode(False), encode(True)
    report("names, held-out accuracy", lambda seed: train_and_test(
        lambda: Net(torch.nn.Embedding(len(letters), 32), 32, 128, len(paths)), training, testing, 32, 16,
        10, 0.004, seed, True))


def vectors(train_path, test_path):
    def read(path):
        found, frames = [], []
        for line in pathlib.Path(path).read_text().splitlines() + [""]:
            frame = [float(v) for v in line.split()]
            if len(frame) == 12 and frame != [1.0] * 12:
                frames.append(frame)
            elif frames:
                found.append(torch.tensor(frames))
                frames = []
        return found

    first, second = read(train_path), read(test_path)
    every = torch.cat(first).double()
    mean, deviation = every.mean(0), every.std(0, unbiased=False)

    def label(data, counts):
        speakers = [s for s, n in enumerate(counts) for _ in range(n)]
        return [(((x.double() - mean) / deviation).float(), s) for x, s in zip(data, speakers)]

    training, testing = label(first, [30] * 9), label(second, [31, 35, 88, 44, 29, 24, 40, 50, 29])
    report("vectors, test accuracy", lambda seed: train_and_test(
        lambda: Net(torch.nn.Identity(), 12, 32, 9, True, "final"), training, testing, 16, 0, 40, 0.005,
        seed))


def tags(train_path, test_path):
    def read(path):
        found, sentence = [], []
        for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines() + [""]:
            fields = line.split("\t")
            if not line and sentence:
                found.append(sentence)
                sentence = []
            elif fields[0].isdigit():
                sentence.append(("".join(fields[1].split()).lower(), fields[3]))
        return found

    first, second = read(train_path), read(test_path)
    counts = {}
    for sentence in first:
        for word, _ in sentence:
            counts[word] = counts.get(word, 0) + 1
    words = {w: i for i, w in enumerate(w for w, n in counts.items() if n >= 2)}
    kinds = {t: i for i, t in enumerate(dict.fromkeys(t for s in first for _, t in s))}

    def encode(data):
        return [(torch.tensor([words.get(w, len(words)) for w, _ in s]),
                 torch.tensor([kinds.get(t, -1) for _, t in s])) for s in data]

    training, testing = encode(first), encode(second)
    report("tags, test accuracy", lambda seed: train_and_test(
        lambda: Net(torch.nn.Embedding(len(words) + 1, 64), 64, 64, len(kinds), True, "steps"), training,
        testing, 16, 8, 8, 0.005, seed))


class Writer(torch.nn.Module):
    """A language becomes the h and c in which an LSTM begins."""

    def __init__(self, languages, letters):
        super().__init__()
        self.languages = languages
        self.start = torch.nn.Linear(languages, 256)
        self.embedding = torch.nn.Embedding(letters, 32)
        self.rnn = torch.nn.LSTM(32, 128, batch_first=True)
        self.fc = torch.nn.Linear(128, letters)

    def forward(self, language, x):
        start = self.start(torch.nn.functional.one_hot(language, self.languages).float())
        h, c = start.split(128, 1)
        y, _ = self.rnn(self.embedding(x), (h[None].contiguous(), c[None].contiguous()))
        return self.fc(y)


def inventions(*paths):
    data, letters = read_names(paths)

    def encode(held):
        return [(torch.tensor([letters[c] for c in "\n" + name + "\n"]), language)
                for name, language in data if held_out(name) == held]

    training, testing = encode(False), encode(True)
    lengths = [len(x) - 1 for x, _ in training]

    def loss_of(net, data, chosen):
        x = torch.nn.utils.rnn.pad_sequence([data[i][0] for i in chosen], batch_first=True, padding_value=-1)
        logits = net(torch.tensor([data[i][1] for i in chosen]), x[:, :-1].clamp(min=0))
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), x[:, 1:].flatten(), ignore_index=-1,
                                                 reduction="sum"), (x[:, 1:] >= 0).sum()

    def run(seed):
        torch.manual_seed(seed)
        net = Writer(len(paths), len(letters))
        optimizer = torch.optim.Adam(net.parameters(), 0.003)
        for epoch in range(8):
            for chosen in windows(lengths, 32, seed, epoch, 16):
                optimizer.zero_grad()
                total, count = loss_of(net, training, chosen)
                (total / count).backward()
                torch.nn.utils.clip_grad_norm_(net.parameters(), 5)
                optimizer.step()
        with torch.no_grad():
            parts = [loss_of(net, testing, range(at, min(at + 64, len(testing))))
                     for at in range(0, len(testing), 64)]
        return float(sum(t for t, _ in parts) / sum(n for _, n in parts))

    report("inventions, held-out nats per character", run)


{"names": names, "inventions": inventions, "vectors": vectors, "tags": tags}[sys.argv[1]](*sys.argv[2:])
