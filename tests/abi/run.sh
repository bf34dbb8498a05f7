#!/bin/sh
# Programs compiled against the headers of each release, on today's shared library. $1: the build
# folder. Ends with "N passed, N failed".
set -u
build=$1
here=$(dirname "$0")
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

for release in "$here"/[0-9]*; do
    if ${CC:-cc} -std=c99 -Wall -Werror -I"$release/include" "$here/program.c" -L"$build" \
        -Wl,-rpath,"$(cd "$build" && pwd)" -llrnn ${SANITIZE:-} -o "$work/program" &&
        (cd "$work" && ./program); then
        passed=$((passed + 1))
    else
        echo "not ok a program of $(basename "$release") on today's library"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
