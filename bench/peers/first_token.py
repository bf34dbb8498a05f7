"""Loads a model, feeds it one token and prints the likeliest next one. Arguments: the file, V, H."""
import sys

import torch
from torch import nn

from common import load_weights

path, vocab, hidden = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
weights = load_weights(path)
embedding, lstm, head = nn.Embedding(vocab, hidden), nn.LSTM(hidden, hidden), nn.Linear(hidden, vocab)
for prefix, module in (("embedding.", embedding), ("rnn.", lstm), ("head.", head)):
    module.load_state_dict(
        {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
    )
with torch.inference_mode():
    print(int(head(lstm(embedding(torch.tensor([1])))[0]).argmax()))
