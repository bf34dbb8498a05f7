#!/usr/bin/env python3
"""Writes ctc_flashlight.safetensors: what the decoders of flashlight-text give for 200 matrices.

    pip install flashlight-text numpy
    ctc_flashlight.py ctc_flashlight.safetensors

Each matrix has 7 frames of log-probabilities of 4 outputs, output 0 the blank. A quarter of the cases each:
    0  any labels                                   1  with a bigram model of the labels, weight 0.8
    2  words of a lexicon, 0.5 for each word        3  with a bigram model of the words, weight 0.8
The beam is wide enough for every sequence, so that scores are sums over all alignments. Output 3 is the
separator of the lexicon. flashlight's words end with it, and it sums over all label sequences of the same words.
"""
import json
import struct
import sys

import numpy as np
from flashlight.lib.text.decoder import (LM, CriterionType, LexiconDecoder, LexiconDecoderOptions,
                                         LexiconFreeDecoder, LexiconFreeDecoderOptions, LMState, SmearingMode,
                                         Trie, ZeroLM)

CASES, T, V, BEST = 200, 7, 4, 3
SEPARATOR = 3
WORDS = [[1, 2], [1, 2, 2], [1], [2, 1]]
WEIGHT, WORD_SCORE, WIDE = 0.8, 0.5, 20000


class Bigram(LM):
    """table[a][b] is log p(b | a); row `count` is that of the start."""

    def __init__(self, table):
        super().__init__()
        self.table, self.last = table, {}

    def start(self, start_with_nothing):
        self.first = LMState()
        self.last[self.first] = len(self.table) - 1
        return self.first

    def score(self, state, token):
        after = state.child(token)
        self.last[after] = token
        return after, float(self.table[self.last[state]][token])

    def finish(self, state):
        return state, 0.0


def log_softmax(x):
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def collapse(path):
    labels, last = [], 0
    for v in path:
        if 0 < v < V and v != last:
            labels.append(v)
        if v < V:
            last = v
    return labels


def free(frames, lm, weight):
    options = LexiconFreeDecoderOptions(beam_size=WIDE, beam_size_token=V, beam_threshold=1e9, lm_weight=weight,
                                        sil_score=0, log_add=True, criterion_type=CriterionType.CTC)
    found = LexiconFreeDecoder(options, lm, 100, 0, []).decode(frames.ctypes.data, T, V)
    return [(h.score, collapse(h.tokens)) for h in found]


def words(frames, lm, weight):
    trie = Trie(V, SEPARATOR)
    for i, labels in enumerate(WORDS):
        trie.insert(labels + [SEPARATOR], i, 0.0)
    trie.smear(SmearingMode.NONE)
    options = LexiconDecoderOptions(beam_size=WIDE, beam_size_token=V, beam_threshold=1e9, lm_weight=weight,
                                    word_score=WORD_SCORE, unk_score=-float("inf"), sil_score=0, log_add=True,
                                    criterion_type=CriterionType.CTC)
    decoder = LexiconDecoder(options, trie, lm, SEPARATOR, 0, len(WORDS), [], False)
    found = decoder.decode(frames.ctypes.data, T, V)
    return [(h.score, [w for w in h.words if w >= 0]) for h in found]


def write(path, tensors):
    header, offset, data = {}, 0, b""
    for name, (dtype, array) in tensors.items():
        raw = array.tobytes()
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [offset, offset + len(raw)]}
        offset += len(raw)
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def main():
    random = np.random.default_rng(2026)
    frames = np.zeros((CASES, T, V), np.float32)
    tables = np.zeros((CASES, 5, 4), np.float32)
    scores = np.zeros((CASES, BEST), np.float32)
    results = np.full((CASES, BEST, T), -1, np.int32)
    for case in range(CASES):
        kind = case % 4
        frames[case] = log_softmax(random.normal(size=(T, V)) * (1 + case % 3)).astype(np.float32)
        tables[case] = log_softmax(random.normal(size=(5, 4)) * 2).astype(np.float32)
        lm = Bigram(tables[case]) if kind % 2 == 1 else ZeroLM()
        weight = WEIGHT if kind % 2 == 1 else 0.0
        one = np.ascontiguousarray(frames[case])
        found = free(one, lm, weight) if kind < 2 else words(one, lm, weight)
        found.sort(key=lambda result: -result[0])
        for i, (score, result) in enumerate(found[:BEST]):
            scores[case, i] = score
            results[case, i, :len(result)] = result
    write(sys.argv[1], {"frames": ("F32", frames), "tables": ("F32", tables), "scores": ("F32", scores),
                        "results": ("I32", results)})


main()
