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

# Entries, layers, and weights that are stored as something else.
parts=$root/tests/golden/pytorch_import
fails "two nested entries" 1 "'model.net', 'average.net' have tensors; --entry says which, or --entry, given several times" \
    "$LRNN" import "$parts/nested_two.pt" -o m
"$LRNN" import "$parts/nested_two.pt" -o m --force --entry model.net && "$LRNN" import "$parts/nested.pt" -o n
holds "an entry below another is found and chosen" cmp m n
fails "an entry that is not there" 2 "no entry 'model.x'; with tensors there is 'model.net'" \
    "$LRNN" import "$parts/nested.pt" -o m --force --entry model.x
"$LRNN" import "$parts/split.pt" -o m --force --entry model --entry generator
holds "a net may be in two entries" sh -c "'$LRNN' inspect m | grep -q '^output: 5 values'"
"$LRNN" export m -o out
holds "whose names are those of the entries" sh -c "LC_ALL=C grep -aq '\"generator.0.bias\"' out"
rm -f m n out named plain
"$LRNN" import "$parts/numbered_lstm.safetensors" -o m
holds "modules become layers" sh -c "'$LRNN' inspect m | grep -q '^layers: 2 x LSTM, 4 hidden, bidirectional'"
fails "an order that names do not say" 1 "both 'deep' and 'lower' could be the recurrent module; --recurrent says which, or --recurrent, given several times, the order" \
    "$LRNN" import "$parts/unordered.safetensors" -o m --force
"$LRNN" import "$parts/sizes_lstm.safetensors" -o m --force
holds "their sizes may differ" sh -c "'$LRNN' inspect m | grep -q '^layers: 2 x LSTM, 8,4 hidden'"
"$LRNN" export m -o out --force
holds "and they are modules again" sh -c "grep -q lstm2.weight_hh_l0 out && '$LRNN' import out -o again && '$LRNN' inspect again | grep -q '8,4 hidden'"
"$LRNN" import "$parts/unordered.safetensors" -o m --force --recurrent lower --recurrent deep --embedding emb --head-module fc
holds "an order is given" sh -c "'$LRNN' inspect m | grep -q '^layers: 2 x GRU'"
fails "a module twice" 2 "import: --recurrent: 'deep' is named twice" \
    "$LRNN" import "$parts/unordered.safetensors" -o m --force --recurrent deep --recurrent deep
fails "a module that is not there" 2 "there is no tensor 'x.weight_ih_l0'" \
    "$LRNN" import "$parts/unordered.safetensors" -o m --force --recurrent x
fails "names in two ways" 2 "--names names all modules" \
    "$LRNN" import "$parts/unordered.safetensors" -o m --force --recurrent deep --names ,deep,
"$LRNN" import "$parts/weight_norm.safetensors" -o m --force && "$LRNN" export m -o out
holds "a norm is folded" sh -c "LC_ALL=C grep -aq '\"rnn.weight_ih_l1\"' out"
fails "what is folded in a way that is not known" 1 "'rnn.parametrizations.weight_hh_l0.0.base' makes a weight is not known" \
    "$LRNN" import "$parts/orthogonal.safetensors" -o m --force

# What stands around layers is named.
around() {
    "$LRNN" import "$parts/around.pt" -o m --force --input-layer fc_in --input-activation tanh --head-layer out.0 \
        --head-activation relu --norm-epsilon 0.001 --residual --initial-h h0 --initial-c c0 "$@"
}
fails "a linear layer that is not named" 1 "'fc_in' and 'out.0' could be the head; --head-module says which; --input-layer or --head-layer takes" \
    "$LRNN" import "$parts/around.pt" -o m --force
fails "a layer that is not there" 2 "import: --input-activation: there is no such layer" \
    "$LRNN" import "$parts/states.safetensors" -o m --force --initial-h h0 --input-activation tanh
fails "normalizations that are not asked for" 1 "--layer-norm takes normalizations, --initial-h what" \
    "$LRNN" import "$parts/norms.safetensors" -o m --force
around --layer-norm && "$LRNN" export m -o out
holds "the names of what stands around layers come back" sh -c "'$LRNN' inspect m | grep -q '^layer normalization, epsilon 0.001\$' &&
    '$LRNN' inspect m | grep -q '^head layer: 6, activation relu' && LC_ALL=C grep -aq '\"c0\"' out"
"$LRNN" export m -o named --norm lns --input-layer enter --head-layer leave --initial-h start.h --initial-c start.c
for name in lns.2.weight enter.bias leave.weight start.h start.c; do
    holds "export names $name" sh -c "LC_ALL=C grep -aq '\"$name\"' named"
done
holds "and no other" sh -c "! LC_ALL=C grep -aq 'fc_in\|ln_0\|\"h0\"' named"
fails "two tensors of one name" 2 "export: tensor .*start" "$LRNN" export m -o other --initial-h start --initial-c start
"$LRNN" import "$parts/list_gru.safetensors" -o plain
for option in norm input-layer head-layer initial-h initial-c; do
    fails "what is not there has no name: --$option" 2 "export: --$option: needs a" "$LRNN" export plain -o other --$option x
done
mv m n && around --norm ln_0 --norm ln_1 --norm ln_2
holds "normalizations may be named" cmp m n
rm -f m n out named plain

# A part of a net: what is left out is told, and nothing that the rest would need.
fails "a part is asked for" 1 "'average.net'" "$LRNN" import "$parts/nested_two.pt" -o m --force --partial
"$LRNN" import "$parts/unordered.safetensors" -o m --force --partial --recurrent deep --embedding emb --head-module fc > said
holds "other modules are left out" sh -c "grep -q '^left out: lower.weight_hh_l0\$' said && test \$(wc -l < said) -eq 4"
fails "what is needed is not" 1 "would need tensors 'deep.bias_hh_l0' \[12\], .*--without names each" \
    "$LRNN" import "$parts/unordered.safetensors" -o m --force --partial --recurrent lower --without deep.weight_ih_l0 --embedding emb --head-module fc
without=$(printf ' --without deep.%s' weight_ih_l0 weight_hh_l0 bias_ih_l0 bias_hh_l0)
"$LRNN" import "$parts/unordered.safetensors" -o m --force --embedding emb --head-module fc $without > said
holds "tensors are left out by name" sh -c "test \$(grep -c '^left out: deep' said) -eq 4"
fails "a tensor that is not there" 2 "without: there is no tensor 'x'" \
    "$LRNN" import "$parts/unordered.safetensors" -o m --force --without x
rm -f m out

# Options that do not fit the file are wrong command lines.
fails "a cell that it is not" 2 "import: --cell: expected GRU, the file has LSTM" "$LRNN" import "$golden/lstm.pt" -o m --cell gru
fails "too many features" 2 "import: --features: expected at most" "$LRNN" import "$golden/lstm.pt" -o m --features 99
fails "a head that is not there" 2 "import: --head: asks for a head" "$LRNN" import "$golden/lstm_alone.pt" -o m --head last
fails "a padding token that is none" 2 "import: --padding-token" "$LRNN" import "$golden/rnn_tanh.pt" -o m --padding-token 7
fails "a head that is not tied" 1 "tied_weights: " "$LRNN" import "$golden/rnn_tanh.pt" -o m --tied

# Vocabularies.
printf 'zero\none\ntwo\nthree\nfour\nfive\nsix' > labels
printf 'a\nb\nc\nd\ne\n' > tags
"$LRNN" import "$golden/rnn_tanh.pt" -o m --vocab labels
holds "labels are the vocabulary of both ends" sh -c "'$LRNN' inspect m | grep -q '^vocabulary: 7 labels'"
holds "in the order of their lines" test "$("$LRNN" inspect --vocab m | tail -n 1)" = "6	six"
holds "such a model writes" test "$("$LRNN" generate -m m -p "one two" -n 3 --method greedy | wc -w)" -eq 5
"$LRNN" import "$golden/lstm.pt" -o m --vocab labels --output-vocab tags
holds "two vocabularies" sh -c "'$LRNN' inspect m | grep -q '^output vocabulary: 5 labels'"
"$LRNN" import "$golden/rnn_tanh.pt" -o m --vocab-text labels --level char 2> err
holds "a vocabulary that does not fit is refused" grep -q "vocab_size is 7, but input_vocab has" err
printf 'gfedcbaabc' > letters
"$LRNN" import "$golden/rnn_tanh.pt" -o m --vocab-text letters --level char
holds "characters of a text" test "$("$LRNN" inspect --vocab m | head -n 1)" = "0	a"
holds "such a model is scored with" test "$("$LRNN" score -m m letters | wc -l)" -eq 10
printf 'a\0b' > binary
fails "labels are text" 1 "binary: not text" "$LRNN" import "$golden/rnn_tanh.pt" -o m --vocab binary

# A list is in the order of its ids at every level, as JSON or by lines, whatever ends the lines.
listed() {
    "$LRNN" import --force "$golden/rnn_tanh.pt" -o m --vocab list "$@" > said || return
    "$LRNN" inspect --vocab m | cut -f 2 | tr '\n' ' '
}
printf 'g\na\nf\nb\ne\n\303\251\n\\n\n' > list
holds "characters keep their order" test "$(listed --level char)" = "g a f b e é \\n "
holds "what was read is told" grep -q "^list: 7 tokens, first 'g', last '\\\\n'$" said
printf 'fab\n' > few
holds "and read text as characters" test "$("$LRNN" score -m m few | cut -f 2 | head -n 2 | tr -d '\n')" = ab
printf '["g", "a","f",\n "b","e","\\u00e9","\\n"]\n' > list
holds "as in JSON" test "$(listed --level char)" = "g a f b e é \\n "
printf '\357\273\277g\r\na\r\nf\r\nb\r\ne\r\n \r\n\\r' > list
holds "CRLF and a byte order mark are no tokens" test "$(listed --level char)" = "g a f b e   \\x0D "
printf 'b\na\n<unk>\nc\\td\n\\\\\n\\x41\n\\u00e9' > list
holds "words have escapes" test "$(listed --level word)" = "b a <unk> c\\td \\\\ A é "
printf 'b\na\n\nc\nd\ne\nf' > list
holds "a label may be empty" test "$(listed)" = "b a  c d e f "
import_list() {
    printf "$1" > list
    shift
    "$LRNN" import --force "$golden/rnn_tanh.pt" -o m --vocab list "$@"
}
fails "a text is no list of characters" 1 "list: vocabulary: token 0, 'abc', is not one UTF-8.*--vocab-text" import_list 'abc\nd' --level char
fails "an escape that is none" 1 "list: line 2: not one of the escapes" import_list 'a\n\\q\n'
fails "a list that ends early" 1 "list: line 1: expected , or \]" import_list '["a","b"'
fails "a string that ends early" 1 "list: line 1: the JSON list ends inside" import_list '["a","b'
fails "what follows the list" 1 "list: line 2: expected nothing" import_list '["a"]\n"b"'
fails "half a surrogate" 1 "list: line 1: not an escape of JSON" import_list '["\\ud800"]'
fails "a token twice" 1 "list: vocabulary: token 1, 'a', appears twice" import_list 'a\na\n'
fails "a list in UTF-16" 1 "list: the text is UTF-16" import_list '\377\376a\0'
fails "an empty list" 1 "a list without tokens" "$LRNN" import "$golden/rnn_tanh.pt" -o m --vocab /dev/null
fails "a text has no labels" 2 "--vocab-text: needs --level" "$LRNN" import "$golden/rnn_tanh.pt" -o m --vocab-text list

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

fails "a head that is not wanted" 2 "import: --head-module: given, but" "$LRNN" import "$golden/rnn_tanh.pt" -o again --force --head none --head-module fc
fails "an entry of a safetensors file" 2 "import: --entry 'x': only files of torch.save" "$LRNN" import "$golden/rnn_tanh.safetensors" -o again --force --entry x
fails "names that make two tensors one" 2 "export: --names: tensor .* is given twice" "$LRNN" export trained -o out --names a,b,a

fails "what is no model file" 1 "text: " "$LRNN" import text -o m
fails "a file that is cut off" 1 "damaged zip" sh -c "head -c 1000 '$golden/lstm.pt' > cut.pt; '$LRNN' import cut.pt -o m"
fails "a whole module" 1 "torch.nn.modules.rnn.GRU.*state_dict" "$LRNN" import "$golden/module.pt" -o m
fails "the old format" 1 "before PyTorch 1.6" "$LRNN" import "$golden/legacy.pt" -o m
fails "two state_dicts" 1 "'generator', 'critic'" "$LRNN" import "$golden/two.pt" -o m
fails "a model of ours" 1 "the other commands read it" "$LRNN" import trained -o m
fails "no file" 1 "nowhere" "$LRNN" import nowhere -o m
fails "no model to export" 1 "nowhere" "$LRNN" export nowhere -o out

# Names from files are no commands to the terminal.
small_model ours
"$LRNN" export ours -o hostile > /dev/null
sed 's/"head.bias"/"a\\u001bbc"/' hostile > hostile2
"$LRNN" import --without "$(printf 'a\033bc')" hostile2 -o m2 > out 2> err
holds "an escape in a tensor's name is none" grep -q '^left out: a?bc$' out
