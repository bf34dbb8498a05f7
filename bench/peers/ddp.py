"""PyTorch's DistributedDataParallel (gloo) on the works of bench/scale.c, and one process with threads.

python ddp.py WORK PROCESSES THREADS SECONDS: the fastest of blocks of steps, from rank 0."""
import os
import sys
import time

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

WORKS = {
    "word-lstm": (14746, 64, 64, 1, 16, 32, 4),
    "char-lstm": (96, 64, 128, 2, 50, 50, 4),
    "large-lstm": (96, 128, 512, 2, 64, 64, 1),
}


class Net(nn.Module):
    def __init__(self, vocab, embedding, hidden, layers):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embedding)
        self.rnn = nn.LSTM(embedding, hidden, layers, batch_first=True)
        self.head = nn.Linear(hidden, vocab)

    def forward(self, tokens, state):
        h, state = self.rnn(self.embedding(tokens), state)
        return self.head(h), state


def run(rank, work, processes, threads, seconds):
    torch.set_num_threads(threads)
    vocab, embedding, hidden, layers, batch, steps, block = WORKS[work]
    if processes > 1:
        os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
        os.environ.setdefault("MASTER_PORT", "29512")
        dist.init_process_group("gloo", rank=rank, world_size=processes)
    net = Net(vocab, embedding, hidden, layers)
    model = nn.parallel.DistributedDataParallel(net) if processes > 1 else net
    adam = torch.optim.Adam(model.parameters(), 0.001, fused=True)
    torch.manual_seed(rank)
    rows = batch // processes
    tokens = torch.randint(0, vocab, (rows, steps + 1))
    criterion = nn.CrossEntropyLoss()
    state = None

    def step():
        nonlocal state
        adam.zero_grad(set_to_none=True)
        y, state = model(tokens[:, :-1], state)
        state = tuple(s.detach() for s in state)
        criterion(y.reshape(-1, vocab), tokens[:, 1:].reshape(-1)).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5)
        adam.step()

    step()
    best, start = 1e30, time.perf_counter()
    more = torch.ones(1)
    while more.item() > 0:
        begin = time.perf_counter()
        for _ in range(block):
            step()
        best = min(best, (time.perf_counter() - begin) / block)
        more[0] = time.perf_counter() - start < seconds
        if processes > 1:
            dist.broadcast(more, 0)
    if rank == 0:
        print(f"{work} PyTorch processes {processes} threads {threads}: {best * 1e3:.2f} ms a step")
    if processes > 1:
        dist.destroy_process_group()


if __name__ == "__main__":
    work, processes, threads, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    if processes == 1:
        run(0, work, 1, threads, seconds)
    else:
        mp.spawn(run, (work, processes, threads, seconds), nprocs=processes)
