#!/bin/sh
# Trains the network of data/cifar10-small.safetensors: short runs to choose by, an hour from scratch, the long
# training, and two that go on from there. Stopped, by Ctrl-C or kill, it continues with the same command.
#   sh data/get_cifar10.sh && make && sh docs/night.sh           half a day on two cores
#   sh docs/night.sh NAME...                                     only the runs of these names
# Each run adds a row to docs/cifar10-runs.tsv, and leaves its files under runs/night/NAME. A run that has a row
# there is left out: delete the row to repeat it.
cd "$(dirname "$0")/.." || exit 1
. docs/shell.sh
table=docs/cifar10-runs.tsv
program=${PROGRAM:-build/train_cifar10}
[ -x "$program" ] || fail "$program is missing; run make first"
[ -s "$table" ] || printf 'run\tparameters\timages\tminutes\tbits/dim\t+-\toptions\n' > "$table"
wanted=$*

# The value of NAME=VALUE in the last line that a run printed.
result() { # NAME log
    sed -n "s/^result .* $1=\([^ ]*\).*/\1/p" "$2" | tail -n 1
}

run() { # name options...
    name=$1
    shift
    case " ${wanted:-$name} " in *" $name "*) ;; *) return ;; esac
    grep -q "^$name	" "$table" && return
    folder=runs/night/$name
    mkdir -p "$folder"
    options=$*
    if [ -f "$folder/model.safetensors" ]; then options="$(cat "$folder/options") --resume"
    else echo "$options" > "$folder/options"; fi
    # shellcheck disable=SC2086
    "$program" --out runs/night --experiment_name "$name" --pictures off --eval_minutes 30 --checkpoint_minutes 10 \
        $options | tee -a "$folder/log"
    grep -q '^result ' "$folder/log" || fail "$name: not at its end; see $folder/log"
    minutes=$(awk 'END { printf "%.0f", $7 / 60 }' "$folder/metrics.tsv")
    printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$name" "$(result params "$folder/log")" "$(result images_seen "$folder/log")" \
        "$minutes" "$(result bits_per_dim "$folder/log")" \
        "$(sed -n 's/.* \([0-9.]*\) bits\/dim on.*/\1/p' "$folder/log" | tail -n 1)" "$(cat "$folder/options")" >> "$table"
}

short="--num_epochs 1 --n 25000 --reference axes --eval_images 1000 --threads 1"
run default $short
run batch32 $short --train_batch_size 32 --learning_rate 0.0014
run two_blocks $short --features 48,80,80 --blocks 2
run hour --hours 1
run long --hours 4
run further --pretrained runs/night/long/model.safetensors --num_epochs 8 --learning_rate 0.0007 --warmup 200 --ema 0.9995
run again --pretrained runs/night/further/model.safetensors --num_epochs 8 --learning_rate 0.0007 --warmup 200 --ema 0.9995
