#!/bin/sh
# What has to hold of the density of any table: invariants.c draws tables from known distributions, fit learns
# each of them briefly, in several forms, and scores fresh rows.
#   sh tests/extra/invariants.sh 100        so many tables (make -C tests/extra invariants TABLES=100)
cd "$(dirname "$0")/../.." || exit 1
tables=${1:-100} passed=0 failed=0
dir=build/invariants-runs
rm -rf "$dir"
mkdir -p "$dir"
OMP_NUM_THREADS=1
export OMP_NUM_THREADS
fit="build/fit --out $dir --quiet --pictures off"

learn() { # variant: learned and scored
    $fit --data "$dir/$1.csv" --validation "$dir/$1-test.csv" --experiment_name "$1" --num_epochs 40 --hidden_size 32 \
        --eval_draws 32 > "$dir/$1.result" 2> /dev/null &&
        $fit --load "$dir/$1/model.safetensors" --data "$dir/$1-test.csv" --eval_draws 128 \
            --scores "$dir/$1-scores.csv" > "$dir/$1.scored" 2> /dev/null
}
mean_of_scores() { # variant: is what the result line says
    mean=$(awk -F, 'NR > 1 { sum += $2 } END { printf "%.4f", sum / (NR - 1) }' "$dir/$1-scores.csv")
    grep -Eq " val_nll=$mean | val_nll=-0.0000 " "$dir/$1.scored"
}
seed=1
while [ "$seed" -le "$tables" ]; do
    build/invariants make "$seed" "$dir" || exit 1
    right=yes
    for variant in plain permuted scaled rotated rounded; do
        learn $variant || { right=no && echo "table $seed: $variant: $(tail -n 1 "$dir/$variant.result")"; }
        mean_of_scores $variant || { right=no && echo "table $seed: $variant: scores do not average to the mean"; }
    done
    $fit --load "$dir/plain/model.safetensors" --samples 400 --samples_out "$dir/samples.csv" > /dev/null 2>&1 &&
        $fit --load "$dir/plain/model.safetensors" --data "$dir/samples.csv" --eval_draws 128 \
            --scores "$dir/samples-scores.csv" > /dev/null 2>&1 || right=no
    found=$(build/invariants check "$dir") || { right=no && echo "table $seed:" && echo "$found" | sed '$d'; }
    if [ $right = yes ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
    seed=$((seed + 1))
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
