#!/bin/sh
# What a release leaves for the tests of later ones, in tests/abi/VERSION: its headers, and its ABI on
# this machine's processor and, where the cross compiler is installed, on arm64. To be run on the
# commit of the release.   tests/abi/release.sh VERSION
set -eu
version=${1:?the version, such as 0.2}
cd "$(dirname "$0")/../.."
to=tests/abi/$version
mkdir -p "$to/include"
cp -R include/lrnn.h include/lrnn "$to/include"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for host in '' aarch64-linux-gnu; do
    machine=${host:-$(uname -m)-}
    machine=${machine%%-*}
    if [ -n "$host" ] && ! command -v "$host-gcc" > /dev/null 2>&1; then
        echo "$machine: $host-gcc is not installed"
        continue
    fi
    ${MAKE:-make} -s -j"$(getconf _NPROCESSORS_ONLN 2> /dev/null || echo 1)" HOST="$host" \
        BUILD="$work/$machine" CFLAGS='-Og -g' "$work/$machine/liblrnn.so"
    abidw --headers-dir "$PWD/include" --drop-private-types --drop-undefined-syms --no-elf-needed \
        --no-show-locs --no-write-default-sizes --type-id-style sequence --no-corpus-path \
        --no-comp-dir-path "$work/$machine"/liblrnn.so.*.*.* > "$to/$machine.abi"
    echo "$to/$machine.abi"
done
