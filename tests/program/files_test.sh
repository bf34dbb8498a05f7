. "$(dirname "$0")/common.sh"
# What a command writes is neither one of its own other files nor somebody else's.
small="--hidden 8 --embedding 4 --batch 1 --steps 4 --epochs 1 -q"
seq 1 300 > t.txt
cp t.txt u.txt
train="$LRNN train $small"
$train -o m --log m.tsv --plot m.svg --checkpoint m.ck t.txt
"$LRNN" inspect m --text t.txt --html m.html
"$LRNN" export m -o m.dict
holds "there is something to lose" test -s m -a -s m.tsv -a -s m.svg -a -s m.ck -a -s m.html -a -s m.dict
mkdir kept folder
cp t.txt u.txt m m.tsv m.svg m.ck m.html m.dict kept

# same NAME PATTERN COMMAND...: the command is wrong, and has changed no file.
same() {
    pattern=$2
    name=$1
    shift 2
    fails "$name" 2 "$pattern" "$@"
    for file in t.txt u.txt m m.tsv m.svg m.ck m.html m.dict; do
        cmp -s $file kept/$file || {
            echo "not ok $name: $file has changed"
            cp kept/$file $file
        }
    done
}
both() { echo "^lrnn [a-z]*: .*\($1 .*and $2\|$2 .*and $1\).* are the same file"; }

for option in output log plot checkpoint; do
    short=--$option
    [ $option = output ] && short=-o
    output="-o z"
    [ $option = output ] && output=
    same "--$option is the text" "$(both $short TEXT)" $train $output --$option t.txt t.txt
    same "--$option is the second text" "$(both $short TEXT)" $train $output --$option u.txt t.txt u.txt
    same "--$option is the text, spelt otherwise" "$(both $short TEXT)" $train $output --$option ./folder/..//t.txt t.txt
    ln -sf ../t.txt folder/symbolic
    same "--$option is a link to the text" "$(both $short TEXT)" $train $output --$option folder/symbolic t.txt
    same "the text is a link to --$option" "$(both $short TEXT)" $train $output --$option t.txt folder/symbolic
    ln -f t.txt folder/hard
    same "--$option is a hard link to the text" "$(both $short TEXT)" $train $output --$option folder/hard t.txt
    same "--$option is the text to validate on" "$(both $short --valid)" $train $output --$option u.txt --valid u.txt t.txt
    same "--$option is standard input" "$(both $short TEXT)" sh -c "$train $output --$option t.txt - < t.txt"
    ln -sf new folder/dangling
    same "not even with --force" "$(both $short TEXT)" $train --force $output --$option t.txt t.txt
done
mv folder/hard hard.txt
rm t.txt
mv hard.txt t.txt
for pair in "-o --log" "-o --plot" "-o --checkpoint" "--log --plot" "--log --checkpoint" "--plot --checkpoint"; do
    set -- $pair
    output="-o z"
    [ "$1" = -o ] && output=
    same "$1 is $2, which is not there yet" "$(both "$1" "$2")" $train $output "$1" new "$2" new t.txt
    same "$1 is $2, spelt otherwise" "$(both "$1" "$2")" $train $output "$1" folder/new "$2" "./folder/../folder//new" t.txt
    same "$1 is a link to $2, which is not there yet" "$(both "$1" "$2")" $train $output "$1" folder/new "$2" folder/dangling t.txt
    same "$1 is $2, which is there" "$(both "$1" "$2")" $train $output "$1" m "$2" m t.txt
    same "$1 is $2 is standard output" "$(both "$1" "$2")" sh -c "{ $train $output $1 /dev/stdout $2 /dev/stdout t.txt; echo \$? > status; } | cat; exit \$(cat status)"
done
same "the log is the checkpoint of Ctrl-C" "$(both --log "--checkpoint (by default)")" $train -o n --log n.checkpoint t.txt
same "the resumed checkpoint is the model" "$(both -o --resume)" $train --resume m.ck -o m.ck t.txt
same "the resumed checkpoint is the log" "$(both --log --resume)" $train --resume m.ck --log m.ck t.txt
same "the output is that of the command" "$(both --log "standard output")" \
    sh -c "'$LRNN' train --hidden 8 -o z --log out t.txt > out"
ln -s folder alias
same "a folder has two names" "$(both -o --log)" $train -o alias/new --log folder/new t.txt
same "errors go into the log" "$(both --log "standard error")" sh -c \
    "'$LRNN' train --hidden 8 -o z --log out t.txt 2> out; status=\$?; cat out >&2; exit \$status"
"$LRNN" train --hidden 8 --epochs 1 -o z --log z.tsv t.txt >&- 2> err
holds "nothing is printed into a file that took the number of a closed stdout" sh -c \
    "grep -q 'cannot write standard output' err && awk -F'\\t' 'NF != 8 { exit 1 }' z.tsv"
$train -o z --log z.tsv t.txt >&- 2>&- <&-
holds "nobody needs standard streams" test $? -eq 0
$train -o z --log /dev/stdout t.txt > z.tsv
holds "a log may go to standard output where nothing else does" cmp z.tsv /dev/fd/3 3< z.tsv
holds "and is one" sh -c 'head -n 1 z.tsv | grep -q ^epoch && test "$(wc -l < z.tsv)" -gt 100'
# A device of our own: a mistake here would otherwise replace that of the machine.
mknod null c 1 3 2> /dev/null && chmod 666 null || ln -s /dev/null null
holds "several may be thrown away" $train -o null --log null --plot null t.txt
holds "a text may be read twice" $train -o z t.txt t.txt --valid t.txt

same "eval appends to its text" "$(both TEXT "standard output")" sh -c "'$LRNN' eval -m m t.txt >> t.txt"
same "score appends to its text" "$(both TEXT "standard output")" sh -c "'$LRNN' score -m m t.txt >> t.txt"
same "generate appends to its model" "$(both -m "standard output")" sh -c "'$LRNN' generate -m m >> m"
same "inspect appends to its model" "$(both MODEL "standard output")" sh -c "'$LRNN' inspect m >> m"
same "export writes over its model" "$(both -o MODEL)" "$LRNN" export m -o m
same "convert writes over its model" "$(both -o MODEL)" "$LRNN" convert m -o ./m
same "import writes over its file" "$(both -o FILE)" "$LRNN" import m.dict -o m.dict
same "import writes over its vocabulary" "$(both -o --vocab)" "$LRNN" import m.dict -o t.txt --vocab t.txt
same "or the other one" "$(both -o --output-vocab)" "$LRNN" import m.dict -o t.txt --output-vocab t.txt
same "a page writes over its text" "$(both --html --text)" "$LRNN" inspect m --text t.txt --html t.txt
same "a page writes over its model" "$(both --html MODEL)" "$LRNN" inspect m --text t.txt --html m

# What is there is something else.
refused="exists and is not"
for file in u.txt m.tsv m.svg m.ck m.html m.dict; do
    same "a model does not replace $file" "-o $file: $refused a model" $train -o $file t.txt
    same "nor a converted one" "-o $file: $refused a model" "$LRNN" convert m -o $file
done
for file in u.txt m.svg m.ck m.html m.dict m; do
    same "a log does not replace $file" "--log $file: $refused a log" $train -o z --log $file t.txt
done
for file in u.txt m.tsv m.ck m.html m.dict m; do
    same "a picture does not replace $file" "--plot $file: $refused an SVG" $train -o z --plot $file t.txt
done
for file in u.txt m.tsv m.svg m.html m.dict m; do
    same "a checkpoint does not replace $file" "--checkpoint $file: $refused a checkpoint" $train -o z --checkpoint $file t.txt
done
for file in u.txt m.tsv m.svg m.dict m.ck; do
    same "a page does not replace $file" "--html $file: $refused a page" "$LRNN" inspect m --text t.txt --html $file
done
for file in u.txt m.tsv m.svg m.html m.ck; do
    same "a state_dict does not replace $file" "-o $file: $refused a state_dict" "$LRNN" export m -o $file
done
cp u.txt n.checkpoint
same "the checkpoint of Ctrl-C replaces nothing else" "n.checkpoint: $refused a checkpoint" $train -o n t.txt
printf '\020\0\0\0\0\0\0\0{"lrnn.kind":"mo' > tail.m
same "half a name is not one" "tail.m: $refused" $train -o tail.m t.txt
printf '\377\377\377\377\377\377\377\177{}' > long.m
same "a header of any length" "long.m: $refused" $train -o long.m t.txt

for output in "-o m" "-o z --log m.tsv" "-o z --plot m.svg" "-o z --checkpoint m.ck"; do
    holds "$output replaces its own" $train $output t.txt
done
holds "export replaces its own" "$LRNN" export m -o m.dict
holds "inspect replaces its own" "$LRNN" inspect m --text t.txt --html m.html
: > empty
holds "what is empty is replaced" $train -o empty t.txt
printf '<?xml version="1.0"?>\n<!-- drawn > elsewhere -->\n<svg xmlns="x"/>' > drawn.svg
holds "any SVG is one" $train -o z --plot drawn.svg t.txt
head -c 20 m.tsv > begun.tsv
holds "a log that was hardly begun is one" $train -o z --log begun.tsv t.txt
for output in "-o u.txt" "-o z --log u.txt" "-o z --plot u.txt" "-o z --checkpoint u.txt"; do
    cp t.txt u.txt
    $train --force $output t.txt
    holds "--force: $output" sh -c '! cmp -s t.txt u.txt'
done
cp t.txt u.txt
"$LRNN" export --force m -o u.txt
holds "--force: export" sh -c '! cmp -s t.txt u.txt'

# All outputs are proved before the work.
cp kept/* .
mkdir directory
for output in "-o directory" "-o z --log directory" "-o z --plot directory" "-o z --checkpoint directory"; do
    fails "a folder in the way: $output" 1 "cannot write directory: Is a directory" $train $output t.txt
done
for output in "-o no/where" "-o z --log no/where" "-o z --plot no/where" "-o z --checkpoint no/where"; do
    fails "a folder that is not there: $output" 1 "cannot write no/where: No such file" $train $output t.txt
done
for output in "-o t.txt/z" "-o z --log t.txt/z" "-o z/" "-o z --plot directory/"; do
    fails "no place for a file: $output" 1 "cannot write" $train $output t.txt
done
fails "the folder of a dangling link" 1 "cannot write folder/lost" sh -c "ln -s no/where folder/lost; $train -o folder/lost t.txt"
ln -s loop loop
fails "a loop of links" 1 "cannot write loop: Too many" $train -o loop t.txt
if [ "$(id -u)" -ne 0 ]; then
    mkdir -m 555 locked
    fails "a folder that is locked" 1 "cannot write locked/z: Permission denied" $train -o locked/z t.txt
fi
: > .lrnn-text-1-0-00000000.tmp
: > .lrnn-text-2-0-00000000.tmp
: > .lrnn-text-notes
mkfifo .lrnn-text-3-0-00000000.tmp
flock .lrnn-text-2-0-00000000.tmp sh -c "$train -o z --plot z.svg t.txt"
holds "what a dead process has left is removed, not that of a live one nor a pipe" \
    test "$(ls -A | grep lrnn-text | tr '\n' ' ')" = ".lrnn-text-2-0-00000000.tmp .lrnn-text-3-0-00000000.tmp .lrnn-text-notes "
rm -f n.checkpoint z* .lrnn-text*
mkfifo pipe
cat pipe > piped &
"$LRNN" inspect m --text t.txt --html pipe
wait
holds "a page goes into a pipe" grep -q '</html>' piped
holds "which stays" test -p pipe
holds "a picture goes into a device" $train -o null --plot null t.txt
holds "which stays one" test -c null
mkdir far
"$LRNN" inspect m --text t.txt --html far/page
chmod 640 far/page
ln -s far/page near
holds "a page goes where a link leads" "$LRNN" inspect m --text t.txt --html near
holds "the link stays" test -h near
holds "and so do permissions" sh -c 'ls -l far/page | grep -q "^-rw-r-----"'
rm -f z*
fails "the last output is proved before the first is written" 1 "no/where" \
    $train -o z --log z.tsv --plot z.svg --checkpoint no/where t.txt
holds "and nothing was begun" sh -c '! ls z z.* 2> /dev/null'
holds "nothing temporary is left" sh -c '! ls -A . folder directory | grep -e tmp -e lrnn-'
