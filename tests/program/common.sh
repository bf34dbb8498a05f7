# What the tests of the program share; each begins with: . "$(dirname "$0")/common.sh"
set -u
: "${LRNN:?the program to test}"
root=$(cd "$(dirname "$0")/../.." && pwd)
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1

# A text that is always there.
cat "$root"/include/lrnn/train.h "$root"/include/lrnn/model.h > text

# holds NAME COMMAND...: ok if the command succeeds.
holds() {
    name=$1
    shift
    if "$@" > holds.out 2>&1; then
        echo "ok $name"
    else
        echo "not ok $name"
        sed 's/^/    /' holds.out | head -n 10
    fi
}

# fails NAME STATUS PATTERN COMMAND...: ok if the command ends with STATUS, prints nothing on stdout and
# a line on stderr that matches; with status 1 exactly that one line.
fails() {
    name=$1 wanted=$2 pattern=$3
    shift 3
    "$@" > fails.out 2> fails.err < /dev/null
    status=$?
    if [ "$status" -eq "$wanted" ] && grep -q -e "$pattern" fails.err && [ ! -s fails.out ] &&
        { [ "$wanted" -ne 1 ] || [ "$(wc -l < fails.err)" -eq 1 ]; }; then
        echo "ok $name"
    else
        echo "not ok $name: status $status, expected $wanted and '$pattern'"
        sed 's/^/    /' fails.out fails.err | head -n 10
    fi
}

# within A B LIMIT: |A - B| <= LIMIT
within() {
    awk -v a="$1" -v b="$2" -v limit="$3" 'BEGIN { d = a - b; exit !((d < 0 ? -d : d) <= limit) }'
}

# value KEY FILE: of a "key: value" line.
value() {
    sed -n "s/^$1: //p" "$2"
}

# A model to use, trained in a moment.
small_model() {
    "$LRNN" train -q -o "$1" --hidden 32 --embedding 16 --lr 0.01 --epochs 1 text
}
