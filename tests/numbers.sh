#!/bin/sh
# Numbers that are hard on a training, given to fit and train_2d as a user would: each is handled, or refused in
# one line that says why; no result has a NaN in it, and what is saved can be read.
cd "$(dirname "$0")/.." || exit 1
. tests/shell.sh
out=build/number-runs
rm -rf "$out"
mkdir -p "$out"
tiny="--quiet --out $out --num_epochs 2 --eval_draws 8 --hidden_size 8 --pictures off"
OMP_NUM_THREADS=1
export OMP_NUM_THREADS

rows() { # expressions of two columns, for awk: 40 rows of them
    awk "BEGIN { srand(3); for (i = 0; i < 40; i++) printf \"%.9g,%.9g\n\", $1, $2 }" > "$out/data.csv"
}
finite() { # options...: a result line, every number of it finite
    build/$program $tiny "$@" > "$out/text" 2>&1 || return 1
    tail -n 1 "$out/text" | grep '^result .*val_nll=-\{0,1\}[0-9]' | grep -qvi '=-\{0,1\}\(nan\|inf\)'
}
refused() { # pattern options...: exit status 1 after one line that matches
    pattern=$1
    shift
    build/$program $tiny "$@" > "$out/text" 2>&1
    [ $? -eq 1 ] && [ "$(wc -l < "$out/text")" -eq 1 ] && grep -q -- "$pattern" "$out/text"
}

program=fit
rows 'rand()' '3e38 * rand()'
check_that "numbers near the largest are handled" finite --data "$out/data.csv"
rows 'rand()' '1e-37 * rand()'
check_that "numbers near the least are handled" finite --data "$out/data.csv"
rows 'rand()' 'i % 20 ? rand() : 1e30'
check_that "a few enormous outliers are handled" finite --data "$out/data.csv"
vary='values that vary expected, one value found'
rows 'rand()' '7'
check_that "a constant column is refused" refused "data.csv: column 2: $vary" \
    --data "$out/data.csv"
rows '7' '7'
check_that "rows that are all the same are refused" refused "data.csv: columns 1-2: $vary" \
    --data "$out/data.csv"
rows '1e7 + rand()' 'rand()'
check_that "a column whose spread is small beside its size is handled" finite --data "$out/data.csv"
rows 'i' 'i'
check_that "a column twice is handled" finite --data "$out/data.csv"
rows '1e-30 * rand()' '1e30 * rand()'
check_that "columns of very different scale are handled" finite --data "$out/data.csv"
for word in nan -inf 1e+400; do
    printf '1,2\n3,4\n5,%s\n' "$word" > "$out/data.csv"
    check_that "$word is refused with its line" refused "data.csv: row 3 (line 3), column 2: .*$word" \
        --data "$out/data.csv"
done
: > "$out/data.csv"
check_that "no row is refused" refused 'data.csv: rows of numbers expected, none found' --data "$out/data.csv"
printf '1,2\n3\n' > "$out/data.csv"
check_that "a row too short is refused" refused 'row 2 (line 2): 2 columns expected, as in line 1, 1 found' --data "$out/data.csv"
echo 1,2 > "$out/data.csv"
check_that "one row is refused" refused 'data.csv: at least 20 rows expected to learn from, 1 found' --data "$out/data.csv"

program=train_2d
wild="--original --n 200 --train_batch_size 60 --num_epochs 20 --learning_rate 1"
check_that "a learning rate of 1 gives numbers" finite $wild
check_that "and a warning that a Gaussian is better" grep -q \
    '^train_2d: the model ends at [0-9.]* nats, worse than the [0-9.]* of a Gaussian' "$out/text"
check_that "also where what is kept is chosen" finite --n 200 --train_batch_size 60 --num_epochs 20 --learning_rate 1 \
    --lr_schedule constant --directions 8
check_that "which is no worse than a Gaussian" [ "$(wc -l < "$out/text")" -eq 1 ]
cp "$out/dino/model.safetensors" "$out/before"
deep="$wild --embedding off --hidden_size 64 --hidden_layers 60"
check_that "a training that diverges ends in an error that says when" refused \
    'training diverged after step [0-9]*; a lower --learning_rate helps' $deep
check_that "and leaves what was saved before" cmp "$out/before" "$out/dino/model.safetensors"
check_that "which still can be read" sh -c "
    build/train_2d --quiet --pictures off --n 200 --eval_draws 8 --load $out/dino/model.safetensors |
        grep '^result .*val_nll=-\{0,1\}[0-9]' | grep -qvi '=-\{0,1\}\(nan\|inf\)'"
report
