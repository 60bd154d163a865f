#!/bin/sh
# train_2d, stopped, resumed and loaded, as a user does it, on tiny budgets; and what TensorBoard finds then.
cd "$(dirname "$0")/.." || exit 1
. tests/shell.sh
out=build/resume-runs
rm -rf "$out"
mkdir -p "$out"
few="--out $out --quiet --num_epochs 2 --n 400 --train_batch_size 60 --eval_draws 3 --hidden_size 16
     --embedding_size 8"
tiny="$few --directions 8"
drawn="--grid 40 --samples 100 --steps 5"
OMP_NUM_THREADS=1
export OMP_NUM_THREADS
grown="$few --original"
circle="--out $out --experiment_name circle --quiet --pictures off --dataset circle --n 1000 --num_epochs 30
        --train_batch_size 100 --learning_rate 0.01 --ema 0.9 --directions 32 --hidden_size 16 --embedding_size 8
        --eval_draws 8"

# ---- a run in parts: two epochs, a third that is lost before it is saved, and the last two ----

run() { # experiment options...
    name=$1
    shift
    build/train_2d $grown --experiment_name "$name" "$@" > /dev/null 2>&1
}
next_second() { # event files are read in the order of the seconds in their names
    until [ "$(date +%s)" -gt "$second" ]; do sleep 0.05; done
}
run whole --num_epochs 4 --pictures off
second=$(date +%s)
run parts --num_epochs 2 $drawn
cp "$out/parts/training.safetensors" "$out/early.safetensors"
next_second
second=$(date +%s)
run parts --num_epochs 3 --pictures off --resume
mv "$out/early.safetensors" "$out/parts/training.safetensors"
next_second
run parts --num_epochs 4 $drawn --resume
check "a resumed run ends where an undisturbed one does, which drew no pictures" \
    cmp "$out/whole/training.safetensors" "$out/parts/training.safetensors"
check "with the same model" cmp "$out/whole/model.safetensors" "$out/parts/model.safetensors"
check_that "metrics.tsv has a row per step, of which there are fewer than rounds" sh -c "
    cut -f 2 $out/parts/metrics.tsv | tr '\n' ' ' | grep -qx 'step $(seq -s ' ' 24) '"

# ---- TensorBoard: what is left after a resumed run is what an undisturbed one leaves ----

events() { # experiment, file: what its event files say, read to the last byte
    $python tests/read_tfevents.py "$out/$1" > "$out/$2"
}
losses() { grep _loss "$out/$1"; } # file
if has_python; then
    second=$(date +%s)
    run once --num_epochs 4 $drawn
    check_that "events are framed and checked" events once once.events
    check_that "they hold each tag" sh -c "cut -d ' ' -f 1 $out/once.events | sort -u | tr '\n' ' ' |
        grep -qx 'contours density learning_rate mses points_per_second samples train_loss val_loss '"
    check_that "anim.png is whole and has the frames of panels and samples" sh -c "$python tests/read_png.py \
        $out/once/anim.png | grep -q ': 540 x 470, 19 frames, '"
    check_that "losses are those of metrics.tsv" awk '
        NR == FNR && /^train_loss/ { n++; a[$2] = $3 }
        NR != FNR && FNR > 1 { d = a[$2] - $3; m++; if (d * d > 2.6e-9) exit 1 } # six digits, below 100
        END { exit n != 24 || m != 24 }' "$out/once.events" "$out/once/metrics.tsv"
    check_that "events of a resumed run are framed and checked" events parts parts.events
    check_that "they have the same losses" [ "$(losses once.events)" = "$(losses parts.events)" ]
    next_second
    run once --num_epochs 1 --pictures off
    check_that "events of a run begun anew" events once anew.events
    check_that "hide the old one" [ "$(grep -c train_loss "$out/anew.events")" -eq 6 ]
else
    skip "python3 is not installed: nobody to read the events"
fi

# ---- a run that is stopped; a model that is loaded ----

long="$circle --frequency_max 10 --fresh --num_epochs 100"
stopped() { # by a signal, as soon as there is a row of metrics; then resumed: the end is that of an undisturbed run
    rm -rf "$out/undisturbed"
    build/train_2d $long > "$out/printed"
    mv "$out/circle" "$out/undisturbed"
    build/train_2d $long > "$out/printed" 2>&1 &
    process=$!
    until [ "$(wc -l < "$out/circle/metrics.tsv")" -gt 1 ] || ! kill -0 $process; do sleep 0.05; done 2> /dev/null
    kill -TERM $process
    wait $process && [ ! -s "$out/printed" ] || return 1
    build/train_2d $long --resume > "$out/printed" && grep -q '^result ' "$out/printed" &&
        cmp "$out/undisturbed/training.safetensors" "$out/circle/training.safetensors" &&
        cmp "$out/undisturbed/model.safetensors" "$out/circle/model.safetensors"
}
once_more() { stopped || { [ -s "$out/printed" ] && stopped; }; } # it may have ended before the signal came
check_that "a signal ends a run after a round, and --resume goes on" once_more
check_that "--load evaluates a model" sh -c "
    a=\$(build/train_2d $(echo $tiny) --pictures off --experiment_name loaded --num_epochs 4 |
         grep -o 'val_nll=[^ ]*') &&
    b=\$(build/train_2d --n 400 --eval_draws 4 --quiet --pictures off \
         --load $out/loaded/model.safetensors | grep -o 'val_nll=[^ ]*') && [ \"\$a\" = \"\$b\" ]"

# ---- what is refused ----

refuses() { # pattern options...: exit 1 and one line that matches
    pattern=$1
    shift
    text=$(build/train_2d --quiet --out "$out" "$@" 2>&1 > /dev/null)
    [ $? -eq 1 ] && [ "$(printf '%s\n' "$text" | wc -l)" -eq 1 ] && printf '%s\n' "$text" | grep -q -- "$pattern"
}
grown="--num_epochs 4 --n 400 --train_batch_size 60 --embedding_size 8 --original --pictures off --experiment_name parts --resume"
check_that "resuming with another network is refused" refuses 'another --hidden_size' $grown --hidden_size 9
check_that "resuming with another learning rate is refused" refuses 'another --learning_rate' $grown --hidden_size 16 \
    --learning_rate 0.1
check_that "resuming from nothing is refused" refuses 'cannot be opened' --experiment_name nobody --resume
report
