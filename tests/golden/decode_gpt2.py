#!/usr/bin/env python3
"""Compares the decoder with generate() of the package transformers (5.x), token for token.

    python tests/golden/decode_gpt2.py build/liblrnn.so              compare
    python tests/golden/decode_gpt2.py build/liblrnn.so --capture    and rewrite decode_gpt2.bin

A small GPT-2 with random weights is the language model of both: generate() runs it itself, the
decoder asks for its logits through an lrnn_scorer (ctypes). Every setting below is run on all
prompts; tokens must be the same, scores and log-probabilities equal to 1e-4.

decode_gpt2.bin holds, for one setting a prompt, the logits the decoder asked for and what generate()
answered, so that tests/unit/decode_golden_test.c checks the same without Python. It also holds what
the sampling filters of transformers (its LogitsWarpers) keep of some random logits.

Group beam search is no longer part of transformers 5 (generate() wants code downloaded from
transformers-community/group-beam-search), so diverse beams are compared with a plain search written
out in tests/unit/decode_beam_test.c instead.
"""
import argparse
import ctypes as c
import os
import struct
import sys

import numpy as np
import torch
import transformers
from transformers import GPT2Config, GPT2LMHeadModel
from transformers.generation import logits_process as lp

V = 50
PROMPTS = 120
NEW = 10
SIZE = c.c_size_t
INTS = c.POINTER(c.c_int32)


class Rows(c.Structure):
    _fields_ = [("size", SIZE), ("count", SIZE), ("parents", INTS), ("tokens", INTS),
                ("requests", INTS), ("lengths", INTS), ("decoder", c.c_void_p)]


SCORE = c.CFUNCTYPE(c.c_int32, c.c_void_p, c.POINTER(Rows), c.POINTER(c.c_float))


class Scorer(c.Structure):
    _fields_ = [("size", SIZE), ("user", c.c_void_p), ("vocab_size", SIZE), ("score", SCORE)]


class Options(c.Structure):
    _fields_ = [
        ("size", SIZE), ("allocator", c.c_void_p), ("batch", SIZE), ("requests", SIZE),
        ("max_length", SIZE), ("min_length", SIZE), ("end_tokens", INTS), ("end_count", SIZE),
        ("method", c.c_int32), ("stopping", c.c_int32), ("beam_width", SIZE), ("n_best", SIZE),
        ("beam_groups", SIZE), ("diversity_penalty", c.c_double), ("length_penalty", c.c_double),
        ("candidates", c.c_int32), ("cut", c.c_int32), ("count_prompt", c.c_int32),
        ("uniform", c.c_int32), ("temperature", c.c_double), ("top_k", SIZE),
        ("top_p", c.c_double), ("min_p", c.c_double), ("typical_p", c.c_double),
        ("min_keep", SIZE), ("repetition_penalty", c.c_double), ("presence_penalty", c.c_double),
        ("frequency_penalty", c.c_double), ("penalize", c.c_int32), ("filter_prompt", c.c_int32),
        ("no_repeat_ngram", SIZE), ("banned_tokens", INTS), ("banned_count", SIZE),
        ("banned_sequences", c.POINTER(INTS)), ("banned_lengths", c.POINTER(SIZE)),
        ("banned_sequence_count", SIZE), ("forced_tokens", INTS), ("forced_count", SIZE),
        ("user", c.c_void_p), ("allowed", c.c_void_p), ("logits", c.c_void_p),
        ("token", c.c_void_p)]


class Request(c.Structure):
    _fields_ = [("size", SIZE), ("tokens", INTS), ("count", SIZE), ("seed", c.c_uint64),
                ("h", c.c_void_p), ("c", c.c_void_p), ("features", c.c_void_p)]


class Result(c.Structure):
    _fields_ = [("size", SIZE), ("tokens", INTS), ("log_probabilities", c.POINTER(c.c_float)),
                ("count", SIZE), ("log_probability", c.c_double), ("perplexity", c.c_double),
                ("score", c.c_double), ("ended", c.c_int32), ("group", c.c_int32)]


def settings(end):
    """Keyword arguments of generate(), and nothing else."""
    beams = (3, 5, 10, 20)
    yield {}
    yield {"repetition_penalty": 1.3}
    yield {"no_repeat_ngram_size": 2, "min_new_tokens": 4}
    yield {"bad_words_ids": [[5], [7, 11], [2, 30, 4]]}
    for width in beams:
        for stopping in (True, False, "never"):
            yield {"num_beams": width, "early_stopping": stopping}
            for penalty in (0.0, 0.6, 2.0, -0.5):
                yield {"num_beams": width, "early_stopping": stopping, "length_penalty": penalty}
    for width in beams:
        stopping = (True, False, "never")[width % 3]
        base = {"num_beams": width, "early_stopping": stopping}
        yield dict(base, no_repeat_ngram_size=2)
        yield dict(base, no_repeat_ngram_size=3, num_return_sequences=3)
        yield dict(base, repetition_penalty=1.2)
        yield dict(base, repetition_penalty=0.8)
        yield dict(base, bad_words_ids=[[5], [7, 11], [2, 30, 4], [9]])
        yield dict(base, min_new_tokens=5)
        yield dict(base, min_new_tokens=3, num_return_sequences=width)
        yield dict(base, max_new_tokens=5, num_return_sequences=2)
        yield dict(base, max_new_tokens=1)
        yield dict(base, eos_token_id=[end, 8, 21], num_return_sequences=3)
        yield dict(base, eos_token_id=None)
        yield dict(base, repetition_penalty=1.1, no_repeat_ngram_size=2, min_new_tokens=2,
                   bad_words_ids=[[1], [4, 4]], length_penalty=1.4, num_return_sequences=2)


def ints(values):
    return (c.c_int32 * max(1, len(values)))(*values)


class Decoder:
    """The library behind ctypes; remembers the logits it was asked for."""

    def __init__(self, path, model):
        self.lib = c.CDLL(path)
        self.lib.lrnn_last_error.restype = c.c_char_p
        self.lib.lrnn_decoder_result_count.restype = SIZE
        self.model = model
        self.asked = {}

    def check(self, status):
        if status != 0:
            raise RuntimeError(f"{status}: {self.lib.lrnn_last_error().decode()}")

    def score(self, _user, rows, logits):
        rows_ = rows.contents
        texts = []
        for row in range(rows_.count):
            tokens = (c.c_int32 * rows_.lengths[row])()
            self.check(self.lib.lrnn_rows_copy_tokens(tokens, SIZE(len(tokens)), rows, SIZE(row)))
            texts.append(tuple(tokens))
        values = np.ctypeslib.as_array(logits, (rows_.count, V))
        by_length = {}
        for row, text in enumerate(texts):
            by_length.setdefault(len(text), []).append(row)
        for picked in by_length.values():
            answer = forward(self.model, [texts[row] for row in picked])
            values[picked] = answer
        for row, text in enumerate(texts):
            self.asked.setdefault((rows_.requests[row], text), values[row].copy())
        return 0

    def fill(self, kwargs, keep):
        o = Options()
        self.check(self.lib.lrnn_decoder_options_init(c.byref(o), SIZE(c.sizeof(o))))
        ends = ends_of(kwargs)
        keep.append(ints(ends))
        o.end_tokens, o.end_count = keep[-1], len(ends)
        o.max_length = kwargs["max_new_tokens"]
        o.min_length = kwargs.get("min_new_tokens", 0)
        o.repetition_penalty = kwargs.get("repetition_penalty", 1.0)
        o.no_repeat_ngram = kwargs.get("no_repeat_ngram_size", 0)
        o.filter_prompt = 1
        width = kwargs.get("num_beams", 1)
        if width == 1:
            o.penalize = 1
        else:
            o.method = 2
            o.beam_width = width
            o.n_best = kwargs.get("num_return_sequences", 1)
            o.stopping = {True: 1, False: 2, "never": 3}[kwargs["early_stopping"]]
            o.length_penalty = kwargs.get("length_penalty", 1.0)
            o.candidates = 1
            o.cut = 1
        words = kwargs.get("bad_words_ids", [])
        single = [w[0] for w in words if len(w) == 1]
        longer = [w for w in words if len(w) > 1]
        keep.append(ints(single))
        o.banned_tokens, o.banned_count = keep[-1], len(single)
        arrays = [ints(w) for w in longer]
        keep.append(arrays)
        keep.append((INTS * max(1, len(longer)))(*[c.cast(a, INTS) for a in arrays]))
        o.banned_sequences = keep[-1]
        keep.append((SIZE * max(1, len(longer)))(*[len(w) for w in longer]))
        o.banned_lengths, o.banned_sequence_count = keep[-1], len(longer)
        return o

    def generate(self, kwargs, prompts):
        self.asked = {}
        keep = []
        options = self.fill(kwargs, keep)
        options.batch = len(prompts)
        scorer = Scorer()
        self.check(self.lib.lrnn_scorer_init(c.byref(scorer), SIZE(c.sizeof(scorer))))
        scorer.vocab_size = V
        scorer.score = SCORE(self.score)
        decoder = c.c_void_p()
        self.check(self.lib.lrnn_decoder_create_with_scorer(c.byref(decoder), c.byref(scorer),
                                                            c.byref(options)))
        requests = (Request * len(prompts))()
        for request, prompt in zip(requests, prompts):
            self.check(self.lib.lrnn_request_init(c.byref(request), SIZE(c.sizeof(request))))
            keep.append(ints(prompt))
            request.tokens, request.count = keep[-1], len(prompt)
        self.check(self.lib.lrnn_decoder_run(decoder, requests, SIZE(len(prompts))))
        answers = []
        for i in range(len(prompts)):
            found = []
            for rank in range(self.lib.lrnn_decoder_result_count(decoder, SIZE(i))):
                result = Result()
                self.lib.lrnn_result_init(c.byref(result), SIZE(c.sizeof(result)))
                self.check(self.lib.lrnn_decoder_get_result(c.byref(result), decoder, SIZE(i),
                                                            SIZE(rank)))
                found.append((result.tokens[:result.count], result.score,
                              result.log_probability, options.method))
            answers.append(found)
        self.lib.lrnn_decoder_destroy(decoder)
        return answers


def forward(model, texts):
    with torch.no_grad():
        return model(torch.tensor(texts), use_cache=False).logits[:, -1].float().numpy()


def reference(model, kwargs, prompts):
    """[(tokens, score or None, log-probability)] for each prompt."""
    answers = [None] * len(prompts)
    for length in sorted({len(p) for p in prompts}):
        index = [i for i, p in enumerate(prompts) if len(p) == length]
        batch = torch.tensor([prompts[i] for i in index])
        with torch.no_grad():
            out = model.generate(batch, attention_mask=torch.ones_like(batch), do_sample=False,
                                 use_cache=False, pad_token_id=0, output_scores=True,
                                 return_dict_in_generate=True, **kwargs)
        n = kwargs.get("num_return_sequences", 1)
        scores = out.sequences_scores if "sequences_scores" in out else None
        for k, i in enumerate(index):
            answers[i] = []
            for j in range(k * n, (k + 1) * n):
                tokens = cut(out.sequences[j, length:].tolist(), ends_of(kwargs))
                answers[i].append((tokens, None if scores is None else scores[j].item(),
                                   log_probability(model, prompts[i], tokens)))
    return answers


def ends_of(kwargs):
    ends = kwargs["eos_token_id"]
    return [] if ends is None else [ends] if isinstance(ends, int) else ends


def cut(tokens, ends):
    """What follows the first end token is padding."""
    for i, token in enumerate(tokens):
        if token in ends:
            return tokens[:i + 1]
    return tokens


def log_probability(model, prompt, tokens):
    with torch.no_grad():
        logits = model(torch.tensor([list(prompt) + tokens]), use_cache=False).logits[0].double()
    rows = logits.log_softmax(-1)[len(prompt) - 1:-1]
    return sum(rows[i, t].item() for i, t in enumerate(tokens))


def same(ours, theirs):
    if len(ours) != len(theirs):
        return False
    for (tokens, score, total, _), (tokens2, score2, total2) in zip(ours, theirs):
        if tokens != tokens2 or abs(total - total2) > 1e-4:
            return False
        if score2 is not None and abs(score - score2) > 1e-4:
            return False
    return True


def write_case(out, kwargs, prompt, answers, asked):
    """See tests/unit/decode_golden_test.c, which reads it."""
    ends = ends_of(kwargs)
    words = kwargs.get("bad_words_ids", [])
    width = kwargs.get("num_beams", 1)
    stopping = {True: 1, False: 2, "never": 3}[kwargs.get("early_stopping", True)]
    out.append(struct.pack("<6i2d", width, stopping, kwargs.get("num_return_sequences", 1),
                           kwargs["max_new_tokens"], kwargs.get("min_new_tokens", 0),
                           kwargs.get("no_repeat_ngram_size", 0),
                           kwargs.get("length_penalty", 1.0),
                           kwargs.get("repetition_penalty", 1.0)))
    for array in [ends, prompt] + [words and [len(words)] or [0]] + words:
        out.append(struct.pack(f"<{len(array) + 1}i", len(array), *array))
    out.append(struct.pack("<i", len(answers)))
    for tokens, score, total in answers:
        out.append(struct.pack(f"<{len(tokens) + 1}i", len(tokens), *tokens))
        out.append(struct.pack("<2d", float("nan") if score is None else score, total))
    number = {}
    texts = sorted(asked, key=len)
    out.append(struct.pack("<i", len(texts)))
    for i, text in enumerate(texts):
        number[text] = i
        parent = number.get(text[:-1], -1)
        out.append(struct.pack("<2i", parent, -1 if parent < 0 else text[-1]))
        out.append(asked[text].astype("<f4").tobytes())


def write_filters(out, generator):
    """What the warpers keep of random logits, as a bit a token."""
    cases = [("top_k", 1), ("top_k", 7), ("top_p", 0.1), ("top_p", 0.5), ("top_p", 0.95),
             ("min_p", 0.02), ("min_p", 0.4), ("typical_p", 0.2), ("typical_p", 0.9)]
    warpers = {"top_k": lp.TopKLogitsWarper, "top_p": lp.TopPLogitsWarper,
               "min_p": lp.MinPLogitsWarper, "typical_p": lp.TypicalLogitsWarper}
    rows = [(generator.normal(size=V) * s).astype("f4") for s in (0.5, 1, 2, 3, 5)]
    out.append(struct.pack("<2i", len(rows), len(cases)))
    for row in rows:
        out.append(row.astype("<f4").tobytes())
        for name, value in cases:
            for keep in (1, 4):
                kept = warpers[name](value, min_tokens_to_keep=keep)(None, torch.tensor(row)[None])
                mask = [0 if v == float("-inf") else 1 for v in kept[0].tolist()]
                out.append(struct.pack("<2id", list(warpers).index(name), keep, value))
                out.append(bytes(mask))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("library")
    parser.add_argument("--capture", action="store_true")
    arguments = parser.parse_args()
    transformers.logging.set_verbosity_error()
    torch.manual_seed(1)
    torch.set_num_threads(1)
    # The default initializer_range of 0.02 gives almost equal logits, hence near-ties everywhere.
    config = GPT2Config(vocab_size=V, n_positions=64, n_embd=32, n_layer=2, n_head=2,
                        initializer_range=0.4, bos_token_id=0, eos_token_id=None,
                        resid_pdrop=0, embd_pdrop=0, attn_pdrop=0)
    model = GPT2LMHeadModel(config).eval()
    generator = np.random.default_rng(1)
    prompts = [tuple(int(t) for t in generator.integers(0, V, size=1 + i % 6))
               for i in range(PROMPTS)]
    logits = forward(model, [tuple(generator.integers(0, V, size=5)) for _ in range(1000)])
    # A token that is often among the likeliest ends texts, so that the stopping rules have work.
    end = int(np.bincount(np.argsort(-logits)[:, :5].ravel(), minlength=V).argmax())
    print(f"transformers {transformers.__version__}, torch {torch.__version__}; "
          f"logits have standard deviation {logits.std():.2f}")
    decoder = Decoder(os.path.abspath(arguments.library), model)
    every = [dict({"max_new_tokens": NEW, "eos_token_id": end}, **s) for s in settings(end)]
    captured = []
    wrong = texts = ends = 0
    for number, kwargs in enumerate(every):
        ours = decoder.generate(kwargs, prompts)
        theirs = reference(model, kwargs, prompts)
        bad = [i for i in range(PROMPTS) if not same(ours[i], theirs[i])]
        wrong += len(bad)
        texts += sum(len(t) for t in theirs)
        ends += sum(len(a[0]) < kwargs["max_new_tokens"] for t in theirs for a in t)
        print(f"{PROMPTS - len(bad):4} of {PROMPTS} the same: {kwargs}", flush=True)
        for i in bad[:3]:
            print("   prompt", prompts[i], "\n   ours  ", ours[i], "\n   theirs", theirs[i])
        for i in range(PROMPTS):
            if i % len(every) == number:
                asked = {text: v for (request, text), v in decoder.asked.items() if request == i}
                write_case(captured, kwargs, prompts[i], theirs[i], asked)
    print(f"{len(every)} settings, {texts} texts, {ends} of them ended before the maximum length, "
          f"{wrong} requests differ")
    if arguments.capture and wrong == 0:
        out = [b"LRNNDEC1", struct.pack("<2i", V, PROMPTS)] + captured
        write_filters(out, generator)
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "decode_gpt2.bin")
        with open(path, "wb") as file:
            file.write(b"".join(out))
        print(f"{path}: {sum(map(len, out))} bytes")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
