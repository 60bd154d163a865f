#!/bin/sh
# train_2d, run as a user runs it, on tiny budgets: every set, every option, what is refused.
cd "$(dirname "$0")/.." || exit 1
. tests/shell.sh
out=build/train_2d-runs
rm -rf "$out"
mkdir -p "$out"
few="--out $out --quiet --num_epochs 2 --n 400 --train_batch_size 60 --eval_draws 3 --hidden_size 16
     --embedding_size 8"
tiny="$few --directions 8"
drawn="--grid 40 --samples 100 --steps 5"
OMP_NUM_THREADS=1
export OMP_NUM_THREADS

# The result line of a tiny run and what was measured on the way, without times.
result() { # options...
    build/train_2d $tiny --pictures off "$@" > "$out/result"
    read -r line < "$out/result"
    echo "${line% train_seconds=*}"
    cut -f 1-6 "$out/dino/metrics.tsv"
}

# ---- every set ends in a result line of the documented form ----

number='-\{0,1\}[0-9][0-9]*\.[0-9]*'
form="^result dataset=[a-z]* epochs=[0-2] params=[0-9]* val_nll=$number stderr=$number stderr_data=$number"
for set in dino moons scg line circle; do
    case $set in
    dino) budget="$tiny $drawn" ;;
    circle) budget="$tiny $drawn --num_epochs 1 --train_batch_size 400" ;; # few frames of what has no density
    *) budget="$tiny --pictures off" ;;
    esac
    check_that "$set runs" sh -c "build/train_2d $(echo $budget) --dataset $set | tail -n 1 |
        grep -q '$form true_nll=$number val_excess=$number excess=$number excess_stderr=$number \
suggested_loc=[-.0-9na]* suggested_scale=[-.0-9na]* train_seconds=$number total_seconds=$number\$'"
done
for file in contours density samples mse loss anim; do
    check_that "$file.png is left" sh -c "head -c 8 $out/dino/$file.png | od -An -tx1 | grep -q '89 50 4e 47 0d 0a 1a 0a'"
done
cp "$out/dino/model.safetensors" "$out/model.safetensors"

# ---- a training that learns: with a race between ranges of frequencies, with and without new points ----

circle="--out $out --experiment_name learned --quiet --pictures off --dataset circle --n 1000 --num_epochs 30
        --train_batch_size 100 --learning_rate 0.01 --ema 0.9 --directions 32 --hidden_size 16 --embedding_size 8
        --eval_draws 8"
better() { # file options...: by a nat at least than the Gaussian, by its own account
    text=$out/$1.text
    shift
    build/train_2d $circle --quiet off "$@" > "$text" 2> /dev/null && grep -q '^kept: the weights after step' "$text" &&
        tail -n 1 "$text" | sed 's/.* excess=\([^ ]*\) .*/\1/' | awk '{ good = $1 < 4.4 } END { exit !good }'
}
check_that "the circle is learned" better learned
check_that "of the circle, new points are no better known than those of validation" sh -c "
    sed 's/.* stderr_data=\([^ ]*\) .* val_excess=\([^ ]*\) excess=\([^ ]*\) excess_stderr=\([^ ]*\) .*/\1 \2 \3 \4/' $out/learned.text |
        tail -n 1 | awk '{ off = \$2 - \$3; good = off * off < 25 * (\$1 * \$1 + \$4 * \$4) } END { exit !good }'"
check_that "with new points, too" better fresh --fresh
told() { tail -n 1 "$out/$1.text" | sed 's/ train_seconds=.*//'; }
check_that "which are others" [ "$(told learned)" != "$(told fresh)" ]

# ---- every option has an effect ----

base=$(result)
same() { [ "$(result "$@")" = "$base" ]; }
differs() { # a run that succeeds, with another result
    other=$(result "$@")
    case $other in *'result '*) [ "$other" != "$base" ] ;; *) return 1 ;; esac
}
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
shown="--out $out --experiment_name shown --quiet --n 400 --eval_draws 4 --load $out/model.safetensors"
picture() { # options...: checksums of the samples and of the density
    build/train_2d $shown $drawn "$@" > /dev/null
    echo "$(cksum < "$out/shown/samples.png"), $(cksum < "$out/shown/density.png")"
}
plain=$(picture)
for option in "steps 3" "sampler ancestral"; do
    other=$(picture --$option)
    check_that "--$option has an effect on samples" [ "${other%,*}" != "${plain%,*}" ]
    check_that "--$option has none on the density" [ "${other#*,}" = "${plain#*,}" ]
done
other=$(picture --samples 60 --grid 41)
check_that "--samples has an effect" [ "${other%,*}" != "${plain%,*}" ]
check_that "--grid has an effect" [ "${other#*,}" != "${plain#*,}" ]
check_that "--experiment_name and --out choose the folder" sh -c "build/train_2d $(echo $tiny) --pictures off \
    --out $out/deep/er --experiment_name other > /dev/null && [ -f $out/deep/er/other/model.safetensors ]"
check_that "--pictures off leaves none" sh -c \
    "build/train_2d $(echo $tiny) --experiment_name bare --pictures off > /dev/null && ! ls $out/bare/*.png 2> /dev/null"
viewed() { # options...: plain characters, 22 lines of 44 under one of text, and the result
    build/train_2d "$@" --quiet --pictures off --view --grid 40 > "$out/view" && [ "$(wc -l < "$out/view")" -eq 24 ] &&
        [ "$(grep -c '^[-.:=+*#%@ ]\{44\}$' "$out/view")" -eq 22 ] && ! grep -q "$(printf '\033')" "$out/view"
}
check_that "--view draws the density in plain characters" viewed $tiny
check_that "--view draws that of a model" viewed --load "$out/model.safetensors" --n 400 --eval_draws 3
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

# ---- what is refused ----

printf '1,2\n3,x\n' > "$out/bad.csv"
refuses() { # pattern options...: exit 1 and one line that matches
    pattern=$1
    shift
    text=$(build/train_2d --quiet --out "$out" "$@" 2>&1 > /dev/null)
    [ $? -eq 1 ] && [ "$(printf '%s\n' "$text" | wc -l)" -eq 1 ] && printf '%s\n' "$text" | grep -q -- "$pattern"
}
check_that "tables are fit's" refuses 'build/fit --data' --data "$out/bad.csv"
check_that "also after an equals sign" refuses 'build/fit --data' --data="$out/bad.csv"
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
report
