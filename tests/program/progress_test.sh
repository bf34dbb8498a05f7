. "$(dirname "$0")/common.sh"
# What a run shows fits the terminal it is shown on; pictures have what a reader needs.
small="--hidden 32 --embedding 16 --epochs 3 --valid 0.1"

if script -qec true /dev/null > /dev/null 2>&1; then
    for width in 24 40 60 90 130; do
        script -qec "stty cols $width; '$LRNN' train -o m $small text" /dev/null > typescript < /dev/null
        tr '\r' '\n' < typescript | sed "s/$(printf '\033')\[K//g" > lines
        holds "every line fits $width columns" awk -v w="$width" 'length($0) >= w { print; bad = 1 } END { exit bad }' lines
        holds "an epoch is reported in $width columns" grep -q "3/3.*loss [0-9.]*" lines
    done
    holds "a wide terminal gets all of it" grep -q "^epoch 3/3 done  step [0-9]*  loss .*perplexity.*tokens/s$" lines
else
    echo "ok progress on a terminal: no script(1) here to make one"
fi

# timed SECONDS-A-STEP is not in our hands, but the number of steps is.
"$LRNN" train -o m --hidden 32 --report-every 1 --epochs 1000000000 text > days 2> /dev/null &
process=$!
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    [ "$(wc -l < days)" -gt 40 ] && break
    sleep 0.1
done
kill -9 $process
wait $process 2> /dev/null
holds "days are days" grep -q " [0-9]* d [0-9]* h left$" days
holds "not hours" sh -c "! grep -q '[0-9][0-9]:[0-9][0-9] h left' days"

# titled NAME: trains a model of that name and draws its picture.
long="a model whose name is longer than any picture is wide, and longer still, and then some.m"
"$LRNN" train -q -o "$long" --plot p.svg $small text
holds "a long title is shortened in the middle" grep -q ">Training of a model whose name.*….*then some.m<" p.svg
bytes=$(printf 'b\377d & <m>')
"$LRNN" train -q -o "$bytes" --plot p.svg $small text
holds "any bytes are a title" grep -q ">Training of b?d &amp; &lt;m&gt;<" p.svg
printf 'ab%.0s' $(seq 1 600) > flat
"$LRNN" train -q -o m --plot p.svg --hidden 8 --lr 0.05 --epochs 60 --batch 2 --steps 8 flat
ticks() { sed -n 's/.*text-anchor="end".*//; s/^<text x="68" y="[0-9.]*">\([^<]*\)<.*/\1/p' p.svg; }
holds "every tick has another label" test "$(ticks | sort | uniq -d | wc -l)" -eq 0 -a "$(ticks | wc -l)" -ge 4
head -c 513 text > one
"$LRNN" train -q -o m --plot p.svg --hidden 8 --epochs 1 one
holds "a single point is seen" grep -q "<circle" p.svg
holds "with ticks around it" test "$(ticks | sort | uniq -d | wc -l)" -eq 0 -a "$(ticks | wc -l)" -ge 4
