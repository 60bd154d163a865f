#!/bin/sh
# fit, run as a user runs it, on tables that are made here and on tiny budgets.
cd "$(dirname "$0")/.." || exit 1
. tests/shell.sh
out=build/fit-runs
rm -rf "$out"
mkdir -p "$out"
OMP_NUM_THREADS=1
export OMP_NUM_THREADS
short="--num_epochs 2 --hidden_size 16 --hidden_layers 2"
fit="build/fit --out $out --quiet --eval_draws 8 --pictures off $short"

# ---- tables ----

# 400 rows of normal a, of b = a^2 + noise, of c rounded to tenths, of a time stamp in seconds.
awk 'function normal() { return sqrt(-2 * log(1 - rand())) * cos(6.283185307 * rand()) }
     BEGIN { srand(3); print "a,b,c,time"
             for (i = 0; i < 400; i++) { a = normal()
                 printf "%.6f,%.6f,%.1f,%.2f\n", a, a * a + normal() / 4, 20 + normal(), 1.7e9 + 1e4 * a + 100 * rand() } }' \
    > "$out/all.csv"
cut -d, -f1,2 "$out/all.csv" > "$out/two.csv"
head -n 21 "$out/two.csv" > "$out/twenty.csv"
sed 1d "$out/all.csv" | cut -d, -f1 > "$out/nameless.csv"
cut -d, -f1 "$out/all.csv" > "$out/one.csv"
cut -d, -f3 "$out/all.csv" > "$out/rounded.csv"
cut -d, -f1,4 "$out/all.csv" > "$out/stamps.csv"
awk -F, '{ print $2 "," $1 }' "$out/two.csv" > "$out/swapped.csv"
head -n 2 "$out/two.csv" > "$out/single.csv"
head -n 11 "$out/two.csv" > "$out/eleven.csv"
sed 's/$/,7/' "$out/two.csv" | sed '1s/7/d/' > "$out/constant.csv"
awk -F, 'NR > 1 { print $1 + 0.001 "," $2 } NR == 1' "$out/two.csv" > "$out/other.csv"

# ---- what is printed ----

number='-\{0,1\}[0-9][0-9]*\.[0-9]*'
form() { # data rows columns epochs kde test
    echo "^result data=$1 rows=$2 columns=$3 epochs=$4 params=[0-9]* val_nll=$number stderr=$number \
stderr_data=$number gaussian_nll=$number kde_nll=$5 test_nll=$6 test_stderr=$6 best=[a-z]* seconds=$number\$"
}
ends_in() { # form command...: the last line of what is printed is of this form
    wanted=$1
    shift
    "$@" > "$out/printed" 2> "$out/errors" && tail -n 1 "$out/printed" | grep -q "$wanted"
}
check_that "the result of two columns" ends_in "$(form two.csv 400 2 2 "$number" na)" \
    $fit --data $out/two.csv --experiment_name two
check_that "--quiet prints nothing else" sh -c "[ \$(wc -l < $out/printed) -eq 1 ] && [ ! -s $out/errors ]"
check_that "the result of one column" ends_in "$(form one.csv 400 1 "[0-9]*" "$number" na)" \
    $fit --data $out/one.csv --experiment_name one
check_that "the result with a test table" ends_in "$(form two.csv 400 2 "[0-9]*" "$number" "$number")" \
    $fit --quiet off --data $out/two.csv --test $out/swapped.csv --experiment_name tested
check_that "the rows of the test decide what is best" grep -q ' better than .* nats on the 400 test rows$' "$out/printed"
check_that "the result of four columns" ends_in "$(form all.csv 400 4 "[0-9]*" "$number" na)" \
    $fit --data $out/all.csv --experiment_name all
check_that "rounded columns are told, with their step" sh -c "
    grep -q '^fit: column 3 (\"c\"): .* steps of 0.1' $out/errors && grep -q 'noise of one step: column 3 by 0.1' $out/errors"
plan() { # options...: the line of the rows
    $fit --quiet off "$@" 2> /dev/null | head -n 1
}
rows() { # wanted options...
    wanted=$1
    shift
    plan "$@" | grep -q "$wanted"
}
check_that "a table that is refused leaves no folder" sh -c "
    ! $fit --data $out/none.csv --experiment_name refused 2> /dev/null && [ ! -e $out/refused ]"
check_that "a tenth of the rows validates" rows '360 rows for training, of which .*, 40 for validation' \
    --data $out/two.csv --experiment_name plan
check_that "--validation takes a fraction" rows '300 rows for training, of which .*, 100 for validation' \
    --data $out/two.csv --validation 0.25 --experiment_name plan
check_that "--validation takes a file" rows '400 rows for training, of which .*, 10 for validation' \
    --data $out/two.csv --validation $out/eleven.csv --experiment_name plan
check_that "--columns takes names and numbers" rows '; 2 columns' --data $out/all.csv --columns b,1 --experiment_name plan
check_that "the same seed gives the same result" sh -c "
    a=\$($fit --data $out/two.csv --experiment_name same | sed 's/ seconds.*//')
    b=\$($fit --data $out/two.csv --experiment_name same --threads 2 | sed 's/ seconds.*//')
    c=\$($fit --data $out/two.csv --experiment_name same --seed 1 | sed 's/ seconds.*//')
    [ \"\$a\" = \"\$b\" ] && [ \"\$a\" != \"\$c\" ]"
check_that "the model of an earlier run is kept" sh -c "
    cmp $out/same/model.safetensors~ $out/two/model.safetensors && ! cmp -s $out/same/model.safetensors $out/two/model.safetensors &&
    [ -s $out/same/training.safetensors~ ]"
check_that "a better density is named on the line before the result" sh -c "
    $fit --quiet off --data $out/two.csv --experiment_name plan 2> /dev/null > $out/printed; tail -n 2 $out/printed |
        awk 'NR == 1 && /better than the model by/ { said = \$0 } /^result/ { best = \$0 }
             END { exit !(best ~ /best=kde/ && said ~ /kernel density/) }'"

check_that "an earlier run is told" grep -q '/plan: the model of an earlier run is kept as model.safetensors~' "$out/printed"
check_that "help tells no default where there is none" sh -c "
    build/fit --help all > $out/printed && ! grep -q 'default none' $out/printed && grep -q 'default runs)' $out/printed"

# ---- scores ----

model=$out/learned/model.safetensors # of enough epochs not to be the Gaussian
check_that "a hundred epochs find more than the Gaussian" sh -c "
    $fit --data $out/two.csv --num_epochs 100 --experiment_name learned | sed 's/.*val_nll=\([^ ]*\) .*gaussian_nll=\([^ ]*\) .*/\1 \2/' |
        awk '{ good = \$1 < \$2 - 0.5 } END { exit !good }'"
fit="build/fit --out $out --quiet --eval_draws 8 --pictures off"
check_that "every row is scored" ends_in "$(form two.csv 400 2 na na na)" \
    $fit --load $model --data $out/two.csv --scores $out/scores.csv
check_that "scores have a row each, and standard errors" sh -c "
    awk -F, 'NR == 1 && \$0 != \"row,nll,stderr\" { bad = 1 } NR > 1 && (\$1 != NR - 1 || !(\$3 >= 0)) { bad = 1 }
             END { exit bad || NR != 401 }' $out/scores.csv"
check_that "their mean is that of the result" sh -c "
    mean=\$(awk -F, 'NR > 1 { sum += \$2 } END { printf \"%.4f\", sum / (NR - 1) }' $out/scores.csv)
    grep -q \" val_nll=\$mean \" $out/printed"
cp "$out/scores.csv" "$out/expected.csv"
sed '3s/.*/,/; 7s/^[^,]*/NA/' "$out/two.csv" > "$out/gaps.csv"
check_that "rows with missing values have nan as scores" sh -c "
    $fit --load $model --data $out/gaps.csv --drop_missing --scores $out/scores.csv > /dev/null 2>&1 &&
    [ \$(grep -c ',nan,nan$' $out/scores.csv) = 2 ] && [ \$(wc -l < $out/scores.csv) = 401 ] &&
    [ \"\$(sed -n '3p;7p' $out/scores.csv | tr '\n' ' ')\" = '2,nan,nan 6,nan,nan ' ]"
check_that "columns are found by name, in another order" sh -c "
    $fit --load $model --data $out/swapped.csv --scores $out/scores.csv > /dev/null && cmp $out/expected.csv $out/scores.csv"
check_that "and among others, which may be constant" sh -c "
    $fit --load $model --data $out/constant.csv --scores $out/scores.csv > /dev/null && cmp $out/expected.csv $out/scores.csv"
check_that "one row is scored as among others" sh -c "
    $fit --load $model --data $out/single.csv --scores $out/scores.csv > $out/printed &&
    [ \"\$(sed -n 2p $out/scores.csv | cut -d, -f1)\" = 1 ] && grep -q 'rows=1 .* stderr_data=na' $out/printed"
check_that "scores as .npy: float64 of shape (400, 2)" sh -c "
    $fit --load $model --data $out/two.csv --scores $out/scores.npy > /dev/null &&
    head -c 128 $out/scores.npy | grep -aq \"'<f8'.*(400, 2)\" && [ \$(wc -c < $out/scores.npy) -eq 6528 ]"
check_that "scores as .npy are those of CSV" sh -c "
    tail -c +129 $out/scores.npy | od -An -v -t f8 -w16 > $out/numbers
    sed 1d $out/expected.csv | tr ',' ' ' | paste -d ' ' - $out/numbers |
        awk 'function off(x, y) { return x > y ? x - y : y - x }
             off(\$2, \$4) > 1e-9 || off(\$3, \$5) > 1e-9 { bad = 1 } END { exit bad || NR != 400 }'"
check_that "--train brings a kernel density estimate" ends_in "$(form two.csv 400 2 na "$number" na)" \
    $fit --load $model --data $out/two.csv --train $out/swapped.csv
check_that "--eval_draws lessens the standard error" sh -c "
    few=\$($fit --load $model --data $out/two.csv | sed 's/.* stderr=\([^ ]*\) .*/\1/')
    many=\$($fit --load $model --data $out/two.csv --eval_draws 256 | sed 's/.* stderr=\([^ ]*\) .*/\1/')
    echo \$few \$many | awk '{ good = \$2 < 0.5 * \$1 } END { exit !good }'"
check_that "a model of train_2d is scored, too" sh -c "
    build/train_2d --dataset moons --n 400 --num_epochs 2 --hidden_size 16 --directions 8 --eval_draws 8 \
        --out $out --pictures off --quiet > /dev/null &&
    $fit --load $out/moons/model.safetensors --data $out/two.csv | grep -q '^result data=two.csv rows=400 columns=2'"

check_that "rows that were learned are told" sh -c "
    $fit --load $model --data $out/two.csv 2>&1 > /dev/null | grep -q 'the rows that it was trained on' &&
    ! $fit --load $model --data $out/eleven.csv 2>&1 > /dev/null | grep -q ."

# ---- samples ----

draw="build/fit --out $out --quiet --samples 50"
check_that "samples stand under the columns' names" sh -c "
    $draw --quiet off --load $model --samples_out $out/s.csv | grep -q '^50 samples are in .*/s.csv' &&
    [ \"\$(head -n 1 $out/s.csv)\" = a,b ] && [ \$(wc -l < $out/s.csv) -eq 51 ]"
check_that "and can be scored" sh -c "
    $fit --load $model --data $out/s.csv | grep -q 'rows=50 columns=2'"
check_that "samples of a rounded column are rounded" sh -c "
    $draw --load $out/all/model.safetensors --samples_out $out/s.csv > /dev/null &&
    [ \$(sed 1d $out/s.csv | cut -d, -f3 | grep -cx '[12][0-9]\(\.[0-9]\)*') -eq 50 ]"
check_that "time stamps come back as they were" sh -c "
    sed 1d $out/s.csv | cut -d, -f1,4 |
        awk -F, '{ off = \$2 - 1.7e9 - 1e4 * \$1; if (off < -3000 || off > 3000) bad = 1; if (\$2 % 128 > 0) fine++ }
                 END { exit bad || fine < 40 }'"
check_that "samples as .npy" sh -c "
    $draw --load $model --samples_out $out/s.npy > /dev/null && [ \$(wc -c < $out/s.npy) -eq 928 ]"
check_that "samples after training" sh -c "
    $fit $short --data $out/one.csv --experiment_name drawn --samples 20 --samples_out $out/s.csv > /dev/null &&
    [ \$(wc -l < $out/s.csv) -eq 21 ]"
for option in "seed 1" "steps 3" "sampler deterministic"; do
    check_that "--$option gives other samples" sh -c "
        $draw --load $model --samples_out $out/s1.csv > /dev/null &&
        $draw --load $model --samples_out $out/s2.csv --$option > /dev/null && ! cmp -s $out/s1.csv $out/s2.csv"
done

# ---- time stamps, rounded values, few rows ----

check_that "a likelihood of time stamps is in their units" sh -c "
    $fit $short --data $out/stamps.csv --experiment_name stamps 2> /dev/null |
        sed 's/.* gaussian_nll=\([^ ]*\) .*/\1/' | awk '{ good = \$1 > 4 && \$1 < 8 } END { exit !good }'"
check_that "ode takes the same columns, less the same offsets, and agrees" sh -c "
    build/ode --load $out/stamps/model.safetensors --data $out/stamps.csv --points 40 | tail -n 1 |
        awk '{ off = \$(NF - 8) - \$(NF - 5); good = off * off < 16 * \$(NF - 6) * \$(NF - 6) + 0.0001 }
            END { exit !good }'"
check_that "rounded values do not gain by narrow peaks" sh -c "
    $fit $short --data $out/rounded.csv --experiment_name rounded 2> /dev/null |
        sed 's/.* val_nll=\([^ ]*\) .*/\1/' | awk '{ good = \$1 > 1 && \$1 < 2 } END { exit !good }'"
check_that "--dequantize off has an effect" sh -c "
    $fit $short --data $out/rounded.csv --experiment_name rounded --dequantize off 2>&1 |
        awk '/noise/ { bad = 1 } /^result / { said = 1 } END { exit bad || !said }'"
check_that "twenty rows are enough to begin with" ends_in "rows=20 columns=2" \
    $fit $short --data $out/twenty.csv --experiment_name few

# ---- refusals: one line on stderr, status 1 ----

refuses() { # wanted options...
    wanted=$1
    shift
    if $fit "$@" > "$out/printed" 2> "$out/errors"; then return 1; fi
    grep -q -- "$wanted" "$out/errors" && [ ! -s "$out/printed" ]
}
check_that "no data" refuses '^fit: --data: expected the table'
check_that "few rows" refuses 'at least 20 rows .* 10 found' --data $out/eleven.csv
check_that "a constant column" refuses 'column 3.*one value found; --columns 1-2 leaves it out' --data $out/constant.csv
check_that "a column that is not there" refuses 'no column "z" found' --data $out/two.csv --columns z
check_that "too few columns" refuses '2 columns expected, as the model has, 1 found' --load $model --data $out/nameless.csv
check_that "a name that is missing" refuses 'a column named "b" expected' --load $model --data $out/one.csv
check_that "a fraction of one" refuses '--validation: expected a number between 0 and 1' --data $out/two.csv --validation 1
check_that "--load with nothing to do" refuses '--load: expected --data FILE .* or --samples_out' --load $model
check_that "a file that cannot be written" refuses "$out/no/s.csv: cannot be written" \
    --data $out/two.csv --samples_out $out/no/s.csv
while read -r option; do
    check_that "--$option has no effect with --load" refuses "^fit: --${option%% *}: has no effect with --load" \
        --load $model --data $out/two.csv --$option
done << END
num_epochs 3
minutes 1
learning_rate 0.1
lr_schedule constant
train_batch_size 3
hidden_size 3
hidden_layers 3
validation 0.5
test $out/two.csv
dequantize off
resume
END
for option in "scores $out/s.csv" "train $out/two.csv"; do
    check_that "--${option%% *} has no effect without --load" refuses "^fit: --${option%% *}: has no effect without --load" \
        --data $out/two.csv --$option
done
check_that "--eval_draws has no effect without data" sh -c "
    ! build/fit --load $model --samples_out $out/s.csv --eval_draws 9 2> $out/errors && grep -q 'eval_draws: has no' $out/errors"
check_that "--samples has no effect without pictures" refuses '--samples: has no effect' --data $out/two.csv --samples 9

# ---- stopped and resumed ----

check_that "--resume without a checkpoint" refuses '^fit: --resume: no checkpoint found in build/fit-runs/nothing/' \
    --data $out/two.csv --experiment_name nothing --resume
check_that "--resume with other rows" refuses '^fit: --resume: the 400 rows of 2 columns expected' \
    --data $out/other.csv --experiment_name two --resume $short
check_that "--resume with other options names them" refuses 'trained with another --seed, --hidden_size$' \
    --data $out/two.csv --experiment_name two --resume $short --seed 5 --hidden_size 17
cp "$out/other.csv" "$out/$(printf 'my m\344rz, 50 %%.csv')"
odd_name() { # options...
    $fit $short --data "$out/two.csv" --validation "$out/$(printf 'my m\344rz, 50 %%.csv')" --experiment_name odd "$@" > /dev/null
}
check_that "a file of rows may have any name" odd_name
check_that "... and --resume knows it" odd_name --resume
check_that "--resume of a training that has ended measures again" sh -c "
    a=\$($fit $short --data $out/two.csv --experiment_name two --resume | sed 's/ seconds.*//')
    b=\$($fit $short --data $out/two.csv --experiment_name again | sed 's/ seconds.*//')
    [ -n \"\$a\" ] && [ \"\$a\" = \"\$b\" ]"
check_that "which moves nothing aside" [ ! -e "$out/two/model.safetensors~" ]
long="--data $out/two.csv --experiment_name stopped --hidden_size 16 --hidden_layers 2 --num_epochs 20000"
stopped() { # signals: of a long training, which says how to go on
    rm -rf "$out/stopped"
    $fit --quiet off $long > "$out/printed" 2> /dev/null &
    pid=$!
    until [ "$(wc -l < "$out/stopped/metrics.tsv")" -gt 1 ] || ! kill -0 $pid; do sleep 0.05; done 2> /dev/null
    for signal; do kill -"$signal" $pid; done
    wait $pid && grep -q '^stopped; --resume goes on from' "$out/printed" && ! grep -q '^result' "$out/printed" &&
        [ -f "$out/stopped/model.safetensors" ] && [ -f "$out/stopped/training.safetensors" ]
}
check_that "Ctrl-C saves" stopped INT
check_that "kill saves" stopped TERM
check_that "a terminal that is closed, and tells twice, saves" stopped HUP HUP TERM
unread() { # its reader leaves after the first line; another run wants the same folder
    rm -rf "$out/stopped" "$out/line"
    mkfifo "$out/line"
    head -n 1 < "$out/line" > /dev/null &
    $fit --quiet off $long > "$out/line" 2>&1 &
    pid=$!
    until [ -s "$out/stopped/metrics.tsv" ] && [ "$(wc -l < "$out/stopped/metrics.tsv")" -gt 1 ] || ! kill -0 $pid
    do sleep 0.05; done 2> /dev/null
    $fit $long > "$out/printed" 2> "$out/errors" && return 1
    kill -TERM $pid
    wait $pid
    grep -q 'another training is at work there; --experiment_name' "$out/errors" && [ -f "$out/stopped/training.safetensors" ]
}
check_that "nobody has to read what it prints; its folder is its own" unread
check_that "a stopped training goes on, as long as the clock lets it" sh -c "
    before=\$(tail -n 1 $out/stopped/metrics.tsv | cut -f2)
    $fit --data $out/two.csv --experiment_name stopped --hidden_size 16 --hidden_layers 2 --num_epochs 20000 --resume \
        --minutes 0.02 2> $out/errors | grep -q '^result' && grep -q 'cut by the clock at step' $out/errors &&
    after=\$(tail -n 1 $out/stopped/metrics.tsv | cut -f2) && [ \"\$after\" -gt \"\$before\" ]"

# ---- pictures ----

png() { head -c 8 "$1" | od -An -tx1 | grep -q '89 50 4e 47 0d 0a 1a 0a'; }
seen="build/fit --out $out --quiet --eval_draws 8 --samples 50 --steps 5 $short"
for columns in one two all; do
    check_that "$columns: pictures" sh -c "$seen --data $out/$columns.csv --experiment_name seen-$columns > /dev/null 2>&1"
    for file in samples scores mse loss; do check_that "$columns: $file.png" png "$out/seen-$columns/$file.png"; done
done
check_that "two: density.png" png "$out/seen-two/density.png"
check_that "pictures of a table that is scored" sh -c "
    build/fit --out $out --quiet --eval_draws 8 --samples 50 --steps 5 --load $model --data $out/two.csv \
        --experiment_name scored > /dev/null"
for file in samples scores mse density; do check_that "scored: $file.png" png "$out/scored/$file.png"; done
report
