"""Inference in ONNX Runtime. Arguments: the work, threads, the folder with the model, and float32 or
int8 (quantize_dynamic, which knows LSTM but not GRU)."""
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from common import load_weights, numbers, serve

STEPS = 1000

# The gates of ONNX among PyTorch's: LSTM i, o, f, c out of i, f, g, o; GRU z, r, h out of r, z, n.
GATES = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2)}


def parameter(name, value):
    return numpy_helper.from_array(np.ascontiguousarray(value, dtype=np.float32), name)


def make_model(cell, hidden, weights, steps, batch):
    """A graph x, h (, c) -> y, h' (, c') of one layer."""

    def gates(name):
        return np.concatenate(
            [np.split(weights[name].numpy(), len(GATES[cell]))[g] for g in GATES[cell]]
        )

    bias = np.concatenate([gates("rnn.bias_ih_l0"), gates("rnn.bias_hh_l0")])
    initializers = [
        parameter("W", gates("rnn.weight_ih_l0")[None]),
        parameter("R", gates("rnn.weight_hh_l0")[None]),
        parameter("B", bias[None]),
    ]
    lstm = cell == "lstm"
    states = ["h", "c"] if lstm else ["h"]
    node = helper.make_node(
        cell.upper(),
        ["x", "W", "R", "B", ""] + states,
        ["y"] + [s + "_next" for s in states],
        hidden_size=hidden,
        **({} if lstm else {"linear_before_reset": 1}),
    )

    def value(name, shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    state = [1, batch, hidden]
    graph = helper.make_graph(
        [node],
        cell,
        [value("x", [steps, batch, hidden])] + [value(s, state) for s in states],
        [value("y", [steps, 1, batch, hidden])] + [value(s + "_next", state) for s in states],
        initializers,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)


def make_session(path, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def main():
    name, threads, folder, kind = sys.argv[1:]
    work, cell, hidden, *batch = name.split("-")
    hidden, batch = int(hidden), int(batch[0]) if batch else 1
    weights = load_weights(f"{folder}/{name}.safetensors")
    single = work == "step"
    path = f"{folder}/{name}.onnx"
    onnx.save(make_model(cell, hidden, weights, 1 if single else STEPS, batch), path)
    if kind == "int8":
        quantize_dynamic(path, path + ".int8", weight_type=QuantType.QInt8)
        path += ".int8"
    session = make_session(path, int(threads))
    features = numbers(batch * STEPS * hidden).astype(np.float32) / np.float32(1073741824.0) - 1
    features = features.reshape(batch, STEPS, hidden).transpose(1, 0, 2).copy()
    xs = [features[i : i + 1] for i in range(STEPS)]
    state = {s: np.zeros([1, batch, hidden], np.float32) for s in (["h", "c"] if cell == "lstm" else ["h"])}
    weight_count = 2 * len(GATES[cell]) * hidden * hidden
    repetition = 1 + int((1e9 if single else 1e6) / weight_count)
    names = list(state)

    def run():
        if single:
            for i in range(repetition):
                out = session.run(None, {"x": xs[i % STEPS], **state})
                for s, new in zip(names, out[1:]):
                    state[s] = new
            return float(out[0].sum())
        for _ in range(repetition):
            out = session.run(None, {"x": features, **state})
            for s, new in zip(names, out[1:]):
                state[s] = new
        return float(out[0][-1, 0, -1].sum())

    serve(run, repetition, f"onnxruntime {onnxruntime.__version__}, {kind}")


main()
