#!/bin/sh
# Installs both libraries into a scratch prefix and builds examples/parallel.c against it through
# pkg-config alone, shared and static; its model has the same bits on 1, 2, 4 and 8 ranks.
# usage: install_test.sh BUILD
set -u
build=$1
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
passed=0 failed=0
unset MAKEFLAGS MAKELEVEL MFLAGS
ok() { passed=$((passed + 1)); }
bad() { failed=$((failed + 1)); echo "FAIL: $1"; }
try() { # NAME COMMAND...
    name=$1
    shift
    if "$@" > "$scratch/log" 2>&1; then ok; else bad "$name"; tail -n 20 "$scratch/log"; fi
}

try 'make install-mpi' ${MAKE:-make} -s install-mpi BUILD="$build" PREFIX="$scratch/to" WERROR=1
export PKG_CONFIG_PATH="$scratch/to/lib/pkgconfig" LD_LIBRARY_PATH="$scratch/to/lib"
try 'shared' cc -o "$scratch/shared" examples/parallel.c $(pkg-config --cflags --libs lrnn-mpi)
try 'static' mpicc -o "$scratch/static" examples/parallel.c $(pkg-config --cflags lrnn-mpi) \
    "$scratch/to/lib/liblrnn-mpi.a" "$scratch/to/lib/liblrnn.a" $(pkg-config --static --libs lrnn | sed 's/-llrnn//')
try 'C++' g++ -std=c++11 -fsyntax-only -Wall -Wextra -Werror -DOMPI_SKIP_MPICXX -DMPICH_SKIP_MPICXX -x c++ $(pkg-config --cflags lrnn-mpi) include/lrnn-mpi.h
try 'lrnn-mpi --version' mpirun --oversubscribe -n 2 "$scratch/to/bin/lrnn-mpi" --version
try 'man page' test -s "$scratch/to/share/man/man1/lrnn-mpi.1"
if nm -D "$scratch/to/lib/liblrnn.so" | grep -q ' MPI_'; then bad 'liblrnn.so needs MPI'; else ok; fi
for n in 1 2 4 8; do
    for kind in shared static; do
        mpirun --oversubscribe -n $n "$scratch/$kind" > "$scratch/$kind.$n" 2> "$scratch/log" || { bad "$kind on $n"; cat "$scratch/log"; }
        if grep -q '^loss' "$scratch/$kind.$n" && cmp -s "$scratch/$kind.$n" "$scratch/shared.1"; then
            ok
        else
            bad "$kind on $n ranks: other bits"
        fi
    done
done
if mpirun --oversubscribe -n 3 "$scratch/shared" > "$scratch/log" 2>&1 || ! grep -q 'one of 1, 2, 4, 8' "$scratch/log"; then
    bad '3 ranks cannot share 8 shards'
else
    ok
fi
try 'make uninstall-mpi' ${MAKE:-make} -s uninstall-mpi BUILD="$build" PREFIX="$scratch/to"
left=$(find "$scratch/to" -type f -o -type l)
if [ -z "$left" ]; then ok; else bad "uninstall left $left"; fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
