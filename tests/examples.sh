#!/bin/sh
# The example programs, run as a user runs them, on tiny budgets.
cd "$(dirname "$0")/.." || exit 1
. tests/shell.sh
out=build/example-runs
rm -rf "$out"
mkdir -p "$out"
few="--out $out --quiet --num_epochs 2 --n 400 --train_batch_size 60 --eval_draws 4 --hidden_size 16 --embedding_size 8"
tiny="$few --directions 8"
drawn="--grid 40 --samples 100 --steps 5"
OMP_NUM_THREADS=1
export OMP_NUM_THREADS

# The result line of a tiny run and what was measured on the way, without times.
result() { # options...
    build/train_2d $tiny --pictures off "$@" | tail -n 1 | sed 's/ train_seconds=.*//'
    cut -f 1-6 "$out/dino/metrics.tsv"
}

# ---- README and quick start ----

check_that "quickstart.c stands verbatim in the README" sh -c \
    "awk '/^\`\`\`c\$/ { on = 1; next } /^\`\`\`\$/ { on = 0 } on' README.md | cmp - examples/quickstart.c"
check_that "quickstart.c has fewer than 60 lines" sh -c '[ "$(wc -l < examples/quickstart.c)" -lt 60 ]'
check_that "quickstart is right" sh -c "build/quickstart | awk '{ exit !(\$4 > 0.93 && \$4 < 1.02) }'"
build/exact > "$out/exact"
check_that "exact agrees with the truth" sh -c "tail -n 1 $out/exact | awk '{ exit !(\$3 > 0 && \$3 < 4) }'"
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

# ---- every set ends in a result line of the documented form ----

number='-\{0,1\}[0-9][0-9]*\.[0-9]*'
form="^result dataset=[a-z]* epochs=[0-2] params=[0-9]* val_nll=$number stderr=$number stderr_data=$number"
for set in dino moons scg line circle; do
    check_that "$set runs" sh -c "build/train_2d $(echo $tiny $drawn) --dataset $set | tail -n 1 |
        grep -q '$form true_nll=$number val_excess=$number excess=$number excess_stderr=$number \
suggested_loc=[-.0-9na]* suggested_scale=[-.0-9na]* train_seconds=$number total_seconds=$number\$'"
done
for file in contours density samples mse loss anim; do
    check_that "$file.png is left" sh -c "head -c 8 $out/dino/$file.png | od -An -tx1 | grep -q '89 50 4e 47 0d 0a 1a 0a'"
done
# ---- a training that learns: with a race between ranges of frequencies, with and without new points ----

circle="--out $out --experiment_name learned --quiet --pictures off --dataset circle --n 1000 --num_epochs 30
        --train_batch_size 100 --learning_rate 0.01 --ema 0.9 --directions 32 --hidden_size 16 --embedding_size 8
        --eval_draws 16"
learned() { build/train_2d $circle "$@"; } # options...
better() { # options...: by a nat at least than the Gaussian, by its own account
    learned --quiet off "$@" > "$out/learned.text" 2> /dev/null && grep -q '^kept: the weights after step' "$out/learned.text" &&
        tail -n 1 "$out/learned.text" | sed 's/.* excess=\([^ ]*\) .*/\1/' | awk '{ exit !($1 < 4.4) }'
}
check_that "the circle is learned" better
check_that "of the circle, new points are no better known than those of validation" sh -c "
    sed 's/.* stderr_data=\([^ ]*\) .* val_excess=\([^ ]*\) excess=\([^ ]*\) excess_stderr=\([^ ]*\) .*/\1 \2 \3 \4/' $out/learned.text |
        tail -n 1 | awk '{ off = \$2 - \$3; exit !(off * off < 25 * (\$1 * \$1 + \$4 * \$4)) }'"
check_that "with new points, too" better --fresh
learned > "$out/learned.text"
check_that "which are others" sh -c "[ '$(sed 's/ train_sec.*//' "$out/learned.text")' != '$(learned --fresh | sed 's/ train_sec.*//')' ]"

# ---- every option has an effect ----

base=$(result)
same() { [ "$(result "$@")" = "$base" ]; }
differs() { ! same "$@"; }
check_that "the same seed gives the same result" same
check_that "hyphens and = do as well" same --num-epochs=2
check_that "threads do not change the result" same --threads 2
check_that "eval_batch_size does not change the result" same --eval_batch_size 8
check_that "eval_batch_size is used" sh -c \
    "build/train_2d $(echo $tiny | sed 's/--quiet//') --pictures off --eval_batch_size 8 2> /dev/null |
        grep -q ' 8 rows a call'"
check_that "threads are used" sh -c \
    "build/train_2d $(echo $tiny | sed 's/--quiet//') --pictures off --threads 1 2> /dev/null |
        grep -q 'threads 1;'"
while read -r option; do
    check_that "--$option has an effect" differs --$option
done << 'END'
dataset moons --experiment_name dino
n 300
fresh
seed 1
num_epochs 3
train_batch_size 64
learning_rate 0.01
lr_schedule constant
warmup 3
ema 0
weight_decay 0.5
clip_norm 0.01
stratified off
logsnr_loc 2
logsnr_scale 2
logsnr_clip 3
directions 9
frequency_min 0.1
frequency_max 3
embedding_size 16
logsnr_embedding_scale 7
weight_limit 1.5
hidden_size 17
hidden_layers 2
activation relu
END
tiny="$few --original"
base=$(result)
while read -r option; do
    check_that "--original --$option has an effect" differs --$option
done << 'END'
original off
fresh
parameterization gaussian
coordinate_scale 10
eval_draws 40
logsnr_loc 2
ema 0.5
END
tiny="--out $out --quiet --num_epochs 2 --n 400 --train_batch_size 60 --eval_draws 4 --hidden_size 16 --original"
base=$(result)
check_that "--original --embedding off has an effect" differs --embedding off
tiny="$few --directions 8"
check_that "--scale_rule has an effect" sh -c "
    a=\$(build/train_2d $(echo $tiny) --pictures off --dataset moons | grep -o 'suggested_scale=[^ ]*')
    b=\$(build/train_2d $(echo $tiny) --pictures off --dataset moons --scale_rule original |
         grep -o 'suggested_scale=[^ ]*')
    [ \"\$a\" != \"\$b\" ]"
picture() { # file options...: checksum of one picture
    file=$1
    shift
    build/train_2d $tiny $drawn "$@" > /dev/null
    cksum < "$out/dino/$file"
}
plain=$(picture samples.png) dense=$(cksum < "$out/dino/density.png")
for option in "samples 60" "steps 3" "sampler ancestral"; do
    check_that "--$option has an effect" sh -c '[ "$1" != "$2" ]' sh "$plain" "$(picture samples.png --$option)"
done
check_that "--grid has an effect" sh -c '[ "$1" != "$2" ]' sh "$dense" "$(picture density.png --grid 50)"
check_that "--experiment_name and --out choose the folder" sh -c \
    "build/train_2d $(echo $tiny $drawn) --out $out/deep/er --experiment_name other > /dev/null && [ -f $out/deep/er/other/mse.png ]"
check_that "--pictures off leaves none" sh -c \
    "build/train_2d $(echo $tiny) --experiment_name bare --pictures off > /dev/null && ! ls $out/bare/*.png 2> /dev/null"
viewed() { # options...: plain characters, 22 lines of 44 under one of text, and the result
    build/train_2d "$@" --quiet --pictures off --view > "$out/view" && [ "$(wc -l < "$out/view")" -eq 24 ] &&
        [ "$(grep -c '^[-.:=+*#%@ ]\{44\}$' "$out/view")" -eq 22 ] && ! grep -q "$(printf '\033')" "$out/view"
}
check_that "--view draws the density in plain characters" viewed $tiny
check_that "--view draws that of a model" viewed --load "$out/dino/model.safetensors"
check_that "--quiet says one line" sh -c "[ \$(build/train_2d $(echo $tiny) --pictures off 2>&1 | wc -l) -eq 1 ]"
short() { # lines on standard input: at most 24, of at most 79 characters
    awk '{ if (length($0) > 79) bad = 1 } END { exit bad || NR > 24 || NR < 2 }'
}
for topic in "" data training log_snr network original evaluation run; do
    check_that "train_2d --help $topic fits a screen" eval "build/train_2d --help $topic | short"
done
check_that "--help names every topic" [ "$(build/train_2d --help | grep -c '^  [a-z]')" -eq 7 ]
check_that "--help tells the exit status" sh -c "build/train_2d --help | grep -q '^Exit status: 0 .* 1 '"
check_that "--version is that of the header" [ "$(build/train_2d --version)" = \
    "train_2d (itdiff.h) $(sed -n 's/^#define ITDIFF_VERSION "\(.*\)"/\1/p' itdiff.h)" ]
check_that "--help all names every option" sh -c "build/train_2d --help all | grep -c '^ *--' | awk '{ exit !(\$1 >= 35) }'"

# ---- resume and load ----

grown="$few --original"
check_that "a resumed run ends where an undisturbed one does, which drew no pictures" sh -c "
    build/train_2d $(echo $grown) --experiment_name whole --num_epochs 4 --pictures off > /dev/null &&
    build/train_2d $(echo $grown) $drawn --experiment_name parts --num_epochs 2 > /dev/null &&
    build/train_2d $(echo $grown) $drawn --experiment_name parts --num_epochs 4 --resume > /dev/null &&
    cmp $out/whole/training.safetensors $out/parts/training.safetensors &&
    cmp $out/whole/model.safetensors $out/parts/model.safetensors"
check_that "metrics.tsv has a row per step, of which there are fewer than rounds" sh -c "
    cut -f 2 $out/parts/metrics.tsv | tr '\n' ' ' | grep -qx 'step $(seq -s ' ' 24) '"
long="$circle --frequency_max 10 --fresh --num_epochs 100"
stopped() { # by a signal, as soon as there is a row of metrics; then resumed: the end is that of an undisturbed run
    rm -rf "$out/learned" "$out/undisturbed"
    build/train_2d $long > "$out/printed"
    mv "$out/learned" "$out/undisturbed"
    build/train_2d $long > "$out/printed" 2>&1 &
    process=$!
    until [ "$(wc -l < "$out/learned/metrics.tsv")" -gt 1 ]; do sleep 0.1; done 2> /dev/null
    kill -TERM $process
    wait $process && [ ! -s "$out/printed" ] || return 1
    build/train_2d $long --resume > "$out/printed" && grep -q '^result ' "$out/printed" &&
        cmp "$out/undisturbed/training.safetensors" "$out/learned/training.safetensors" &&
        cmp "$out/undisturbed/model.safetensors" "$out/learned/model.safetensors"
}
check_that "a signal ends a run after a round, and --resume goes on" stopped
check_that "--load evaluates a model" sh -c "
    a=\$(build/train_2d $(echo $tiny) --pictures off --experiment_name whole --num_epochs 4 |
         grep -o 'val_nll=[^ ]*') &&
    b=\$(build/train_2d --n 400 --eval_draws 4 --quiet --pictures off \
         --load $out/whole/model.safetensors | grep -o 'val_nll=[^ ]*') && [ \"\$a\" = \"\$b\" ]"

# ---- TensorBoard: what is left after a resumed run is what an undisturbed one leaves ----

events() { # experiment, columns
    python3 tests/read_tfevents.py "$out/$1" > "$out/$1.events" && grep "$2" "$out/$1.events"
}
if command -v python3 > /dev/null; then
    build/train_2d $grown $drawn --experiment_name once --num_epochs 4 > /dev/null 2>&1
    build/train_2d $grown $drawn --experiment_name twice --num_epochs 2 > /dev/null 2>&1
    cp "$out/twice/training.safetensors" "$out/early.safetensors"
    sleep 1 # files are read in the order of the seconds in their names
    build/train_2d $grown $drawn --experiment_name twice --num_epochs 3 --resume > /dev/null 2>&1
    mv "$out/early.safetensors" "$out/twice/training.safetensors" # as if that run had not come to save
    sleep 1
    build/train_2d $grown $drawn --experiment_name twice --num_epochs 4 --resume > /dev/null 2>&1
    check_that "events are framed, checked and hold each tag" sh -c "python3 tests/read_tfevents.py $out/once |
        cut -d ' ' -f 1 | sort -u | tr '\n' ' ' |
        grep -qx 'contours density learning_rate mses points_per_second samples train_loss val_loss '"
    check_that "anim.png is whole and has the frames of panels and samples" sh -c "python3 tests/read_png.py \
        $out/once/anim.png | grep -q ': 540 x 470, 19 frames, '"
    check_that "losses are those of metrics.tsv" sh -c "python3 tests/read_tfevents.py $out/once | awk '
        NR == FNR && /^train_loss/ { n++; a[\$2] = \$3 } NR != FNR && FNR > 1 { d = a[\$2] - \$3; m++; if (d * d > 2.6e-9) exit 1 } # six digits, below 100
        END { exit n != 24 || m != 24 }' - $out/once/metrics.tsv"
    check_that "a resumed run leaves the same losses" [ "$(events once _loss)" = "$(events twice _loss)" ]
    build/train_2d $grown $drawn --experiment_name once --num_epochs 1 > /dev/null 2>&1
    check_that "a run begun anew hides the old one" [ "$(events once train_loss | wc -l)" -eq 6 ]
else
    skip "python3 is not installed: nobody to read the events"
fi

# ---- the other ways, for checkpoints ----

number='-\{0,1\}[0-9][0-9]*\.[0-9]*'
check_that "ode reads a checkpoint" sh -c "build/ode --load $out/dino/model.safetensors --points 3 --draws 20 \
    --tolerance 0.01 | grep -q '^dino  *full  *$number  *$number +- $number  *$number +- $number'"
check_that "bounds read a checkpoint" sh -c "build/bounds --load $out/dino/model.safetensors --points 3 --draws 20 |
    grep -q '^ *limit  *$number +- $number'"

# ---- what is refused ----

awk 'BEGIN { srand(3); print "a,b,c"; for (i = 0; i < 200; i++) { x = rand(); y = rand(); print x "," 100 * y "," x + y } }' \
    > "$out/three.csv"
printf '1,2\n3,x\n' > "$out/bad.csv"
refuses() { # pattern options...: exit 1 and one line that matches
    pattern=$1
    shift
    text=$(build/train_2d --quiet --out "$out" "$@" 2>&1 > /dev/null)
    [ $? -eq 1 ] && [ "$(printf '%s\n' "$text" | wc -l)" -eq 1 ] && printf '%s\n' "$text" | grep -q -- "$pattern"
}
refuses_by() { # program pattern options...: the same of another program
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
        --load "$out/dino/model.safetensors" --data "$out/three.csv"
done
check_that "tables are fit's" refuses 'build/fit --data' --data "$out/three.csv"
check_that "also after an equals sign" refuses 'build/fit --data' --data="$out/three.csv"
check_that "an unknown option is refused" refuses 'num_epochs' --num_epoch 3
check_that "a number out of range is refused" refuses 'logsnr_scale' --logsnr_scale -1
check_that "an odd embedding is refused" refuses 'even' --embedding_size 9
check_that "frequencies in the wrong order are refused" refuses 'frequency_min: at most 10' --frequency_min 11
check_that "a model of other dimensions is refused" refuses '2 dimensions expected, 3 found' \
    --load tests/golden/v0.1.0-mlp.safetensors
check_that "a checkpoint that is none is refused" refuses 'bad.csv' --load "$out/bad.csv"
while read -r option where; do
    check_that "--$option is refused $where" refuses "--$option: has no effect" --$option 5 $where
done << 'END'
coordinate_scale
directions --original
frequency_min --original
frequency_max --original
embedding_size --original --embedding off
samples --pictures off
steps --pictures off
num_epochs --load x
END
grown="--num_epochs 4 --n 400 --train_batch_size 60 --embedding_size 8 --original --pictures off --experiment_name parts --resume"
check_that "resuming with another network is refused" refuses 'another --hidden_size' $grown --hidden_size 9
check_that "resuming with another learning rate is refused" refuses 'another --learning_rate' $grown --hidden_size 16 \
    --learning_rate 0.1
check_that "resuming from nothing is refused" refuses 'cannot be opened' --experiment_name nobody --resume
report
