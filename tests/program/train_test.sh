. "$(dirname "$0")/common.sh"
tab=$(printf '\t')
small="--hidden 32 --embedding 16 --lr 0.01"

"$LRNN" train -o m $small --epochs 2 --valid 0.1 --log m.tsv --plot m.svg text > m.out 2> m.err
holds "training succeeds" test $? -eq 0
holds "it is silent on stderr" test ! -s m.err
holds "the log has its header" test "$(head -n 1 m.tsv)" = \
    "epoch${tab}step${tab}tokens${tab}loss${tab}valid_loss${tab}learning_rate${tab}gradient_norm${tab}tokens_per_second"
steps=$(($(wc -l < m.tsv) - 1))
holds "steps in the log count from 1" awk -F'\t' 'NR > 1 && $2 != NR - 1 { exit 1 }' m.tsv
holds "every row has eight columns" awk -F'\t' 'NF != 8 { exit 1 }' m.tsv
holds "tokens are those of whole windows" awk -F'\t' 'NR > 1 && $3 != $2 * 512 { exit 1 }' m.tsv
holds "there is a validation loss after each epoch" awk -F'\t' -v last="$steps" \
    'NR > 1 && (($5 != "") != ($2 == last / 2 || $2 == last)) { exit 1 }' m.tsv
holds "the loss falls" awk -F'\t' 'NR == 2 { a = $4 } END { exit !($4 < 0.8 * a) }' m.tsv
mean=$(awk -F'\t' '$1 == 2 { s += $4; n++ } END { printf "%.4f", s / n }' m.tsv)
holds "an epoch's loss is the mean of its rows" grep -q "^epoch 2/2 done .* loss $mean " m.out
holds "the plot is a picture" sh -c 'head -c 5 m.svg | grep -q "<svg" && tail -n 1 m.svg | grep -q "</svg>"'
for label in "tokens seen" "loss (nats per token)" "validation" "training, smoothed"; do
    holds "the plot says: $label" grep -q "$label" m.svg
done
holds "nothing temporary is left" sh -c '! ls | grep -q tmp'

# The best model is kept, not the last: a rate far too high makes it worse again.
"$LRNN" train -q -o best --hidden 16 --lr 0.01 --schedule exponential --schedule-factor 30 --epochs 4 \
    --valid 0.1 --log best.tsv text
lowest=$(awk -F'\t' 'NR > 1 && $5 != "" && (b == "" || $5 < b) { b = $5 } END { print b }' best.tsv)
last=$(awk -F'\t' '$5 != "" { b = $5 } END { print b }' best.tsv)
holds "training went astray" sh -c "! [ '$lowest' = '$last' ]"
count=$(wc -m < text)
tail -c $((count / 10)) text > last-tenth
"$LRNN" eval -m best --batch 16 last-tenth > best.eval
holds "the model is the best one" within "$(value nats_per_token best.eval)" "$lowest" 0.001

"$LRNN" train -o p --hidden 16 --lr 0.01 --schedule exponential --schedule-factor 30 --epochs 40 \
    --valid 0.1 --patience 2 text > p.out
holds "patience ends it" grep -q "no better validation loss for 2 epochs" p.out

for seed in 1 1 2; do
    "$LRNN" train -q -o s$seed $small --epochs 1 --seed $seed --log s$seed.tsv text
    "$LRNN" train -q -o t$seed $small --epochs 1 --seed $seed --threads 2 text
done
holds "threads do not change a bit" cmp s1 t1
holds "another seed is another model" sh -c '! cmp -s s1 s2'

"$LRNN" train -q -o q $small --epochs 1 text > q.out 2>&1
holds "--quiet is quiet" test ! -s q.out
"$LRNN" train -q -o q $small --epochs 1 --sample-every 10 text > q.out
holds "samples are shown" grep -q "sample after step 10" q.out
"$LRNN" train -q -o q $small --epochs 1 - < text
holds "- is standard input" cmp q s1
half=$(($(wc -l < text) / 2))
head -n $half text > part1
tail -n +$((half + 1)) text > part2
"$LRNN" train -q -o q $small --epochs 1 part1 part2
holds "several texts are one behind the other" cmp q s1
"$LRNN" train -q -o q $small --epochs 1 --valid part1 part2 text
holds "another file can be validated on" test -s q

for cell in rnn rnn-relu lstm gru; do
    for level in byte char word; do
        "$LRNN" train -q -o q $small --batch 4 --steps 16 --epochs 1 --cell $cell --level $level --layers 2 \
            --dropout 0.1 text
        holds "$cell on $level" sh -c "'$LRNN' inspect q | grep -q tensors"
    done
done
for optimizer in sgd rmsprop adagrad adam adamw; do
    "$LRNN" train -q -o q $small --epochs 1 --optimizer $optimizer --weight-decay 0.001 text
    holds "$optimizer" test $? -eq 0
done

# Learning rates by the log: n of 40 steps, with 10 to warm up.
rate() {
    head -c 20481 text > rates
    "$LRNN" train -q -o q $small --lr 1 --clip-norm 0.001 --hidden 4 --epochs 2 --log r.tsv "$@" rates
    awk -F'\t' '{ printf "%s ", $6 }' r.tsv
}
pick() { echo "$2" | cut -d' ' -f$(($1 + 1)); }
rates=$(rate --warmup 9)
holds "warm-up rises" within "$(pick 1 "$rates")" 0.1 1e-6
holds "warm-up ends" within "$(pick 10 "$rates")" 1 1e-6
rates=$(rate --schedule step --schedule-factor 0.5)
holds "step stays for an epoch" within "$(pick 40 "$rates")" 1 1e-6
holds "step falls after it" within "$(pick 41 "$rates")" 0.5 1e-6
rates=$(rate --schedule exponential --schedule-factor 0.25)
holds "exponential is at the factor after an epoch" within "$(pick 41 "$rates")" 0.25 1e-6
holds "exponential is half-way in the middle" within "$(pick 21 "$rates")" 0.5 1e-6
rates=$(rate --schedule cosine --schedule-minimum 0.5)
holds "cosine is in the middle in the middle" within "$(pick 41 "$rates")" 0.75 1e-6

head -c 20481 text > rates
"$LRNN" train -q -o q --lr 1 --clip-norm 0.001 --hidden 4 --embedding 4 --epochs 4 --schedule step --schedule-start 2 \
    --log r.tsv rates
rates=$(awk -F'\t' '{ printf "%s ", $6 }' r.tsv)
holds "a start leaves its epoch alone" within "$(pick 80 "$rates")" 1 1e-6
holds "the rate falls after it" within "$(pick 81 "$rates")" 0.5 1e-6
holds "and on" within "$(pick 121 "$rates")" 0.25 1e-6
"$LRNN" train -q -o q --lr 1 --clip-norm 0.001 --hidden 4 --embedding 4 --epochs 4 --schedule milestones \
    --schedule-milestones 1,3 --warmup 5 --log r.tsv rates
rates=$(awk -F'\t' '{ printf "%s ", $6 }' r.tsv)
holds "before a milestone" within "$(pick 40 "$rates")" 1 1e-6
holds "after a milestone" within "$(pick 41 "$rates")" 0.5 1e-6
holds "until the next" within "$(pick 120 "$rates")" 0.5 1e-6
holds "after the next" within "$(pick 121 "$rates")" 0.25 1e-6
for setting in "sgd --momentum 0.5 --dampening 0.5" "rmsprop --alpha 0.5" "adam --beta1 0.5" "adamw --beta2 0.5" "adagrad --epsilon 1"; do
    "$LRNN" train -q -o q0 $small --epochs 1 --optimizer ${setting%% --[abde]*} text
    "$LRNN" train -q -o q1 $small --epochs 1 --optimizer $setting text
    holds "it makes a difference: $setting" sh -c "! cmp -s q0 q1"
done

"$LRNN" train -q -o q --hidden 24 --embedding 16 --projection 16 --tied --init-range 0.1 --lr 0.01 --epochs 2 --layers 2 text
"$LRNN" inspect q > q.out
holds "inspect says that a model is tied" grep -q "^head: the embedding's matrix\$" q.out
holds "there is one matrix" sh -c "! grep -q head.weight q.out"
"$LRNN" train -q -o q2 --hidden 24 --embedding 16 --projection 16 --tied --init-range 0.1 --lr 0.01 --epochs 1 --layers 2 \
    --checkpoint q.c text
"$LRNN" train -q -o q2 --resume q.c --epochs 2 text
holds "a tied run resumes with the same bits" cmp q q2
"$LRNN" export q -o q.safetensors
"$LRNN" import --tied q.safetensors -o q3 --names embedding,rnn,head
"$LRNN" export q3 -o q3.safetensors
holds "export and import keep the tie" cmp q.safetensors q3.safetensors
fails "what is not one matrix cannot be tied" 1 "s1.safetensors: .*tied_weights" sh -c \
    "'$LRNN' export s1 -o s1.safetensors && '$LRNN' import --tied s1.safetensors -o q4 --names embedding,rnn,head"

adaptive="$small --cutoffs 5,9 --div-value 2 --adaptive-bias"
"$LRNN" train -q -o q $adaptive --epochs 2 text
"$LRNN" inspect q > q.out
holds "inspect shows cutoffs" grep -q "^adaptive softmax: cutoffs 5,9, div value 2, with bias\$" q.out
"$LRNN" train -q -o q2 $adaptive --epochs 1 --checkpoint q.c text
"$LRNN" train -q -o q2 --resume q.c --epochs 2 --threads 2 text
holds "with cutoffs a run resumes with the same bits" cmp q q2
"$LRNN" export q -o q.safetensors
"$LRNN" import q.safetensors -o q3 --names embedding,rnn,head
"$LRNN" export q3 -o q3.safetensors
holds "export and import keep an adaptive softmax" cmp q.safetensors q3.safetensors
holds "text is generated through it" sh -c "'$LRNN' generate -m q -n 20 --method beam > q.out && test -s q.out"
holds "and scored" sh -c "'$LRNN' score -m q text > q.out && test -s q.out"
fails "cutoffs rise" 2 "cutoffs: expected 1 to 8 ids.*9,5" "$LRNN" train -o q4 $small --cutoffs 9,5 text
fails "cutoffs are tokens" 2 "cutoffs: expected ascending ids below" "$LRNN" train -o q4 $small --cutoffs 5,5000 text
fails "no tied weights with cutoffs" 2 "tied: not with --cutoffs" "$LRNN" train -o q4 $small --cutoffs 5 --tied text
fails "no label smoothing with cutoffs" 2 "label-smoothing: not with --cutoffs" \
    "$LRNN" train -o q4 $small --cutoffs 5 --label-smoothing 0.1 text
fails "div-value needs cutoffs" 2 "div-value: needs --cutoffs" "$LRNN" train -o q4 $small --div-value 2 text

dropped="$small --input-dropout 0.2 --output-dropout 0.3 --embedding-dropout 0.1 --weight-dropout 0.5 --locked-dropout"
"$LRNN" train -q -o q $dropped --epochs 2 text
"$LRNN" train -q -o q2 $dropped --epochs 1 --checkpoint q.c text
"$LRNN" train -q -o q2 --resume q.c --epochs 2 --threads 2 text
holds "a run with dropout everywhere resumes with the same bits" cmp q q2
holds "inspect says where" sh -c "'$LRNN' inspect q | grep -c 'put dropout: 0\.\|^embedding dropout: 0.1\|locked' | grep -qx 4"

staged="$small --layers 2 --layer-norm --residual --learned-state --input-layer 32 --input-activation tanh --head-layer 16"
"$LRNN" train -q -o q $staged --epochs 2 text
"$LRNN" train -q -o q2 $staged --epochs 1 --checkpoint q.c text
"$LRNN" train -q -o q2 --resume q.c --epochs 2 --threads 2 text
holds "a net with more around its layers resumes with the same bits" cmp q q2
"$LRNN" inspect q > q.out
for line in "layer normalization, epsilon 1e-05" "residual connections" "learned initial state" \
    "input layer: 32, activation tanh" "head layer: 16, activation none"; do
    holds "inspect says: $line" grep -q "^$line\$" q.out
done
"$LRNN" generate -m q -n 20 --prompt the > q.out
holds "and text is written with it" test -s q.out

averaged="$small --valid 0.1 --activation-l2 2 --temporal-l2 1 --optimizer sgd --lr 60"
for start in "--average-patience 1" "--average-start 3"; do
    "$LRNN" train -o q $averaged $start --epochs 7 --log q.tsv text > q.out
    "$LRNN" train -q -o q2 $averaged $start --epochs 7 --log q2.tsv --checkpoint q.c --checkpoint-every 150 text
    "$LRNN" train -q -o q2 --resume q.c --threads 2 --log q2.tsv text
    holds "an average begins: $start" grep -q "^averaging the parameters from epoch" q.out
    holds "and resumes with the same bits" cmp q q2
    holds "which the losses were already" sh -c 'cut -f1-7 q.tsv > q.cut; cut -f1-7 q2.tsv | cmp - q.cut'
done
holds "it begins where it is told" grep -q "^averaging the parameters from epoch 3 on" q.out

"$LRNN" train -q -o q $small --epochs 1 --init-range 0.08 --init-orthogonal --forget-bias -0.5 text
"$LRNN" inspect q > q.out
for line in "initial range: 0.08" "initial recurrent matrices: orthogonal" "initial bias of forget gates: -0.5"; do
    holds "inspect says: $line" grep -q "^$line\$" q.out
done

fails "a text that is not there" 1 "cannot read nothing: " "$LRNN" train -q -o q nothing
: > empty
fails "an empty text" 1 "the text is empty" "$LRNN" train -q -o q empty
echo short > short
fails "a short text" 1 "--batch 16 and --steps 32 need at least 512" "$LRNN" train -q -o q short
printf 'abc\377def' > invalid
fails "invalid UTF-8 gives the place" 1 "byte 3" "$LRNN" train -q -o q --level char invalid
fails "a folder that is not there" 1 "cannot write no/where" "$LRNN" train -q -o no/where text
fails "a full disk under the log" 1 "/dev/full" "$LRNN" train -q -o q --log /dev/full text
fails "the validation text has unknown words" 1 "not in the vocabulary" \
    "$LRNN" train -q -o q --level word --valid part1 part2
holds "<unk> helps" "$LRNN" train -q -o q --level word --unknown $small --valid part1 part2
for net in "--lr 1e30" "--lr 1e30 --optimizer sgd --clip-norm 0" "--lr 1e10 --cell rnn-relu --optimizer sgd --clip-norm 0" \
    "--lr 100" "--lr 1000 --valid 0.1"; do
    rm -f q
    fails "training that explodes: $net" 1 "^lrnn: epoch 1, step .*: training has diverged; try a lower --lr" \
        "$LRNN" train -q -o q --hidden 8 $net text
    holds "saves nothing" test ! -e q
done
"$LRNN" train -q -o q --hidden 8 --lr 5 --epochs 1 text 2> q.err
holds "a model that is worse than a guess is named" grep -q "that of guessing 4.*: q is of little use" q.err
sh -c "'$LRNN' train -o q --report-every 1 $small --epochs 1 text 2> pipe.err; echo \$? > pipe.status" | head -n 1 > first
holds "nobody needs to watch" test "$(cat pipe.status)" -eq 0 -a ! -s pipe.err
holds "the model is the same" cmp q s1
sh -c "'$LRNN' train -o q --sample-every 10 $small --epochs 1 text 2> pipe.err; echo \$? > pipe.status" | head -n 1 > first
holds "nor read samples" test "$(cat pipe.status)" -eq 0 -a ! -s pipe.err
sh -c "'$LRNN' train -q -o q --sample-every 10 $small --epochs 1 text > /dev/full 2> pipe.err; echo \$? > pipe.status"
holds "a full disk under samples is said" grep -q "cannot write standard output: No space" pipe.err

# What cannot be written later does not end a run; what is missing at its end fails it.
rows_above() { # COUNT: waits until the log of the process has so many
    while [ "$(cat d.tsv 2> /dev/null | wc -l)" -le "$1" ]; do
        kill -0 $process 2> /dev/null || break
        sleep 0.02
    done
}
mkdir disk
rm -f d.tsv
"$LRNN" train -q -o disk/m --plot disk/m.svg --checkpoint disk/c --checkpoint-every 20 --log d.tsv $small \
    --epochs 40 text 2> d.err &
process=$!
rows_above 30
kill -STOP $process
mv disk gone
kill -CONT $process
rows_above $(($(wc -l < d.tsv) + 60))
kill -STOP $process
mv gone disk
kill -CONT $process
wait $process
holds "a checkpoint that could not be written is no end" test $? -eq 0
holds "it was said" grep -q "disk/c: .*; will try again with the next checkpoint" d.err
holds "everything is there in the end" test -s disk/m -a -s disk/m.svg -a -s disk/c
"$LRNN" train -q -o d $small --epochs 40 text
holds "and the same" cmp d disk/m
rm -rf disk
mkdir disk
rm d.tsv
"$LRNN" train -q -o d --checkpoint disk/c --log d.tsv $small --epochs 20 text 2> d.err &
process=$!
rows_above 2
kill -STOP $process
rm -r disk
kill -CONT $process
wait $process
holds "the last one is missed" test $? -eq 1
holds "and named" grep -q "^lrnn: disk/c: " d.err
holds "but not the model" test -s d
(ulimit -f 100; "$LRNN" train -q -o d --checkpoint c $small --epochs 1 text 2> d.err)
holds "a file that grows too large is an error like others" test $? -eq 1
holds "with its name" grep -q "^lrnn: c: " d.err
