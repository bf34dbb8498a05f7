. "$(dirname "$0")/common.sh"
small_model m
head -n 60 text > some
printf 'na\303\257ve \342\202\254\n' >> some
cat text some > all
"$LRNN" train -q -o m --hidden 32 --embedding 16 --lr 0.01 --epochs 1 all

"$LRNN" eval -m m some > e
characters=$(($(LC_ALL=C tr -d '\200-\277' < some | wc -c)))
holds "all tokens but the first are predicted" test "$(value tokens e)" -eq $((characters - 1))
holds "characters are code points" test "$(value characters e)" -eq "$characters"
nats=$(value nats_per_token e)
holds "perplexity is exp of the cross-entropy" within \
    "$(awk -v x="$nats" 'BEGIN { print exp(x) }')" "$(value perplexity e)" 0.001
holds "bits per character" within "$(value bits_per_character e)" \
    "$(awk -v x="$nats" -v n="$characters" 'BEGIN { print x * (n - 1) / n / log(2) }')" 0.0001
right=$(value accuracy e)
holds "accuracy is a share, and not by chance" awk -v x="$right" 'BEGIN { exit !(x > 0.1 && x < 0.9) }'
"$LRNN" eval -m m --steps 7 some > f
holds "the window does not matter" within "$nats" "$(value nats_per_token f)" 0.00001
holds "nor for accuracy" within "$right" "$(value accuracy f)" 0.00001
"$LRNN" eval -m m --batch 5 some > f
holds "pieces side by side predict as many tokens" test "$(value tokens f)" -eq $((characters - 1))
holds "about as well" within "$nats" "$(value nats_per_token f)" 0.1
"$LRNN" eval -m m --threads 2 some > f
holds "threads do not matter" cmp e f
"$LRNN" eval -m m --steps 9999999999 some > f
holds "nor does a window longer than the text" within "$nats" "$(value nats_per_token f)" 0.00001
sh -c "'$LRNN' score -m m text 2> pipe.err; echo \$? > pipe.status" | head -n 1 > first
holds "a reader of scores may leave" test "$(cat pipe.status)" -eq 0 -a ! -s pipe.err -a -s first
sh -c "'$LRNN' score --lines -m m text 2> pipe.err; echo \$? > pipe.status" | head -n 1 > first
holds "of those of lines too" test "$(cat pipe.status)" -eq 0 -a ! -s pipe.err -a -s first
sh -c "'$LRNN' inspect --vocab m 2> pipe.err; echo \$? > pipe.status" | sh -c 'exec <&-'
holds "or of a list" test "$(cat pipe.status)" -eq 0 -a ! -s pipe.err
fails "a full disk is another matter" 1 "cannot write standard output" sh -c "'$LRNN' score -m m text > /dev/full"
"$LRNN" eval -m m - < some > f
holds "- is standard input" cmp e f

"$LRNN" score -m m some > s
holds "score has a row for each token and the total" test "$(wc -l < s)" -eq "$characters"
total=$(tail -n 1 s | cut -f3)
holds "the total is the sum" within "$total" "$(sed '$d' s | awk -F'\t' '{ s += $3 } END { print s }')" 0.01
holds "eval and score agree" within "$total" "$(awk -v x="$nats" -v n="$characters" 'BEGIN { print -x * (n - 1) }')" 0.01
printf 'int main(void)\nqqqq zzzz ((\n\n' > lines
"$LRNN" score -m m --lines lines > l 2> l.err
holds "a row for each line" test "$(wc -l < l)" -eq 3
holds "with the line in it" test "$(sed -n 1p l | cut -f3)" = "int main(void)"
holds "each line counts its newline" test "$(sed -n 1p l | cut -f2)" -eq 15
holds "a likely line scores higher" awk -F'\t' 'NR == 1 { a = $1 / $2 } NR == 2 { exit !(a > $1 / $2) }' l
printf '\001' > odd
fails "a character the model does not know" 1 "not in the vocabulary" "$LRNN" eval -m m odd
fails "an empty text" 1 "" "$LRNN" eval -m m /dev/null
printf a > single
fails "the text of a single token" 1 "^lrnn: single: fewer than 2 tokens, nothing to predict" "$LRNN" eval -m m single
fails "texts of a single token" 1 "^lrnn: single and 1 other: fewer" "$LRNN" eval -m m single /dev/null
fails "texts of nothing to score" 1 "^lrnn: single and 2 others: fewer" "$LRNN" score -m m single /dev/null /dev/null
fails "a single token" 1 "nothing to predict" sh -c "printf a | '$LRNN' eval -m m -"
fails "nothing to score" 1 "nothing to score" sh -c "printf a | '$LRNN' score -m m -"

"$LRNN" inspect m > i
holds "inspect: size" test "$(value size i)" = "$(wc -c < m) bytes"
holds "inspect: parameters" grep -q "^parameters: [0-9]* in 7 tensors" i
holds "inspect: the tensors add up" awk '/^parameters/ { n = $2 } /^  [a-z]/ { s += $NF } END { exit s != n }' i
holds "inspect: layers" grep -q "^layers: 1 x LSTM, 32 hidden" i
holds "inspect: vocabulary" grep -q "^vocabulary: [0-9]* characters" i
size=$(sed -n 's/^vocabulary: \([0-9]*\) .*/\1/p' i)
holds "inspect --vocab lists it" test "$("$LRNN" inspect --vocab m | wc -l)" -eq "$size"
holds "inspect --vocab escapes newlines" sh -c "'$LRNN' inspect --vocab m | grep -q '\\\\n\$'"
printf 'the cat <sat> & "ran"\n' > view
holds "inspect --text: a row for each token" test "$("$LRNN" inspect m --text view --unit 3 | wc -l)" -eq "$(wc -c < view)"
holds "inspect --text: hidden is within +-1" sh -c "'$LRNN' inspect m --text view --activation hidden | awk -F'\t' '\$3 < -1 || \$3 > 1 { exit 1 }'"
"$LRNN" train -q -o sizes --hidden 16,8 --embedding 4 --epochs 1 text
holds "inspect: sizes of layers" sh -c "'$LRNN' inspect sizes | grep -q '^layers: 2 x LSTM, 16,8 hidden'"
holds "inspect --text: a unit of the larger layer" sh -c "'$LRNN' inspect sizes --text view --layer 0 --unit 15 | grep -q ."
fails "inspect --text: units of the smaller layer" 2 "--unit: expected 0 to 7, found 8" "$LRNN" inspect sizes --text view --unit 8
"$LRNN" train -q -o projected --hidden 16 --projection 5 --embedding 4 --epochs 1 text
fails "inspect --text: units of a projection" 2 "--unit: expected 0 to 4, found 5" \
    "$LRNN" inspect projected --text view --activation hidden --unit 5
holds "inspect --text: colours on request" sh -c "'$LRNN' inspect m --text view --color always | grep -q '48;2;'"
"$LRNN" inspect m --text view --html view.html
holds "inspect --html escapes" sh -c "grep -q '&lt;' view.html && ! grep -q '<sat' view.html"
head -c 500 m > cut
fails "a model that is cut off" 1 "cut" "$LRNN" inspect cut
