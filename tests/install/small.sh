#!/bin/sh
# The library for small devices: without CBLAS, without the trainer or the decoder, with one instruction
# set; and how large that is. Ends with "N passed, N failed".
set -u
cd "$(dirname "$0")/../.." || exit 1
MAKE=${MAKE:-make}
jobs=$(getconf _NPROCESSORS_ONLN 2> /dev/null || echo 1)
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
passed=0 failed=0
ok() { passed=$((passed + 1)); }
bad() { echo "not ok: $*"; failed=$((failed + 1)); }
unset MAKEFLAGS MAKELEVEL MFLAGS

build() { # NAME VARIABLES...: into $scratch/NAME
    name=$1
    shift
    $MAKE -s -j"$jobs" install BUILD="$scratch/$name-build" PREFIX="$scratch/$name" BLAS=none WERROR=1 "$@" \
        > "$scratch/log" 2>&1 || { tail -n 20 "$scratch/log"; bad "$name does not build"; return 1; }
}
program() { # NAME SOURCE OUT FLAGS...: linked with the archive of NAME
    from=$scratch/$1 source=$2 out=$3
    shift 3
    ${CC:-cc} -O2 "$@" -I"$from/include" "$source" "$from/lib/liblrnn.a" -lm -pthread -o "$out"
}
smaller() { # FILE BYTES: stripped
    strip -o "$scratch/stripped" "$1"
    bytes=$(wc -c < "$scratch/stripped")
    [ "$bytes" -lt "$2" ] && return
    echo "$1: $bytes bytes, not under $2"
    return 1
}
case $(${CC:-cc} -dumpmachine) in
x86_64* | amd64*) one=avx2 ;;
aarch64*) one=neon ;;
*) one=reference ;;
esac

# The README's programs: one trains, one recites.
awk -v to="$scratch/readme-" '/^```c$/ { n++; file = to n ".c"; next } /^```$/ { file = ""; next }
    file { print > file }' README.md

if build whole; then
    if [ "$(pkg-config --static --libs "$scratch/whole/lib/pkgconfig/lrnn.pc" | tr -s ' ' '\n' | grep '^-l' | tr '\n' ' ')" = '-llrnn -lm ' ]; then
        ok
    else
        bad "lrnn.pc without CBLAS asks for more than libm"
    fi
    if program whole "$scratch/readme-1.c" "$scratch/train" && (cd "$scratch" && ./train) &&
        program whole "$scratch/readme-2.c" "$scratch/step" -static -Wl,--gc-sections &&
        (cd "$scratch" && ./step) | grep -q '^Tyger Tyger' && smaller "$scratch/step" 1400000; then
        ok
    else
        bad "the step program, static"
    fi
fi

if build inference PARTS='base text model' KERNELS=$one CFLAGS=-Os; then
    if smaller "$scratch/inference/lib/liblrnn.so" 204800; then
        ok
    else
        bad "inference alone is too large"
    fi
    if nm -D --defined-only "$scratch/inference/lib/liblrnn.so" | grep -qE 'lrnn_(trainer|optimizer|batches|decoder|ctc)_' ||
        [ -e "$scratch/inference/include/lrnn/train.h" ]; then
        bad "inference alone has parts of the trainer"
    else
        ok
    fi
    if program inference "$scratch/readme-2.c" "$scratch/step" -static -Wl,--gc-sections &&
        (cd "$scratch" && ./step) | grep -q '^Tyger Tyger' && smaller "$scratch/step" 1000000; then
        ok
    else
        bad "the step program on inference alone"
    fi
    if program inference tests/install/outputs.c "$scratch/outputs" && "$scratch/outputs"; then
        ok
    else
        bad "inference alone cannot make the outputs of every model"
    fi
fi

if build training PARTS='base text model train'; then
    if program training "$scratch/readme-1.c" "$scratch/train" && (cd "$scratch" && ./train); then
        ok
    else
        bad "training without the decoder"
    fi
fi
if build decoding PARTS='base text model decode'; then
    if program decoding "examples/scorer.c" "$scratch/scorer" && "$scratch/scorer" > "$scratch/out"; then
        ok
    else
        bad "decoding without the trainer"
    fi
fi
for wrong in 'PARTS=base model' 'PARTS=base text model search' 'KERNELS=mmx'; do
    if $MAKE -s -n all BUILD="$scratch/wrong" "$wrong" > /dev/null 2>&1; then
        bad "make '$wrong' is not refused"
    else
        ok
    fi
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
