#!/bin/sh
# train_cifar10, train_images, digits and ood, run as a user runs them, on tiny budgets.
cd "$(dirname "$0")/.." || exit 1
. tests/shell.sh
out=build/image-runs
rm -rf "$out"
mkdir -p "$out"
tiny="--out $out --quiet --synthetic --n 4 --num_epochs 2 --train_batch_size 2 --features 8,8 --steps 2
      --eval_images 3 --eval_draws 2" # and without pictures, unless they are what is looked at
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
images_seen=8 val_nll=$number stderr=$number stderr_data=$number bits_per_dim=$number bits_per_dim_255=$number \
true_nll=$number excess_bits_per_dim=$number\$'"
for file in samples denoised mse anim; do
    check_that "$file.png is left" sh -c "head -c 8 $out/synthetic/$file.png | od -An -tx1 | grep -q '89 50 4e 47 0d 0a 1a 0a'"
done
check_that "mses.tsv goes through the schedule without a gap" awk -F '\t' 'NR == 1 { next } NF != 4 || $1 >= $2 { bad = 1 }
    NR > 2 && $1 != last { bad = 1 } { last = $2 } END { exit bad || NR != 33 }' "$out/synthetic/mses.tsv"
check_that "metrics.tsv has a row" sh -c "[ \$(wc -l < $out/synthetic/metrics.tsv) -ge 2 ]"
same() { [ "$(result "$@")" = "$base" ]; }
differs() { # a run that succeeds, with another result
    other=$(result "$@")
    case $other in 'result '*) [ "$other" != "$base" ] ;; *) return 1 ;; esac
}
check_that "the same seed gives the same result, with pictures and without" same
check_that "--pictures off leaves none" sh -c "
    build/train_cifar10 $(echo $tiny) --experiment_name bare --num_epochs 1 --pictures off > /dev/null &&
    ! ls $out/bare/*.png 2> /dev/null"
check_that "threads do not change the result" same --threads 2
check_that "rows do not change the result" same --rows 3
check_that "eval_batch_size does not change the result" same --eval_batch_size 4
while read -r option; do
    check_that "--$option has an effect" differs --$option
done << 'END'
seed 1
n 6
num_epochs 3
train_batch_size 4
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
eval_images 4
END
second=$(date +%s)
before=$(result --pictures on --experiment_name again)
until [ "$(date +%s)" -gt "$second" ]; do sleep 0.05; done # event files are read in the order of their seconds
check_that "a run can be resumed" sh -c "build/train_cifar10 $(echo $tiny) --experiment_name again --num_epochs 3 --resume |
    grep -q images_seen=12"
if has_python; then
    check_that "events are framed, checked and hold each tag" sh -c "$python tests/read_tfevents.py $out/again |
        cut -d ' ' -f 1 | sort | uniq -c | tr -s ' \\n' ' ' | grep -qx \
        ' 2 denoised 2 images_per_second 2 learning_rate 2 mses 2 samples 2 train_loss 2 val_loss '"
    check_that "anim.png is whole" sh -c "$python tests/read_png.py $out/again/anim.png | grep -q ': 266 x 266, 3 frames, '"
else
    skip "python3 is not installed: nobody to read the events"
fi
check_that "--load estimates without training" sh -c "
    build/train_cifar10 $(echo $tiny) --load $out/synthetic/model.safetensors --eval | sed 's/ seconds=.*//' | grep -q 'images_seen=8'"
check_that "--sample draws" sh -c "rm -f $out/s/samples.png; build/train_cifar10 $(echo $tiny) --experiment_name s \
    --load $out/synthetic/model.safetensors --sample 3 && [ -s $out/s/samples.png ]"
check_that "--pretrained names the layer that does not fit" fails "layer 4 .* expected, found .*; see --features" \
    --out "$out" --synthetic --n 8 --features 32,32 --pretrained "$out/synthetic/model.safetensors"
check_that "--pretrained starts from a checkpoint" sh -c "build/train_cifar10 $(echo $tiny) --experiment_name from \
    --num_epochs 1 --learning_rate 0 --pretrained $out/synthetic/model.safetensors |
    grep -q \"\$(build/train_cifar10 $(echo $tiny) --load $out/synthetic/model.safetensors --eval |
        sed -n 's/.* \(val_nll=[^ ]*\) .*/\1/p') \""
for topic in "" data training log_snr network likelihood samples run; do
    check_that "--help $topic fits a screen" sh -c "build/train_cifar10 --help $topic |
        awk '{ if (length(\$0) > 79) bad = 1 } END { exit bad || NR > 24 || NR < 2 }'"
done
check_that "--version tells a version" sh -c "build/train_cifar10 --version | grep -q '^train_cifar10 (itdiff.h) [0-9]'"
check_that "missing data: where they come from" fails 'get_cifar10.sh' --out "$out" --data "$out/nowhere"
check_that "--features are checked" fails '--features: .* expected' --out "$out" --synthetic --n 8 --features 8,9
check_that "--logistic_params are checked" fails '--logistic_params: .* expected' --out "$out" --logistic_params 6
check_that "a missing checkpoint is one line" fails 'nothing.safetensors' --out "$out" --load "$out/nothing.safetensors" --sample 1

# ---- going on ----
# As if the likelihoods so far had been bad, and the last row had none, as most have.
awk -F '\t' -v OFS='\t' '/^[0-9]/ { $4 = 1e9; last = $0 } { print } END { $0 = last; $4 = $5 = "nan"; print }' \
    "$out/again/metrics.tsv" > "$out/bad.tsv"
mv "$out/bad.tsv" "$out/again/metrics.tsv"
rm "$out/again/best.safetensors"
check_that "resuming takes over the options of the checkpoint" sh -c "build/train_cifar10 --out $out --quiet --synthetic \
    --experiment_name again --resume --num_epochs 4 --eval_images 4 --eval_draws 2 --pictures off | grep -q images_seen=16"
check_that "and keeps what is better than all before" [ -s "$out/again/best.safetensors" ]
check_that "and their number of epochs" sh -c "build/train_cifar10 --out $out --quiet --synthetic \
    --experiment_name again --resume --eval_images 4 --eval_draws 2 --pictures off | grep -q images_seen=16"
result --experiment_name given --logistic_params 5.10,3.0 > /dev/null
check_that "and the same options again are the same" [ "$(result --experiment_name given --logistic_params 5.1,3 --num_epochs 3 \
    --resume | grep -c images_seen=12)" -eq 1 ]
check_that "and refuses others, by name" fails 'with another --seed (it has 0), --features (it has 8,8)$' $tiny \
    --experiment_name again --resume --seed 1 --features 8,16
check_that "what has no effect is said" sh -c "build/train_cifar10 --out $out --synthetic --sample 1 --steps 1 --warmup 3 \
    --blocks 2 2>&1 | tr '\n' ' ' | grep -q 'warmup is ignored: nothing is trained .*blocks is ignored: the model has its own'"

check_that "--scores is idle where nothing is estimated" sh -c "build/train_cifar10 --out $out --synthetic --sample 1 --steps 1 \
    --per_sample $out/s.tsv 2>&1 | grep -q 'per_sample is ignored: no likelihood is estimated' && [ ! -e $out/s.tsv ]"
check_that "--prefix is idle without weights" sh -c "build/train_cifar10 --out $out --synthetic --sample 1 --steps 1 \
    --prefix x 2>&1 | grep -q 'prefix is ignored: without --pretrained'"
check_that "with passes and hours a run ends at the first" sh -c "build/train_cifar10 $(echo $tiny) --experiment_name first \
    --pictures off --hours 1 | grep -q images_seen=8"
check_that "a file that cannot be written is told before the work" fails 'nowhere/s.tsv: cannot be written' $tiny \
    --experiment_name undone --per_sample "$out/nowhere/s.tsv"
check_that "... so that nothing was done" [ ! -e "$out/undone/metrics.tsv" ]
check_that "but it may be in the folder of the results" sh -c "build/train_cifar10 $(echo $tiny) --experiment_name inside \
    --pictures off --per_sample $out/inside/s.tsv > /dev/null && [ -s $out/inside/s.tsv ]"
check_that "and so are models of an ensemble" fails 'with: .*nothing.safetensors' $tiny --experiment_name nowhere \
    --with "$out/nothing.safetensors"
printf 'step\timages\n' > "$out/empty.tsv"
check_that "learning curves without estimates" fails 'curves: estimates' --out "$out" --curves "$out/empty.tsv"

# ---- weights of others ----
weights() { # options...
    build/train_cifar10 --quiet --out "$out" --data "$out" --features 32,32,32,32 --reference axes --steps 2 "$@"
}
refuses() { # what the line has to say; the bytes of a file, as printf has them
    printf "$2" > "$out/weights"
    fails "$1" --out "$out" --features 32,32 --pretrained "$out/weights" --sample 1 &&
        fails "${1%%;*}" --out "$out" --load "$out/weights" --sample 1
}
check_that "weights that are not there" fails 'no such file' --out "$out" --features 32,32 --pretrained "$out/none" \
    --sample 1
check_that "a folder is none" fails 'give FILE in it' --out "$out" --features 32,32 --pretrained "$out" --denoise \
    --synthetic --n 8
check_that "a pointer of git-lfs is named" refuses 'pointer of git-lfs.*; run git lfs pull' 'version https://git-lfs.github.com/spec/v1\noid'
check_that "a page of HTML is named" refuses 'a page of HTML.*; download' '\n<!DOCTYPE html><html>'
check_that "a pickle is named" refuses 'a Python pickle.*; take the file' '\200\002}q'
check_that "what torch.save writes is named" refuses 'torch.save writes.*; take the file' 'PK\003\004aaaa'
check_that "JSON is named" refuses 'JSON.*; give' '{ "a": 1 }'
check_that "an empty file is named" refuses 'an empty file' ''
check_that "a server's message is quoted" refuses 'text that begins "Entry not found"; .* again' 'Entry not found'
if command -v python3 > /dev/null; then
    python3 tests/tiny_ddpm.py "$out"
    # The network itself is held against PyTorch by test_unet; the number is this program's.
    near() { # expected, options...
        expected=$1
        shift
        weights "$@" | sed 's/.*val_nll=\([-0-9.]*\).*/\1/' | awk -v e="$expected" '{ good = $1 > e - 1 && $1 < e + 1 } END { exit !good }'
    }
    for place in "tiny.safetensors" "prefixed.safetensors --prefix unet."; do
        check_that "--eval uses $place" near 17124.9 --eval --eval_draws 4 --pretrained "$out/"$place
    done
    check_that "another prefix is named" fails 'begin with unet.: give --prefix unet.$' --out "$out" --sample 1 \
        --features 32,32,32,32 --pretrained "$out/prefixed.safetensors"
    check_that "a prefix too many, too" fails 'no prefix: leave --prefix out$' --out "$out" --sample 1 \
        --features 32,32,32,32 --pretrained "$out/tiny.safetensors" --prefix unet.
    check_that "--load names weights of others" fails 'by --pretrained$' --load "$out/tiny.safetensors" --sample 1
    check_that "they sample and denoise" sh -c "rm -f $out/cifar10/*.png; build/train_cifar10 --quiet --out $out --data $out \
        --features 32,32,32,32 --pretrained $out/tiny.safetensors --sample 2 --steps 2 --denoise &&
        [ -s $out/cifar10/samples.png ] && [ -s $out/cifar10/denoised.png ]"
    check_that "and are trained" sh -c "build/train_cifar10 --quiet --out $out --data $out --features 32,32,32,32 --eval_draws 2 \
        --reference axes --pretrained $out/tiny.safetensors --num_epochs 1 --train_batch_size 2 --pictures off |
        grep -q 'params=740643 images_seen=4'"
else
    skip "python3 is not installed: nobody to make weights"
fi

# ---- images of one's own ----
few="--out $out --quiet --num_epochs 1 --train_batch_size 4 --features 8,8 --eval_draws 2 --steps 2 --pictures off"
array() { # name shape bytes: an array of so many bytes of the digits
    { printf '\223NUMPY\001\000\166\000%-117s\n' "{'descr': '|u1', 'fortran_order': False, 'shape': ($2), }"
      tail -c +129 "$out/digits.npy" | head -c "$3"; } > "$out/$1.npy"
}
build/digits --n 60 --out "$out/digits.npy"
array colour "30, 8, 9, 3" 6480
array odd "40, 13, 11" 5720
array few "4, 14, 14" 784
images() { # name, options...
    name=$1
    shift
    build/train_images $few --data "$out/$name.npy" "$@" | tail -n 1 | sed 's/ seconds=.*//'
}
check_that "digits are read, and divided" sh -c "build/train_images $few --data $out/digits.npy |
    grep -q '^result dataset=digits params=19097 images_seen=52 val_nll=[-0-9.]* stderr=.* bits_per_dim_255='"
for name in colour odd few; do
    check_that "$name images are learned" sh -c "build/train_images $few --data $out/$name.npy | grep -q '^result .*val_nll=[-0-9]'"
done
build/train_images $few --quiet off --data "$out/odd.npy" --minutes 0.002 > "$out/printed" 2> /dev/null
check_that "padding is said" grep -q '^padded to 14 x 12, so that 2 levels divide it; likelihoods are those of the true pixels' \
    "$out/printed"
check_that "what follows the training is said, and which likelihood to quote" sh -c "grep -A 99 '^[01] s of training in this run; pictures and likelihoods follow, within about [01] s' $out/printed |
    grep -q '^to quote: \"discrete, the best of all\"'"
check_that "an earlier run is told, and kept" sh -c "grep -q '/odd: the model of an earlier run is kept' $out/printed && [ -s $out/odd/model.safetensors~ ]"
base=$(images odd)
check_that "the same seed gives the same result" [ "$base" = "$(images odd --threads 2 --eval_batch_size 4)" ]
check_that "a model of padded images is loaded as it was" sh -c "build/train_images $few --data $out/odd.npy --eval |
    sed 's/ seconds=.*//; s/images_seen=0/images_seen=36/' | grep -qx '$base'"
build/train_images $few --data "$out/odd.npy" --experiment_name wide --features 8,8,8 > /dev/null
{ head -c 128 "$out/odd.npy" && tail -c +129 "$out/odd.npy" | tr '\200-\377' '\000-\177'; } > "$out/dark.npy"
build/train_images $few --data "$out/dark.npy" > /dev/null
check_that "models of other padding make an ensemble, whichever is first" sh -c "
    for pair in odd,wide wide,odd; do
        build/train_images $few --data $out/odd.npy --eval --load $out/\${pair%,*}/model.safetensors \
            --with $out/\${pair#*,}/model.safetensors | grep -q '^result .*val_nll=[-0-9]' || exit 1
    done"
check_that "models of other values do not" sh -c "build/train_images $few --data $out/odd.npy --eval \
    --load $out/odd/model.safetensors --with $out/dark/model.safetensors 2>&1 |
        grep -q 'with: .*levels from 0 to 255 expected, it has learned levels from 0 to 1[0-9]*'"
build/digits --n 9 --seed 7 --out "$out/strange.npy"
check_that "samples come as an array" sh -c "build/train_images --quiet --out $out --experiment_name odd --sample 3 --steps 2 &&
    head -c 128 $out/odd/samples.npy | grep -a -q \"'descr': '|u1', 'fortran_order': False, 'shape': (3, 13, 11)\" &&
    [ \$(wc -c < $out/odd/samples.npy) -eq $((128 + 3 * 13 * 11)) ]"
check_that "--scores has a row for each test image" sh -c "build/train_images $few --data $out/digits.npy --eval \
    --test $out/digits.npy --scores $out/scores.tsv > /dev/null && [ \$(wc -l < $out/scores.tsv) -eq 61 ] &&
    sed -n '2p; 61p' $out/scores.tsv | cut -f 1 | tr '\n' ' ' | grep -qx '1 60 '"
check_that "test images of another shape are refused" sh -c "build/train_images $few --data $out/digits.npy --test $out/odd.npy 2>&1 |
    grep -q 'odd.npy: images of 28 x 28 x 1 expected, as in training, found 13 x 11 x 1'"
check_that "so are images that are not the model's" sh -c "build/train_images $few --experiment_name odd --data $out/digits.npy --eval 2>&1 |
    grep -q 'images of 13 x 11 x 1 expected, found 28 x 28 x 1\|the model.s are'"
check_that "other images are not learned on" sh -c "build/train_images $few --experiment_name odd --data $out/few.npy --resume 2>&1 |
    grep -q 'the model.s are\|has learned other images'"
check_that "ood knows one's own images" sh -c "build/ood --load $out/digits/model.safetensors --data $out/digits.npy \
    --strange $out/strange.npy --images 4 --draws 2 --scores $out/ood.tsv | grep -q 'strange.npy  *[0-9.]*  *[01]\.[0-9]* ' &&
    [ \$(wc -l < $out/ood.tsv) -eq 37 ] && [ \"\$(sed -n 2p $out/ood.tsv | cut -f 2)\" = 1 ]"
check_that "and refuses others" sh -c "build/ood --load $out/digits/model.safetensors --data $out/digits.npy \
    --strange $out/odd.npy 2>&1 | grep -q 'odd.npy: images of 28 x 28 x 1 expected'"
for topic in "" data training log_snr network likelihood samples run; do
    check_that "train_images --help $topic fits a screen" sh -c "build/train_images --help $topic |
        awk '{ if (length(\$0) > 79) bad = 1 } END { exit bad || NR > 24 || NR < 2 }'"
done
report
