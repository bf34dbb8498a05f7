#!/bin/sh
# Windows: builds the library, the DLL and the program with mingw-w64, and runs tests under wine: those that
# touch what differs there, or with ALL=1 all that can be built. Trains two epochs there and here, which
# must give the same file to the bit. Ends with "N passed, N failed".
# docs/windows.md says what is left out, and why.
set -u
cd "$(dirname "$0")/../.." || exit 1
host=x86_64-w64-mingw32
MAKE=${MAKE:-make}
BUILD=${BUILD:-build}
folder=$BUILD/$host
jobs=$(getconf _NPROCESSORS_ONLN 2> /dev/null || echo 1)
mkdir -p "$folder"
scratch=$(mktemp -d) || exit 1
absolute=$(cd "$folder" && pwd)
WINEPREFIX=$absolute/wine
TMPDIR=$scratch
export WINEPREFIX TMPDIR WINEDEBUG=-all
trap 'wineserver -k 2> /dev/null; rm -rf "$scratch"' EXIT
unset MAKEFLAGS MAKELEVEL MFLAGS
passed=0 failed=0

ok() { passed=$((passed + 1)); }
not_ok() { echo "not ok: $*"; failed=$((failed + 1)); }
count() { # LOG: adds up the closing line of tests/run or of the program's tests
    line=$(tail -n 1 "$1")
    p=${line%% passed*} f=${line#*passed, }
    f=${f%% failed*}
    passed=$((passed + p)) failed=$((failed + f))
    [ "$f" -eq 0 ] || grep -v '^ok ' "$1"
}

tests="unit/base_error_test unit/base_fpmode_test unit/base_json_test unit/base_memory_test unit/base_number_test
    unit/base_pool_test unit/base_random_test unit/format_atomic_file_test unit/format_safetensors_read_test
    unit/format_safetensors_write_test unit/format_windows_test unit/format_zip_test unit/kernels_fast_cells_test
    unit/kernels_fast_multiply_test unit/kernels_step_test unit/kernels_run_test unit/model_file_test unit/text_vocab_test
    unit/train_tokens_test unit/train_golden_test fault/save_test api/checkpoint_test api/model_file_test
    api/shards_test"
if [ "${ALL:-}" = 1 ]; then
    tests=$(for test in tests/unit/*_test.c tests/api/*_test.c tests/fault/*_test.c tests/fuzz/*_test.c; do
        grep -q "$test" platform.mk || echo "${test%.c}"
    done | sed 's|^tests/||')
fi
binaries=$(for test in $tests; do printf '%s ' "$folder/tests/$test.exe"; done)

build() { $MAKE -s -j"$jobs" HOST="$host" BUILD="$folder" CFLAGS=-O2 WERROR=1 OWN_CMOCKA=1 LDFLAGS=-static "$@"; }
# shellcheck disable=SC2086
if build -k "$folder/lrnn.exe" "$folder/liblrnn.dll.a" $binaries > "$scratch/log" 2>&1; then
    ok
else
    tail -n 40 "$scratch/log"
    echo "0 passed, 1 failed"
    exit 1
fi
wineboot -u > /dev/null 2>&1 # before several programs want to do so at once

# ---- the libraries ----

sed -n 's/^ *\(lrnn_[a-z0-9_]*\);$/\1/p' lib/lrnn.map | sort > "$scratch/listed"
"$host-objdump" -p "$folder/lrnn.dll" | sed -n 's/^.*\] *\(lrnn_[a-z0-9_]*\)$/\1/p' | sort > "$scratch/exported"
cmp "$scratch/listed" "$scratch/exported" && ok || not_ok "the DLL exports something else than the map"
"$host-nm" -g --defined-only "$folder/liblrnn.a" | sed -n 's/.* [A-Z] \(.*\)$/\1/p' | sort > "$scratch/archived"
cmp "$scratch/listed" "$scratch/archived" && ok || not_ok "the archive has other global names than the map"
"$host-objdump" -p "$folder/lrnn.dll" | sed -n 's/.*DLL Name: //p' | grep -vixE 'kernel32.dll|msvcrt.dll|api-ms-win-crt-.*' &&
    not_ok "the DLL needs more than Windows has" || ok

# The README's two programs, against the DLL.
awk -v to="$scratch/" '/^```c$/ { n++; on = 1; next } /^```$/ { on = 0 } on { print > (to n ".c") }' README.md
cp "$folder/lrnn.dll" "$scratch/"
for n in 1 2; do
    "$host-gcc" -O1 -Iinclude "$scratch/$n.c" -L"$folder" -llrnn -o "$scratch/$n.exe" || not_ok "README program $n"
done
(cd "$scratch" && wine 1.exe && wine 2.exe) > "$scratch/out" 2>&1
grep -q '^Could frame thy fearful symmetry' "$scratch/out" && ok || not_ok "the README's programs: $(cat "$scratch/out")"

# ---- tests ----

# shellcheck disable=SC2086
TEST_WRAPPER=wine tests/run $binaries > "$scratch/log" 2>&1
count "$scratch/log"

# ---- the program ----

cat > "$scratch/lrnn" << END
#!/bin/sh
exec wine '$absolute/lrnn.exe' "\$@"
END
chmod +x "$scratch/lrnn"
tests/program/run.sh "$scratch/lrnn" tests/program/convert_test.sh tests/program/text_test.sh > "$scratch/log" 2>&1
count "$scratch/log"

awk 'BEGIN { for (i = 0; i < 400; i++) { printf "%d times %d is %d\n", i % 17, i % 23, (i % 17) * (i % 23) } }' > "$scratch/Wörter.txt"
train() { # KERNELS LRNN OUT
    LRNN_KERNELS=$1 "$2" train -o "$3" --hidden 40 --batch 8 --steps 20 --epochs 2 --threads 2 --quiet --force \
        --log "$3.log" "$scratch/Wörter.txt" > "$scratch/out" 2>&1 || { cat "$scratch/out"; return 1; }
}
$MAKE -s -j"$jobs" BLAS=none BUILD="$BUILD/none" "$BUILD/none/lrnn" > "$scratch/log" 2>&1 || tail "$scratch/log"
for kernels in baseline avx2 avx512; do
    LRNN_KERNELS=$kernels "$BUILD/none/lrnn" --version 2> /dev/null | grep -q "kernels: $kernels" || continue
    if train "$kernels" "$BUILD/none/lrnn" "$scratch/hier.safetensors" &&
        train "$kernels" "$scratch/lrnn" "$scratch/drüben.safetensors" &&
        cmp "$scratch/hier.safetensors" "$scratch/drüben.safetensors" &&
        ! grep -q "$(printf '\r')" "$scratch/drüben.safetensors.log"; then
        ok
    else
        not_ok "two epochs on Windows and here differ, $kernels"
    fi
done

# Ctrl-C, which Wine makes of SIGINT: a checkpoint, with which the run goes on.
cd "$scratch" || exit 1
wine "$absolute/lrnn.exe" train -o m.safetensors --checkpoint c.ckpt --hidden 40 --epochs 1000000 --log l.tsv "$scratch/Wörter.txt" > out 2>&1 &
pid=$!
tries=0
while [ "$(cat l.tsv 2> /dev/null | wc -l)" -lt 3 ] && [ $tries -lt 300 ]; do
    sleep 0.2
    tries=$((tries + 1))
done
kill -INT $pid
wait $pid
code=$?
if [ $code -eq 130 ] && grep -q 'lrnn train --resume c.ckpt' out && ./lrnn inspect c.ckpt > out 2>&1 && grep -q 'all of it was read' out; then
    ok
else
    not_ok "Ctrl-C: exit $code, $(tail -n 3 out)"
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
