. "$(dirname "$0")/common.sh"

small_model trained
"$LRNN" convert trained -o half
holds "a model is converted" test $? -eq 0
holds "inspect says so" sh -c "'$LRNN' inspect half | grep -q '^weights: bfloat16$'"
holds "and nothing of others" sh -c "! '$LRNN' inspect trained | grep -q '^weights'"
holds "the file is shorter" test "$(wc -c < half)" -lt $(($(wc -c < trained) * 2 / 3))
holds "it predicts nearly as well" within "$("$LRNN" eval -m trained text | sed -n 's/^nats_per_token: //p')" \
    "$("$LRNN" eval -m half text | sed -n 's/^nats_per_token: //p')" 0.01
"$LRNN" convert half -o wide --weights float32
holds "back to float32" sh -c "! '$LRNN' inspect wide | grep -q '^weights'"
holds "which writes the same" test "$("$LRNN" generate -m wide -p a -n 50 --seed 1)" = \
    "$("$LRNN" generate -m half -p a -n 50 --seed 1)"
"$LRNN" convert wide -o again
holds "the second time nothing is lost" cmp half again
"$LRNN" convert half -o other
holds "nor the third" cmp half other
"$LRNN" convert trained -o half
holds "a model of ours may be replaced" cmp half again
"$LRNN" convert trained -o small --weights int8
holds "to bytes" sh -c "'$LRNN' inspect small | grep -q '^weights: int8$'"
holds "whose file is shorter still" test "$(wc -c < small)" -lt "$(wc -c < half)"
holds "which predict nearly as well" within "$("$LRNN" eval -m trained text | sed -n 's/^nats_per_token: //p')" \
    "$("$LRNN" eval -m small text | sed -n 's/^nats_per_token: //p')" 0.02
"$LRNN" convert small -o wide --weights float32 --force
"$LRNN" convert wide -o again --weights int8 --force
holds "of bytes nothing is lost the second time" cmp small again
fails "a file is required" 2 "-o FILE" "$LRNN" convert trained
fails "a model is required" 2 "" "$LRNN" convert -o half
fails "other numbers" 2 "float32, bfloat16 or int8" "$LRNN" convert trained -o half --weights int4
fails "what is no model file" 1 "text: " "$LRNN" convert text -o half
fails "a folder that is not there" 1 "nowhere/half" "$LRNN" convert trained -o nowhere/half
