#!/bin/sh
# Builds that packagers make: link-time optimization, -O3, folders with spaces in their names, the same
# bits from any folder. Each in a copy of the tree. Ends with "N passed, N failed".
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

copy() { # FOLDER: the sources, without what was built
    mkdir -p "$1" && tar -cf - --exclude=./build --exclude=./.git --exclude=./tests . | (cd "$1" && tar -xf -)
}
build() { # FOLDER VARIABLES...
    folder=$1
    shift
    (cd "$folder" && $MAKE -s -j"$jobs" all WERROR=1 "$@") > "$scratch/log" 2>&1 ||
        { tail -n 20 "$scratch/log"; return 1; }
}
globals() { # ARCHIVE: the names that an application can meet
    nm --defined-only -g "$1" 2> /dev/null | sed -n 's/.* [A-Z] \([A-Za-z0-9_]*\)$/\1/p' | sort
}
listed=$(sed -n 's/^ *\(lrnn_[a-z0-9_]*\);$/\1/p' lib/lrnn.map | sort)

# An application with a function that the library has one of, too.
cat > "$scratch/application.c" << 'END'
#include <lrnn.h>
int pool_run(void);
int pool_run(void) { return 7; }
int main(void)
{
    lrnn_model_options options;
    lrnn_model *model;
    if (lrnn_model_options_init(&options, sizeof options) != LRNN_OK) {
        return 1;
    }
    options.vocab_size = 5;
    if (lrnn_model_create(&model, &options) != LRNN_OK) {
        return 2;
    }
    lrnn_model_destroy(model);
    return pool_run() == 7 ? 0 : 3;
}
END

for compiler in ${COMPILERS-gcc clang}; do
    command -v $compiler > /dev/null 2>&1 || { echo "$compiler: not installed"; continue; }
    copy "$scratch/$compiler"
    if build "$scratch/$compiler" BLAS=none CC=$compiler CFLAGS='-O2 -g -flto'; then
        archive=$scratch/$compiler/build/liblrnn.a
        if [ "$(globals "$archive")" = "$listed" ]; then
            ok
        else
            bad "$compiler -flto: names of the archive: $(globals "$archive" | grep -v '^lrnn_' | head -n 5 | tr '\n' ' ')"
        fi
        for flags in -O2 '-O2 -flto'; do
            [ "$compiler $flags" = 'clang -O2 -flto' ] && ! command -v ld.lld > /dev/null 2>&1 && continue
            # shellcheck disable=SC2086
            if $compiler $flags -Iinclude "$scratch/application.c" "$archive" -lm -pthread -o "$scratch/application" &&
                "$scratch/application"; then
                ok
            else
                bad "an application compiled with $compiler $flags and the archive"
            fi
        done
    else
        bad "$compiler -flto"
    fi
done

copy "$scratch/here"
copy "$scratch/with/another name"
for folder in "$scratch/here" "$scratch/with/another name"; do
    if build "$folder" BLAS=none CFLAGS='-O3 -g' LDFLAGS=-Wl,-z,defs; then
        ok
    else
        bad "-O3 without a warning, -z defs, in $folder"
    fi
done
for file in liblrnn.a liblrnn.so lrnn; do
    if cmp "$scratch/here/build/$file" "$scratch/with/another name/build/$file"; then
        ok
    else
        bad "$file depends on the folder it was built in"
    fi
done

root="$scratch/a root" prefix="/opt/my programs"
if (cd "$scratch/here" && $MAKE -s install DESTDIR="$root" PREFIX="$prefix" CFLAGS='-O3 -g' LDFLAGS=-Wl,-z,defs \
    BLAS=none WERROR=1) > "$scratch/log" 2>&1; then
    flags=$(PKG_CONFIG_PATH="$root$prefix/lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$root" pkg-config --cflags --libs lrnn)
    if (PKG_CONFIG_PATH="$root$prefix/lib/pkgconfig" pkg-config --cflags lrnn) | grep -q 'my\\ programs' &&
        ${CC:-cc} "$scratch/application.c" -I"$root$prefix/include" -L"$root$prefix/lib" -llrnn -o "$scratch/application" &&
        LD_LIBRARY_PATH="$root$prefix/lib" "$scratch/application"; then
        ok
    else
        bad "a program built from a prefix with spaces: $flags"
    fi
    if (cd "$scratch/here" && $MAKE -s uninstall DESTDIR="$root" PREFIX="$prefix") > "$scratch/log" 2>&1 &&
        [ -z "$(find "$root" -type f -o -type l)" ]; then
        ok
    else
        find "$root" -type f -o -type l
        bad "uninstall from a prefix with spaces"
    fi
else
    tail -n 20 "$scratch/log"
    bad "install to a prefix with spaces"
fi

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
