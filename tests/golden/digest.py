"""Writes digest.safetensors: a model with the digests that docs/file-format.md describes, by Python's xxhash.

    pip install numpy xxhash
    python tests/golden/digest.py
"""

import json
import pathlib
import struct

import numpy as np
import xxhash

metadata = {"lrnn.bias": "1", "lrnn.bidirectional": "0", "lrnn.cell": "gru", "lrnn.dropout": "0", "lrnn.embedding_size": "3",
            "lrnn.feature_size": "0", "lrnn.format": "1", "lrnn.head": "steps", "lrnn.hidden_size": "4", "lrnn.kind": "model",
            "lrnn.layers": "1", "lrnn.output_size": "5", "lrnn.seed": "1", "lrnn.vocab_size": "5", "note": "größe"}
shapes = {"embedding.weight": [5, 3], "rnn.weight_ih_l0": [12, 3], "rnn.weight_hh_l0": [12, 4], "rnn.bias_ih_l0": [12],
          "rnn.bias_hh_l0": [12], "head.weight": [5, 4], "head.bias": [5]}
dtypes = {"embedding.weight": "F16", "rnn.weight_ih_l0": "F64"}

generator = np.random.default_rng(1)
tensors = {}
for name, shape in shapes.items():
    dtype = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}[dtypes.get(name, "F32")]
    tensors[name] = generator.normal(size=shape).astype(dtype)


def number(value):
    return struct.pack("<Q", value)


header = xxhash.xxh3_64()
for key in sorted(metadata):
    value = metadata[key].encode()
    header.update(key.encode() + b"\0" + number(len(value)) + value)
for name, tensor in tensors.items():
    header.update(name.encode() + b"\0" + dtypes.get(name, "F32").encode() + b"\0" + number(tensor.ndim))
    for size in tensor.shape:
        header.update(number(size))

digests = [header.hexdigest()] + [xxhash.xxh3_64(tensor.tobytes()).hexdigest() for tensor in tensors.values()]
entries = {"__metadata__": metadata | {"lrnn.digest": "xxh3:" + "".join(digests)}}
offset = 0
for name, tensor in tensors.items():
    entries[name] = {"dtype": dtypes.get(name, "F32"), "shape": list(tensor.shape),
                     "data_offsets": [offset, offset + tensor.nbytes]}
    offset += tensor.nbytes
text = json.dumps(entries, separators=(",", ":")).encode()
text += b" " * (-len(text) % 8)
file = pathlib.Path(__file__).parent / "digest.safetensors"
file.write_bytes(number(len(text)) + text + b"".join(tensor.tobytes() for tensor in tensors.values()))
