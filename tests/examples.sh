#!/bin/sh
# The example programs, run as a user runs them, on tiny budgets.
cd "$(dirname "$0")/.." || exit 1
. tests/shell.sh
out=build/example-runs
rm -rf "$out"
mkdir -p "$out"
tiny="--out $out --quiet --num_epochs 2 --n 400 --eval_draws 4 --hidden_size 16 --embedding_size 8 --grid 40
      --samples 100 --steps 5"
OMP_NUM_THREADS=1
export OMP_NUM_THREADS

# The result line of a tiny run, its times left out.
result() { # options...
    build/train_2d $tiny --pictures off "$@" | tail -n 1 | sed 's/ train_seconds=.*//'
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

few="--points 30 --draws 200"
within() { # program, awk program that fails on a wrong line: both have to end well
    build/$1 > "$out/numbers" && awk "$2" "$out/numbers"
}
check_that "ode agrees with the truth" within "ode $few" '
    function off(x, y) { return x > y ? x - y : y - x }
    NR > 1 { lines++; if (off($(NF - 9), $(NF - 5)) > ($(NF - 10) == "full" ? 0.003 : 4 * $(NF - 3))) bad = 1
             if (off($(NF - 9), $(NF - 8)) > 4 * $(NF - 6) + 0.002) bad = 1 }
    END { exit bad || lines != 5 }'
check_that "bounds fall to the truth" within "bounds $few" '
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
form="^result dataset=[a-z]* epochs=2 params=[0-9]* val_nll=$number stderr=$number stderr_data=$number"
for set in dino moons scg line circle; do
    check_that "$set runs" sh -c "build/train_2d $(echo $tiny) --dataset $set | tail -n 1 | grep -q '$form true_nll=$number \
excess=$number suggested_loc=[-.0-9na]* suggested_scale=[-.0-9na]* train_seconds=$number total_seconds=$number\$'"
done
for file in contours density samples mse loss anim; do
    check_that "$file.png is left" sh -c "head -c 8 $out/dino/$file.png | od -An -tx1 | grep -q '89 50 4e 47 0d 0a 1a 0a'"
done
check_that "metrics.tsv has a row per epoch" sh -c "[ \$(wc -l < $out/dino/metrics.tsv) -eq 3 ]"

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
dataset moons
n 300
fresh
seed 1
num_epochs 3
train_batch_size 64
learning_rate 0.01
lr_schedule constant
warmup 3
ema 0
clip_norm 0.01
stratified off
logsnr_loc 2
schedule auto
logsnr_scale 2
logsnr_clip 3
parameterization plain
embedding off
embedding_size 16
coordinate_scale 10
logsnr_embedding_scale 7
weight_limit 1.5
hidden_size 17
hidden_layers 2
activation relu
original
eval_draws 40
END
check_that "--weight_decay has an effect" sh -c "
    build/train_2d $(echo $tiny) --pictures off --experiment_name decay --weight_decay 0.5 > /dev/null &&
    build/train_2d $(echo $tiny) --pictures off > /dev/null &&
    ! cmp -s $out/decay/model.safetensors $out/dino/model.safetensors"
check_that "--scale_rule has an effect" sh -c "
    a=\$(build/train_2d $(echo $tiny) --pictures off --dataset scg | grep -o 'suggested_scale=[^ ]*')
    b=\$(build/train_2d $(echo $tiny) --pictures off --dataset scg --scale_rule original |
         grep -o 'suggested_scale=[^ ]*')
    [ \"\$a\" != \"\$b\" ]"
picture() { # file options...: checksum of one picture
    file=$1
    shift
    build/train_2d $tiny "$@" > /dev/null
    cksum < "$out/dino/$file"
}
plain=$(picture samples.png) dense=$(cksum < "$out/dino/density.png")
for option in "samples 60" "steps 3" "sampler ancestral"; do
    check_that "--$option has an effect" sh -c '[ "$1" != "$2" ]' sh "$plain" "$(picture samples.png --$option)"
done
check_that "--grid has an effect" sh -c '[ "$1" != "$2" ]' sh "$dense" "$(picture density.png --grid 50)"
check_that "--experiment_name and --out choose the folder" sh -c \
    "build/train_2d $(echo $tiny) --out $out/deep/er --experiment_name other > /dev/null && [ -f $out/deep/er/other/mse.png ]"
check_that "--pictures off leaves none" sh -c \
    "build/train_2d $(echo $tiny) --experiment_name bare --pictures off > /dev/null && ! ls $out/bare/*.png 2> /dev/null"
viewed() { # options...: plain characters, 22 lines of 44 under one of text, and the result
    build/train_2d $tiny --pictures off --view "$@" > "$out/view" && [ "$(wc -l < "$out/view")" -eq 24 ] &&
        [ "$(grep -c '^[-.:=+*#%@ ]\{44\}$' "$out/view")" -eq 22 ] && ! grep -q "$(printf '\033')" "$out/view"
}
check_that "--view draws the density in plain characters" viewed
check_that "--view draws that of a checkpoint" viewed --load "$out/dino/model.safetensors"
check_that "--quiet says one line" sh -c "[ \$(build/train_2d $(echo $tiny) 2>&1 | wc -l) -eq 1 ]"
short() { # lines on standard input: at most 24, of at most 79 characters
    awk '{ if (length($0) > 79) bad = 1 } END { exit bad || NR > 24 || NR < 2 }'
}
for topic in "" data training log_snr network evaluation run; do
    check_that "train_2d --help $topic fits a screen" eval "build/train_2d --help $topic | short"
done
check_that "--help names every topic" [ "$(build/train_2d --help | grep -c '^  [a-z]')" -eq 6 ]
check_that "--help tells the exit status" sh -c "build/train_2d --help | grep -q '^Exit status: 0 .* 1 '"
check_that "--version is that of the header" [ "$(build/train_2d --version)" = \
    "train_2d (itdiff.h) $(sed -n 's/^#define ITDIFF_VERSION "\(.*\)"/\1/p' itdiff.h)" ]
check_that "--help all names every option" sh -c "build/train_2d --help all | grep -c '^ *--' | awk '{ exit !(\$1 >= 35) }'"

# ---- resume and load ----

check_that "a resumed run ends where an undisturbed one does, which drew no pictures" sh -c "
    build/train_2d $(echo $tiny) --experiment_name whole --num_epochs 4 --lr_schedule constant \
        --pictures off > /dev/null &&
    build/train_2d $(echo $tiny) --experiment_name parts --num_epochs 2 --lr_schedule constant > /dev/null &&
    build/train_2d $(echo $tiny) --experiment_name parts --num_epochs 4 --lr_schedule constant --resume > /dev/null &&
    cmp $out/whole/model.safetensors $out/parts/model.safetensors &&
    [ \"\$(cut -f 1-6 $out/whole/metrics.tsv)\" = \"\$(cut -f 1-6 $out/parts/metrics.tsv)\" ]"
check_that "--load evaluates a checkpoint" sh -c "
    a=\$(build/train_2d $(echo $tiny) --pictures off --experiment_name whole --num_epochs 4 |
         grep -o 'val_nll=[^ ]*') &&
    b=\$(build/train_2d $(echo $tiny) --pictures off --experiment_name again \
         --load $out/whole/model.safetensors | grep -o 'val_nll=[^ ]*') && [ \"\$a\" = \"\$b\" ]"

# ---- TensorBoard: what is left after a resumed run is what an undisturbed one leaves ----

events() { # experiment, columns
    python3 tests/read_tfevents.py "$out/$1" > "$out/$1.events" && grep "$2" "$out/$1.events"
}
if command -v python3 > /dev/null; then
    build/train_2d $tiny --experiment_name once --num_epochs 4 --lr_schedule constant > /dev/null
    build/train_2d $tiny --experiment_name twice --num_epochs 2 --lr_schedule constant > /dev/null
    cp "$out/twice/model.safetensors" "$out/early.safetensors"
    sleep 1 # files are read in the order of the seconds in their names
    build/train_2d $tiny --experiment_name twice --num_epochs 3 --lr_schedule constant --resume > /dev/null
    mv "$out/early.safetensors" "$out/twice/model.safetensors" # as if that run had not come to save
    sleep 1
    build/train_2d $tiny --experiment_name twice --num_epochs 4 --lr_schedule constant --resume > /dev/null
    check_that "events are framed, checked and hold each tag" sh -c "python3 tests/read_tfevents.py $out/once |
        cut -d ' ' -f 1 | sort -u | tr '\n' ' ' |
        grep -qx 'contours density learning_rate mses points_per_second samples train_loss val_loss '"
    check_that "anim.png is whole and has the frames of panels and samples" sh -c "python3 tests/read_png.py \
        $out/once/anim.png | grep -q ': 540 x 470, 11 frames, '"
    check_that "losses are those of metrics.tsv" sh -c "python3 tests/read_tfevents.py $out/once | awk '
        NR == FNR && /^train_loss/ { n++; a[\$2] = \$3 } NR != FNR && FNR > 1 { d = a[\$2] - \$3; m++; if (d * d > 1e-9) exit 1 }
        END { exit n != 4 || m != 4 }' - $out/once/metrics.tsv"
    check_that "a resumed run leaves the same losses" [ "$(events once _loss)" = "$(events twice _loss)" ]
    build/train_2d $tiny --experiment_name once --num_epochs 1 > /dev/null
    check_that "a run begun anew hides the old one" [ "$(events once train_loss | wc -l)" -eq 1 ]
else
    skip "python3 is not installed: nobody to read the events"
fi

# ---- the other ways, for checkpoints ----

number='-\{0,1\}[0-9][0-9]*\.[0-9]*'
check_that "ode reads a checkpoint" sh -c "build/ode --load $out/dino/model.safetensors --points 3 --draws 20 \
    --tolerance 0.01 | grep -q '^dino  *full  *$number  *$number +- $number  *$number +- $number'"
check_that "bounds read a checkpoint" sh -c "build/bounds --load $out/dino/model.safetensors --points 3 --draws 20 |
    grep -q '^ *limit  *$number +- $number'"

# ---- a user's own data, and what is refused ----

awk 'BEGIN { srand(3); print "a,b,c"; for (i = 0; i < 200; i++) { x = rand(); y = rand(); print x "," 100 * y "," x + y } }' \
    > "$out/three.csv"
check_that "a CSV of three columns" sh -c "build/train_2d $(echo $tiny) --data $out/three.csv | tail -n 1 |
    grep '^result dataset=data' | grep -qv true_nll"
refuses() { # pattern options...: exit 1 and one line that matches
    pattern=$1
    shift
    text=$(build/train_2d $tiny "$@" 2>&1 > /dev/null)
    [ $? -eq 1 ] && [ "$(printf '%s\n' "$text" | wc -l)" -eq 1 ] && printf '%s\n' "$text" | grep -q -- "$pattern"
}
one='\000\000\200\077' two='\000\000\000\300' half='\000\000\000\077' # 1, -2 and 0.5 as 4-byte floats
{
    printf '\223NUMPY\001\000\166\000%-117s\n' "{'descr': '<f4', 'fortran_order': False, 'shape': (27, 2), }"
    for a in $one $two $half; do for b in $one $two $half; do for c in 1 2 3; do printf "$a$b"; done; done; done
} > "$out/points.npy"
for a in 1 -2 0.5; do for b in 1 -2 0.5; do for c in 1 2 3; do echo "$a,$b"; done; done; done > "$out/points.csv"
check_that "a .npy file is read as the CSV file of its numbers" sh -c '[ -n "$1" ] && [ "$1" = "$2" ]' sh \
    "$(result --data "$out/points.npy")" "$(result --data "$out/points.csv")"
head -c 300 "$out/points.npy" > "$out/short.npy"
printf '1,2\n3,x\n' > "$out/bad.csv"
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
check_that "a bad row is refused with line and column" refuses 'line 2, column 2' --data "$out/bad.csv"
check_that "a truncated .npy file is refused" refuses 'data: (27, 2) numbers of 4 bytes expected, found 172' \
    --data "$out/short.npy"
check_that "a missing file is refused" refuses 'nowhere.csv' --data nowhere.csv
check_that "an unknown option is refused" refuses 'num_epochs' --num_epoch 3
check_that "a number out of range is refused" refuses 'logsnr_scale' --logsnr_scale -1
check_that "an odd embedding is refused" refuses 'even' --embedding_size 9
check_that "a checkpoint that is none is refused" refuses 'bad.csv' --load "$out/bad.csv"
check_that "resuming with another network is refused" refuses 'another --hidden_size' --experiment_name whole \
    --resume --hidden_size 9
check_that "resuming with another learning rate is refused" refuses 'another --learning_rate' --experiment_name whole \
    --resume --learning_rate 0.1 --lr_schedule constant
check_that "resuming from nothing is refused" refuses 'cannot be opened' --experiment_name nobody --resume
report
