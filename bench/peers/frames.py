"""Prefix beam search of flashlight-text. Arguments: the work, threads, a folder."""
import sys

import numpy as np
from flashlight.lib.text.decoder import CriterionType, LexiconFreeDecoder, LexiconFreeDecoderOptions, ZeroLM

from common import numbers, serve


def main():
    width, V = (int(part) for part in sys.argv[1].split("-")[1:])
    T = 100 if V > 1000 else 1000
    draws = numbers(T * V + T)
    frames = draws[: T * V].reshape(T, V).astype(np.float32) / np.float32(1073741824) * 3
    for t, draw in enumerate(draws[T * V :]):
        frames[t, 0 if draw % 4 != 0 else 1 + draw // 4 % (V - 1)] += 7
    frames = np.ascontiguousarray(frames - np.log(np.exp(frames.astype(float)).sum(1, keepdims=True)), np.float32)
    options = LexiconFreeDecoderOptions(beam_size=width, beam_size_token=V, beam_threshold=1e9, lm_weight=0,
                                        sil_score=0, log_add=True, criterion_type=CriterionType.CTC)
    decoder = LexiconFreeDecoder(options, ZeroLM(), V + 1, 0, [])

    def run():
        tokens = np.array(decoder.decode(frames.ctypes.data, T, V)[0].tokens[1:-1])
        starts = np.append(True, tokens[1:] != tokens[:-1])
        return float(np.count_nonzero(starts & (tokens != 0)))

    serve(run, T, "LexiconFreeDecoder.decode")


main()
