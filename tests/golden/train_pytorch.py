"""Writes tests/golden/train_*.safetensors: what PyTorch gives for nets, losses, rules and whole runs.

    pip install torch numpy safetensors
    python tests/golden/train_pytorch.py

Inputs and initial parameters are not in the files: both sides make them with the same formula, number() below, whose
values float32 holds exactly. PyTorch computes in float64, the runs of 50 steps in float32 too, as its users do; all
is stored as float32.
"""

import itertools
import pathlib

import numpy
import torch
from safetensors.numpy import save_file

folder = pathlib.Path(__file__).parent
B, T, V, E, F, H, O, P = 3, 5, 7, 4, 2, 4, 6, 3
WIDE, WIDE_P = 17, 9  # more than a vector of any kernel, and no multiple of one
LENGTHS = [3, 5, 2]
CELLS = ["rnn_tanh", "rnn_relu", "lstm", "gru"]
HEADS = ["none", "steps", "last", "final"]
INPUTS = ["embedding", "one-hot", "features", "both", "tied",  # tied: the embedding is the head's matrix too
          "adaptive"]  # an embedding, and an adaptive softmax as the head
CUTOFFS, DIV = [2, 4], 2.0


def number(seed, *shape):
    """Numbers in -0.5..0.5 of 24 bits, by place and seed alone."""
    x = numpy.arange(int(numpy.prod(shape)), dtype=numpy.uint64) + numpy.uint64(seed * 1000003 + 1)
    x = (x * numpy.uint64(2654435761)) & numpy.uint64(0xFFFFFFFF)
    x ^= x >> numpy.uint64(15)
    x = (x * numpy.uint64(2246822519)) & numpy.uint64(0xFFFFFFFF)
    x ^= x >> numpy.uint64(13)
    return torch.tensor((x >> numpy.uint64(8)).astype(numpy.float64) / 2**24 - 0.5, dtype=torch.float64).reshape(shape)


def whole(seed, below, *shape):
    return ((number(seed, *shape) + 0.5) * below).floor().long()


def store(path, tensors, **integers):
    tensors = {k: numpy.ascontiguousarray(numpy.atleast_1d(v.detach().numpy().astype(numpy.float32)))
               for k, v in tensors.items()}
    for k, v in integers.items():
        tensors[k] = numpy.array(v, dtype=numpy.int64)
    save_file(tensors, folder / path)


def fill(modules, seed=1):
    """Parameters in the order of the modules, each from the same one stream; returns them."""
    parameters = list({id(p): p for m in modules for p in m.parameters()}.values())
    flat, at = number(seed, sum(p.numel() for p in parameters)), 0
    for p in parameters:
        p.data = flat[at:at + p.numel()].reshape(p.shape).to(p.dtype).clone()
        at += p.numel()
    return parameters


# ---- one window through every kind of net ----

def recurrent(cell, size, layers, bidirectional, bias, projection, hidden):
    kind = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}.get(cell, torch.nn.RNN)
    more = {"nonlinearity": cell[4:]} if kind is torch.nn.RNN else {}
    if projection:
        more["proj_size"] = projection
    return kind(size, hidden, layers, bias=bool(bias), bidirectional=bool(bidirectional), batch_first=True,
                dtype=torch.float64, **more)


def window(cell, layers, bidirectional, bias, uneven, head, inputs, projection, hidden):
    D, R = 2 if bidirectional else 1, projection or hidden
    tied, adaptive = inputs == "tied", inputs == "adaptive"
    outputs, columns = (V, D * R) if tied else (O, E)
    modules, parts = [], []
    tokens, features = whole(2, V, B, T), number(3, B, T, F).requires_grad_()
    if inputs in ("embedding", "both", "tied", "adaptive"):
        modules.append(torch.nn.Embedding(V, columns, dtype=torch.float64))
        parts.append(lambda: modules[0](tokens))
    if inputs == "one-hot":
        parts.append(lambda: torch.nn.functional.one_hot(tokens, V).double())
    if inputs in ("features", "both"):
        parts.append(lambda: features)
    size = {"embedding": E, "one-hot": V, "features": F, "both": E + F, "tied": columns, "adaptive": E}[inputs]
    net = recurrent(cell, size, layers, bidirectional, bias, projection, hidden)
    modules.append(net)
    if adaptive:
        modules.append(torch.nn.AdaptiveLogSoftmaxWithLoss(D * R, O, CUTOFFS, DIV, head_bias=bool(bias),
                                                           dtype=torch.float64))
    elif head != "none":
        modules.append(torch.nn.Linear(D * R, outputs, dtype=torch.float64))
    if tied:
        modules[-1].weight = modules[0].weight
    parameters = fill(modules)
    h = number(4, layers * D, B, R).requires_grad_()
    c = number(5, layers * D, B, hidden).requires_grad_()
    lengths = torch.tensor(LENGTHS if uneven else [T] * B)
    x = torch.cat([part() for part in parts], dim=2)
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    y, final = net(packed, (h, c) if cell == "lstm" else h)
    y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, batch_first=True, total_length=T)
    final_h, final_c = final if cell == "lstm" else (final, None)
    active = torch.arange(T)[None, :] < lengths[:, None]
    if head == "last":
        y = y[torch.arange(B), lengths - 1]
    elif head == "final":
        y = torch.cat([final_h[-2], final_h[-1]], 1) if bidirectional else final_h[-1]
    if adaptive:
        y = modules[-1].log_prob(y.reshape(-1, D * R)).reshape(*y.shape[:-1], O)
    elif head != "none":
        y = modules[-1](y)
    if head == "steps":
        y = y * active[:, :, None]
    loss = torch.zeros((), dtype=torch.float64)
    if head != "none":
        target = whole(6, outputs + 1, *y.shape[:-1]) - 1  # -1: ignored
        if head == "steps":
            target = torch.where(active, target, -1)
        target.view(-1)[0] = 1
        loss = (torch.nn.functional.nll_loss if adaptive else torch.nn.functional.cross_entropy)(
            y.reshape(-1, outputs), target.reshape(-1), ignore_index=-1)
    all_of_it = loss + (y * number(7, *y.shape) * (active[:, :, None] if y.dim() == 3 else 1)).sum()
    all_of_it = all_of_it + (final_h * number(8, *final_h.shape)).sum()
    if final_c is not None:
        all_of_it = all_of_it + (final_c * number(9, *final_c.shape)).sum()
    all_of_it.backward()
    found = {"outputs": y, "final_h": final_h, "gradients": torch.cat([p.grad.reshape(-1) for p in parameters]),
             "initial_h": h.grad, "loss": loss}
    if final_c is not None:
        found |= {"final_c": final_c, "initial_c": c.grad}
    if inputs in ("features", "both"):
        found["features"] = features.grad
    return found


def collect(path, settings):
    tensors, rows = {}, []
    for cell, layers, bidirectional, bias, uneven, head, inputs, projection, hidden in settings:
        found = window(cell, layers, bidirectional, bias, uneven, head, inputs, projection, hidden)
        for name, value in found.items():
            tensors[f"{len(rows)}.{name}"] = value
        rows.append([CELLS.index(cell), layers, bidirectional, bias, uneven, HEADS.index(head), INPUTS.index(inputs),
                     projection, hidden])
    store(path, tensors, settings=rows)


def grid(cells, projections):
    for cell, bidirectional in itertools.product(cells, (0, 1)):
        axes = itertools.product((1, 2, 3), (1, 0), (0, 1), projections, HEADS)
        for turn, (layers, bias, uneven, projection, head) in enumerate(axes):
            inputs = INPUTS[(turn + turn // 4 + bidirectional) % 4]
            yield cell, layers, bidirectional, bias, uneven, head, inputs, projection, H


def tied():
    for cell, bidirectional, layers, head in itertools.product(CELLS, (0, 1), (1, 2), ("steps", "last", "final")):
        yield cell, layers, bidirectional, 1, 1, head, "tied", 0, H
    for bidirectional in (0, 1):
        yield "lstm", 2, bidirectional, 1, 1, "steps", "tied", P, H
        yield "lstm", 2, bidirectional, 1, 1, "steps", "tied", 0, WIDE


def adaptive():
    for cell, bidirectional, head, bias in itertools.product(CELLS, (0, 1), ("steps", "last", "final"), (0, 1)):
        yield cell, 1, bidirectional, bias, 1, head, "adaptive", 0, H
    for bidirectional in (0, 1):
        yield "lstm", 2, bidirectional, 1, 0, "steps", "adaptive", WIDE_P, WIDE
        yield "lstm", 2, bidirectional, 1, 1, "steps", "adaptive", 0, WIDE


def wide():
    for cell, bidirectional in itertools.product(CELLS, (0, 1)):
        yield cell, 2, bidirectional, 1, 1, "steps", "embedding", 0, WIDE
    for bidirectional in (0, 1):
        yield "lstm", 2, bidirectional, 1, 1, "steps", "embedding", WIDE_P, WIDE


# ---- optimizers, schedules, clipping, losses ----

def optimizers():
    o = torch.optim
    kinds = [  # kind, learning rate, weight decay, momentum, dampening, nesterov, and how PyTorch makes it
        (0, 0.1, 0, 0, 0, 0, lambda p: o.SGD(p, 0.1)),
        (0, 0.1, 0.05, 0.9, 0, 0, lambda p: o.SGD(p, 0.1, momentum=0.9, weight_decay=0.05)),
        (0, 0.1, 0, 0.9, 0.3, 0, lambda p: o.SGD(p, 0.1, momentum=0.9, dampening=0.3)),
        (0, 0.1, 0.05, 0.8, 0, 1, lambda p: o.SGD(p, 0.1, momentum=0.8, nesterov=True, weight_decay=0.05)),
        (1, 0.01, 0, 0, 0, 0, lambda p: o.RMSprop(p, 0.01)),
        (1, 0.01, 0.1, 0.9, 0, 0, lambda p: o.RMSprop(p, 0.01, momentum=0.9, weight_decay=0.1)),
        (2, 0.1, 0, 0, 0, 0, lambda p: o.Adagrad(p, 0.1, eps=1e-8)),
        (2, 0.1, 0.1, 0, 0, 0, lambda p: o.Adagrad(p, 0.1, eps=1e-8, weight_decay=0.1)),
        (3, 0.01, 0, 0, 0, 0, lambda p: o.Adam(p, 0.01)),
        (3, 0.01, 0.1, 0, 0, 0, lambda p: o.Adam(p, 0.01, weight_decay=0.1)),
        (4, 0.01, 0.1, 0, 0, 0, lambda p: o.AdamW(p, 0.01, weight_decay=0.1)),
    ]
    tensors = {}
    for i, (*_, make) in enumerate(kinds):
        p = number(20, 37).requires_grad_()
        optimizer, steps = make([p]), []
        for step in range(10):
            p.grad = number(30 + step, 37) * 4
            optimizer.step()
            steps.append(p.detach().clone())
        tensors[f"optimizer.{i}"] = torch.stack(steps)
    tensors["optimizers"] = torch.tensor([k[:6] for k in kinds], dtype=torch.float64)
    return tensors


def schedules():
    s = torch.optim.lr_scheduler
    tensors = {}
    makers = [lambda o: s.StepLR(o, 7, gamma=0.5), lambda o: s.ExponentialLR(o, 0.9),
              lambda o: s.CosineAnnealingLR(o, 29, eta_min=0.01),
              lambda o: s.ReduceLROnPlateau(o, factor=0.5, patience=2, threshold=1e-2, min_lr=0.02),
              lambda o: s.MultiStepLR(o, [3, 4, 17], gamma=0.5),
              lambda o: s.SequentialLR(o, [s.ConstantLR(o, 1.0), s.StepLR(o, 7, gamma=0.5)], [5])]
    metrics = (number(40, 30) + 2) * torch.linspace(1, 0.8, 30, dtype=torch.float64)
    for i, make in enumerate(makers):
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.4)
        schedule, rates = make(optimizer), []
        for n in range(30):
            rates.append(schedule.get_last_lr()[0])
            optimizer.step()
            schedule.step(*([metrics[n].item()] if i == 3 else []))
        tensors[f"schedule.{i}"] = torch.tensor(rates, dtype=torch.float64)
    tensors["metrics"] = metrics
    return tensors


def clipping():
    tensors = {}
    for i, (by, limit) in enumerate([("norm", 0.5), ("norm", 100.0), ("value", 0.2)]):
        parts = [torch.nn.Parameter(torch.zeros(n, dtype=torch.float64)) for n in (11, 5)]
        parts[0].grad, parts[1].grad = number(50, 11), number(51, 5)
        if by == "norm":
            tensors[f"clip.{i}.norm"] = torch.nn.utils.clip_grad_norm_(parts, limit)
        else:
            torch.nn.utils.clip_grad_value_(parts, limit)
        tensors[f"clip.{i}"] = torch.cat([p.grad for p in parts])
    return tensors


def losses():
    """Of logits [B,T,O]: loss sum, weight, and the gradient of the mean with respect to the logits."""
    tensors = {}
    kinds = [("entropy", 0, 0), ("entropy", 0, 1), ("entropy", 0.1, 0), ("entropy", 0.1, 1), ("square", 0, 0),
             ("square", 0, 1)]
    for i, (kind, smoothing, weighted) in enumerate(kinds):
        logits = (number(3, B, T, O) * 8).requires_grad_()
        weights = number(60, B, T) + 0.5 if weighted else torch.ones(B, T, dtype=torch.float64)
        if kind == "entropy":
            target = whole(6, O + 1, B, T) - 1
            each = torch.nn.functional.cross_entropy(logits.reshape(-1, O), target.reshape(-1), ignore_index=-1,
                                                     label_smoothing=smoothing, reduction="none").reshape(B, T)
            weights = weights * (target >= 0)
        else:
            each = torch.nn.MSELoss(reduction="none")(logits, number(61, B, T, O)).mean(2)
        total = (each * weights).sum()
        (total / weights.sum()).backward()
        tensors[f"loss.{i}"] = torch.stack([total, weights.sum()])
        tensors[f"loss.{i}.logits"] = logits.grad
        tensors[f"loss.{i}.options"] = torch.tensor([kind == "square", smoothing, weighted], dtype=torch.float64)
    return tensors


# ---- whole runs: 50 steps, state carried, Adam, and a clip norm that some of the gradients exceed ----

class SequentialModule(torch.nn.Module):
    """Embedding, LSTM, a linear layer at every step; the state goes from window to window."""

    def __init__(self, vocab, embedding, hidden, layers, cell="lstm"):
        super().__init__()
        self.embedding = torch.nn.Embedding(vocab, embedding)
        kind = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn_tanh": torch.nn.RNN}[cell]
        self.lstm = kind(embedding, hidden, layers, batch_first=True)
        self.dense = torch.nn.Linear(hidden, vocab)

    def forward(self, x, state=None):
        y, state = self.lstm(self.embedding(x), state)
        return self.dense(y), state


def curve(cell, layers, dtype):
    vocab, embedding, hidden, batch, steps = 29, 12, 16, 4, 8
    net = SequentialModule(vocab, embedding, hidden, layers, cell).to(dtype)
    fill([net.embedding, net.lstm, net.dense])
    with torch.no_grad():
        for p in net.lstm.parameters():
            p /= 2
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    stream = whole(70, 6, batch * steps * 50 + 1).cumsum(0) % vocab  # walks on by 0..5
    state, found = None, []
    for n in range(50):
        # Row b walks along piece b of the stream.
        at = torch.arange(batch)[:, None] * steps * 50 + n * steps + torch.arange(steps)[None, :]
        optimizer.zero_grad()
        logits, state = net(stream[at], state)
        state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
        target = stream[(at + 1) % (batch * steps * 50)]
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, vocab), target.reshape(-1))
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(net.parameters(), 0.5)
        optimizer.step()
        found.append([loss.item(), norm.item()])
    return torch.tensor(found)


# ---- recipes: those of docs/training.md in a small net, with wider ranges and higher rates so that it learns, an epoch
# being so many steps ----

def recipe(name, dtype):
    vocab, hidden, batch, steps, words = 29, 16, 4, 8, name != "characters"
    embedding = torch.nn.Embedding(vocab, hidden).to(dtype)
    lstm = torch.nn.LSTM(hidden if words else vocab, hidden, 2, batch_first=True).to(dtype)
    head = torch.nn.Linear(hidden, vocab).to(dtype)
    if name == "tied":
        head.weight = embedding.weight
    if name == "adaptive":
        head = torch.nn.AdaptiveLogSoftmaxWithLoss(hidden, vocab, [5, 14], 2.0, head_bias=True).to(dtype)
    parameters = fill(([embedding] if words else []) + [lstm, head])
    bound = 0.25
    with torch.no_grad():
        for p in parameters:
            p *= 2 * bound
    if name == "words":
        optimizer, rate, delay, period, factor = torch.optim.SGD(parameters, lr=2), 2, 20, 10, 0.5
    elif name == "characters":
        optimizer, rate = torch.optim.RMSprop(parameters, lr=0.02, alpha=0.95), 0.02
        delay, period, factor = 20, 5, 0.95
    else:
        optimizer, rate, delay, period, factor = torch.optim.Adam(parameters, lr=0.03), 0.03, 0, 1, 1
    stream = whole(70, 6, batch * steps * 50 + 1).cumsum(0) % vocab
    state, found = None, []
    for n in range(50):
        at = torch.arange(batch)[:, None] * steps * 50 + n * steps + torch.arange(steps)[None, :]
        optimizer.param_groups[0]["lr"] = rate * factor ** (max(0, n - delay) // period)
        optimizer.zero_grad()
        x = embedding(stream[at]) if words else torch.nn.functional.one_hot(stream[at], vocab).to(dtype)
        y, state = lstm(x, state)
        state = tuple(s.detach() for s in state)
        target = stream[(at + 1) % (batch * steps * 50)]
        if name == "adaptive":
            total = -head(y.reshape(-1, hidden), target.reshape(-1)).output.sum()
        else:
            total = torch.nn.functional.cross_entropy(head(y).reshape(-1, vocab), target.reshape(-1), reduction="sum")
        (total / (batch if name == "words" else batch * steps)).backward()
        if name == "words":
            torch.nn.utils.clip_grad_norm_(parameters, 1)
        elif name == "characters":
            torch.nn.utils.clip_grad_value_(parameters, 0.01)
        optimizer.step()
        found.append(total.item() / (batch * steps))
    return torch.tensor(found)


def recipes():
    return {f"{name}{suffix}": recipe(name, dtype) for name in ("characters", "words", "tied", "adaptive")
            for suffix, dtype in [("", torch.float32), (".double", torch.float64)]}


# ---- the nets of the notebook that read only the last step ----

class RNNModel(torch.nn.Module):
    def __init__(self, input_size, hidden_size, num_layers, num_classes, dropout):
        super().__init__()
        self.rnn = torch.nn.RNN(input_size, hidden_size, num_layers, batch_first=True, dropout=dropout)
        self.fc = torch.nn.Linear(hidden_size, num_classes)

    def forward(self, x):
        out, _ = self.rnn(x)
        return self.fc(out[:, -1, :])


class LSTMModel(torch.nn.Module):
    def __init__(self, input_size, hidden_size, num_layers, num_classes, dropout):
        super().__init__()
        self.lstm = torch.nn.LSTM(input_size, hidden_size, num_layers, batch_first=True, dropout=dropout)
        self.fc = torch.nn.Linear(hidden_size, num_classes)

    def forward(self, x):
        out, _ = self.lstm(x)
        return self.fc(out[:, -1, :])


def like_eval(net, run):
    """What run() gives in eval mode, where dropout does nothing; the same in train mode with a dropout of 0."""
    found = []
    for training in (False, True):
        net.train(training).zero_grad()
        for module in net.children():
            if isinstance(module, torch.nn.RNNBase) and training:
                module.dropout = 0.0
        found.append(run() | {"gradients": torch.cat([p.grad.reshape(-1) for p in fill_order(net)])})
    assert all(torch.equal(found[0][k], found[1][k]) for k in found[0])
    return found[0]


def fill_order(net):
    return [p for module in net.children() for p in module.parameters()]


def last_step(kind):
    net = kind(F, H, 2, O, 0.5).double()
    fill(list(net.children()))

    def run():
        y = net(number(3, B, T, F))
        loss = torch.nn.functional.cross_entropy(y, whole(6, O, B))
        loss.backward()
        return {"outputs": y, "loss": loss}

    return like_eval(net, run)


def sequential():
    """Two windows; the second starts where the first ended, and the gradient stops there."""
    net = SequentialModule(V, E, H, 2).double()
    net.lstm.dropout = 0.5
    fill(list(net.children()))

    def run():
        found, state = {}, None
        for i in range(2):
            y, state = net(whole(80 + i, V, B, T), state)
            state = tuple(s.detach() for s in state)
            loss = torch.nn.functional.cross_entropy(y.reshape(-1, V), whole(82 + i, V, B, T).reshape(-1))
            loss.backward()
            found |= {f"outputs.{i}": y, f"loss.{i}": loss, f"final_h.{i}": state[0], f"final_c.{i}": state[1]}
        return found

    return like_eval(net, run)


def notebook():
    nets = {"RNNModel": last_step(RNNModel), "LSTMModel": last_step(LSTMModel), "SequentialModule": sequential()}
    return {f"{net}.{name}": value for net, found in nets.items() for name, value in found.items()}


def curves():
    return {f"curve.{cell}.{layers}{name}": curve(cell, layers, dtype)
            for cell, layers in [("lstm", 1), ("lstm", 2), ("gru", 1), ("rnn_tanh", 1)]
            for name, dtype in [("", torch.float32), (".double", torch.float64)]}


if __name__ == "__main__":
    collect("train_grid.safetensors", grid(CELLS, [0]))
    collect("train_projection.safetensors", grid(["lstm"], [P]))
    collect("train_wide.safetensors", wide())
    collect("train_tied.safetensors", tied())
    collect("train_adaptive.safetensors", adaptive())
    store("train_rules.safetensors", optimizers() | schedules() | clipping() | losses())
    store("train_runs.safetensors", notebook() | curves())
    store("train_recipes.safetensors", recipes())
