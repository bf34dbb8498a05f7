"""The order in which the library's batches give a list of examples, and which are held out."""
import numpy as np


def held_out_hash(name):
    """FNV-1a of bytes."""
    value = 2166136261
    for byte in name:
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return value


def uniform(seed, stream, count):
    """Numbers 0.. of a stream of the library: Philox4x32-10, 53 bits."""
    index = np.arange(count, dtype=np.uint64)
    low = np.uint64(0xFFFFFFFF)
    half = np.uint64(32)
    c = [index & low, index >> half, np.full(count, stream & 0xFFFFFFFF, np.uint64),
         np.full(count, stream >> 32, np.uint64)]
    k = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [(p1 >> half) ^ c[1] ^ np.uint64(k[0]), p1 & low, (p0 >> half) ^ c[3] ^ np.uint64(k[1]),
             p0 & low]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return ((c[0] << half | c[1]) >> np.uint64(11)).astype(np.float64) / 2**53


def shuffle(values, draws):
    for i in range(len(values) - 1, 0, -1):
        j = int(draws[i] * (i + 1))
        values[i], values[j] = values[j], values[i]


def windows(lengths, batch, seed, epoch, bucket, shuffled=True):
    """The windows of a pass of lrnn_batches_create_from_examples, as lists of examples."""
    order = list(range(len(lengths)))
    draws = uniform(seed, (4 << 32) + epoch, 2 * len(lengths)) if shuffled else None
    if shuffled:
        shuffle(order, draws)
    if bucket:
        run = bucket * batch
        order = [i for at in range(0, len(order), run)
                 for i in sorted(order[at:at + run], key=lambda i: lengths[i])]
    cut = [order[at:at + batch] for at in range(0, len(order), batch)]
    if shuffled and bucket:
        full = len(lengths) // batch
        turns = list(range(full))
        shuffle(turns, draws[len(lengths):])
        cut = [cut[i] for i in turns] + cut[full:]
    return cut
