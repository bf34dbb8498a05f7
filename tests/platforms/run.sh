#!/bin/sh
# Another machine: run.sh HOST EMULATOR [KERNELS]. Builds the library with the cross compiler of HOST (or
# PLATFORM_CC), runs some of the tests under the emulator ('': none, another C library of this machine), and trains two epochs there and here, which must give the
# same file to the bit; KERNELS are those of this machine that do the same. A token file, models and
# a checkpoint go from one machine to the other.
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
    unit/base_byte_order_test unit/base_memory_test unit/base_number_test unit/base_random_test unit/format_half_test unit/format_tensor_test unit/format_safetensors_write_test
    unit/format_pickle_test unit/format_zip_test unit/kernels_fast_multiply_test
    unit/text_vocab_test unit/train_tokens_test unit/train_golden_test api/checkpoint_test api/model_file_test"
[ -n "$emulator" ] || tests="$tests unit/base_pool_test unit/format_atomic_file_test api/process_test"
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
TEST_WRAPPER="${emulator:+$emulator -s 67108864}" tests/run $binaries > "$scratch/log" 2>&1
line=$(tail -n 1 "$scratch/log")
p=${line%% passed*}
f=${line#*passed, }
f=${f%% failed*}
passed=$((passed + p)) failed=$((failed + f))
[ "$f" -eq 0 ] || grep -v '^ok ' "$scratch/log"

# More than 256 different words.
awk 'BEGIN { for (i = 0; i < 400; i++) { printf "%d. %d times %d is %d\n", i, i % 17, i % 23, (i % 17) * (i % 23) } }' > "$scratch/text"
here() { LRNN_KERNELS=$kernels "$BUILD/none/lrnn" "$@" > "$scratch/out" 2>&1 || { cat "$scratch/out"; return 1; }; }
there() { $emulator "$folder/lrnn" "$@" > "$scratch/out" 2>&1 || { cat "$scratch/out"; return 1; }; }
train() { # here|there OUT OPTIONS...
    machine=$1 out=$2
    shift 2
    "$machine" train -o "$out" --hidden 40 --batch 8 --steps 20 --quiet --force "$@"
}
same() { cmp "$scratch/here.$1" "$scratch/there.$1"; }
ok() { # WHAT CONDITION...
    what=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        echo "not ok: $what, $host"
        failed=$((failed + 1))
    fi
}
$MAKE -s -j"$jobs" BLAS=none BUILD="$BUILD/none" "$BUILD/none/lrnn" > "$scratch/log" 2>&1 || tail "$scratch/log"
two_epochs() {
    for machine in here there; do
        train $machine "$scratch/$machine.model" --epochs 2 "$scratch/text" || return 1
    done
    same model
}
tokens() {
    for machine in here there; do
        $machine encode --level word -o "$scratch/$machine.tokens" "$scratch/text" || return 1
    done
    same tokens
}
weights() { # each machine converts the other's model
    for type in bfloat16 int8; do
        here convert --weights $type "$scratch/there.model" -o "$scratch/here.$type" &&
            there convert --weights $type "$scratch/here.model" -o "$scratch/there.$type" &&
            same $type || return 1
    done
}
checkpoint() { # an epoch on one machine, the second on the other
    for machines in 'here there' 'there here'; do
        train "${machines% *}" "$scratch/half" --epochs 1 --checkpoint "$scratch/checkpoint" "$scratch/text" &&
            "${machines#* }" train -o "$scratch/whole" --resume "$scratch/checkpoint" --epochs 2 --quiet --force "$scratch/text" &&
            cmp "$scratch/whole" "$scratch/here.model" || return 1
    done
}
ok 'two epochs are not the same bits' two_epochs
ok 'the token files differ' tokens
ok 'a model of the other machine becomes another one' weights
ok 'a checkpoint does not go on to the same bits on the other machine' checkpoint
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
