#!/bin/sh
# Installs into a scratch prefix, builds the README's programs and every example against it through
# pkg-config alone, shared and static, and looks at what they print.
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
    grep -q '<lrnn-mpi.h>' "$example" || cp "$example" "$scratch/programs/" # those are in tests/mpi
done
cp examples/*.h "$scratch/programs/"

# prints NAME: is what is in `out` what the program is there to show? Not the bits, which depend on the
# machine, but that it has learnt.
prints() {
    [ "$1" = readme-1 ] || [ -s out ] || return 1
    ! grep -qiw -e nan -e inf out || return 1
    case $1 in
    readme-1) [ ! -s out ] && [ -s tyger.safetensors ] ;;
    readme-2) cmp -s out verse ;;
    from-pytorch) grep -q '^h\.aha' out ;;
    beam_tree) grep -q '^Greedy search' out && grep -q 'nice *0\.50 \*' out ;;
    char_lm) awk '/^loss/ { exit !($2 < 0.1) }' out && grep -q '^Twas brillig' out ;;
    classify_names) awk '/accuracy/ { exit !($NF >= 0.95) }' out ;;
    classify_vectors) awk '/accuracy/ { exit !($NF >= 0.95) }' out ;;
    digits) awk '/^wrong/ { exit !($9 < 10) }' out ;;
    forecast) awk '{ gsub(",", ""); exit !($10 < 0.7 * $12) }' out ;;
    gradient_flow) awk '/^RNN .*s = 0.6/ { a = $NF } /^RNN .*s = 1.4/ { b = $NF } /clipped to/ { c = $NF }
        END { exit !(a < 1e-9 && b > 1e5 && c < 0.1) }' out ;;
    hello) [ "$(sed -n 's/^  -> //p' out | tr -d '\n')" = ello ] ;;
    invent_names) [ "$(grep -cE '^ *(Italian|Japanese):( [A-Z][a-z]+){5}$' out)" -eq 2 ] ;;
    long_memory) awk '/^adding/ { a = $2; b = $3; c = $4 } END { exit !(b < 0.05 && c < 0.05 && a > b) }' out ;;
    personalise) awk '/before/ { a = $2 } /after/ { b = $2 } /^requests/ { n = $NF } END { exit !(b < a / 4 && n > 0) }' out ;;
    printed_lines) awk '/^clean/ { c = $(NF - 2) } /^bad/ { b = $9; f = $(NF - 2) } END { exit !(c < 5 && f < b) }' out &&
            grep -qE '^  printed: [a-z]+ [a-z]+ [a-z]+$' out && [ "$(head -c 2 lines.pgm)" = P5 ] ;;
    scorer) awk '/^beam of/ { b = $4 } /^sampled/ { s = $4 } END { exit !(b > 1 && b < s) }' out ;;
    softmax_regression) awk '/frames/ { a = $5 } /difference/ { d = $NF } END { exit !(a >= 99 && d < 1e-4) }' out ;;
    stream) awk '/network/ { a = $NF } /same again/ { b = $NF } /^allocations/ { n = $NF } END { exit !(a < b / 3 && n == 0) }' out ;;
    tag_words) awk '/accuracy/ { exit !($NF >= 0.95) }' out ;;
    word_vectors) awk '/^learned/ { a = $NF } /^given/ { b = $NF } END { exit !(b == 1 && a < b) }' out ;;
    translate) awk '/^pass/ { exit !($3 < 1.5) }' out ;;
    esac
}

cd "$scratch" || exit 1
cat > verse << 'END'
Tyger Tyger, burning bright,
In the forests of the night;
What immortal hand or eye,
Could frame thy fearful symmetry?
END
# What an example needs beyond the library.
fonts=/usr/share/fonts/truetype
printed=
if ! pkg-config --exists freetype2; then
    printed="FreeType is not here"
elif ! ls "$fonts"/dejavu/DejaVuSans.ttf > /dev/null 2>&1; then
    printed="no DejaVu Sans in $fonts"
fi
for source in programs/*.c; do
    name=$(basename "$source" .c)
    flags='' arguments=''
    if [ "$name" = printed_lines ]; then
        if [ -n "$printed" ]; then
            echo "skipped: printed_lines: $printed"
            continue
        fi
        flags=$(pkg-config --cflags --libs freetype2)
        arguments='-o lines.pgm'
    fi
    # shellcheck disable=SC2046,SC2086
    if ${CC:-cc} -std=gnu11 -Wall -Wextra "$source" $flags $(pkg-config --cflags --libs lrnn) -lm -pthread -o "$name.shared" 2> log &&
        LD_LIBRARY_PATH=$scratch/usr/lib timeout 120 "./$name.shared" $arguments > out 2>&1 && prints "$name"; then
        ok
    else
        cat log out
        bad "$name, shared"
    fi
    # shellcheck disable=SC2046,SC2086
    if ${CC:-cc} -std=gnu11 "$source" $(pkg-config --cflags lrnn) "$scratch/usr/lib/liblrnn.a" $flags \
        $(pkg-config --static --libs lrnn | sed 's/-llrnn//') -o "$name.static" 2> log &&
        timeout 120 "./$name.static" $arguments > out 2>&1 && prints "$name"; then
        ok
    else
        cat log out
        bad "$name, static"
    fi
done

# As the README has it for a prefix: no path is set for the loader.
mv verse verse.right
# shellcheck disable=SC2046
if cp programs/readme-1.c tyger.c && cp programs/readme-2.c recite.c &&
    ${CC:-cc} tyger.c -o tyger $(pkg-config --cflags --libs lrnn) "-Wl,-rpath,$scratch/usr/lib" && ./tyger &&
    ${CC:-cc} recite.c -o recite $(pkg-config --cflags --libs lrnn) "-Wl,-rpath,$scratch/usr/lib" &&
    ./recite > verse && cmp verse verse.right; then
    ok
else
    bad "the commands of README.md"
fi

unset PKG_CONFIG_PATH
cd - > /dev/null 2>&1
if $MAKE -s uninstall BUILD="$scratch/build" PREFIX="$scratch/usr" > "$scratch/log" 2>&1 &&
    [ -z "$(find "$scratch/usr" -type f -o -type l)" ]; then
    ok
else
    find "$scratch/usr" -type f
    bad "make uninstall leaves nothing"
fi
if [ -z "$($MAKE uninstall BUILD="$scratch/build" PREFIX="$scratch/nothing" 2>&1)" ]; then
    ok
else
    bad "make uninstall of nothing is quiet"
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
