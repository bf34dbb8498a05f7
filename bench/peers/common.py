"""What the peers' scripts share: the conversation with bench/run, the same numbers and the same
initial weights as the C programs (bench/common.h)."""
import json
import sys
import time

import numpy as np


def numbers(count):
    """The first numbers of number_at() in bench/common.c (SplitMix64)."""
    with np.errstate(over="ignore"):
        z = (np.arange(count, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return ((z ^ (z >> np.uint64(31))) >> np.uint64(33)).astype(np.int64)


def load_weights(path):
    """A safetensors file as a state_dict."""
    import torch

    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    header.pop("__metadata__", None)
    return {
        name: torch.frombuffer(
            bytearray(data[slice(*entry["data_offsets"])]), dtype=torch.float32
        ).reshape(entry["shape"])
        for name, entry in header.items()
    }


def fastest(candidates, trial):
    """The name of the candidate that is fastest in a short trial."""
    times = {}
    for name, candidate in candidates.items():
        trial(candidate)
        times[name] = min(timed(trial, candidate) for _ in range(3))
    return min(times, key=times.get)


def timed(call, *arguments):
    start = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - start


def serve(run, units, note):
    """As serve() in bench/common.c; a peer has no limit to report."""
    run()
    print("ready", note, flush=True)
    for _ in sys.stdin:
        wall, processor = time.perf_counter(), time.process_time()
        value = run()
        processor = time.process_time() - processor
        wall = time.perf_counter() - wall
        print(f"{wall / units:.9g} {processor / units:.9g} 0 {value:.9g}", flush=True)
