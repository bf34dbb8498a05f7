"""Writes the files of tests/golden/pytorch with PyTorch: small nets as their users save them.

    pip install torch safetensors
    python tests/golden/pytorch_files.py

NAME.safetensors and NAME.pt are the state_dict of a net; expected.safetensors has, for each, what it
reads ("NAME.tokens" [B,T], "NAME.features" [B,T,F]) and gives ("NAME.outputs" [B,T,O]) in float32.
"""

import argparse
import collections
import pathlib

import numpy
import torch
from safetensors.torch import save_file, save_model
from torch import nn

folder = pathlib.Path(__file__).parent / "pytorch"
folder.mkdir(exist_ok=True)
torch.manual_seed(1)
BATCH, STEPS = 2, 5
expected = {}


class Net(nn.Module):
    """A net of named modules: {"embedding": (name, module), "recurrent": ..., "head": ...}."""

    def __init__(self, **parts):
        super().__init__()
        self.parts = {part: name for part, (name, _) in parts.items()}
        for name, module in parts.values():
            owner = self
            *path, last = name.split(".")
            for step in path:
                if not hasattr(owner, step):
                    owner.add_module(step, nn.Module())
                owner = getattr(owner, step)
            owner.add_module(last, module)

    def part(self, part):
        return self.get_submodule(self.parts[part]) if part in self.parts else None

    def forward(self, tokens=None, features=None):
        embedding, head, recurrent = self.part("embedding"), self.part("head"), self.part("recurrent")
        inputs = [embedding(tokens)] if embedding is not None else []
        x = torch.cat(inputs + ([features] if features is not None else []), -1)
        if isinstance(recurrent, nn.RNNCellBase):
            state, steps = None, []
            for t in range(x.shape[1]):
                state = recurrent(x[:, t], state)
                steps.append(state[0] if isinstance(state, tuple) else state)
            y = torch.stack(steps, 1)
        else:
            y, _ = recurrent(x)
        if isinstance(head, nn.AdaptiveLogSoftmaxWithLoss):
            return head.log_prob(y.flatten(0, 1)).unflatten(0, y.shape[:2])
        return head(y) if head is not None else y


def look(name, net, vocab=0, features=0):
    inputs = {}
    if vocab:
        inputs["tokens"] = torch.randint(vocab, (BATCH, STEPS))
    if features:
        inputs["features"] = torch.randn(BATCH, STEPS, features)
    with torch.no_grad():
        outputs = net.float()(**inputs)
    for key, value in {**inputs, "outputs": outputs}.items():
        expected[f"{name}.{key}"] = value.contiguous()


def keep(name, net, vocab=0, features=0, dtype=torch.float32, rename=lambda key: key):
    net = net.to(dtype)
    state = {rename(key): value for key, value in net.state_dict().items()}
    if len({value.data_ptr() for value in state.values()}) == len(state):
        save_file(state, folder / f"{name}.safetensors")
    else:
        save_model(net, str(folder / f"{name}.safetensors"))
    torch.save(net.state_dict() if list(state) == list(net.state_dict()) else state, folder / f"{name}.pt")
    look(name, net, vocab, features)
    return state


keep("rnn_tanh", Net(embedding=("embed", nn.Embedding(7, 3)), recurrent=("rnn", nn.RNN(3, 4, batch_first=True)),
                     head=("fc", nn.Linear(4, 7))), vocab=7)
keep("rnn_relu", Net(recurrent=("rnn", nn.RNN(3, 4, nonlinearity="relu", batch_first=True)),
                     head=("out", nn.Linear(4, 2, bias=False))), features=3)
keep("lstm", Net(embedding=("encoder.embedding", nn.Embedding(7, 3)),
                 recurrent=("encoder.rnn", nn.LSTM(3, 4, num_layers=2, bidirectional=True, batch_first=True)),
                 head=("decoder", nn.Linear(8, 5))), vocab=7, rename=lambda key: "module." + key)
keep("gru_f16", Net(embedding=("0", nn.Embedding(7, 3)), recurrent=("1", nn.GRU(3, 4, bias=False, batch_first=True)),
                    head=("2", nn.Linear(4, 7))), vocab=7, dtype=torch.float16)
keep("lstm_bf16", Net(embedding=("embedding", nn.Embedding(7, 4)), recurrent=("lstm", nn.LSTM(4, 4, batch_first=True)),
                      head=("dense", nn.Linear(4, 7, bias=False))), vocab=7, dtype=torch.bfloat16)
keep("rnn_f64", Net(embedding=("tokens.emb", nn.Embedding(7, 3)),
                    recurrent=("rnn", nn.RNN(5, 4, num_layers=2, batch_first=True)), head=("fc", nn.Linear(4, 3))),
     vocab=7, features=2, dtype=torch.float64)
keep("lstm_cell", Net(embedding=("embedding", nn.Embedding(7, 3)), recurrent=("cell", nn.LSTMCell(3, 4)),
                      head=("head", nn.Linear(4, 7))), vocab=7)
keep("lstm_alone", Net(recurrent=("rnn", nn.LSTM(3, 4, num_layers=2, batch_first=True))), features=3,
     rename=lambda key: key.removeprefix("rnn."))
projected = Net(embedding=("embedding", nn.Embedding(7, 3)),
                recurrent=("rnn", nn.LSTM(3, 4, num_layers=2, proj_size=2, batch_first=True)),
                head=("head", nn.Linear(2, 7)))
keep("lstm_projected", projected, vocab=7)
tied = Net(embedding=("encoder", nn.Embedding(7, 4)), recurrent=("rnn", nn.GRU(4, 4, batch_first=True)),
           head=("decoder", nn.Linear(4, 7)))
tied.part("head").weight = tied.part("embedding").weight
keep("gru_tied", tied, vocab=7)

# What else torch.save meets: a training checkpoint, views into shared storages, a dictionary of parameters, two
# state_dicts, a whole module, the format before 1.6, and nothing to take.
net = Net(embedding=("embedding", nn.Embedding(7, 3)), recurrent=("rnn", nn.GRU(3, 4, batch_first=True)),
          head=("head", nn.Linear(4, 7)))
adam = torch.optim.Adam(net.parameters())
net(tokens=torch.randint(7, (2, 3))).sum().backward()
adam.step()
state = net.state_dict()
torch.save({"epoch": 3, "model_state_dict": state, "optimizer_state_dict": adam.state_dict(), "loss": 0.25,
            "args": {"lr": 1e-3, "names": ["a", "b"], "shape": (1, 2), "wide": 2**40, "resume": None, "amp": True}},
           folder / "checkpoint.pt")
look("checkpoint", net, vocab=7)
block = torch.zeros(sum(value.numel() for value in state.values()))
views, at = {}, 0
for key, value in state.items():
    piece = block[at:at + value.numel()]
    at += value.numel()
    views[key] = piece.view(value.shape[::-1]).t() if value.dim() == 2 else piece
    views[key].copy_(value)
torch.save(views, folder / "views.pt")
look("views", net, vocab=7)
# Beside the state_dict, what people keep in checkpoints: objects that are skipped without being built.
beside = {"best": numpy.float64(1.5), "array": numpy.arange(6).reshape(2, 3), "dtype": numpy.dtype("f8"),
          "args": argparse.Namespace(lr=0.1, layers=[1, 2], out=pathlib.PurePosixPath("a/b")),
          "history": collections.defaultdict(list, {"loss": [1.0]}), "seen": collections.Counter("hello"),
          "queue": collections.deque([1, 2]), "precision": torch.float32, "device": torch.device("cpu"),
          "size": torch.Size([2, 3]), "large": 10**40, "negative": -(10**30), "set": {1, 2}, "bytes": b"\x00\xff",
          "complex": 1 + 2j, "activation": torch.nn.functional.relu, "class": nn.GRU, "range": range(3),
          "module": nn.Linear(2, 2), "random": torch.get_rng_state(), "error": ValueError("x")}
itself = []
itself.append((itself,))
torch.save({**beside, "itself": itself, "state": state}, folder / "objects.pt")
torch.save({**state, "note": numpy.float64(1)}, folder / "object_within.pt")
torch.save(dict(net.named_parameters()), folder / "parameters.pt")
look("parameters", net, vocab=7)
torch.save({"generator": state, "critic": state}, folder / "two.pt")
torch.save(nn.GRU(3, 4), folder / "module.pt")
torch.save(state, folder / "legacy.pt", _use_new_zipfile_serialization=False)
torch.save({"epoch": 3}, folder / "nothing.pt")
torch.serialization.set_crc32_options(False)
torch.save(state, folder / "no_crc.pt")
look("no_crc", net, vocab=7)
torch.serialization.set_crc32_options(True)
keep("lstm_adaptive", Net(embedding=("encoder", nn.Embedding(7, 3)),
                          recurrent=("rnn", nn.LSTM(3, 4, batch_first=True)),
                          head=("decoder", nn.AdaptiveLogSoftmaxWithLoss(4, 7, [2, 4], 2.0, head_bias=True))), vocab=7)
keep("gru_adaptive", Net(embedding=("0", nn.Embedding(7, 3)), recurrent=("1", nn.GRU(3, 12, batch_first=True)),
                         head=("2", nn.AdaptiveLogSoftmaxWithLoss(12, 7, [3, 5, 6], 1.7))), vocab=7)

save_file(expected, folder / "expected.safetensors")
