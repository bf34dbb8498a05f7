#!/bin/sh
# Training that is killed with SIGKILL at random moments and resumed, or whose disk fills and empties, ends
# with the same model, log and picture as training that was left alone. usage: kill.sh BIN [ROUNDS [FULL-ROUNDS]],
# 20 each by default. Prints what differs, and "N passed, N failed" at the end.
set -u
LRNN=$(realpath "${1:?usage: kill.sh BIN [ROUNDS [FULL-ROUNDS]]}") || exit 1
export LRNN
rounds=${2:-20} full=${3:-${2:-20}}
. "$(dirname "$0")/common.sh"
exec 3>&2
passed=0 failed=0

# Settings that differ in what is kept and when.
settings() {
    case $1 in
    0) echo "--hidden 32 --layers 2 --dropout 0.2 --epochs 6 --valid 0.1 --schedule cosine --checkpoint-every 17" ;;
    1) echo "--hidden 32 --cell gru --epochs 8 --checkpoint part.checkpoint" ;;
    2) echo "--hidden 24 --epochs 6 --valid 0.1 --schedule plateau --schedule-patience 0 --checkpoint-every 1" ;;
    3) echo "--hidden 48 --cell rnn --optimizer sgd --momentum 0.9 --lr 0.1 --batches rows --epochs 9 --valid 0.2 --checkpoint part.checkpoint" ;;
    esac
}

# below N: a random number from 0 to N - 1
below() { echo $(($(od -An -N4 -tu4 /dev/urandom) % $1)); }

milliseconds() { sleep "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))"; }

mkdir whole
for kind in 0 1 2 3; do
    begin=$(date +%s%N)
    # shellcheck disable=SC2046
    "$LRNN" train -q -o part $(settings $kind) --log part.tsv --plot part.svg text || exit 1
    eval "took$kind=$((($(date +%s%N) - begin) / 1000000 + 1))"
    mkdir whole/$kind
    cut -f1-7 part.tsv > whole/$kind/part.tsv
    mv part part.svg whole/$kind
    rm -f part*
done

# train_here KIND: starts the training in the folder we are in, or goes on with it; its process is $process.
train_here() {
    resume=
    [ -e part.checkpoint ] && resume="--resume part.checkpoint"
    # shellcheck disable=SC2046,SC2086
    "$LRNN" train -q -o part $(settings "$1") --log part.tsv --plot part.svg $resume "$scratch/text" 2> error &
    process=$!
}

# compare NAME KIND STATUS
compare() {
    cut -f1-7 part.tsv > part.cut
    if [ "$3" -eq 0 ] && cmp part "$scratch/whole/$2/part" && cmp part.cut "$scratch/whole/$2/part.tsv" &&
        cmp part.svg "$scratch/whole/$2/part.svg" && ! ls -A | grep -q '\.lrnn-'; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "not ok: $1, settings $2, status $3"
        cat error
    fi
}

round=0
while [ $round -lt "$rounds" ]; do
    kind=$((round % 4))
    eval "took=\$took$kind"
    mkdir here
    cd here || exit 1
    kills=$((1 + $(below 3)))
    while [ $kills -gt 0 ]; do
        train_here $kind
        milliseconds "$(below $((took * 11 / 10)))"
        kill -9 $process 2> /dev/null
        wait $process 2> /dev/null
        kills=$((kills - 1))
    done 2> /dev/null
    train_here $kind
    wait $process
    compare "killed" $kind $?
    cd ..
    rm -rf here
    round=$((round + 1))
done

# A disk of our own, which only root or a user namespace can have.
disk() {
    mkdir -p disk
    mount -t tmpfs -o size=2m lrnn disk 2> /dev/null
}
trap 'umount disk 2> /dev/null; rm -rf "$scratch"' EXIT
if [ "$full" -gt 0 ] && ! disk; then
    echo "a disk that fills: skipped, no tmpfs can be mounted here"
    full=0
fi
round=0
while [ $round -lt "$full" ]; do
    kind=$((round % 4))
    eval "took=\$took$kind"
    cd disk || exit 1
    train_here $kind
    times=$((1 + $(below 3)))
    while [ $times -gt 0 ]; do
        milliseconds "$(below $((took / 2)))"
        cat /dev/zero > fill 2> /dev/null
        milliseconds "$(below $((took / 2)))"
        [ $((round % 8)) -lt 4 ] || kill -9 $process 2> /dev/null
        rm -f fill
        times=$((times - 1))
    done 2> /dev/null
    wait $process 2> /dev/null
    status=$?
    if [ $status -ne 0 ]; then # killed, or full when it ended
        train_here $kind
        wait $process
        status=$?
    fi
    compare "full" $kind $status
    cd ..
    rm -rf disk/* disk/.lrnn*
    round=$((round + 1))
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
