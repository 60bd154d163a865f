#!/bin/sh
# The benchmark, beside the limits of the machine and beside rivals, in parts that can be run alone:
#   make bench                           all of them
#   sh tests/bench/run.sh kernels files  some: kernels mlps unets plain compile files jobs
#   sh tests/bench/run.sh --doc FILE     makes tables of build/bench/*.out, between the markers in FILE
# docs/performance.md explains the lines, which are printed and kept in build/bench/. SIMD=avx2 measures these
# kernels instead of the best. PYTHON=... names the interpreter that has PyTorch, ONNX=... the folder of npm's
# node_modules that have ONNX Runtime. With QUICK=1 everything runs for a moment only and is kept in
# build/bench_quick/: that is to try this script out, the numbers are worth nothing.
# shellcheck disable=SC2086 # options are words
cd "$(dirname "$0")/../.." || exit 1
parts="kernels mlps unets plain compile files jobs"
onnx=${ONNX:-build/onnxruntime/node_modules}

. docs/shell.sh
memory=''
trap 'rm -rf "$temporary" "$memory"' EXIT

if [ "$QUICK" = 1 ]; then
    results=build/bench_quick seconds=0.01 rounds="1" train_rounds="1" kernel_options="--rounds 1 --piece 0.1"
    piece="--rounds 1 --piece 1" image_piece="--rounds 1 --piece 1 --batch 1"
    job_options="--num_epochs 2 --grid 40 --samples 100 --eval_draws 4"
else
    results=build/bench seconds=0.2 rounds="1 2 3" train_rounds="1 2 3 4 5" kernel_options=
    piece="--rounds 1 --piece 200" image_piece=$piece job_options=
fi

# ---- what is measured, and with what ----

# Variables that would choose the kernels or the threads of a rival are not the user's to set here.
unset_choices() {
    names='(OPENBLAS|GOTO|OMP|GOMP|KMP|MKL|DNNL|ONEDNN|ATEN)_[A-Z0-9_]*'
    chosen=$(env | sed -n -E "s/^($names)=.*/\1/p" | tr '\n' ' ')
    unset $chosen
    chosen=${chosen% }
}

has() { build/bench_kernels --simd "$1" --only nothing > /dev/null 2>&1; }

find_sets() {
    sets=
    for set in avx512 avx2; do has $set && sets="$sets $set"; done
    for set in base plain; do [ -n "$sets" ] || ! has $set || sets=$set; done
    best=$(set -- $sets && echo "$1")
}

# OpenBLAS gets kernels for the same instructions; where it has none, those it chooses itself, which are no
# rival in products then. PyTorch computes with OpenBLAS, too, and can be told what instructions to use.
choose_for() { # instruction set
    unset OPENBLAS_CORETYPE
    for core in SkylakeX "" Haswell; do
        env ${core:+OPENBLAS_CORETYPE=$core} build/bench_kernels --simd "$1" --rival > /dev/null 2>&1 && break
        core=
    done
    [ -z "$core" ] || export OPENBLAS_CORETYPE="$core"
    [ "$1" != avx2 ] || export ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2
    [ "$1" = avx2 ] || unset ATEN_CPU_CAPABILITY ONEDNN_MAX_CPU_ISA
}

find_rivals() { # instruction set
    for python in ${PYTHON:-python3 /usr/bin/python3}; do
        torch=$("$python" -c 'import torch; print(torch.__version__)' 2> /dev/null) && break
        python=
    done
    echo "# PyTorch: ${torch:-skipped, no python3 with torch found}"
    runtime=$(sed -n 's/.*"version": "\(.*\)".*/\1/p' "$onnx/onnxruntime-node/package.json" 2> /dev/null)
    if [ -z "$runtime" ] || ! command -v node > /dev/null; then
        runtime='' why="npm install --ignore-scripts --prefix build/onnxruntime onnxruntime-node"
    elif [ -z "$python" ]; then runtime='' why="its networks are exported by PyTorch"
    elif [ "$1" != "$best" ]; then runtime='' why="it cannot be kept to $1"
    fi
    echo "# ONNX Runtime: ${runtime:-skipped, $why}"
}

# Runs a part, under a head that says where and when.
record() { # name command...
    kept=$1
    shift
    {
        (
            model=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo 2> /dev/null | head -n 1)
            echo "# part: $kept"
            echo "# date: $(date +%Y-%m-%d)"
            echo "# processor: ${model:-$(uname -m)}, cores: $cores"
            echo "# load before: $load"
            echo "# commit: $(commit)"
            echo "# compiler: $(${CC:-cc} --version 2> /dev/null | head -n 1)"
            echo "# unset: ${chosen:-nothing}"
            [ "$QUICK" != 1 ] || echo "# QUICK=1: numbers of no value"
            "$@"
        )
        echo $? > "$temporary/status"
    } | tee "$temporary/lines"
    [ "$(cat "$temporary/status")" = 0 ] || fail "part $kept failed"
    cp "$temporary/lines" "$results/$kept.out" || exit 1
    recorded="$recorded $results/$kept.out"
}

# ---- the parts ----

kernels() {
    for set in ${SIMD:-$sets}; do
        choose_for "$set"
        record "kernels-$set" build/bench_kernels --simd "$set" $kernel_options
    done
}

# Ours and the rivals in turn. After the first round PyTorch is left out where it was slower, and one thread
# of ours for images, where a step takes seconds.
in_turn() { # instruction set, vectors or images, numbers of the rounds, options
    find_rivals "$1"
    build/bench_networks --list --kind "$2" $4 > "$temporary/networks" || exit 1
    if [ -n "$runtime" ]; then
        rm -rf "$temporary/onnx"
        mkdir "$temporary/onnx"
        "$python" tests/bench/torch_networks.py --onnx "$temporary/onnx" < "$temporary/networks" || exit 1
    fi
    single=on
    for round in $3; do
        build/bench_networks --simd "$1" --kind "$2" $4 --single $single || exit 1
        [ -z "$python" ] || "$python" tests/bench/torch_networks.py --threads "$cores" --seconds $seconds \
            --earlier "$temporary/lines" < "$temporary/networks" || exit 1
        [ -z "$runtime" ] ||
            node tests/bench/onnx_networks.js "$onnx" "$temporary/onnx" "$cores" $seconds || exit 1
        single=off
    done
}

networks() { # part, as above without the set
    part=$1
    shift
    for set in ${SIMD:-$best}; do
        choose_for "$set"
        record "$part-$set" in_turn "$set" "$@"
    done
}

mlps() { networks mlps vectors "$train_rounds" "$piece"; }
unets() { networks unets images "$rounds" "$image_piece"; }

# One step by one thread, of the library without vectors. Its time goes with the batch, which is small here.
steps() { # label program [option]...
    label=$1
    shift
    for options in "--only train_original_t1" "--only train_small_t1 --batch 4"; do
        "$@" $options --threads 1 $piece > "$temporary/step" || exit 1
        sed -n "s/^bench name=/bench name=${label}_/p" "$temporary/step"
    done
}

in_plain_c() {
    echo "# vectors: $set"
    for round in $rounds; do
        steps vectors build/bench_networks --simd "$set"
        steps O2 build/bench_networks_O2
        steps O3 build/bench_networks_O3
    done
}

plain() {
    set=$best
    has avx2 && set=avx2
    record plain in_plain_c
}

job() { # command...; sets seconds and mebibytes
    build/bench_networks --job "$@" > "$temporary/job" || exit 1
    elapsed=$(sed -n 's/^job seconds=\([^ ]*\) mebibytes=.*/\1/p' "$temporary/job")
    mebibytes=$(sed -n 's/^job seconds=.* mebibytes=\([^ ]*\)$/\1/p' "$temporary/job")
}

line() { echo "bench name=$1 value=$2 unit=$3"; }

# The header alone, as a program of a user would have it.
compiled() {
    printf '#define ITDIFF_IMPLEMENTATION\n#include "itdiff.h"\n' > "$temporary/header.c"
    for round in $rounds; do
        for compiler in gcc clang; do
            found=$($compiler --version 2> /dev/null | head -n 1)
            echo "# $compiler: ${found:-not installed}"
            [ -n "$found" ] || continue
            job $compiler -std=c99 -O2 -I. -c "$temporary/header.c" -o "$temporary/header.o"
            line compile_$compiler "$elapsed" s
        done
    done
    command -v gcc > /dev/null || return 0
    gcc -std=c99 -O2 -fstack-usage -I. -c "$temporary/header.c" -o "$temporary/header.o" || exit 1
    awk -F '\t' '$2 > most { most = $2; n = split($1, part, ":"); name = part[n] }
        END { printf "# largest stack: %s\nbench name=stack value=%d unit=bytes\n", name, most }' \
        "$temporary/header.su"
}

compile() { record compile compiled; }

saved() { # folder
    echo "# folder: $1"
    build/bench_networks --state "$1/state"
}

# On a file system in memory, if there is one with room.
files() {
    free=$(df -Pk /dev/shm 2> /dev/null | awk 'END { print $4 }')
    [ "${free:-0}" -lt 1000000 ] || memory=$(mktemp -d /dev/shm/bench.XXXXXX)
    record files saved "${memory:-$temporary}"
}

whole_jobs() {
    job build/train_2d --original --dataset moons $job_options --quiet --out "$temporary/runs"
    line job_moons_original "$elapsed" s
    job build/train_2d --dataset dino $job_options --quiet --out "$temporary/runs"
    line job_dino "$elapsed" s
    line job_dino_memory "$mebibytes" MiB
    [ "$QUICK" != 1 ] || return 0
    if git clone -q . "$temporary/clone" 2> /dev/null; then
        job env -u MAKEFLAGS -u MAKELEVEL make -s -C "$temporary/clone" demo > /dev/null
        line job_demo "$elapsed" s
    else
        echo "# make demo: skipped, there is nothing to clone"
    fi
}

jobs() { record jobs whole_jobs; }

# ---- ----

if [ "$1" = --doc ]; then
    [ -f "$2" ] || fail "$2: no such file"
    exec python3 tests/bench/report.py --doc "$2" "$results"/*.out
fi
for part; do
    case " $parts " in *" $part "*) ;; *) fail "one of $parts expected, $part found" ;; esac
done
load=$(cut -d ' ' -f 1 /proc/loadavg 2> /dev/null || echo unknown) # before any part makes some itself
unset_choices
[ -n "$MAKELEVEL" ] || make -s bench-programs || exit 1
cores=$(getconf _NPROCESSORS_ONLN 2> /dev/null || echo 1)
find_sets
mkdir -p "$results"
recorded=
for part in ${*:-$parts}; do $part; done
! command -v python3 > /dev/null || python3 tests/bench/report.py $recorded
