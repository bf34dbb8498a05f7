#!/bin/sh
# The tests of liblrnn-mpi and lrnn-mpi, with more ranks than this machine has processors. With SLOW=1
# ranks are killed at random moments too. Prints "N passed, N failed", or that MPI is not here.
# usage: [BUILD=build] [SLOW=1] tests/mpi/run.sh
set -u
BUILD=${BUILD:-build}
folder=$(dirname "$0")
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
passed=0 failed=0

if ! command -v mpirun > /dev/null 2>&1; then
    echo "mpirun: not installed; scripts/setup --mpi"
    exit 0
fi

# ranks N COMMAND... ; Open MPI starts more ranks than processors only if told to.
ranks() {
    n=$1
    shift
    timeout 300 mpirun $(mpirun --version 2>&1 | grep -q 'Open MPI' && echo --oversubscribe) -n "$n" "$@"
}

# add NAME CODE OUTPUT: what a test program said.
add() {
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$3" | tail -n 1)
    p=$(printf '%s' "$line" | sed 's/ passed.*//') f=$(printf '%s' "$line" | sed 's/.*passed, \([0-9]*\).*/\1/')
    if [ -z "$line" ] || { [ "$2" -ne 0 ] && [ "$f" -eq 0 ]; }; then
        p=0 f=1
    fi
    passed=$((passed + p)) failed=$((failed + f))
    if [ "$f" -gt 0 ]; then
        echo "FAIL $1 (exit $2)"
        tail -n 40 "$3"
    fi
}

log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
for n in 1 2 3 4 8 32; do
    ranks "$n" "$BUILD/tests/mpi/ranks" > "$log" 2>&1
    add "ranks on $n ranks" $? "$log"
done
"$BUILD/tests/mpi/group_test" > "$log" 2>&1
code=$?
echo "$(grep -c '^\[       OK' "$log") passed, $(grep -c '^\[  FAILED  \] [^0-9]' "$log") failed" >> "$log"
add group_test $code "$log"
for test in "$folder"/*_test.sh; do
    [ -e "$test" ] || continue
    sh "$test" "$BUILD" > "$log" 2>&1
    add "$test" $? "$log"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
