"""Writes the files of tests/golden/pytorch_import with PyTorch: nets that are spread over entries and modules, and
weights that are stored as something else.

    pip install torch safetensors
    python tests/golden/pytorch_import.py

expected.safetensors has for each net what it reads ("NAME.tokens" [B,T], "NAME.features" [B,T,F]) and gives
("NAME.outputs" [B,T,O]) in float32, computed by PyTorch in eval mode from what the file has.
"""

import pathlib

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm

folder = pathlib.Path(__file__).parent / "pytorch_import"
folder.mkdir(exist_ok=True)
torch.manual_seed(2)
BATCH, STEPS, V = 2, 5, 7
expected = {}


class Stack(nn.Module):
    """An embedding, layers that stand by themselves, and a head; `layers` is a dictionary of names."""

    def __init__(self, layers, top, embedding=3, outputs=5, bias=True):
        super().__init__()
        self.emb = nn.Embedding(V, embedding)
        self.names = list(layers)
        for name, layer in layers.items():
            owner = self
            *path, last = name.split(".")
            for step in path:
                if not hasattr(owner, step):
                    owner.add_module(step, nn.Module())
                owner = getattr(owner, step)
            owner.add_module(last, layer)
        self.fc = nn.Linear(top, outputs, bias=bias)

    def forward(self, tokens):
        x = self.emb(tokens)
        for name in self.names:
            layer = self.get_submodule(name)
            if isinstance(layer, nn.RNNCellBase):
                state, steps = None, []
                for t in range(x.shape[1]):
                    state = layer(x[:, t], state)
                    steps.append(state[0] if isinstance(state, tuple) else state)
                x = torch.stack(steps, 1)
            else:
                x, _ = layer(x)
        return self.fc(x)


def look(name, net):
    tokens = torch.randint(V, (BATCH, STEPS))
    net.eval()
    with torch.no_grad():
        net(tokens)
        outputs = net(tokens)
    expected[f"{name}.tokens"] = tokens
    expected[f"{name}.outputs"] = outputs.contiguous()


def keep(name, net, rename=lambda key: key):
    look(name, net)
    save_file({rename(key): value.contiguous() for key, value in net.state_dict().items()}, folder / f"{name}.safetensors")


def gru(inputs=3, hidden=4, **options):
    return nn.GRU(inputs, hidden, batch_first=True, **options)


def lstm(inputs=3, hidden=4, **options):
    return nn.LSTM(inputs, hidden, batch_first=True, **options)


# Entries: one below another, a net in two of them, one of a list.
net = Stack({"rnn": gru()}, 4)
look("entries", net)
state = net.state_dict()
adam = torch.optim.Adam(net.parameters())
net(torch.randint(V, (2, 3))).sum().backward()
torch.save({"model": {"net": state, "epoch": 3}, "optimizer": adam.state_dict()}, folder / "nested.pt")
torch.save({"model": {"net": state}, "average": {"net": state}}, folder / "nested_two.pt")
torch.save({"model": {k: v for k, v in state.items() if not k.startswith("fc.")},
            "generator": {k.replace("fc.", "0."): v for k, v in state.items() if k.startswith("fc.")},
            "optim": adam.state_dict()}, folder / "split.pt")
torch.save({"ensemble": [{"bias": torch.zeros(3)}, state]}, folder / "list.pt")

# Layers that are modules of their own.
keep("list_gru", Stack({"rnns.0": gru(), "rnns.1": gru(4), "rnns.2": gru(4)}, 4))
keep("numbered_lstm", Stack({"lstm1": lstm(bidirectional=True), "lstm2": lstm(8, bidirectional=True)}, 8))
keep("cells_lstm", Stack({"layers.0.cell": nn.LSTMCell(3, 4), "layers.2.cell": nn.LSTMCell(4, 4)}, 4))
keep("cells_gru", Stack({f"cells.{i}": nn.GRUCell(4 if i > 0 else 3, 4) for i in range(11)}, 4))
keep("cells_rnn", Stack({"cell": nn.RNNCell(3, 4), "cell_2": nn.RNNCell(4, 4)}, 4))
keep("mixed_depth", Stack({"rnn_1": lstm(num_layers=2, proj_size=2), "rnn_2": lstm(2, proj_size=2)}, 2))
keep("unordered", Stack({"lower": gru(4), "deep": gru(4)}, 4, embedding=4))

# Weights stored as something else.
net = Stack({"rnn": lstm(num_layers=2)}, 4)
weight_norm(net.rnn, "weight_hh_l0")
weight_norm(net.rnn, "weight_ih_l1", dim=None)
weight_norm(net.fc, "weight", dim=1)
for key, value in net.state_dict().items():
    if key.endswith("_g"):
        value.mul_(1.5)
keep("weight_norm", net)
net = Stack({"rnn": gru()}, 4)
parametrizations.weight_norm(net.fc)
parametrizations.weight_norm(net.emb, dim=1)
with torch.no_grad():
    net.fc.parametrizations.weight.original0.mul_(0.75)
    net.emb.parametrizations.weight.original0.mul_(1.25)
keep("weight_norm_parametrized", net)
# Of layers too; the plain net gives the outputs.
net = Stack({"rnn": gru()}, 4)
state = net.state_dict()
look("weight_norm_layers", net)
twin = Stack({"rnn": gru()}, 4)
twin.load_state_dict(state)
for name in ("weight_ih_l0", "weight_hh_l0"):
    parametrizations.weight_norm(twin.rnn, name)
    twin.rnn.parametrizations[name].original1.data.mul_(2)  # only its direction counts
save_file(twin.state_dict(), folder / "weight_norm_layers.safetensors")
net = Stack({"rnn": lstm()}, 4)
spectral_norm(net.fc)
spectral_norm(net.rnn, "weight_hh_l0")
net.train()
net(torch.randint(V, (1, 2)))
keep("spectral_norm", net)
net = Stack({"cells.0": nn.GRUCell(3, 4), "cells.1": nn.GRUCell(4, 4)}, 4)
parametrizations.spectral_norm(net.fc)
parametrizations.spectral_norm(net.cells.get_submodule("1"), "weight_hh")
net.train()
net(torch.randint(V, (1, 2)))
keep("spectral_norm_parametrized", net)
net = Stack({"rnn": gru()}, 4)
prune.random_unstructured(net.fc, "weight", 0.5)
prune.l1_unstructured(net.fc, "bias", 0.4)
keep("pruned", net)
net = Stack({"rnn": gru()}, 4)
parametrizations.orthogonal(net.rnn, "weight_hh_l0")
save_file({k: v.contiguous() for k, v in net.state_dict().items()}, folder / "orthogonal.safetensors")

# Weight drop of AWD-LSTM (three layers, as large as each other): the raw weight beside the module's other tensors,
# and that of fastai, above the module, where the weight that is left in it is one of training. Its embedding is there
# twice.
def weight_dropped(state):
    """The state_dict as those of AWD-LSTM and of fastai."""
    awd, fastai = {}, {}
    for key, value in state.items():
        parts = key.split(".")
        if parts[0] != "rnns":
            awd[key] = value
            fastai[{"emb.weight": "0.encoder.weight", "fc.weight": "1.decoder.weight"}[key]] = value
            continue
        rest = ".".join(parts[:2] + ["module"] + parts[2:])
        raw = parts[2] == "weight_hh_l0"
        awd[rest + "_raw" if raw else rest] = value
        fastai["0." + rest] = torch.dropout(value, 0.5, True) if raw else value
        if raw:
            fastai["0." + key + "_raw"] = value
    fastai["0.encoder_dp.emb.weight"] = fastai["0.encoder.weight"]
    fastai["1.decoder.bias"] = torch.zeros(len(state["fc.weight"]))
    return awd, fastai


net = Stack({"rnns.0": lstm(), "rnns.1": lstm(4)}, 4, bias=False)
look("awd", net)
awd, fastai = weight_dropped(net.state_dict())
save_file(awd, folder / "awd.safetensors")
torch.save(fastai, folder / "awd_fastai.pt")

# What stands around layers: normalizations, connections, linear layers, and parameters that streams begin with.


class Around(nn.Module):
    """The net of docs/from-pytorch.md, under other names. Layers are modules of their own."""

    def __init__(self, kind, names, layers=2, inputs=None, residual=False, head_layer=None, learned=None, eps=1e-5):
        super().__init__()
        self.names, self.residual, self.layers = names, residual, layers
        self.emb = nn.Embedding(V, 3)
        if inputs:
            self.add_module(names["input"], nn.Linear(3, inputs))
        sizes = [inputs or 3] + [4] * (layers - 1)
        if "norm" in names:
            for i, size in enumerate(sizes):
                self.put(names["norm"] % i, nn.LayerNorm(size, eps=eps))
        for i, size in enumerate(sizes):
            self.put(names["rnn"] % i, kind(size, 4, batch_first=True))
        if learned:
            each = [4] if kind is nn.GRU else [4, 4]
            for name, size in zip(("h", "c"), each):
                if "%d" in names[name]:
                    self.put(names[name].split(".")[0], nn.ParameterList(torch.randn(*learned, size) for _ in sizes))
                else:
                    self.register_parameter(names[name], nn.Parameter(torch.randn(*learned, size)))
        self.out = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5)) if head_layer else nn.Linear(4, 5)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter += 0.2 * torch.randn_like(parameter)

    def put(self, name, module):
        """A module "lns.0" or "ln_0"; parameters too."""
        first, _, last = name.partition(".")
        if not last:
            self.add_module(first, module)
            return
        if not hasattr(self, first):
            self.add_module(first, nn.ModuleList())
        getattr(self, first).append(module)

    def state(self, what, i, batch):
        name = self.names[what]
        value = getattr(self, name.split(".")[0])
        value = value[i] if "%d" in name else value.reshape(self.layers, -1)[i]
        return value.reshape(1, 1, -1).expand(1, batch, -1).contiguous()

    def forward(self, tokens):
        names, x = self.names, self.emb(tokens)
        if "input" in names:
            x = torch.tanh(self.get_submodule(names["input"])(x))
        for i in range(self.layers):
            u = self.get_submodule(names["norm"] % i)(x) if "norm" in names else x
            rnn = self.get_submodule(names["rnn"] % i)
            begin = [self.state(what, i, len(x)) for what in "hc"[:1 + isinstance(rnn, nn.LSTM)] if what in names]
            y, _ = rnn(u, None if not begin else tuple(begin) if len(begin) == 2 else begin[0])
            x = y + x if self.residual and x.shape == y.shape else y
        return self.out(x)


keep("norms", Around(nn.LSTM, {"norm": "norms.%d", "rnn": "rnns.%d"}))
net = Around(nn.LSTM, {"input": "fc_in", "norm": "ln_%d", "rnn": "lstm_%d", "h": "h0", "c": "c0"}, 3, 4, True, True, (3, 1), 1e-3)
keep("around", net)
torch.save({"epoch": 2, "model": net.state_dict()}, folder / "around.pt")
keep("states", Around(nn.GRU, {"rnn": "grus.%d", "h": "h0.%d"}, learned=(1,)))

# Layers of different sizes.
keep("sizes_lstm", Stack({"lstm1": lstm(3, 8), "lstm2": lstm(8, 4)}, 4))
keep("sizes_gru", Stack({"rnns.0": gru(3, 5, bidirectional=True), "rnns.1": gru(10, 2, bidirectional=True),
                         "rnns.2": gru(4, 4, bidirectional=True)}, 8))
keep("sizes_cells", Stack({"layers.0": nn.LSTMCell(3, 5), "layers.1": nn.LSTMCell(5, 2)}, 2))
keep("sizes_projected", Stack({"rnn1": lstm(3, 6, num_layers=2, proj_size=2), "rnn2": lstm(2, 4, proj_size=2)}, 2))
keep("sizes_list", Stack({"rnn.0": lstm(3, 6), "rnn.1": lstm(6, 4), "rnn.2": lstm(4, 3)}, 3),
     lambda key: key.replace("emb.", "embedding.").replace("fc.", "head."))
net = Stack({"rnns.0": lstm(3, 7), "rnns.1": lstm(7, 7), "rnns.2": lstm(7, 3)}, 3, outputs=V, bias=False)
net.fc.weight = net.emb.weight
look("awd_sizes", net)
torch.save(weight_dropped(net.state_dict())[1], folder / "awd_sizes.pt")

save_file(expected, folder / "expected.safetensors")
