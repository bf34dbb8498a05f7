# How texts are read: documents, encodings, and who is blamed for what cannot be read.
. "$(dirname "$0")/common.sh"
small="--hidden 8 --embedding 4 --batch 1 --steps 4 --epochs 1"
train="$LRNN train -q --force $small"
seq 1 200 > t.txt
$train -o digits t.txt
vocab() { "$LRNN" inspect --vocab m | cut -f 2 | tr '\n' ' '; }

printf 'hello wor' > a.txt
printf 'ld 1 2 3 4' > b.txt
$train -o m a.txt b.txt
holds "nothing is put between texts" sh -c "! '$LRNN' inspect --vocab m | grep -q '	.n$'"
$train -o m --level word a.txt b.txt
holds "no word spans two texts" test "$(vocab)" = "hello wor ld 1 2 3 4 "
printf '\357\273\277hello world' > bom.txt
$train -o m bom.txt a.txt bom.txt
holds "a byte order mark is no character" test "$("$LRNN" inspect --vocab m | wc -l)" -eq 8
$train -o m --level byte a.txt
holds "bytes are all there" test "$("$LRNN" inspect --vocab m | wc -l)" -eq 256
holds "and read any text" "$LRNN" eval -m m t.txt bom.txt
printf 'a\0b\0c\0d\0e\0f\0g\0h\0i\0' > u
fails "UTF-16 without a mark" 1 "^lrnn: u: the text is UTF-16" $train -o m u
printf '\376\377\0a\0b' > u
fails "UTF-16 with a mark" 1 "^lrnn: u: the text is UTF-16: convert it.*--level byte" $train -o m t.txt u
holds "as bytes it is read" $train -o m --level byte t.txt u

printf '1\n2\377\n' > bad.txt
fails "the right text is blamed" 1 "^lrnn: bad.txt: invalid UTF-8 at byte 3 (line 2, column 2): 0xff; --level byte" $train -o m t.txt bad.txt
printf '1\n2\r\n' > crlf.txt
fails "a character as one sees it" 1 "^lrnn: crlf.txt: token U+000D carriage return at byte 3 (line 2, column 2) .*--unknown or --level byte" $train -o m --valid crlf.txt t.txt
fails "of the text it is in" 1 "^lrnn: crlf.txt: " "$LRNN" eval -m digits t.txt crlf.txt
fails "standard input has a name" 1 "^lrnn: standard input: token 'x' at byte 0" sh -c "printf x1 | '$LRNN' eval -m digits -"

printf '12\n1a\n33\n\3775\n4' > lines.txt
"$LRNN" score --lines -m digits t.txt lines.txt > scores 2> err
holds "a bad line fails at the end" test $? -eq 1
holds "the other lines have their rows" test "$(cut -f 3 scores | tail -n 3 | tr '\n' ' ')" = "12 33 4 "
holds "bad lines are named" sh -c "grep -q \"^lrnn: lines.txt: line 2: token 'a' at byte 1 (column 2) \" err && grep -q '^lrnn: lines.txt: line 4: .*0xff' err"

# A device has no end; nothing to read is an empty text.
if [ -c /dev/zero ]; then
    small_model devices
    for command in "train -o other" "encode -o other" "eval -m devices" "score -m devices" "score --lines -m devices"; do
        fails "$command of a device" 1 "cannot read /dev/zero: it is a device" "$LRNN" $command /dev/zero
    done
    fails "a device to validate with" 1 "cannot read /dev/zero: it is a device" "$LRNN" train text -o other --valid /dev/zero
    fails "a device to colour" 1 "cannot read /dev/zero: it is a device" "$LRNN" inspect devices --text /dev/zero
    fails "a device as a vocabulary" 1 "cannot read /dev/zero: it is a device" \
        "$LRNN" import "$root/tests/golden/pytorch/rnn_tanh.pt" -o other --vocab /dev/zero
    fails "a device as standard input" 1 "cannot read standard input: it is a device" sh -c "'$LRNN' score -m devices - < /dev/zero"
    fails "nothing as standard input" 1 "nothing to score" sh -c "'$LRNN' score -m devices - < /dev/null"
fi

# A control character of two bytes is written as bytes where tokens are listed.
printf 'ab\302\233ab\302\233abab' > control
"$LRNN" train -q -o control.m --hidden 4 --embedding 2 --batch 1 --steps 2 --epochs 1 control
"$LRNN" inspect --vocab control.m > listed
holds "a control character in a list of tokens is none" sh -c "grep -qF '\xC2\x9B' listed && ! grep -q '$(printf '\302\233')' listed"
