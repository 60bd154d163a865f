#!/bin/sh
# train_cifar10, run as a user runs it, on tiny budgets and images with a known law.
cd "$(dirname "$0")/.." || exit 1
. tests/shell.sh
out=build/image-runs
rm -rf "$out"
mkdir -p "$out"
tiny="--out $out --quiet --synthetic --n 8 --num_epochs 2 --train_batch_size 4 --features 8,8 --steps 2
      --eval_images 4 --eval_draws 2" # and without pictures, unless they are what is looked at
OMP_NUM_THREADS=1
export OMP_NUM_THREADS

result() { # options...
    build/train_cifar10 $tiny --pictures off "$@" | tail -n 1 | sed 's/ seconds=.*//'
}
fails() { # what the one line of the error has to say; options...
    wanted=$1
    shift
    ! build/train_cifar10 "$@" > "$out/error" 2>&1 && [ "$(wc -l < "$out/error")" -eq 1 ] && grep -q -e "$wanted" "$out/error"
}

number='-\{0,1\}[0-9][0-9]*\.[0-9]*'
base=$(result --pictures on)
check_that "a run ends in a result line" sh -c "echo '$base' | grep -q '^result dataset=synthetic params=[0-9]* \
images_seen=16 val_nll=$number stderr=$number stderr_data=$number bits_per_dim=$number bits_per_dim_255=$number \
true_nll=$number excess_bits_per_dim=$number\$'"
for file in samples denoised mse anim; do
    check_that "$file.png is left" sh -c "head -c 8 $out/synthetic/$file.png | od -An -tx1 | grep -q '89 50 4e 47 0d 0a 1a 0a'"
done
check_that "mses.tsv goes through the schedule without a gap" awk -F '\t' 'NR == 1 { next } NF != 4 || $1 >= $2 { bad = 1 }
    NR > 2 && $1 != last { bad = 1 } { last = $2 } END { exit bad || NR != 33 }' "$out/synthetic/mses.tsv"
check_that "metrics.tsv has a row" sh -c "[ \$(wc -l < $out/synthetic/metrics.tsv) -ge 2 ]"
same() { [ "$(result "$@")" = "$base" ]; }
differs() { ! same "$@"; }
check_that "the same seed gives the same result, with pictures and without" same
check_that "--pictures off leaves none" sh -c "
    build/train_cifar10 $(echo $tiny) --experiment_name bare --pictures off > /dev/null &&
    ! ls $out/bare/*.png 2> /dev/null"
check_that "threads do not change the result" same --threads 2
check_that "rows do not change the result" same --rows 3
check_that "eval_batch_size does not change the result" same --eval_batch_size 4
while read -r option; do
    check_that "--$option has an effect" differs --$option
done << 'END'
seed 1
n 4
num_epochs 3
train_batch_size 2
learning_rate 0.1
warmup 0
ema 0.05
clip_norm 0.001
weight_limit 3
logistic_params 5,2
logsnr_clip 3
features 8,16
blocks 2
attention 4
eval_draws 3
eval_images 3
END
second=$(date +%s)
before=$(result --pictures on --experiment_name again)
until [ "$(date +%s)" -gt "$second" ]; do sleep 0.05; done # event files are read in the order of their seconds
check_that "a run can be resumed" sh -c "build/train_cifar10 $(echo $tiny) --experiment_name again --num_epochs 3 --resume |
    grep -q images_seen=24"
if has_python; then
    check_that "events are framed, checked and hold each tag" sh -c "$python tests/read_tfevents.py $out/again |
        cut -d ' ' -f 1 | sort | uniq -c | tr -s ' \\n' ' ' | grep -qx \
        ' 2 denoised 2 images_per_second 2 learning_rate 2 mses 2 samples 2 train_loss 2 val_loss '"
    check_that "anim.png is whole" sh -c "$python tests/read_png.py $out/again/anim.png | grep -q ': 266 x 266, 3 frames, '"
else
    skip "python3 is not installed: nobody to read the events"
fi
check_that "--load estimates without training" sh -c "
    build/train_cifar10 $(echo $tiny) --load $out/synthetic/model.safetensors --eval | sed 's/ seconds=.*//' | grep -q 'images_seen=16'"
check_that "--sample draws" sh -c "rm -f $out/s/samples.png; build/train_cifar10 $(echo $tiny) --experiment_name s \
    --load $out/synthetic/model.safetensors --sample 3 && [ -s $out/s/samples.png ]"
check_that "--pretrained names the tensor that does not fit" fails 'tensor time_embedding.linear_1.weight: .* expected' --out "$out" --synthetic --n 8 \
    --features 8,16 --pretrained "$out/synthetic/model.safetensors"
for topic in "" data training log_snr network likelihood samples run; do
    check_that "--help $topic fits a screen" sh -c "build/train_cifar10 --help $topic |
        awk '{ if (length(\$0) > 79) bad = 1 } END { exit bad || NR > 24 || NR < 2 }'"
done
check_that "--version tells a version" sh -c "build/train_cifar10 --version | grep -q '^train_cifar10 (itdiff.h) [0-9]'"
check_that "missing data: where they come from" fails 'get_cifar10.sh' --out "$out" --data "$out/nowhere"
check_that "--features are checked" fails '--features: .* expected' --out "$out" --synthetic --features 8,9
check_that "--logistic_params are checked" fails '--logistic_params: .* expected' --out "$out" --logistic_params 6
check_that "a missing checkpoint is one line" fails 'nothing.safetensors' --out "$out" --load "$out/nothing.safetensors" --sample 1
report
