. "$(dirname "$0")/common.sh"

for command in train generate eval score inspect import export; do
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
fails "a command is needed" 2 "usage: lrnn COMMAND" "$LRNN"
fails "an unknown command is named" 2 "'trian' is not a command" "$LRNN" trian

# Every option of issue and help is documented in the man page.
for command in train generate eval score inspect import export; do
    for option in $(grep -o '^ *\(-., \)\?--[a-z-]*' help.$command | grep -o -e '--[a-z-]*'); do
        holds "the man page has $option" grep -q -e "$(echo "$option" | sed 's/-/\\\\-/g')" "$root/docs/lrnn.1"
    done
done | grep -v '^ok' || echo "ok the man page has every option"

t="$LRNN train -o m text"
fails "a size out of range" 2 "--hidden: expected a whole number of at least 1, found '0'" $t --hidden 0
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
fails "the output is needed" 2 "-o MODEL is needed" "$LRNN" train text
fails "a text is needed" 2 "TEXT" "$LRNN" train -o m
fails "stripping needs words" 2 "--strip-punctuation: needs --level word" $t --strip-punctuation
fails "keeping empty words needs stripping" 2 "--keep-empty: needs" $t --level word --keep-empty
fails "dropout needs two layers" 2 "--dropout: .*--layers" $t --dropout 0.5
fails "momentum needs sgd" 2 "--momentum: needs --optimizer" $t --momentum 0.9
fails "nesterov needs momentum" 2 "--nesterov: needs" $t --optimizer sgd --nesterov
fails "patience needs validation" 2 "--patience: needs --valid" $t --patience 3
fails "plateau needs validation" 2 "--schedule plateau: needs --valid" $t --schedule plateau

g="$LRNN generate -m m"
fails "a model is needed" 2 "-m MODEL is needed" "$LRNN" generate
fails "generate takes no operand" 2 "unexpected argument 'x'" $g x
fails "top-k needs sampling" 2 "--top-k: needs --method sample" $g --method greedy --top-k 5
fails "beams need beam search" 2 "--beam-width: needs --method beam" $g --beam-width 5
fails "more results than beams" 2 "--n-best: expected at most" $g --method beam --n-best 6
fails "groups that do not divide" 2 "--diverse-groups: expected a divisor" $g --method beam --diverse-groups 3
fails "a minimum above the maximum" 2 "--min-tokens: expected at most" $g -n 3 --min-tokens 4
fails "a probability of 0" 2 "--top-p: expected a number above 0, at most 1" $g --top-p 0
fails "eval needs a model" 2 "-m MODEL is needed" "$LRNN" eval text
fails "score needs a text" 2 "TEXT" "$LRNN" score -m m
fails "inspect takes one file" 2 "unexpected argument 'b'" "$LRNN" inspect a b
fails "import needs an output" 2 "-o MODEL is needed" "$LRNN" import x
fails "import needs three names" 2 "--names: expected EMBEDDING,RNN,HEAD, found 'a,b'" "$LRNN" import x -o m --names a,b
fails "not four either" 2 "--names: expected" "$LRNN" import x -o m --names a,b,c,d
fails "a level needs a vocabulary" 2 "--level: needs --vocab" "$LRNN" import x -o m --level char
fails "a padding token is whole" 2 "--padding-token: expected a whole number" "$LRNN" import x -o m --padding-token 1.5
fails "export needs an output" 2 "-o FILE is needed" "$LRNN" export m
fails "export takes one file" 2 "unexpected argument 'n'" "$LRNN" export m n -o o
