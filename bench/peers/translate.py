"""examples/translate.c in PyTorch: the same nets, data, split, order of the data, beam search and
measures; only the initial weights differ.

    translate.py [-a] [-w] [-s SEED] [-p PASSES] [-k K] [-t TESTS] FILE
"""
import argparse
import collections
import math
import sys
import time

import torch

from order import held_out_hash, windows

parser = argparse.ArgumentParser()
parser.add_argument("-a", action="store_true")
parser.add_argument("-w", action="store_true")
for letter, default in [("s", 1), ("p", 8), ("k", 1), ("t", 1 << 30)]:
    parser.add_argument(f"-{letter}", type=int, default=default)
parser.add_argument("file")
options = parser.parse_args()
torch.manual_seed(options.s)
torch.set_num_threads(1)
END, UNKNOWN, BEAM, LONGEST = "</s>", "<unk>", 5, 60
SPACE = b" \t\n\v\f\r"


def keep(raw):
    raw = raw.replace(b"\xc2\xa0", b" ").replace(b"\xe2\x80\xaf", b" ")
    if options.w:
        raw = b"".join(b" " + bytes([c]) + b" " if c in b".,!?;:\"" else bytes([c]) for c in raw)
        raw = bytes(c + 32 if 65 <= c <= 90 else c for c in raw)
    for c in SPACE:
        raw = raw.replace(bytes([c]), b" ")
    return b" ".join(part for part in raw.split(b" ") if part)


def read_pairs(path):
    for line in open(path, "rb"):
        line = line.rstrip(b"\r\n")
        if b"\t" in line:
            source, target = line.split(b"\t")[:2]
        else:
            source, _, target = line.partition(b" ")
            source = source.split(b"(")[0] or source
        target = target.split(b"#")[0]
        if not source or not target:
            continue
        source, target = keep(source), keep(target)
        code = held_out_hash(source)
        if code // 16 % options.k == 0 and len(source) < LONGEST and target and target.count(b" ") + 1 < LONGEST:
            yield source.decode(), target.decode().split(" "), code % 10 == 0


pairs = list(read_pairs(options.file))
split = (lambda s: s.split(" ")) if options.w else list


def vocabulary(lists):
    least = 2 if options.w else 1
    counts = collections.Counter(x for parts in lists for x in parts)
    kept = [x for x, n in counts.items() if n >= least]
    return {x: i for i, x in enumerate(kept + [UNKNOWN])}


sources = vocabulary(split(s) for s, _, held in pairs if not held)
targets = vocabulary(t + [END] for _, t, held in pairs if not held)
names = list(targets)
end, unknown = targets[END], targets[UNKNOWN]


def encode_source(s):
    return torch.tensor([sources.get(x, sources[UNKNOWN]) for x in split(s)])


def encode_target(t):
    return [targets.get(x, unknown) for x in t]


class Net(torch.nn.Module):
    def __init__(self, size=128):
        super().__init__()
        self.read = torch.nn.Embedding(len(sources), 64)
        self.write = torch.nn.Embedding(len(targets), 64)
        self.encoder = torch.nn.LSTM(64, size, batch_first=True)
        self.decoder = torch.nn.LSTM(64, size, batch_first=True)
        self.head = torch.nn.Linear(2 * size if options.a else size, len(targets))

    def encode(self, x, lengths):
        packed = torch.nn.utils.rnn.pack_padded_sequence(self.read(x), lengths, batch_first=True,
                                                         enforce_sorted=False)
        y, state = self.encoder(packed)
        return torch.nn.utils.rnn.pad_packed_sequence(y, batch_first=True)[0], state

    def decode(self, x, e, mask, state):
        h, state = self.decoder(self.write(x), state)
        if options.a:
            weights = torch.softmax((h @ e.transpose(1, 2)).masked_fill(~mask[:, None], -math.inf), -1)
            h = torch.cat([h, weights @ e], -1)
        return self.head(h), state


def pad(lists, value=0):
    return torch.nn.utils.rnn.pad_sequence([torch.as_tensor(x) for x in lists], batch_first=True,
                                           padding_value=value)


net = Net()
optimizer = torch.optim.Adam(net.parameters(), 0.004)
training = [(encode_source(s), encode_target(t)) for s, t, held in pairs if not held]
lengths = [len(t) + 1 for _, t in training]
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.p * -(-len(lengths) // 64))
print(f"{len(pairs)} pairs; {len(sources)} source and {len(targets)} target tokens", flush=True)
begin = time.time()
for epoch in range(options.p):
    total = count = 0
    for chosen in windows(lengths, 64, options.s, epoch, 32):
        x = pad([training[i][0] for i in chosen])
        n = torch.tensor([len(training[i][0]) for i in chosen])
        y = pad([training[i][1] + [end] for i in chosen], -1)
        given = pad([[end] + training[i][1] for i in chosen])
        optimizer.zero_grad()
        e, state = net.encode(x, n)
        logits, _ = net.decode(given, e, torch.arange(x.shape[1])[None] < n[:, None], state)
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten(), ignore_index=-1)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5)
        optimizer.step()
        schedule.step()
        tokens = (y >= 0).sum().item()
        total, count = total + loss.item() * tokens, count + tokens
    print(f"pass {epoch + 1}: {total / count:.4f} nats per target token", flush=True)
print(f"training took {time.time() - begin:.1f} s", file=sys.stderr)


def search(source):
    """Beam search as LRNN_STOP_HEURISTIC with scores by mean does it."""
    x = encode_source(source)[None]
    e, (h, c) = net.encode(x, torch.tensor([x.shape[1]]))
    mask = torch.ones(1, x.shape[1], dtype=torch.bool)
    live, finished = [([], 0.0)], []
    last = torch.tensor([[end]])
    for n in range(1, 41):
        logits, (h, c) = net.decode(last, e.expand(len(live), -1, -1), mask.expand(len(live), -1), (h, c))
        scores = torch.log_softmax(logits[:, -1], -1)
        scores[:, unknown] = -math.inf
        sums = (scores + torch.tensor([s for _, s in live])[:, None]).flatten()
        best, at = sums.topk(min(2 * BEAM, sums.numel()))
        live_next, parents = [], []
        for value, place in zip(best.tolist(), at.tolist()):
            row, token = divmod(place, len(targets))
            if token == end:
                finished.append((value / n, live[row][0]))
            elif len(live_next) < BEAM and value > -math.inf:
                live_next.append((live[row][0] + [token], value))
                parents.append(row)
            if len(live_next) == BEAM:
                break
        finished = sorted(finished, key=lambda f: -f[0])[:BEAM]
        live = live_next
        if len(finished) == BEAM and live[0][1] / n <= finished[-1][0]:
            break
        h, c = h[:, parents], c[:, parents]
        last = torch.tensor([[t[-1]] for t, _ in live])
    return finished[0][1] if finished else live[0][0]


def distance(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        corner, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            corner, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, corner + (x != y))
    return row[-1]


def grams(tokens, n):
    return collections.Counter(tuple(tokens[i:i + n]) for i in range(len(tokens) - n + 1))


tested = wrong = errors = tokens = found_length = reference_length = 0
matches, guesses = [0] * 4, [0] * 4
at = 0
with torch.no_grad():
    while at < len(pairs) and tested < options.t:
        source, _, held = pairs[at]
        references = []
        while at < len(pairs) and pairs[at][0] == source:
            references.append(encode_target(pairs[at][1]))
            at += 1
        if not held:
            continue
        tested += 1
        references = references[:16]
        found = search(source)
        least, length = min(((distance(found, r), len(r)) for r in references), key=lambda d: d[0])
        wrong, errors, tokens = wrong + (least > 0), errors + least, tokens + length
        for n in range(1, 5):
            most = collections.Counter()
            for r in references:
                most |= grams(r, n)
            matches[n - 1] += (grams(found, n) & most).total()
            guesses[n - 1] += max(0, len(found) - n + 1)
        found_length += len(found)
        reference_length += min((abs(len(r) - len(found)), len(r)) for r in references)[1]
bleu = 0.0
if min(matches) > 0:
    bleu = 100 * math.exp(sum(math.log(m / g) for m, g in zip(matches, guesses)) / 4 +
                          min(0, 1 - reference_length / found_length))
print(f"{tested} held-out sources: {100 * wrong / tested:.2f} % wrong, {100 * errors / tokens:.2f} % of the "
      f"tokens; BLEU {bleu:.2f}")
