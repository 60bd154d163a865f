#!/bin/sh
# The example programs that print what is known in closed form, run as a user runs them, on tiny budgets.
cd "$(dirname "$0")/.." || exit 1
. tests/shell.sh
out=build/example-runs
rm -rf "$out"
mkdir -p "$out"
OMP_NUM_THREADS=1
export OMP_NUM_THREADS

# ---- README and quick start ----

check_that "quickstart.c stands verbatim in the README" sh -c \
    "awk '/^\`\`\`c\$/ { on = 1; next } /^\`\`\`\$/ { on = 0 } on' README.md | cmp - examples/quickstart.c"
check_that "quickstart.c has fewer than 60 lines" sh -c '[ "$(wc -l < examples/quickstart.c)" -lt 60 ]'
check_that "quickstart is right" sh -c "build/quickstart | awk '{ good = \$4 > 0.93 && \$4 < 1.02 } END { exit !good }'"
build/exact > "$out/exact"
check_that "exact agrees with the truth" sh -c "tail -n 1 $out/exact | awk '{ good = \$3 > 0 && \$3 < 4 } END { exit !good }'"
# Rounding differs between machines, by far less than a twentieth of a standard error.
as_told() { # what exact printed, what its first comment says it prints
    sed -n 's/^ \*\( *[1-5] .*+-.*\)/\1/p' examples/exact.c > "$out/told"
    grep '[0-9] +-' "$1" | paste - "$out/told" | awk '
        function off(x, y) { return x > y ? x - y : y - x }
        { lines++; if (off($2, $8) > 0.0002 || off($3, $9) > 0.05 * $5 || off($5, $11) > 0.05 * $5) bad = 1 }
        END { exit bad || lines != 15 }'
}
check_that "exact prints what its comment says" as_told "$out/exact"

# ---- other ways to a likelihood: programs that end with 1 unless all that is known agrees ----

brief="--points 30 --draws 200"
within() { # program, awk program that fails on a wrong line: both have to end well
    build/$1 > "$out/numbers" && awk "$2" "$out/numbers"
}
check_that "ode agrees with the truth" within "ode $brief" '
    function off(x, y) { return x > y ? x - y : y - x }
    NR > 1 { lines++; if (off($(NF - 9), $(NF - 5)) > ($(NF - 10) == "full" ? 0.003 : 4 * $(NF - 3))) bad = 1
             if (off($(NF - 9), $(NF - 8)) > 4 * $(NF - 6) + 0.002) bad = 1 }
    END { exit bad || lines != 5 }'
check_that "bounds fall to the truth" within "bounds $brief" '
    /in truth/ { cases++; truth = $(NF - 8); last = 1e9 }
    $3 == "+-" && $1 != "T" { if ($2 > last + 4 * $4 || $2 < truth - 4 * $4) bad = 1
                 if ($1 == "limit" && $2 > truth + 4 * $4 + 0.005) bad = 1
                 last = $1 == "limit" ? 1e9 : $2 }
    END { exit bad || cases != 4 }'
check_that "bounds of a Gaussian are those of the formula" within "bounds --points 200 --draws 20" '
    # T steps from log SNR 16 to -14 of the law with variances v: errors v e^a / (1 + v e^a); both ends of the chain
    function mse(v, a) { return v * exp(a) / (1 + v * exp(a)) }
    function bound(T,   t, a, sum) {
        for (t = 1; t <= T; t++) { a = 16 - 30 * t / T; sum += mse(2.346584, a) + mse(0.153416, a) }
        return sum * (exp(30 / T) - 1) / 2 + log(2 * 3.14159265 * exp(1)) - 16
    }
    function off(x, y) { return x > y ? x - y : y - x }
    /in truth/ { if (++cases == 2) exit }
    $3 == "+-" && $1 != "T" && $1 != "limit" { lines++; if (off($2, bound($1)) > 4 * $4 + 0.3 + bound($1) / 20) bad = 1 }
    END { exit bad || lines != 5 }'
check_that "information agrees with the truth" within "information --pairs 500 --draws 200" '
    function off(x, y) { return x > y ? x - y : y - x }
    /I\(x;y\) =/ { cases++; truth = $(NF - 1) }
    $1 == "estimate" { estimate = $2; if (off($2, truth) > 4 * $4 + 0.001) bad = 1 }
    /of these pairs/ { if (off($4 + 0, estimate) > 4 * $8 + 0.001) bad = 1 }
    /root mean square/ { if (!($NF < 1.4)) bad = 1 }
    END { exit bad || cases != 3 }'

# ---- the same of a checkpoint ----

model=$out/dino/model.safetensors
build/train_2d --out $out --quiet --pictures off --num_epochs 2 --n 400 --train_batch_size 60 --eval_draws 4 \
    --hidden_size 16 --embedding_size 8 --directions 8 > "$out/trained"
number='-\{0,1\}[0-9][0-9]*\.[0-9]*'
check_that "ode reads a checkpoint" sh -c "build/ode --load $model --points 3 --draws 20 \
    --tolerance 0.01 | grep -q '^dino  *full  *$number  *$number +- $number  *$number +- $number'"
check_that "bounds read a checkpoint" sh -c "build/bounds --load $model --points 3 --draws 20 |
    grep -q '^ *limit  *$number +- $number'"

# ---- what is refused ----

awk 'BEGIN { srand(3); print "a,b,c"; for (i = 0; i < 200; i++) { x = rand(); y = rand(); print x "," 100 * y "," x + y } }' \
    > "$out/three.csv"
printf '1,2\n3,x\n' > "$out/bad.csv"
refuses_by() { # program pattern options...: exit 1 and one line that matches
    program=$1 pattern=$2
    shift 2
    text=$(build/$program "$@" 2>&1 > /dev/null)
    [ $? -eq 1 ] && [ "$(printf '%s\n' "$text" | wc -l)" -eq 1 ] && printf '%s\n' "$text" | grep -q -- "$pattern"
}
for program in ode bounds information; do
    check_that "$program refuses an unknown option" refuses_by $program 'did you mean --draws' --draw 3
    check_that "$program refuses a number out of range" refuses_by $program '--draws: expected' --draws 1
done
for program in ode bounds; do
    check_that "$program refuses a checkpoint that is none" refuses_by $program 'bad.csv' --load "$out/bad.csv"
    check_that "$program refuses points of other dimensions" refuses_by $program '2 columns expected, as .* 3' \
        --load "$model" --data "$out/three.csv"
done
report
