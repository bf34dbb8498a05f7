"""Writes the files of tests/golden/safetensors with the reference implementation.

    pip install torch safetensors
    python tests/golden/safetensors_files.py

Beside each tensor of floating-point numbers stands "<name>.expected", the same numbers as float64.
"""

import pathlib

import torch
from safetensors.torch import save_file

folder = pathlib.Path(__file__).parent / "safetensors"
folder.mkdir(exist_ok=True)

values = [0.0, -0.0, 1.0, -1.5, 1 / 3, 3.141592653589793, 65504.0, -65519.0, 1e-8, 6e-8, 6.1e-5, 5.9e-5,
          1e-40, 1e-45, 3e38, -1e300, 2.0**-149, 2.0**-24, 2.0**-14, float("inf"), float("-inf"), float("nan")]
generator = torch.Generator().manual_seed(1)
wide = torch.cat([torch.tensor(values, dtype=torch.float64),
                  torch.randn(42, dtype=torch.float64, generator=generator)])
floats = {}
for name, dtype in [("f64", torch.float64), ("f32", torch.float32), ("f16", torch.float16), ("bf16", torch.bfloat16)]:
    floats[name] = wide.to(dtype).reshape(4, 16)
    floats[name + ".expected"] = floats[name].to(torch.float64).clone()
save_file(floats, folder / "floats.safetensors")

bits = torch.randint(0, 2**32, (400,), dtype=torch.int64, generator=generator)
bits[200:] = bits[200:] // 2**16 * 2**16 + 2**15  # halfway
bits[:8] = torch.tensor([0, 2**31, 0x7F7F7FFF, 0x7F7F8000, 0x7F800000, 0x00007FFF, 0x00008000, 0x00018000])
bits = torch.where(bits >= 2**31, bits - 2**32, bits).to(torch.int32)
rounding = bits.view(torch.float32)
rounding = rounding[~rounding.isnan()].clone()
save_file({"float32": rounding, "bfloat16": rounding.to(torch.bfloat16)}, folder / "rounding.safetensors")

integers = {"scalar": torch.tensor(-7, dtype=torch.int32), "empty": torch.zeros(0, 3, dtype=torch.float32),
            "empty.too": torch.zeros(5, 0, dtype=torch.int64), "bool": torch.tensor([True, False, True])}
for bits in (8, 16, 32, 64):
    least, most = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    integers[f"i{bits}"] = torch.tensor([0, 1, -1, least, most], dtype=getattr(torch, f"int{bits}"))
    integers[f"u{bits}"] = torch.tensor([[0], [1], [255]], dtype=getattr(torch, f"uint{bits}"))
integers["größe/\u20ac\U0001f600"] = torch.arange(24, dtype=torch.uint8).reshape(1, 2, 1, 3, 4)
save_file(integers, folder / "integers.safetensors", metadata={
    "plain": "text", "": "empty key", "empty": "", "unicode": "é € \U0001f600 \u05d0", "größe": "schlüssel",
    "controls": "".join(map(chr, range(32))) + "\"\\/\x7f", "json": '{"a": ["b\\n", 1]}'})

weights = torch.arange(6, dtype=torch.float32).reshape(2, 3) / 4
save_file({"head.bias": torch.tensor([0.5, -0.25]), "rnn.weight_ih_l0": weights}, folder / "plain.safetensors",
          metadata={"note": "tabs\tand \"quotes\", é\n"})
