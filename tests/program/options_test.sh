. "$(dirname "$0")/common.sh"

for command in train generate encode eval score inspect convert import export; do
    "$LRNN" $command --help > help.$command
    holds "$command --help succeeds" test $? -eq 0
    holds "$command --help begins with its usage" grep -q "^usage: lrnn $command" help.$command
    holds "$command --help has no line over 80 columns" sh -c "! grep -q '.\{81\}' help.$command"
    holds "$command --help leaves no blanks at line ends" sh -c "! grep -q ' \$' help.$command"
    holds "$command -h is the same" sh -c "'$LRNN' $command -h | cmp - help.$command"
    fails "$command rejects an unknown option" 2 "^lrnn $command: --wrong: no such option" \
        "$LRNN" $command --wrong
done
holds "--help lists the commands" sh -c "'$LRNN' --help | grep -q generate"
holds "--version says the version" sh -c "'$LRNN' --version | grep -q '^lrnn [0-9]*\.[0-9]*\.[0-9]*\$'"
fails "a command is required" 2 "usage: lrnn COMMAND" "$LRNN"
fails "--version takes nothing" 2 "unexpected argument 'x'" "$LRNN" --version x
fails "an unknown command is named" 2 "'trian' is not a command" "$LRNN" trian

# The manual page has every option of every command, with its values, range, default and text.
sh "$root/scripts/man-options" "$LRNN" < "$root/docs/lrnn.1" > man
holds "the manual page says what --help says" diff "$root/docs/lrnn.1" man
for command in $("$LRNN" --help | sed -n 's/^  \([a-z]*\)  *[a-z].*/\1/p'); do
    holds "the manual page has the options of $command" grep -q "options of lrnn $command\$" man
done
holds "all of them" test "$(grep -c '^\.TP' man)" -gt 90

# An empty value is a shell variable that was not set. Every option with a value says so.
for command in train generate encode eval score inspect convert import export; do
    for option in $(sed -n 's/^  .*\(--[a-z0-9-]*\) [A-Z].*/\1/p; s/^  .*\(--[a-z0-9-]*\) [a-z][a-z-]*|.*/\1/p' help.$command); do
        [ "$option" = --end ] || fails "$command $option of nothing" 2 "^lrnn $command: $option: " "$LRNN" $command $option ""
    done
done
for command in "train -o z" "encode -o z" "eval -m m" "score -m m" "inspect" "convert -o z" "import -o z" "export -o z"; do
    fails "${command%% *} of nothing" 2 "^lrnn ${command%% *}: [A-Z]*: is empty" "$LRNN" $command ""
done

t="$LRNN train -o m text"
fails "a size out of range" 2 "--hidden: expected a whole number of at least 1, or up to 8 with commas between them, found '0'" $t --hidden 0
for sizes in 8,0 8, ,8 8,,8 8,x 1,2,3,4,5,6,7,8,9 8,-1 "8, 9"; do
    fails "sizes of layers: '$sizes'" 2 "--hidden: expected a whole number .*, found '$sizes'" $t --hidden "$sizes"
done
fails "as many sizes as layers" 2 "--hidden: expected one size, or one for each of the 3 --layers, found 2" \
    $t --hidden 8,9 --layers 3
fails "residual connections are between layers of one size" 2 "--residual: .*--hidden" $t --hidden 8,9 --residual
fails "the last layer meets the embedding" 2 "--tied: .* 9 values" $t --hidden 8,9 --embedding 8 --tied
fails "a size that is no number" 2 "--batch: .*found 'x'" $t --batch x
fails "a negative size" 2 "--steps: .*found '-1'" $t --steps -1
fails "a size that overflows" 2 "--epochs: " $t --epochs 99999999999999999999
fails "a number with a tail" 2 "--lr: expected a number above 0, found '1x'" $t --lr 1x
fails "a number that is not finite" 2 "--lr: " $t --lr inf
fails "a probability of 1" 2 "--dropout: expected a number of at least 0, below 1" $t --dropout 1
fails "a share above 1" 2 "--label-smoothing: expected a number from 0 to 1" $t --label-smoothing 2
fails "a choice that is none" 2 "--cell: expected rnn, rnn-relu, lstm or gru, found 'x'" $t --cell x
fails "a value that is missing" 2 "--lr: expected a value" $t --lr
fails "a value for a flag" 2 "--quiet: takes no value" $t --quiet=1
fails "a fraction out of range" 2 "--valid: expected a fraction above 0 and below 1" $t --valid 1.5
fails "the output is required" 2 "-o MODEL is required" "$LRNN" train text
fails "a text is required" 2 "TEXT" "$LRNN" train -o m
fails "stripping needs words" 2 "--strip-punctuation: needs --level word" $t --strip-punctuation
fails "keeping empty words needs stripping" 2 "--keep-empty: needs" $t --level word --keep-empty
fails "dropout needs two layers" 2 "--dropout: .*--layers" $t --dropout 0.5
fails "momentum needs sgd" 2 "--momentum: needs --optimizer" $t --momentum 0.9
fails "nesterov needs momentum" 2 "--nesterov: needs" $t --optimizer sgd --nesterov
for option in "--alpha 0.9" "--dampening 0.1" "--beta1 0.5 --optimizer sgd" "--beta2 0.5 --optimizer rmsprop" \
    "--epsilon 1e-6 --optimizer sgd"; do
    fails "${option%% *} needs an optimizer" 2 "^lrnn train: ${option%% *}: needs --optimizer " $t $option
done
fails "dampening needs momentum" 2 "--dampening: needs --optimizer sgd and --momentum" $t --optimizer sgd --dampening 0.5
fails "a beta below 1" 2 "--beta2: expected a number of at least 0, below 1" $t --beta2 1
fails "nesterov takes no dampening" 2 "--nesterov: needs a --dampening of 0" \
    $t --optimizer sgd --momentum 0.9 --nesterov --dampening 0.1
fails "nor does a momentum of 0 mean anything" 2 "--momentum: needs --optimizer" $t --momentum 0
fails "nesterov itself needs sgd" 2 "--nesterov: needs" $t --nesterov
for option in "--schedule-factor 0.5" "--schedule-minimum 0" "--schedule-period 2" "--schedule-patience 1" \
    "--schedule-start 2" "--schedule-milestones 2" "--schedule-threshold 0.1"; do
    fails "${option% *} needs a schedule" 2 "^lrnn train: ${option% *}: needs --schedule " $t $option
done
fails "a period is not of every schedule" 2 "--schedule-period: needs --schedule step or cosine" \
    $t --schedule exponential --schedule-period 2
fails "a factor is not of every schedule" 2 "--schedule-factor: needs --schedule step, exp" \
    $t --schedule cosine --schedule-factor 0.5
fails "a start is not of milestones" 2 "--schedule-start: needs --schedule step" \
    $t --schedule milestones --schedule-milestones 3 --schedule-start 2
fails "a start after the end" 2 "--schedule-start: must not be above --epochs" $t --schedule step --schedule-start 11
fails "milestones need a list" 2 "--schedule milestones: needs --schedule-milestones" $t --schedule milestones
for list in x 0 3,2 3,3 3, ,3 3.5 99999999999999999999; do
    fails "a list that is none: '$list'" 2 "--schedule-milestones: expected epochs.*found '$list'" \
        $t --schedule milestones --schedule-milestones "$list"
done
fails "a forget gate is of lstm" 2 "--forget-bias: needs --cell lstm" $t --cell gru --forget-bias 1
fails "recurrent matrices are of layers" 2 "--init-orthogonal: needs --layers of at least 1" $t --layers 0 --init-orthogonal
fails "only lstm projects" 2 "--projection: needs --cell lstm" $t --cell gru --projection 4
fails "a projection is smaller" 2 "--projection" $t --hidden 8 --projection 8
fails "tied sizes are equal" 2 "--tied: the head reads 8 values, but --embedding is 4" $t --hidden 8 --embedding 4 --tied
fails "tying needs an embedding" 2 "--tied: needs an embedding" $t --embedding 0 --tied
fails "locked dropout needs dropout" 2 "--locked-dropout: needs --dropout" $t --locked-dropout
fails "a layer's outputs are of layers" 2 "--output-dropout: needs --layers" $t --layers 0 --output-dropout 0.5
for option in activation-l2 temporal-l2; do
    fails "$option is of layers" 2 "--$option: needs --layers" $t --layers 0 --$option 1
done
fails "an average waits for a validation loss" 2 "--average-patience: needs --valid" $t --average-patience 3
fails "an average has one start" 2 "--average-start: .*one of them" $t --valid 0.1 --average-start 2 --average-patience 3
fails "an average that starts after the end" 2 "--average-start: must not be above" $t --average-start 11
for option in layer-norm residual learned-state; do
    fails "$option is of layers" 2 "--$option: needs --layers" $t --layers 0 --$option
done
for part in input head; do
    fails "an activation is of a layer" 2 "--$part-activation: needs --$part-layer" $t --$part-activation tanh
done
fails "recurrent weights are of layers" 2 "--weight-dropout: needs --layers" $t --layers 0 --weight-dropout 0.5
fails "tokens are of embeddings" 2 "--embedding-dropout: needs --embedding" $t --embedding 0 --embedding-dropout 0.5
fails "a range below 0" 2 "--init-range: expected a number of at least 0" $t --init-range -1
fails "a cell needs layers" 2 "--cell: needs --layers of at least 1" $t --layers 0 --cell gru
fails "so do several" 2 "--hidden: needs --layers of at least 1" $t --layers 0 --hidden 8,9
fails "so does a hidden state" 2 "--hidden: needs --layers of at least 1" $t --layers 0 --hidden 8
for option in "--min-count 2" "--max-vocab 9" "--unknown"; do
    fails "bytes are all there: $option" 2 "^lrnn train: ${option% *}: needs --level char or word" $t --level byte $option
done
fails "nothing is reported to nobody" 2 "--report-every: needs progress" $t -q --report-every 5
fails "patience needs validation" 2 "--patience: needs --valid" $t --patience 3
fails "plateau needs validation" 2 "--schedule plateau: needs --valid" $t --schedule plateau

fails "an option that is short for none" 2 "^lrnn train: --bogus: no such option$" $t --bogus=3
fails "an option that is short for several" 2 "--sch: ambiguous: --schedule, --schedule-start" $t --sch x
fails "a letter that is none" 2 "^lrnn train: -x: no such option$" $t -x

g="$LRNN generate -m m"
fails "a seed needs chance" 2 "--seed: needs --method sample or sampled-beam" $g --method greedy --seed 2
fails "with beams too" 2 "--seed: needs --method sample or sampled-beam" $g --method beam --seed 2
fails "uniform among all" 2 "--uniform: needs --top-k, --top-p" $g --uniform
fails "a temperature of 0" 2 "--temperature: .*; --method greedy" $g --temperature 0
fails "an empty prompt" 2 "--prompt: is empty" $g --prompt ""
for option in "--stopping exact" "--length-penalty 2"; do
    fails "${option% *} needs an end" 2 "${option% *}: needs --end" $g --method beam $option
done
fails "--min-tokens needs an end" 2 "--min-tokens: needs --end" $g --min-tokens 2
fails "diversity needs groups" 2 "--diversity-penalty: needs --diverse-groups" $g --method beam --diversity-penalty 1
for option in "--layer 0" "--unit 0" "--activation cell" "--color never" "--html x"; do
    fails "${option% *} needs a text" 2 "${option% *}: needs --text" "$LRNN" inspect m $option
done
fails "a vocabulary or a text" 2 "--vocab and --text: expected one" "$LRNN" inspect m --vocab --text text
fails "a page is coloured" 2 "--color: " "$LRNN" inspect m --text text --html x --color always
fails "a layer is whole" 2 "--layer: expected a whole number from -1" "$LRNN" inspect m --text text --layer 0.5
fails "kernels that are not here" 2 "LRNN_KERNELS: 'foo' is not" env LRNN_KERNELS=foo "$LRNN" --version
LRNN_KERNELS=reference "$LRNN" --version > version
holds "kernels that are" grep -q "kernels: reference" version
"$LRNN" train -q -o m --hidden 8 --embedding 4 --epochs 1 text
for value in "--hidden 99999999999" "--embedding 99999999999" "--layers 99999999999" "--batch 99999999999 --steps 1" \
    "--threads 1025"; do
    case $value in *batch*) wanted=1 ;; *) wanted=2 ;; esac
    fails "a size that the library refuses: $value" $wanted "${value%% *}" "$LRNN" train -q -o z $value text
done
fails "more tokens than can be counted" 2 "--tokens: expected" $g -n 99999999999
fails "more beams than can be counted" 2 "--beam-width: expected" $g --method beam --beam-width 99999999999
fails "more of both" 2 "--beam-width times --tokens: expected" $g --method beam --beam-width 10000000 -n 500
fails "a temperature that is none" 2 "--temperature: .*below that, --method greedy" $g --temperature 1e-40
fails "groups of another method" 2 "--diverse-groups: more than one only with --method beam," \
    $g --method sampled-beam --beam-width 6 --diverse-groups 2
fails "a penalty without bound" 2 "--length-penalty: 90 is too large: .* which is --tokens$" \
    $g --method beam --end 1 -n 1000000 --length-penalty 90
fails "state c without h" 2 "--initial-c: given without --initial-h" "$LRNN" import -o z --initial-c c m
fails "the library's name of a command" 1 "^lrnn: m: a model file .* the other commands read it" "$LRNN" import -o z m
for command in train encode; do
    fails "$command: room for <unk> alone" 2 "^lrnn $command: --max-vocab: expected at least 2" "$LRNN" $command -o z --max-vocab 1 text
    fails "$command: tokens that are all rare" 2 "^lrnn $command: --min-count: expected at most [0-9]*, .* found 99999" \
        "$LRNN" $command -o z --min-count 99999 text
    printf ' \n' > blank
    fails "$command: no words" 1 "^lrnn: blank: there is no token in it" "$LRNN" $command -o z --level word blank
    fails "$command: no words in two texts" 1 "^lrnn: blank and 1 other: there is no token" \
        "$LRNN" $command -o z --level word blank blank
done
fails "more windows than can be counted" 1 "^lrnn: text: [0-9]* tokens to train on; --batch 4294967296 and" \
    "$LRNN" train -o z --batch 4294967296 --steps 4294967296 text
fails "more memory than there is" 2 "--beam-width 2000000000 and --tokens 1: would take .* GB of memory" \
    $g --method beam --beam-width 2000000000 -n 1
"$LRNN" train -q -o wide --level word --hidden 256 --epochs 1 text
$g --method beam --beam-width 90000 -n 1 -m wide > beams 2> beams.err
holds "much memory is named" grep -q "^lrnn generate: --beam-width 90000 and --tokens 1: .*takes* [0-9.]* GB of memory" beams.err
fails "a net larger than memory" 2 "--hidden 500000, .*: would take .* GB of memory" "$LRNN" train -q -o z --hidden 500000 text
fails "more pieces than tokens" 2 "--batch: expected at most 9," sh -c "printf 'int main()' | '$LRNN' eval -m m --batch 10 -"
fails "an end that is no token" 2 "--end: 'xyz' is not a token" $g --end xyz
fails "a unit that is not there" 2 "--unit: expected 0 to 7, found 8" "$LRNN" inspect m --text text --unit 8
fails "a layer that is not there" 2 "--layer: expected -1 to 0, found 1" "$LRNN" inspect m --text text --layer 1
fails "an activation that is not there" 2 "--activation: .*'update_gate'" \
    "$LRNN" inspect m --text text --activation update_gate
fails "a model is required" 2 "-m MODEL is required" "$LRNN" generate
fails "generate takes no operand" 2 "unexpected argument 'x'" $g x
fails "top-k needs sampling" 2 "--top-k: needs --method sample" $g --method greedy --top-k 5
fails "beams need beam search" 2 "--beam-width: needs --method beam" $g --beam-width 5
fails "more results than beams" 2 "--n-best: expected at most" $g --method beam --n-best 6
fails "groups that do not divide" 2 "--diverse-groups: expected a divisor" $g --method beam --diverse-groups 3
fails "a minimum above the maximum" 2 "--min-tokens: expected at most" $g -n 3 --min-tokens 4
fails "a probability of 0" 2 "--top-p: expected a number above 0, at most 1" $g --top-p 0
fails "eval needs a model" 2 "-m MODEL is required" "$LRNN" eval text
fails "score needs a text" 2 "TEXT" "$LRNN" score -m m
fails "inspect takes one file" 2 "unexpected argument 'b'" "$LRNN" inspect a b
fails "import needs an output" 2 "-o MODEL is required" "$LRNN" import x
fails "import needs three names" 2 "--names: expected EMBEDDING,RNN,HEAD, found 'a,b'" "$LRNN" import x -o m --names a,b
fails "not four either" 2 "--names: expected" "$LRNN" import x -o m --names a,b,c,d
fails "a level needs a vocabulary" 2 "--level: needs --vocab" "$LRNN" import x -o m --level char
fails "a padding token is whole" 2 "--padding-token: expected a whole number" "$LRNN" import x -o m --padding-token 1.5
fails "export needs an output" 2 "-o FILE is required" "$LRNN" export m
fails "export takes one file" 2 "unexpected argument 'n'" "$LRNN" export m n -o o
