#!/bin/sh
# Every public struct in turn gets a field more, in a copy of the tree: a program of today's headers
# runs on the grown library, and one of the grown headers on today's. $1: the build folder, which
# has today's shared library; after it maybe the structs to grow. Ends with "N passed, N failed".
set -u
MAKE=${MAKE:-make}
build=$(cd "$1" && pwd)
shift
unset MAKEFLAGS MAKELEVEL MFLAGS
cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
jobs=$(getconf _NPROCESSORS_ONLN 2> /dev/null || echo 1)
passed=0 failed=0

# Structs that begin with their size.
structs=$*
[ -n "$structs" ] || structs=$(cat include/lrnn/*.h | tr '\n' ' ' |
    grep -o 'typedef struct lrnn_[a-z_]* { *size_t size;' | awk '{print $3}')

# program HEADERS LIBRARY WHAT
program() {
    if ${CC:-cc} -std=c99 -I"$1" tests/abi/program.c -L"$2" -Wl,-rpath,"$2" -llrnn -o "$work/program" \
        2> "$work/log" && (cd "$work" && ./program) >> "$work/log" 2>&1; then
        passed=$((passed + 1))
    else
        echo "not ok $3"
        cat "$work/log"
        failed=$((failed + 1))
    fi
}

mkdir "$work/tree"
cp -R Makefile ./*.mk ./*.pc.in lib src "$work/tree"
for struct in $structs; do
    rm -rf "$work/tree/include"
    cp -R include "$work/tree"
    file=$(grep -l "^} $struct;" "$work"/tree/include/lrnn/*.h)
    if [ -z "$file" ]; then
        echo "not ok $struct: there is no such struct"
        failed=$((failed + 1))
        continue
    fi
    sed "s/^} $struct;/    int64_t grown;\n} $struct;/" "$file" > "$work/header" && cp "$work/header" "$file"
    program "$work/tree/include" "$build" "a program whose $struct has grown, on the library of today"
    if ! (cd "$work/tree" && $MAKE -s -j"$jobs" CFLAGS='-O0 -w' KERNELS=reference BLAS=none BUILD=build build/liblrnn.so) > "$work/log" 2>&1; then
        echo "not ok $struct: the library with a field more does not build"
        cat "$work/log"
        failed=$((failed + 1))
        continue
    fi
    program include "$work/tree/build" "a program of today on a library whose $struct has grown"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
