"""Writes tests/golden/nets_*.safetensors: what PyTorch gives for what language models add to the nets and losses of
train_pytorch.py, whose formula for inputs and parameters is used here too.

    pip install torch numpy safetensors
    python tests/golden/nets_pytorch.py
"""

import torch
from train_pytorch import fill, number, store, whole

VOCAB, HIDDEN, BATCH, STEPS, WINDOWS = 29, 16, 4, 8, 50
STREAM = whole(70, 6, BATCH * STEPS * WINDOWS + 1).cumsum(0) % VOCAB  # walks on by 0..5
BOUND = 0.25


def windows():
    for n in range(WINDOWS):
        at = torch.arange(BATCH)[:, None] * STEPS * WINDOWS + n * STEPS + torch.arange(STEPS)[None, :]
        yield STREAM[at], STREAM[(at + 1) % (BATCH * STEPS * WINDOWS)]


# ---- AR and TAR: activation_l2, temporal_l2 ----

def regularized(dtype):
    """Losses of 50 steps, the values of the terms, and the gradients of the first step."""
    embedding = torch.nn.Embedding(VOCAB, HIDDEN).to(dtype)
    lstm = torch.nn.LSTM(HIDDEN, HIDDEN, 2, batch_first=True).to(dtype)
    head = torch.nn.Linear(HIDDEN, VOCAB).to(dtype)
    parameters = fill([embedding, lstm, head])
    with torch.no_grad():
        for p in parameters:
            p *= 2 * BOUND
    optimizer = torch.optim.Adam(parameters, lr=0.03)
    state, losses, terms, first = None, [], [], None
    for x, target in windows():
        optimizer.zero_grad()
        y, state = lstm(embedding(x), state)
        state = tuple(s.detach() for s in state)
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
            for name, make in [("regularized", regularized), ("averaged", averaged)]
            for suffix, dtype in [("", torch.float32), (".double", torch.float64)]
            for what, value in make(dtype).items()}


if __name__ == "__main__":
    store("nets_awd.safetensors", awd())
