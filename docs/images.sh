#!/bin/sh
# Tables of docs/likelihood.md and docs/cifar10-samples.png, of the checkpoint data/cifar10-small.safetensors and
# the images of CIFAR-10.
#   sh data/get_cifar10.sh && make && sh docs/images.sh        an hour, or half of one
# What is measured is kept in docs/likelihood.tsv and docs/ood.tsv; with `--tables` only their tables are made,
# with `--redraw` also the learning curve, docs/cifar10-learning.png from docs/cifar10-metrics.tsv.
cd "$(dirname "$0")/.." || exit 1
. docs/shell.sh
page=docs/likelihood.md

case $1 in
'' | --tables | --redraw) ;;
*) fail "--tables, --redraw or nothing expected, $1 found" ;;
esac
if [ -z "$1" ]; then
    measured=$(commit)
    [ -x build/train_cifar10 ] && [ -x build/ood ] || fail "build/train_cifar10 or build/ood is missing; run make first"
    build/train_cifar10 --eval --experiment_name shipped || exit 1
    cp runs/shipped/likelihood.tsv docs/likelihood.tsv || exit 1
    build/train_cifar10 --sample 64 --experiment_name shipped || exit 1
    cp runs/shipped/samples.png docs/cifar10-samples.png || exit 1
    build/ood --out docs/ood.tsv || exit 1
    make build/grid_range && build/grid_range > runs/shipped/range.md || exit 1
    replace $page range < runs/shipped/range.md
    make build/bench_errors && build/bench_errors --markdown > runs/shipped/errors.md || exit 1
    replace $page errors < runs/shipped/errors.md
fi
if [ "$1" != --tables ]; then
    build/train_cifar10 --curves docs/cifar10-metrics.tsv --experiment_name curves &&
        cp runs/curves/learning.png docs/cifar10-learning.png || exit 1
fi
awk -F '\t' '
    NR == 1 { print "| −log likelihood | nats | bits/dim, 0 … 255 | ± | data |"; print "|---|--:|--:|--:|--:|"; next }
    { printf "| %s | %.1f | %.3f | %.4f | %.4f |\n", $1, $2, $5, $6, $7 }' docs/likelihood.tsv |
    replace $page likelihood || exit 1
awk -F '\t' '
    NR == 1 { print "| images | bits/dim | ROC area by −log p | by its distance from the usual |"
              print "|---|--:|--:|--:|"; next }
    { printf "| %s | %.2f | %.3f | %.3f |\n", $1, $2, $3, $4 }' docs/ood.tsv |
    replace $page ood
