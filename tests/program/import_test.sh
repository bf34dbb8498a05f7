. "$(dirname "$0")/common.sh"
golden=$root/tests/golden/pytorch

# Every net there is, from both kinds of file, gives the same model.
for net in rnn_tanh lstm gru_f16 lstm_bf16 lstm_cell lstm_alone lstm_projected; do
    "$LRNN" import "$golden/$net.safetensors" -o a && "$LRNN" import -o b "$golden/$net.pt" && cmp a b &&
        echo "ok $net" || echo "not ok $net"
done
"$LRNN" import "$golden/lstm.pt" -o m
holds "inspect shows the layers" sh -c "'$LRNN' inspect m | grep -q '^layers: 2 x LSTM, 4 hidden, bidirectional'"
"$LRNN" import "$golden/rnn_relu.pt" -o m --cell rnn-relu
holds "a relu is told" sh -c "'$LRNN' inspect m | grep -q 'RNN (relu)'"
"$LRNN" import "$golden/rnn_f64.pt" -o m --features 2 --padding-token 0 --head last
holds "features, padding and head are told" sh -c "'$LRNN' inspect m | grep -q 'and 2 features' &&
    '$LRNN' inspect m | grep -q 'at the last step'"
"$LRNN" import "$golden/lstm_alone.pt" -o m --one-hot
holds "one-hot is told" sh -c "'$LRNN' inspect m | grep -q '3 tokens, one-hot'"
fails "names are taken at their word" 1 "expected shape" "$LRNN" import "$golden/two.pt" -o m --entry critic --names head,rnn,embedding
"$LRNN" import "$golden/two.pt" -o m --entry critic --names embedding,,head
holds "an entry is chosen" test $? -eq 0

# Vocabularies.
printf 'zero\none\ntwo\nthree\nfour\nfive\nsix' > labels
printf 'a\nb\nc\nd\ne\n' > tags
"$LRNN" import "$golden/rnn_tanh.pt" -o m --vocab labels
holds "labels are the vocabulary of both ends" sh -c "'$LRNN' inspect m | grep -q '^vocabulary: 7 labels'"
holds "in the order of their lines" test "$("$LRNN" inspect --vocab m | tail -n 1)" = "6	six"
holds "such a model writes" test "$("$LRNN" generate -m m -p "one two" -n 3 --method greedy | wc -w)" -eq 5
"$LRNN" import "$golden/lstm.pt" -o m --vocab labels --output-vocab tags
holds "two vocabularies" sh -c "'$LRNN' inspect m | grep -q '^output vocabulary: 5 labels'"
"$LRNN" import "$golden/rnn_tanh.pt" -o m --vocab labels --level char 2> err
holds "a vocabulary that does not fit is refused" grep -q "vocab_size is 7, but input_vocab has" err
printf 'gfedcbaabc' > letters
"$LRNN" import "$golden/rnn_tanh.pt" -o m --vocab letters --level char
holds "characters of a text" test "$("$LRNN" inspect --vocab m | head -n 1)" = "0	a"
holds "such a model is scored with" test "$("$LRNN" score -m m letters | wc -l)" -eq 10
printf 'a\0b' > binary
fails "labels are text" 1 "binary: not text" "$LRNN" import "$golden/rnn_tanh.pt" -o m --vocab binary

# And back.
"$LRNN" import "$golden/rnn_tanh.safetensors" -o m && "$LRNN" export m -o out
holds "export gives the file back" test "$(LC_ALL=C grep -ao '"[a-z_0-9.]*weight[a-z_0-9]*"' out | sort | tr -d '\n')" = \
    '"embed.weight""fc.weight""rnn.weight_hh_l0""rnn.weight_ih_l0"'
"$LRNN" import out -o again
holds "and it is the same model" cmp m again
small_model trained
holds "a trained model is exported" "$LRNN" export trained -o out
holds "and imported" "$LRNN" import out -o again
"$LRNN" export trained -o out --names encoder,.,decoder
holds "names are what is asked for" sh -c "LC_ALL=C grep -aq '\"weight_ih_l0\"' out && LC_ALL=C grep -aq '\"encoder.weight\"' out"
holds "with names it is the same" sh -c "'$LRNN' import out -o third && '$LRNN' export third --names embedding,rnn,head -o fourth &&
    '$LRNN' export trained -o first && cmp first fourth"

fails "what is no model file" 1 "text: " "$LRNN" import text -o m
fails "a file that is cut off" 1 "damaged zip" sh -c "head -c 1000 '$golden/lstm.pt' > cut.pt; '$LRNN' import cut.pt -o m"
fails "a whole module" 1 "torch.nn.modules.rnn.GRU.*state_dict" "$LRNN" import "$golden/module.pt" -o m
fails "the old format" 1 "before PyTorch 1.6" "$LRNN" import "$golden/legacy.pt" -o m
fails "two state_dicts" 1 "'generator' and 'critic'" "$LRNN" import "$golden/two.pt" -o m
fails "a cell that it is not" 1 "cell: expected GRU, the file has LSTM" "$LRNN" import "$golden/lstm.pt" -o m --cell gru
fails "a model of ours" 1 "lrnn_model_load" "$LRNN" import trained -o m
fails "no file" 1 "nowhere" "$LRNN" import nowhere -o m
fails "no model to export" 1 "nowhere" "$LRNN" export nowhere -o out
