. "$(dirname "$0")/common.sh"
small_model chars
"$LRNN" train -q -o words --level word --hidden 16 --embedding 16 --epochs 1 text
"$LRNN" train -q -o rare --level word --min-count 3 --hidden 16 --embedding 16 --epochs 1 text
generate="$LRNN generate -m chars"

$generate -n 100 > a
$generate -n 100 > b
$generate -n 100 --seed 2 > c
holds "the same seed gives the same text" cmp a b
holds "another seed gives another" sh -c '! cmp -s a c'
$generate --method greedy -n 50 --prompt lrnn > g
holds "the prompt comes first" sh -c 'head -c 4 g | grep -q lrnn'
$generate --method greedy -n 50 --prompt lrnn --hide-prompt > h
holds "the prompt can be hidden" sh -c '(printf lrnn; cat h) | cmp - g'
holds "-n counts characters" test "$(wc -m < h)" -le 51
$generate -n 50 --prompt lrnn --top-k 1 > k
holds "top-k 1 is greedy" cmp g k
$generate -n 50 --prompt lrnn --top-k 1 --uniform > k
holds "uniform among one is greedy" cmp g k
$generate --method beam --beam-width 1 -n 50 --prompt lrnn > k
holds "a beam of width 1 is greedy" cmp g k
$generate --method beam -n 20 --n-best 3 --beam-width 6 --prompt lrnn > k
holds "n best texts are headed" test "$(grep -c '^# [123]  log-probability -' k)" -eq 3
$generate --method beam -n 20 --beam-width 6 --prompt lrnn > one
holds "the best of them is the one" sh -c "sed -n '2,/^# 2/p' k | grep -v '^# 2' | cmp - one"
for method in sampled-beam "beam --diverse-groups 5 --diversity-penalty 1" "beam --stopping exact --end ;" \
    "sample --top-p 0.9" "sample --min-p 0.1" "sample --typical-p 0.5" \
    "sample --no-repeat-ngram 3 --repetition-penalty 1.2 --presence-penalty 0.1 --frequency-penalty 0.1"; do
    holds "--method $method" $generate -n 30 --method $method
done
$generate -n 2000 --end '*' --hide-prompt > e
holds "the end token ends it" sh -c "tr -d '\n' < e | grep -q '^[^*]*\*\$'"
fails "the end token is a token" 2 "--end: 'xyz' is not a token" $generate --end xyz
holds "the text ends with a newline" sh -c 'tail -c 1 g | cmp - /dev/fd/3 3<<!

!'
words="$LRNN generate -m words"
holds "words are joined by spaces" sh -c "$words -n 10 --prompt 'LRNN_API lrnn_status' | grep -q '^LRNN_API lrnn_status [^ ]'"
fails "an unknown word is named" 1 "pterodactyl" $words --prompt "the pterodactyl"
holds "or becomes <unk>" sh -c "'$LRNN' generate -m rare -n 3 --prompt 'the pterodactyl' | grep -q '^the <unk> '"
fails "a prompt has a token" 2 "--prompt: there is no token in '  '" $words -n 5 --prompt "  "

fails "a full disk" 1 "cannot write standard output" sh -c "$generate > /dev/full"
sh -c "$generate -n 100000 2> pipe.err; echo \$? > pipe.status" | head -c 1 > /dev/null
holds "a reader who leaves ends it" test "$(cat pipe.status)" -eq 0
holds "in silence" test ! -s pipe.err
fails "a model that is not there" 1 "nothing" "$LRNN" generate -m nothing
fails "a file that is no model" 1 "text" "$LRNN" generate -m text
