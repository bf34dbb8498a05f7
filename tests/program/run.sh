#!/bin/sh
# Runs the tests of the program: run.sh BIN [TEST...]. Each test is a script that prints "ok" and
# "not ok" lines; the last line here counts them.
set -u
LRNN=$(realpath "${1:?usage: run.sh BIN [TEST...]}") || exit 1
shift
export LRNN
here=$(cd "$(dirname "$0")" && pwd) || exit 1
[ $# -gt 0 ] || set -- "$here"/*_test.sh
passed=0 failed=0
for test in "$@"; do
    lines=$(sh "$test" 2>&1)
    status=$?
    passed=$((passed + $(printf '%s\n' "$lines" | grep -c '^ok ')))
    bad=$(printf '%s\n' "$lines" | grep -c '^not ok ')
    if [ "$bad" -eq 0 ] && [ "$status" -ne 0 ]; then
        lines="$lines
not ok $(basename "$test") ended with status $status"
        bad=1
    fi
    failed=$((failed + bad))
    [ "$bad" -eq 0 ] || printf '%s\n' "$lines" | grep -v '^ok '
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
