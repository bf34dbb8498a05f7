. "$(dirname "$0")/common.sh"
options="--hidden 48 --layers 2 --dropout 0.2 --lr 0.01 --epochs 8 --valid 0.1 --schedule cosine --warmup 20"

"$LRNN" train -q -o whole $options --log whole.tsv --plot whole.svg text

# interrupted SIGNAL: starts the same training as `part`, stops it after some steps.
interrupted() {
    rm -f part part.*
    env --default-signal=INT "$LRNN" train -q -o part $options --log part.tsv --plot part.svg \
        --checkpoint-every 100 text > part.out 2> part.err &
    process=$!
    while [ "$(cat part.tsv 2> /dev/null | wc -l)" -lt 250 ]; do
        kill -0 $process 2> /dev/null || break
        sleep 0.02
    done
    kill -"$1" $process
    wait $process 2> /dev/null
}

same_end() {
    holds "$1: it goes on" test "$2" -eq 0
    holds "$1: the model has the same bits" cmp whole part
    cut -f1-7 whole.tsv > whole.cut
    cut -f1-7 part.tsv > part.cut
    holds "$1: the log has the same rows" cmp whole.cut part.cut
    sed 's/of part/of whole/' part.svg > part.picture
    holds "$1: the plot is the same" cmp whole.svg part.picture
}

for signal in INT TERM; do
    interrupted $signal
    holds "SIG$signal ends with 130" test $? -eq 130
    holds "SIG$signal: it says how to go on" grep -q "lrnn train --resume part.checkpoint text" part.out
    "$LRNN" train -q --resume part.checkpoint text
    same_end "SIG$signal" $?
done
interrupted KILL
holds "the log is ahead of the checkpoint" test "$(wc -l < part.tsv)" -gt 201
"$LRNN" train -q -o part $options --log part.tsv --plot part.svg --checkpoint-every 100 \
    --resume part.checkpoint text
same_end "SIGKILL, with the same command line" $?

"$LRNN" train -q --resume part.checkpoint text
same_end "resumed again from an earlier step" $?

# Longer than planned, with a schedule that does not mind.
"$LRNN" train -q -o long --hidden 16 --epochs 4 text
"$LRNN" train -q -o more --hidden 16 --epochs 2 --checkpoint more.checkpoint text
"$LRNN" train -q --resume more.checkpoint --epochs 4 text
holds "more epochs can be added" cmp long more

interrupted INT
fails "another size is named" 1 "--hidden: the checkpoint was made with '48'" \
    "$LRNN" train -q --resume part.checkpoint --hidden 32 text
fails "another rate is named" 1 "--lr: the checkpoint was made with" \
    "$LRNN" train -q --resume part.checkpoint --lr 0.02 text
fails "another number of epochs does not fit a cosine" 1 "--epochs: " \
    "$LRNN" train -q --resume part.checkpoint --epochs 9 text
sed 's/size/zise/' text > other
fails "another text is noticed" 1 "another text" "$LRNN" train -q --resume part.checkpoint other
fails "a model is no checkpoint" 1 "whole: not a checkpoint" "$LRNN" train -q --resume whole text
head -c 1000 part.checkpoint > cut.checkpoint
fails "a checkpoint that is cut off" 1 "cut.checkpoint" "$LRNN" train -q --resume cut.checkpoint text
rm part
fails "the best model has gone" 1 "part: the best model so far should be there" \
    "$LRNN" train -q --resume part.checkpoint text
