#!/bin/sh
# What each release had (tests/abi/RELEASE/MACHINE.abi, made by release.sh) against
# a shared library of today with debugging information: abidiff tells what has changed. Functions
# that were added and structs that have grown at their end are no break; an offset, type, value or
# function that is another one is. Until 1.0 a release has a soname of its own.
# $1: the library; $2: its machine, x86_64 or aarch64. Ends with "N passed, N failed".
set -u
library=$1 machine=$2
here=$(dirname "$0")
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
soname=$(readelf -d "$library" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')

# What is inside a handle is nobody's business.
handles=$(sed -n 's/^typedef struct \(lrnn_[a-z_]*\) lrnn_[a-z_]*;.*/\1/p' "$here"/../../include/lrnn/*.h |
    sort -u | tr '\n' '|' | sed 's/|$//')
printf '[suppress_type]\n  type_kind = struct\n  name_regexp = ^(%s)$\n' "$handles" > "$work/handles"
breaks='offset changed|deletion|type of|from value|Removed functions|was removed|was added|name changed|return type|type size changed from (8|16|32|64) to '

for dump in "$here"/[0-9]*/"$machine".abi; do
    release=$(basename "$(dirname "$dump")")
    sed "1s/soname='[^']*'/soname='$soname'/" "$dump" > "$work/released.abi"
    abidiff --suppressions "$work/handles" --no-added-syms --harmless "$work/released.abi" "$library" \
        > "$work/log" 2>&1
    status=$?
    # 1 and 2: it did not work; 4: something changed; 8: it says itself that this breaks
    if [ $((status & 11)) -eq 0 ] && ! grep -E "$breaks" "$work/log" > "$work/found"; then
        passed=$((passed + 1))
    else
        echo "not ok $machine: what liblrnn $release had has changed"
        cat "$work/found" "$work/log"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
