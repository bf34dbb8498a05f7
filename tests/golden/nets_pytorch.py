"""Writes tests/golden/nets_*.safetensors: what PyTorch gives for what language models add to the nets and losses of
train_pytorch.py, whose formula for inputs and parameters is used here too.

    pip install torch numpy safetensors
    python tests/golden/nets_pytorch.py
"""

import torch
from train_pytorch import fill, number, store, whole

torch.set_num_threads(1)  # the nets are small
VOCAB, HIDDEN, BATCH, STEPS, WINDOWS = 29, 16, 4, 8, 50
STREAM = whole(70, 6, BATCH * STEPS * WINDOWS + 1).cumsum(0) % VOCAB  # walks on by 0..5
BOUND = 0.25


def windows():
    for n in range(WINDOWS):
        at = torch.arange(BATCH)[:, None] * STEPS * WINDOWS + n * STEPS + torch.arange(STEPS)[None, :]
        yield STREAM[at], STREAM[(at + 1) % (BATCH * STEPS * WINDOWS)]


# ---- AR and TAR: activation_l2, temporal_l2 ----

def regularized(dtype, sizes=None):
    """Losses of 50 steps, the values of the terms, and the gradients of the first step. With sizes of layers, these
    are modules of one layer, and head and embedding have one matrix."""
    embedding = torch.nn.Embedding(VOCAB, HIDDEN).to(dtype)
    layers = [torch.nn.LSTM(HIDDEN, HIDDEN, 2, batch_first=True).to(dtype)] if sizes is None else [
        torch.nn.LSTM(inputs, size, batch_first=True).to(dtype) for inputs, size in zip([HIDDEN] + sizes, sizes)]
    head = torch.nn.Linear(HIDDEN, VOCAB).to(dtype)
    if sizes is not None:
        head.weight = embedding.weight
    parameters = fill([embedding, *layers, head])
    with torch.no_grad():
        for p in parameters:
            p *= 2 * BOUND
    optimizer = torch.optim.Adam(parameters, lr=0.03)
    states, losses, terms, first = [None] * len(layers), [], [], None
    for x, target in windows():
        optimizer.zero_grad()
        y = embedding(x)
        for i, layer in enumerate(layers):
            y, state = layer(y, states[i])
            states[i] = tuple(s.detach() for s in state)
        loss = torch.nn.functional.cross_entropy(head(y).reshape(-1, VOCAB), target.reshape(-1))
        term = 2 * y.pow(2).mean() + 3 * (y[:, 1:] - y[:, :-1]).pow(2).mean()
        (loss + term).backward()
        if first is None:
            first = torch.cat([p.grad.reshape(-1) for p in parameters])
        optimizer.step()
        losses.append(loss.item())
        terms.append(term.item())
    return {"losses": torch.tensor(losses), "terms": torch.tensor(terms), "gradients": first}


# ---- averaged SGD ----

def averaged(dtype):
    """Losses of 50 steps of ASGD whose averages begin with step 20, counted from 0, and the last averages."""
    embedding = torch.nn.Embedding(VOCAB, HIDDEN).to(dtype)
    lstm = torch.nn.LSTM(HIDDEN, HIDDEN, 2, batch_first=True).to(dtype)
    head = torch.nn.Linear(HIDDEN, VOCAB).to(dtype)
    parameters = fill([embedding, lstm, head])
    with torch.no_grad():
        for p in parameters:
            p *= 2 * BOUND
    optimizer = torch.optim.ASGD(parameters, lr=1, lambd=0, t0=19, weight_decay=1e-3)
    state, losses = None, []
    for x, target in windows():
        optimizer.zero_grad()
        y, state = lstm(embedding(x), state)
        state = tuple(s.detach() for s in state)
        loss = torch.nn.functional.cross_entropy(head(y).reshape(-1, VOCAB), target.reshape(-1))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    average = torch.cat([optimizer.state[p]["ax"].reshape(-1) for p in parameters])
    return {"losses": torch.tensor(losses), "parameters": torch.cat([p.reshape(-1) for p in parameters]),
            "average": average}


def awd():
    return {f"{name}.{what}{suffix}": value
            for name, make in [("regularized", regularized), ("averaged", averaged),
                               ("sizes", lambda dtype: regularized(dtype, [40, 23, HIDDEN]))]
            for suffix, dtype in [("", torch.float32), (".double", torch.float64)]
            for what, value in make(dtype).items() if (name, what, suffix) != ("sizes", "gradients", "")}


# ---- nets with more around their recurrent layers, and an output activation ----

B, T, V, E, F, H, O, P = 3, 5, 7, 4, 2, 4, 6, 3
LENGTHS = [3, 5, 2]
CELLS = ["rnn_tanh", "rnn_relu", "lstm", "gru"]
HEADS = ["none", "steps", "last", "final"]
INPUTS = ["embedding", "one-hot", "features", "both"]
ACTIVATIONS = ["none", "sigmoid", "tanh", "softmax", "log-softmax", "relu"]
LOSSES = ["none", "cross-entropy", "squared", "absolute", "huber", "smooth", "binary"]
FIELDS = ["cell", "layers", "bidirectional", "head", "inputs", "projection", "layer_norm", "residual", "input_layer",
          "input_activation", "head_layer", "head_activation", "learned_state", "activation", "loss", "uneven"]


def activate(name, z):
    return {"none": lambda z: z, "sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu,
            "softmax": lambda z: torch.softmax(z, -1), "log-softmax": lambda z: torch.log_softmax(z, -1)}[name](z)


class Net(torch.nn.Module):
    """The parameters in the order of liblrnn's flat array."""

    def __init__(self, s, dtype):
        super().__init__()
        self.s, self.D = s, 2 if s["bidirectional"] else 1
        self.H = [int(digit) for digit in str(s["sizes"])] if s["sizes"] else [H] * s["layers"]
        self.R = [s["projection"] or size for size in self.H]
        size = {"embedding": E, "one-hot": V, "features": F, "both": E + F}[s["inputs"]]
        if s["inputs"] in ("embedding", "both"):
            self.embedding = torch.nn.Embedding(V, E)
        if s["input_layer"]:
            self.input = torch.nn.Linear(size, s["input_layer"])
            size = s["input_layer"]
        self.norm, self.rnn, self.states = torch.nn.ModuleList(), torch.nn.ModuleList(), torch.nn.ParameterList()
        self.order = [m for m in (getattr(self, "embedding", None), getattr(self, "input", None)) if m is not None]
        for layer in range(s["layers"]):
            kind = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}.get(s["cell"], torch.nn.RNN)
            more = {"nonlinearity": s["cell"][4:]} if kind is torch.nn.RNN else {}
            more |= {"proj_size": s["projection"]} if s["projection"] else {}
            if s["layer_norm"]:
                self.norm.append(torch.nn.LayerNorm(size))
                self.order.append(self.norm[-1])
            self.rnn.append(kind(size, self.H[layer], batch_first=True, bidirectional=bool(s["bidirectional"]), **more))
            self.order.append(self.rnn[-1])
            size = self.D * self.R[layer]
        for i in range(s["layers"] * self.D if s["learned_state"] else 0):
            self.states.append(torch.nn.Parameter(torch.zeros(self.R[i // self.D])))
            if s["cell"] == "lstm":
                self.states.append(torch.nn.Parameter(torch.zeros(self.H[i // self.D])))
        self.order.append(self.states)
        if s["head_layer"]:
            self.head_input = torch.nn.Linear(size, s["head_layer"])
            self.order.append(self.head_input)
            size = s["head_layer"]
        if s["head"] != "none":
            self.head = torch.nn.Linear(size, O)
            self.order.append(self.head)
        self.to(dtype)

    def initial(self, layer, given):
        """h and c of a layer, [D,B,.]: the learned ones, or those given, one layer after another."""
        if self.s["learned_state"]:
            each = 2 if self.s["cell"] == "lstm" else 1
            mine = self.states[layer * self.D * each:(layer + 1) * self.D * each]
            found = [torch.stack([mine[d * each + i].expand(B, -1) for d in range(self.D)]) for i in range(each)]
        else:
            found = [x[self.D * B * sum(sizes[:layer]):][:self.D * B * sizes[layer]].view(self.D, B, -1)
                     for x, sizes in zip(given, (self.R, self.H))]
        return tuple(found) if self.s["cell"] == "lstm" else found[0]

    def forward(self, tokens, features, given, lengths):
        s, parts = self.s, []
        if s["inputs"] in ("embedding", "both"):
            parts.append(self.embedding(tokens))
        if s["inputs"] == "one-hot":
            parts.append(torch.nn.functional.one_hot(tokens, V).to(features.dtype))
        if s["inputs"] in ("features", "both"):
            parts.append(features)
        x = torch.cat(parts, 2)
        if s["input_layer"]:
            x = activate(s["input_activation"], self.input(x))
        finals = []
        for layer in range(s["layers"]):
            u = self.norm[layer](x) if s["layer_norm"] else x
            packed = torch.nn.utils.rnn.pack_padded_sequence(u, lengths, batch_first=True, enforce_sorted=False)
            y, final = self.rnn[layer](packed, self.initial(layer, given))
            y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, batch_first=True, total_length=T)
            finals.append(final if s["cell"] == "lstm" else (final,))
            x = y + x if s["residual"] and x.shape == y.shape else y
        last = torch.arange(B), lengths - 1
        if s["head"] == "last":
            x = x[last]
        elif s["head"] == "final":
            x = torch.cat(list(finals[-1][0]), 1)
        if s["head_layer"]:
            x = activate(s["head_activation"], self.head_input(x))
        z = self.head(x) if s["head"] != "none" else x
        return z, [torch.cat([f[i].reshape(-1) for f in finals]) for i in range(len(finals[0]))] if finals else []


def loss_of(s, z, active):
    """The mean loss, of what the activation gives where the loss is of values."""
    y, rows = activate(s["activation"], z), active if z.dim() == 3 else torch.ones(B, dtype=bool)
    values, names = number(61, *z.shape), torch.nn.functional
    if s["loss"] == "none":
        return torch.zeros((), dtype=z.dtype)
    if s["loss"] == "cross-entropy":
        return names.cross_entropy(z[rows], whole(6, O, *z.shape[:-1])[rows])
    if s["loss"] == "binary":
        return names.binary_cross_entropy_with_logits(z[rows], (values[rows] + 0.5).to(z.dtype))
    of = {"squared": names.mse_loss, "absolute": names.l1_loss, "huber": names.huber_loss, "smooth": names.smooth_l1_loss}
    return of[s["loss"]](y[rows], values[rows].to(z.dtype))


def stage(s, dtype):
    """Outputs before the updates, the gradients of the first, and the losses of 50 on the same window."""
    net = Net(s, dtype)
    parameters = fill(net.order)
    tokens, features = whole(2, V, B, T), number(3, B, T, F).to(dtype).requires_grad_()
    given = [number(4, net.D * B * sum(net.R)).to(dtype), number(5, net.D * B * sum(net.H)).to(dtype)]
    given = [g.requires_grad_() for g in given][:2 if s["cell"] == "lstm" else 1]
    lengths = torch.tensor(LENGTHS if s["uneven"] else [T] * B)
    active = torch.arange(T)[None, :] < lengths[:, None]
    optimizer, found, losses = torch.optim.Adam(parameters, lr=0.01), {}, []
    for step in range(50):
        optimizer.zero_grad()
        z, final = net(tokens, features, given, lengths)
        total = loss_of(s, z, active)
        losses.append(total.item())
        mask = active[:, :, None] if z.dim() == 3 else 1
        if step == 0:
            found["outputs"] = activate(s["activation"], z) * mask
            total = total + (z * number(7, *z.shape).to(dtype) * mask).sum()
            for i, f in enumerate(final):
                total = total + (f * number(8 + i, *f.shape).to(dtype)).sum()
            total.backward(retain_graph=True)
            found["gradients"] = torch.cat([p.grad.reshape(-1) for p in parameters])
            if s["inputs"] in ("features", "both"):
                found["features"] = features.grad.clone()
            if not s["learned_state"] and s["layers"]:
                found["initial_h"] = given[0].grad.clone() if s["sizes"] else given[0].grad.reshape(-1, B, net.R[0])
            optimizer.zero_grad()
            total = loss_of(s, z, active)
        if s["loss"] != "none":
            total.backward()
            optimizer.step()
    return found | ({"losses": torch.tensor(losses)} if s["loss"] != "none" else {})


def collect(path, settings):
    tensors, rows = {}, []
    names = {"cell": CELLS, "head": HEADS, "inputs": INPUTS, "input_activation": ACTIVATIONS,
             "head_activation": ACTIVATIONS, "activation": ACTIVATIONS, "loss": LOSSES}
    usual = {"cell": "lstm", "layers": 2, "bidirectional": 0, "head": "steps", "inputs": "embedding", "projection": 0,
             "layer_norm": 0, "residual": 0, "input_layer": 0, "input_activation": "none", "head_layer": 0,
             "head_activation": "none", "learned_state": 0, "activation": "none", "loss": "cross-entropy", "uneven": 1,
             "sizes": 0}
    settings = list(settings)
    fields = FIELDS + ["sizes"] * any("sizes" in change for change in settings)
    for change in settings:
        s = usual | change
        for name, value in stage(s, torch.float64).items():
            tensors[f"{len(rows)}.{name}"] = value
        rows.append([names[f].index(s[f]) if f in names else s[f] for f in fields])
    store(path, tensors, settings=rows)


def activations():
    for loss in ("squared", "absolute", "huber", "smooth"):
        for activation in ("sigmoid", "tanh"):
            yield {"loss": loss, "activation": activation, "inputs": "features", "layers": 1}
    yield {"loss": "binary", "activation": "sigmoid", "head": "last", "cell": "gru"}
    for activation in ("softmax", "log-softmax"):
        yield {"activation": activation}
        yield {"activation": activation, "head": "final", "bidirectional": 1}
    yield {"activation": "tanh", "loss": "squared", "layers": 0, "head": "last", "inputs": "both"}


def stages():
    for cell in CELLS:
        yield {"cell": cell, "layer_norm": 1}
        yield {"cell": cell, "learned_state": 1, "bidirectional": int(cell == "gru"), "layers": 1}
        yield {"cell": cell, "layer_norm": 1, "residual": 1, "inputs": "both", "bidirectional": 1}
    for head in HEADS:
        loss = "none" if head == "none" else "cross-entropy"
        yield {"head": head, "loss": loss, "residual": 1, "layer_norm": 1, "layers": 3, "projection": P, "learned_state": 1}
        yield {"head": head, "loss": loss, "residual": 1, "layers": 1, "bidirectional": 1, "input_layer": 8,
               "input_activation": "tanh", "inputs": "features", "cell": "gru"}
    for activation in ("none", "sigmoid", "tanh", "relu"):
        yield {"input_layer": 5, "input_activation": activation, "inputs": "both"}
        yield {"head_layer": 7, "head_activation": activation, "head": "last" if activation == "relu" else "steps"}
    yield {"layers": 0, "input_layer": 5, "input_activation": "relu", "head_layer": 3, "head_activation": "tanh"}
    for inputs in INPUTS:
        yield {"inputs": inputs, "layer_norm": 1, "residual": 1, "input_layer": 4, "input_activation": "tanh",
               "head_layer": 5, "head_activation": "relu", "learned_state": 1, "head": "final"}
        yield {"inputs": inputs, "layer_norm": 1, "residual": 1, "cell": "gru", "learned_state": 1, "uneven": 0,
               "activation": "tanh", "loss": "squared"}


def sizes():
    """Layers of different hidden sizes; each digit is one."""
    for cell in CELLS:
        yield {"cell": cell, "sizes": 53}
        yield {"cell": cell, "sizes": 35, "bidirectional": 1, "head": "final", "inputs": "both"}
        yield {"cell": cell, "sizes": 294, "layers": 3, "layer_norm": 1, "learned_state": 1, "inputs": "one-hot"}
    for head in HEADS:
        loss = "none" if head == "none" else "cross-entropy"
        yield {"head": head, "loss": loss, "sizes": 756, "layers": 3, "projection": P, "residual": 1}
        yield {"head": head, "loss": loss, "sizes": 739, "layers": 3, "inputs": "features", "learned_state": 1,
               "bidirectional": 1}
    yield {"sizes": 62, "input_layer": 5, "input_activation": "tanh", "head_layer": 3, "head_activation": "relu"}
    yield {"sizes": 36, "cell": "gru", "uneven": 0, "activation": "tanh", "loss": "squared", "inputs": "features"}


if __name__ == "__main__":
    store("nets_awd.safetensors", awd())
    collect("nets_activations.safetensors", activations())
    collect("nets_stages.safetensors", stages())
    collect("nets_sizes.safetensors", sizes())
