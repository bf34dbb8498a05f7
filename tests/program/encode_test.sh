. "$(dirname "$0")/common.sh"
# Token files: what is trained and measured on one is what is on its texts.
set="-q --hidden 8 --embedding 4 --batch 4 --steps 16 --epochs 2 --valid 0.1"
for level in byte char word; do
    "$LRNN" encode -o "$level.tokens" --level "$level" text > said
    holds "encode says what it wrote: $level" grep -q "^$level.tokens: [0-9]* tokens, [0-9]* distinct\$" said
    "$LRNN" train $set --level "$level" -o a text
    "$LRNN" train $set -o b "$level.tokens"
    holds "training gives the same model: $level" cmp a b
    "$LRNN" eval -m a text > ea
    "$LRNN" eval -m a "$level.tokens" > eb
    holds "eval the same numbers: $level" cmp ea eb
done
holds "a byte takes a byte" test $(($(wc -c < byte.tokens) - $(wc -c < text))) -lt 4000

"$LRNN" encode -o again --vocab a text > said
holds "with the vocabulary of a model" cmp again word.tokens
"$LRNN" encode -o again --vocab word.tokens text > said
holds "of a token file" cmp again word.tokens
"$LRNN" encode -o again --vocab a - < text > said
holds "standard input will do then" cmp again word.tokens
printf 'to\nbe\n' > list
printf 'to be\nto' > small
"$LRNN" encode -o again --level word --vocab list small > said
holds "or of a list" grep -q "again: 3 tokens, 2 distinct" said

half=$(($(wc -l < text) / 2))
head -n $half text > one
tail -n +$((half + 1)) text > two
"$LRNN" encode -o both one two > said
"$LRNN" encode -o whole text > said
holds "several texts follow one another" cmp both whole

"$LRNN" train $set -o valid.a --valid two text
"$LRNN" encode -o two.tokens --vocab whole two > said
"$LRNN" train $set -o valid.b --valid two.tokens whole
holds "a token file to validate on" cmp valid.a valid.b
"$LRNN" train $set -o valid.b --valid two whole
holds "or a text" cmp valid.a valid.b

"$LRNN" train $set --epochs 1 --checkpoint c -o r whole
"$LRNN" train -q --resume c --epochs 2 whole
"$LRNN" train $set -o straight whole
holds "a run on a token file is resumed to the same bits" cmp r straight
"$LRNN" train -q --resume c --epochs 3 text
holds "on its text, too" test $? -eq 0
fails "not on another text" 1 "c: the checkpoint was made with another text" \
    "$LRNN" train -q -o r --checkpoint c --resume c --epochs 4 one
fails "nor with another vocabulary" 1 "word.tokens: a vocabulary of" \
    "$LRNN" train -q -o r --checkpoint c --resume c --epochs 4 word.tokens

fails "a token file is read alone" 2 "whole: a token file is read alone" "$LRNN" train -o m whole text
fails "it has its vocabulary" 2 "--level: the vocabulary is that of the token file" "$LRNN" train --level word -o m whole
fails "another one for validation" 1 "word.tokens: a vocabulary of" "$LRNN" train -o m --valid word.tokens whole
fails "it is no text" 1 "whole: a token file; lrnn train and lrnn eval" "$LRNN" score -m a whole
fails "nor is it encoded again" 1 "whole: a token file already" "$LRNN" encode -o m whole
fails "nor a model" 1 "whole: not a model" "$LRNN" inspect whole
fails "a text is not replaced" 2 "-o one: exists and is not a token file" "$LRNN" encode -o one text
fails "nor is an input" 2 "" "$LRNN" encode -o text text
fails "-o is required" 2 "-o FILE is required" "$LRNN" encode text
fails "standard input is read once" 2 "standard input can be read only once" "$LRNN" encode -o m -
fails "options of counting need counting" 2 "--min-count: needs" "$LRNN" encode -o m --vocab list --min-count 2 text
fails "a model has its level" 2 "--level: needs a list" "$LRNN" encode -o m --vocab a --level word text
fails "a word that the vocabulary does not have" 1 "text: token '.*' at byte .* is not in the vocabulary" \
    "$LRNN" encode -o m --level word --vocab list text
printf 'abc\nd\377\n' > bad
fails "a bad byte is placed" 1 "bad: invalid UTF-8 at byte 5 (line 2, column 2): 0xff" "$LRNN" encode -o m bad
fails "an empty text" 1 "/dev/null: there is no token in it" "$LRNN" encode -o m /dev/null
fails "a file that is not there" 1 "cannot read none" "$LRNN" encode -o m none
holds "and nothing is written" test ! -e m
head -c 3000 whole > cut
fails "a file that was cut" 1 "cut: " "$LRNN" eval -m a cut

# The output is to blame, not the text that was being read.
yes 12 | head -c 70000 > long
fails "an output too large for its disk is named" 1 "^lrnn: full: cannot be written" \
    sh -c "ulimit -f 8; trap '' XFSZ; exec '$LRNN' encode -o full long"
