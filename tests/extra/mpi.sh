#!/bin/sh
# train_cifar10 by several processes, where MPI is installed: the same result as by one, and a worker that
# dies ends the job and leaves a checkpoint to go on from.
cd "$(dirname "$0")/../.." || exit 1
. tests/shell.sh
CC=${CC:-cc}
out=build/mpi-runs
rm -rf "$out"
mkdir -p "$out"
tiny="--out $out --quiet --synthetic --n 32 --train_batch_size 8 --features 8,16 --steps 2 --eval_images 16
      --eval_draws 4 --threads 1 --pictures off"
OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM OMPI_MCA_rmaps_base_oversubscribe

if ! command -v mpicc > /dev/null || ! command -v mpirun > /dev/null; then
    skip "MPI is not installed"
    report
    exit
fi
check_that "mpicc builds the program" env OMPI_CC="$CC" MPICH_CC="$CC" mpicc -std=c99 -O2 -fopenmp \
    -DUSE_MPI -I. examples/train_cifar10.c -o build/train_cifar10_mpi -lm
train() { # processes, options...
    n=$1
    shift
    mpirun -n "$n" build/train_cifar10_mpi $tiny --experiment_name "by$n" "$@" | tail -n 1
}
# the fields of a result line that depend on the training alone, the likelihood without its last digit
essence() { sed 's/val_nll=\([0-9.-]*\)[0-9] .*/\1/'; }
one=$(build/train_cifar10 $tiny --num_epochs 4 | tail -n 1 | essence)
check_that "one process has a result" sh -c "echo '$one' | grep -q 'images_seen=128 [0-9]'"
for n in 2 4; do
    check_that "$n processes have the same" [ "$(train $n --num_epochs 4 | essence)" = "$one" ]
done
mpirun -n 2 build/train_cifar10_mpi $tiny --num_epochs 100000 --checkpoint_minutes 0.01 --experiment_name crash 2> "$out/error" &
job=$!
tries=0
while [ ! -s "$out/crash/model.safetensors" ] && [ $tries -lt 100 ]; do sleep 0.2; tries=$((tries + 1)); done
kill -9 "$(pgrep -P $job | tail -n 1)"
wait $job
check_that "the death of one ends the job" [ $? -ne 0 ]
check_that "with a message" grep -q 'signal 9' "$out/error"
check_that "and a checkpoint" sh -c "build/train_cifar10 $(echo $tiny) --load $out/crash/model.safetensors --eval | grep -q '^result'"
report
