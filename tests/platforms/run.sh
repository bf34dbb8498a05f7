#!/bin/sh
# Another machine: run.sh HOST EMULATOR [KERNELS]. Builds the library with the cross compiler of HOST, runs
# some of the tests under the emulator, and trains two epochs there and here, which must give the
# same file to the bit; KERNELS are those of this machine that do the same.
# Ends with "N passed, N failed".
set -u
cd "$(dirname "$0")/../.." || exit 1
host=$1 emulator=$2 kernels=${3:-}
MAKE=${MAKE:-make}
BUILD=${BUILD:-build}
folder=$BUILD/$host
jobs=$(getconf _NPROCESSORS_ONLN 2> /dev/null || echo 1)
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
unset MAKEFLAGS MAKELEVEL MFLAGS
passed=0 failed=0

# format_torch_file_test is not among them: where numbers have 32 bits another error comes first.
tests="unit/base_options_test unit/base_released_test unit/base_fpmode_test unit/base_json_test
    unit/base_memory_test unit/base_number_test unit/base_random_test unit/format_half_test unit/format_tensor_test
    unit/format_pickle_test unit/format_zip_test unit/kernels_fast_multiply_test
    unit/text_vocab_test unit/train_tokens_test unit/train_golden_test api/checkpoint_test api/model_file_test"
binaries=$(for test in $tests; do printf '%s ' "$folder/tests/$test"; done)

# An emulated thread has a small stack, and tests a large frame.
# shellcheck disable=SC2086
if $MAKE -s -j"$jobs" HOST="$host" ${PLATFORM_CC:+CC="$PLATFORM_CC"} BLAS=none BUILD="$folder" CFLAGS=-O2 LDFLAGS=-static OWN_CMOCKA=1 \
    "$folder/lrnn" $binaries > "$scratch/log" 2>&1; then
    passed=1
else
    tail -n 40 "$scratch/log"
    echo "0 passed, 1 failed"
    exit 1
fi
# shellcheck disable=SC2086
TEST_WRAPPER="$emulator -s 67108864" tests/run $binaries > "$scratch/log" 2>&1
line=$(tail -n 1 "$scratch/log")
p=${line%% passed*}
f=${line#*passed, }
f=${f%% failed*}
passed=$((passed + p)) failed=$((failed + f))
[ "$f" -eq 0 ] || grep -v '^ok ' "$scratch/log"

awk 'BEGIN { for (i = 0; i < 400; i++) { printf "%d times %d is %d\n", i % 17, i % 23, (i % 17) * (i % 23) } }' > "$scratch/text"
train() { # KERNELS COMMAND... OUT
    chosen=$1
    shift
    env LRNN_KERNELS="$chosen" "$@" --hidden 40 --batch 8 --steps 20 --epochs 2 --quiet --force "$scratch/text" > "$scratch/out" 2>&1 ||
        { cat "$scratch/out"; return 1; }
}
$MAKE -s -j"$jobs" BLAS=none BUILD="$BUILD/none" "$BUILD/none/lrnn" > "$scratch/log" 2>&1 || tail "$scratch/log"
if train "$kernels" "$BUILD/none/lrnn" train -o "$scratch/here.safetensors" &&
    train '' "$emulator" "$folder/lrnn" train -o "$scratch/there.safetensors" &&
    cmp "$scratch/here.safetensors" "$scratch/there.safetensors"; then
    passed=$((passed + 1))
else
    echo "not ok: two epochs on $host and here differ"
    failed=$((failed + 1))
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
