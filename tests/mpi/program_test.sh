#!/bin/sh
# lrnn-mpi: the same files on any number of ranks, also after an interruption or a death; what ranks
# have different is refused by name. SLOW=1: ranks are killed at random moments.
# usage: program_test.sh BUILD
set -u
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
build=$(cd "$1" && pwd)
lrnn=$build/lrnn mpi=$build/lrnn-mpi
scratch=$(mktemp -d) || exit 1
job=
trap '[ -z "$job" ] || kill -9 "$job" 2> /dev/null; rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1
passed=0 failed=0
ok() { passed=$((passed + 1)); }
bad() { failed=$((failed + 1)); echo "FAIL: $1"; }
says() { # FILE PATTERN
    if grep -q -e "$2" "$1"; then ok; else bad "no '$2' in:"; cat "$1"; fi
}
same() { if cmp -s "$1" "$2"; then ok; else bad "$1 and $2 differ"; fi; }
run() { mpirun --oversubscribe "$@"; }

awk 'BEGIN { srand(3); for (i = 0; i < 6000; i++) printf "%s%s", substr("the cat sat on a mat and ran ", 1 + int(rand() * 24), 5), i % 12 ? " " : "\n" }' > text
awk 'BEGIN { srand(4); for (i = 0; i < 400; i++) printf "the dog %d ran\n", rand() * 9 }' > other
shape="--level char --batch 16 --steps 20 --hidden 24 --embedding 12 --layers 2 --dropout 0.2 --embedding-dropout 0.1
    --weight-dropout 0.1 --valid 0.1 --shards 8 --force"

# ---- the same files ----
$lrnn train $shape --epochs 2 -o one --log one.log --checkpoint one.checkpoint text > out 2>&1 || bad 'lrnn train --shards 8'
for n in 1 2 4 8; do
    run -n $n "$mpi" train $shape --epochs 2 --threads $((n % 3 + 1)) -o many --log many.log text > out 2> err || { bad "$n ranks"; cat err; }
    same one many
    cut -f1-7 one.log > a && cut -f1-7 many.log > b
    same a b
    [ "$(grep -c '^epoch 2/2 done' out)" -eq 1 ] && ok || bad 'rank 0 alone speaks'
done
run -n 3 "$mpi" train $shape --shards 12 --epochs 1 -o three text > out 2>&1
$lrnn train $shape --shards 12 --epochs 1 -o three.one text > out 2>&1
same three three.one
run -n 4 "$mpi" train $shape --shards 0 --epochs 1 -o four text > out 2>&1
$lrnn train $shape --shards 4 --epochs 1 -o four.one text > out 2>&1
same four four.one # as many shards as ranks
$lrnn train $shape --level word --batches rows --shards 4 --epochs 1 -o word text > out 2>&1
run -n 2 "$mpi" train $shape --level word --batches rows --shards 4 --epochs 1 -o word.two text > out 2>&1
same word word.two
run -n 2 "$mpi" eval -m one text > out 2>&1
$lrnn eval -m one text > a 2>&1
same a out # other subcommands are rank 0's

# ---- what is refused, once, with the rank ----
refused() { # PATTERN, and what mpirun is given
    pattern=$1
    shift
    if run "$@" > out 2>&1; then bad "was not refused: $pattern"; else says out "$pattern"; fi
    [ "$(grep -c "$pattern" out)" -eq 1 ] && ok || { bad "not said once: $pattern"; cat out; }
}
train="$mpi train $shape -o x"
refused '^lrnn: shards: 3 ranks cannot share 8 shards; .* one of 1, 2, 4, 8$' -n 3 $train text
refused "^lrnn train: --bogus: no such option" -n 4 $train --bogus text
refused "^rank 1: lrnn: other options than on rank 0: 'option lr 0.5' here" -n 1 $train text : -n 1 $train --lr 0.5 text
refused '^rank 2: lrnn: cannot read nowhere' -n 2 $train text : -n 1 $train nowhere
refused '^lrnn: rank 1 has another vocabulary than rank 0' -n 1 $train text : -n 1 $train other
rev text > reversed
refused '^lrnn: rank 1 has another text than rank 0' -n 1 $train text : -n 1 $train reversed
refused '^lrnn: rank 1 has other kernels: liblrnn' -n 1 $train text : -n 1 -x LRNN_KERNELS=reference $train text
refused 'has diverged' -n 2 $train --lr 1e30 --optimizer sgd --clip-norm 0 text

# ---- an interruption: a checkpoint, and the same bits on fewer ranks ----
# Of the job that is to be ended: the process of a rank.
rank_of() { pgrep -P "$1" | sed -n "$2p"; }
started() { # FILE: the run writes it once it is on its way
    for i in $(seq 600); do
        [ -s "$1" ] && return
        sleep 0.05
    done
}
long="--epochs 30 --log run.log --checkpoint run.checkpoint --checkpoint-every 7 --report-every 1"
$lrnn train $shape $long -o whole --log whole.log --checkpoint whole.checkpoint text > out 2>&1
begin() {
    rm -f run run.log run.checkpoint
    mpirun --oversubscribe -n 4 "$mpi" train $shape $long -o run text > out 2> err &
    job=$!
    started run.checkpoint
}
begin
kill -INT "$(rank_of $job 3)"
wait $job
[ $? -eq 130 ] && ok || bad 'a rank that is interrupted: not 130'
says out '^stopped at epoch'
says out 'mpirun -n 4 lrnn-mpi train --resume run.checkpoint'
run -n 2 "$mpi" train --resume run.checkpoint --force -o run --log run.log text > out 2>&1 || { bad resume; cat out; }
same whole run
begin
kill -USR1 $job # mpirun passes this one on
wait $job
[ $? -eq 130 ] && ok || bad 'mpirun that is sent SIGUSR1: not 130'
says out '^stopped at epoch'
run -n 2 "$mpi" train --resume run.checkpoint --force -o run --log run.log text > out 2>&1 || { bad resume; cat out; }
same whole run
begin
kill -INT $job # as Ctrl-C does; Open MPI 4 exits with 1 by itself then, and may pass on nothing that is still said
wait $job && bad 'mpirun that is interrupted ends with 0'
$lrnn train --resume run.checkpoint --force -o run --log run.log text > out 2>&1 || { bad resume; cat out; }
same whole run

# ---- a death: the job ends soon, and the last checkpoint is good ----
late=0
die() { # RANK (in pgrep's order) SECONDS
    begin
    sleep "$2"
    dead=$(rank_of $job "$1")
    died=$(date +%s)
    [ -n "$dead" ] && kill -9 "$dead"
    if wait $job; then # a fast machine may have been done before
        [ -s run ] && ok || bad "rank $1 was killed and the job ended well"
        late=$((late + 1))
    else
        [ $(($(date +%s) - died)) -le 10 ] && ok || bad "the job of a dead rank took $(($(date +%s) - died)) s"
        grep -q -i 'signal 9\|killed' err && ok || { bad 'no message'; cat err; }
    fi
    n=$((1 << (RANDOM_MOMENT % 4)))
    run -n $n "$mpi" train --resume run.checkpoint --force -o run --log run.log text > out 2>&1 || { bad "resume on $n"; cat out; }
    same whole run
}
RANDOM_MOMENT=3
die 2 0
[ $late -eq 0 ] && ok || bad 'the job ended before its rank was killed'
if [ "${SLOW:-0}" != 0 ]; then
    for i in $(seq "${DEATHS:-5}"); do
        RANDOM_MOMENT=$(od -An -N2 -tu2 < /dev/urandom)
        RANDOM_MOMENT=$((RANDOM_MOMENT))
        die $((RANDOM_MOMENT % 4 + 1)) 0.$((RANDOM_MOMENT % 10))
    done
fi
job=
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
