# The command lines of docs/training.md as they stand there, in small: sizes, epochs and texts are
# the only words that change.
. "$(dirname "$0")/common.sh"

head -c 12000 text > training.txt
tail -c +12001 text | head -c 2000 > validation.txt
count=$(sed -n '/^## Two classic recipes/,/^## Outputs/p' "$root/docs/training.md" | sed -n '/^    lrnn train/,/training.txt$/p' |
    sed 's/\\$//' | tr -d '\n' | sed 's/training\.txt/&\n/g' > commands; grep -c . commands)
holds "there are three" test "$count" -eq 3
sed 's/--hidden [0-9]*/--hidden 8/; s/--embedding [1-9][0-9]*/--embedding 8/; s/--batch [0-9]*/--batch 4/
    s/--epochs [0-9]*/--epochs 11/; s/--max-vocab [0-9]*/--max-vocab 50/; s/lrnn train/"$LRNN" train -q --log r.tsv/' \
    commands > small
n=0
while read -r command; do
    n=$((n + 1))
    rm -f r.tsv
    eval "$command" < /dev/null > recipe.out 2> recipe.err
    holds "recipe $n is a command line" test $? -eq 0
    rates=$(awk -F'\t' 'NR > 1 && $1 != e { e = $1; printf "%s ", $6 }' r.tsv)
    case $n in
    1) expected="0.002 11 0.0019" ;; # after the tenth epoch
    2) expected="1 5 0.5" ;;         # after the fourth
    3) expected="1 7 0.8333333" ;;
    esac
    set -- $expected
    holds "recipe $n begins with its rate" within "$(echo "$rates" | cut -d' ' -f1)" "$1" 1e-6
    holds "recipe $n still has it before" within "$(echo "$rates" | cut -d' ' -f$(($2 - 1)))" "$1" 1e-6
    holds "recipe $n has another after that" within "$(echo "$rates" | cut -d' ' -f"$2")" "$3" 1e-6
done < small
holds "all were run" test $n -eq 3

awd=$(sed -n '/^## AWD-LSTM/,/^## Texts/p' "$root/docs/training.md" | sed -n '/^    lrnn train/,/training.txt$/p' | sed 's/\\$//' | tr -d '\n')
small=$(echo "$awd" | sed 's/--hidden [0-9,]*/--hidden 12,10,8/; s/--embedding [0-9]*/--embedding 8/
    s/--batch [0-9]*/--batch 4/; s/--steps [0-9]*/--steps 20/; s/--epochs [0-9]*/--epochs 12/; s/--max-vocab [0-9]*/--max-vocab 50/
    s/--average-patience [0-9]*/--average-patience 1/; s/lrnn train/"$LRNN" train/')
eval "$small" < /dev/null > recipe.out 2> recipe.err
holds "AWD-LSTM is a command line" test $? -eq 0
holds "its parameters are averaged in the end" grep -q "^averaging the parameters from epoch" recipe.out
