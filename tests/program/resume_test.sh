. "$(dirname "$0")/common.sh"
options="--hidden 48 --layers 2 --dropout 0.2 --lr 0.01 --epochs 8 --valid 0.1 --schedule cosine --warmup 20"

"$LRNN" train -q -o whole $options --log whole.tsv --plot whole.svg text

# interrupted SIGNAL: starts the same training as `part`, stops it after some steps.
interrupted() {
    rm -f part part.*
    env --default-signal=INT,HUP "$LRNN" train -q -o part $options --log part.tsv --plot part.svg \
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

for signal in INT TERM HUP USR1; do
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

# Layers of different sizes.
"$LRNN" train -q -o sizes --hidden 16,8,12 --epochs 2 text
"$LRNN" train -q -o some --hidden 16,8,12 --epochs 1 --checkpoint some.checkpoint text
"$LRNN" train -q --resume some.checkpoint --epochs 2 --hidden 16,8,12 text
holds "layers of different sizes go on" cmp sizes some
fails "the size of one layer is named" 1 "--hidden: the checkpoint was made with '16,8,12'" \
    "$LRNN" train -q --resume some.checkpoint --hidden 16,8,11 text

interrupted INT
fails "another size is named" 1 "--hidden: the checkpoint was made with '48'" \
    "$LRNN" train -q --resume part.checkpoint --hidden 32 text
fails "another rate is named" 1 "--lr: the checkpoint was made with" \
    "$LRNN" train -q --resume part.checkpoint --lr 0.02 text
fails "another number of epochs does not fit a cosine" 1 "--epochs: " \
    "$LRNN" train -q --resume part.checkpoint --epochs 9 text
sed 's/size/zise/' text > other
fails "another text is noticed" 1 "another text" "$LRNN" train -q --resume part.checkpoint -o part \
    --log part.tsv --plot part.svg other
fails "a model is no checkpoint" 1 "whole: not a checkpoint" "$LRNN" train -q --resume whole text
head -c 1000 part.checkpoint > cut.checkpoint
fails "a checkpoint that is cut off" 1 "cut.checkpoint" "$LRNN" train -q --resume cut.checkpoint text

# A checkpoint is whole by itself, wherever the model goes.
mkdir elsewhere
cp part.checkpoint text elsewhere
(cd elsewhere && "$LRNN" train -q --resume part.checkpoint -o other --log o.tsv --plot o.svg text)
holds "it goes on in another place" cmp whole elsewhere/other
"$LRNN" train -q -o stopped --hidden 16 --lr 0.01 --schedule exponential --schedule-factor 30 --epochs 40 \
    --valid 0.1 --patience 2 --checkpoint stopped.checkpoint text
cp stopped best
"$LRNN" train -q -o gru --cell gru --hidden 4 --epochs 1 text
cp gru stopped
"$LRNN" train --resume stopped.checkpoint text > out
holds "a foreign model is not taken for the best one" cmp best stopped
holds "which is named" grep -q "^stopped is the model of epoch" out
rm stopped
"$LRNN" train -q --resume stopped.checkpoint text > out
holds "the best one comes from the checkpoint" cmp best stopped
holds "which says what it names" grep -q "^taken from stopped.checkpoint: -o stopped, --checkpoint stopped.checkpoint$" out
"$LRNN" train -q --resume stopped.checkpoint -o moved --checkpoint moved.checkpoint text > out
holds "or says nothing" test ! -s out
"$LRNN" train -q --resume more.checkpoint -o moved text > /dev/null
holds "a run that is over writes the last model" cmp moved more
"$LRNN" train -q -o part --hidden 16 --epochs 2 --checkpoint part.checkpoint --log part.tsv --plot part.svg text
cp part.svg end.svg
rm part.svg
"$LRNN" train -q -o part --resume part.checkpoint --log part.tsv --plot part.svg text > /dev/null
holds "and draws the last picture" cmp part.svg end.svg

# What a checkpoint names is no less dangerous than what a user types.
cp text stopped
fails "a text that the checkpoint names" 2 "-o stopped: exists and is not a model" \
    "$LRNN" train -q --resume stopped.checkpoint text
fails "is not replaced by --force alone" 2 "-o stopped: exists and is not a model" \
    "$LRNN" train -q --resume stopped.checkpoint --force text
holds "nor changed" cmp text stopped
"$LRNN" train -q --resume stopped.checkpoint --force -o stopped text > out
holds "but where it is named again" cmp best stopped
"$LRNN" train -q -o 'odd
name' --checkpoint odd.checkpoint --hidden 4 --epochs 1 text
"$LRNN" train -q --resume odd.checkpoint text > out
holds "a name with a newline stays on its line" grep -q "^taken from odd.checkpoint: -o \$'odd\\\\012name', --ch" out

mkfifo pipe
cat pipe > piped &
timeout 20 "$LRNN" train -q --resume odd.checkpoint -o odd --epochs 2 --log pipe text > /dev/null
holds "a pipe is a log too, and is not read" test $? -eq 0
wait
holds "and gets the rows that follow" sh -c "head -n 1 piped | grep -q ^epoch && tail -n 1 piped | grep -q ^2"

# The command that is printed can be given to a shell.
mkdir "my folder"
cp text "my folder/it's a text"
cp text ./-text
env --default-signal=INT "$LRNN" train -o "my folder/it's.m" --hidden 32 --log "my folder/a log" \
    --checkpoint 'my folder/$HOME "c"' --epochs 50 "my folder/it's a text" -- -text > odd.out 2> odd.err &
process=$!
while [ "$(cat "my folder/a log" 2> /dev/null | wc -l)" -lt 3 ]; do
    kill -0 $process 2> /dev/null || break
    sleep 0.02
done
kill -INT $process
wait $process
tail -n 1 odd.out > again
sed 's/^ *lrnn train/"$LRNN" train --epochs 1 -q/' again > again.sh
holds "the command is quoted" sh again.sh
holds "and meant" grep -q "^  lrnn train --resume 'my folder/\$HOME \"c\"' -- 'my folder/it'\\\\''s a text' -text\$" again

# inspect looks at all of a checkpoint, not only at its model.
"$LRNN" train -q -o whole --hidden 8 --epochs 1 --valid 0.1 --checkpoint whole.checkpoint text
holds "a checkpoint is checked" sh -c "'$LRNN' inspect whole.checkpoint | grep -q '^checkpoint: all of it was read, and is sound; it holds the best'"
holds "a model is none" sh -c "! '$LRNN' inspect whole | grep -q ^checkpoint:"
head -c -1 whole.checkpoint > cut.checkpoint
printf '\377' >> cut.checkpoint
"$LRNN" inspect cut.checkpoint > said 2> err
holds "a changed byte at its end is seen" test $? -eq 1
holds "and named" grep -q "cut.checkpoint: .* is damaged" err

# A checkpoint that lrnn 0.1 wrote, whose note has another fingerprint of the text.
seq 1 150 > numbers
seq 2 151 > others
cp "$root/tests/files/0.1/program.safetensors" former
fails "a checkpoint of 0.1 and another text" 1 'made with another text' \
    "$LRNN" train --resume former --epochs 2 -o from01 --checkpoint later others
"$LRNN" train -q --resume former --epochs 2 -o from01 --checkpoint later numbers
holds "a checkpoint of 0.1 goes on" test $? -eq 0
"$LRNN" train -q --resume later --epochs 3 -o from01 numbers
holds "what follows it has today's fingerprint" grep -q -a 'state xxh3 [1-9]' later

# What a prepared checkpoint says is no command to the terminal.
"$LRNN" train -q -o plain --checkpoint plain.checkpoint --hidden 4 --embedding 2 --epochs 1 text
sed 's/"lrnn.digest"/"lrnn.dogest"/; s/option hidden/\\u001b hidden/' plain.checkpoint > hostile
fails "an escape in a checkpoint is none" 1 "that this version does not know: ? hidden 4$" "$LRNN" train -q --resume hostile text
holds "nor the control character itself" sh -c "! grep -q '$(printf '\033')' fails.err"

# stands FROM TO PATTERN: a checkpoint whose note says TO, as long as FROM, is refused.
stands() {
    sed "s/\"lrnn.digest\"/\"lrnn.dogest\"/; s/state $1/state $2/" plain.checkpoint > hostile
    fails "a position that is none: $2" 1 "$3" "$LRNN" train -q --resume hostile --epochs 2 text
}
stands 'epoch 2' 'epoch 0' '^lrnn: hostile: no run stands where its note says: epoch 0,'
stands 'epoch 2' 'epoch x' 'does not know: state epoch x$'
stands 'step [0-9]' 'step -' 'does not know: state step -'
stands 'best-epoch 0' 'best-epoch 9' 'no run stands .* best epoch 9,'
stands 'waited 0' 'waited 9' 'no run stands .* 9 epochs waited'
stands 'epoch-loss-weight 0' 'epoch-loss-weight x' 'does not know: state epoch-loss-weight x$'
stands 'planned-epochs 1' 'planned-epochs -' 'does not know: state planned-epochs -'
stands 'best-valid-loss inf' 'best-valid-loss nan' 'does not know: state best-valid-loss nan'
