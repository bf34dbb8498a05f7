#!/bin/sh
# Installs into a scratch prefix and builds the README's program (and every example) against it through
# pkg-config alone, shared and static.
set -u
cd "$(dirname "$0")/../.." || exit 1
MAKE=${MAKE:-make}
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
passed=0 failed=0
ok() { passed=$((passed + 1)); }
bad() { echo "not ok: $*"; failed=$((failed + 1)); }

PKG_CONFIG_PATH=$scratch/usr/lib/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
export PKG_CONFIG_PATH
unset MAKEFLAGS MAKELEVEL MFLAGS
# As users do: build first, and say only then where it is to go.
if $MAKE -s all BUILD="$scratch/build" > "$scratch/log" 2>&1 &&
    $MAKE -s install BUILD="$scratch/build" PREFIX="$scratch/usr" > "$scratch/log" 2>&1; then
    ok
else
    tail -n 20 "$scratch/log"
    bad "make install"
fi

# The programs of README.md and docs/from-pytorch.md are the blocks between ```c and ```. They run in order, in one folder: the second
# reads what the first wrote.
mkdir "$scratch/programs"
awk -v to="$scratch/programs/readme-" '/^```c$/ { n++; file = to n ".c"; next } /^```$/ { file = ""; next }
    file { print > file }' README.md
awk -v file="$scratch/programs/from-pytorch.c" '/^```c$/ { on = 1; next } /^```$/ { on = 0 } on { print > file }' docs/from-pytorch.md
cp tests/golden/pytorch/rnn_tanh.pt "$scratch/net.pt"
for example in examples/*.c; do
    [ -e "$example" ] && cp "$example" "$scratch/programs/"
done
cp examples/*.h "$scratch/programs/"

cd "$scratch" || exit 1
for source in programs/*.c; do
    name=$(basename "$source" .c)
    # shellcheck disable=SC2046
    if ${CC:-cc} -std=gnu11 -Wall -Wextra "$source" $(pkg-config --cflags --libs lrnn) -lm -pthread -o "$name.shared" 2> log &&
        LD_LIBRARY_PATH=$scratch/usr/lib timeout 120 "./$name.shared" > out 2>&1; then
        ok
    else
        cat log out
        bad "$name, shared"
    fi
    # shellcheck disable=SC2046
    if ${CC:-cc} -std=gnu11 "$source" $(pkg-config --cflags lrnn) "$scratch/usr/lib/liblrnn.a" \
        $(pkg-config --static --libs lrnn | sed 's/-llrnn//') -o "$name.static" 2> log &&
        timeout 120 "./$name.static" > out 2>&1; then
        ok
    else
        cat log out
        bad "$name, static"
    fi
done

unset PKG_CONFIG_PATH
cd - > /dev/null 2>&1
if $MAKE -s uninstall BUILD="$scratch/build" PREFIX="$scratch/usr" > "$scratch/log" 2>&1 &&
    [ -z "$(find "$scratch/usr" -type f -o -type l)" ]; then
    ok
else
    find "$scratch/usr" -type f
    bad "make uninstall leaves nothing behind"
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
