#!/bin/sh
# trust.sh: what takes too long for `make test`: sanitizers, valgrind, static analysers, 1,000 kills. Parts
# can be chosen: make trust ONLY="msan tsan". Parts whose tools are not installed are skipped. Every tool
# first has to find a fault that is planted for it.
cd "$(dirname "$0")/.." || exit 1
. tests/shell.sh
out=build/trust
mkdir -p $out
parts=${ONLY:-asan-gcc asan-clang msan tsan valgrind analyzer tidy cppcheck kills}
base="-std=c99 -O1 -g -fno-omit-frame-pointer"

# What runs under the sanitizers: everything but the tests of pictures, whose code is not the header's.
everything="test_rng test_schedule test_gaussian test_likelihood test_errors test_ops test_images test_train
            test_sample test_checkpoint test_malformed test_faults test_fuzz test_unet test_datasets
            test_support test_cifar10"

have() { command -v "$1" > /dev/null; }
wanted() { case " $parts " in *" $1 "*) return 0 ;; esac; return 1; }
seconds() { date +%s; }

# Faults that a tool has to find.
cat > $out/planted.c << 'END'
#include <stdlib.h>
#include <string.h>
int main(int argc, char **argv)
{
    int *p = (int *)malloc(4 * sizeof *p), sum = 0;
    (void)argv;
    if (!p) return 1;
#ifdef OVERRUN
    memset(p, 0, 4 * sizeof *p);
    sum = p[argc + 3];
#endif
#ifdef UNSET
    p[0] = 1;
    if (p[argc]) sum = 1;
#endif
#ifdef OVERFLOW
    sum = 2147483647;
    sum += argc;
#endif
#ifndef LEAK
    free(p);
#else
    p = NULL;
#endif
#ifdef AGAIN
    free(p);
#endif
    return sum == 77;
}
END
finds() { # fault, command to build..., its program runs under $under
    fault=$1
    shift
    "$@" -D"$fault" $out/planted.c -o $out/planted 2> /dev/null && ! $under $out/planted > /dev/null 2>&1
}

run_all() { # part, compiler and options... : the tests that way
    part=$1
    shift
    mkdir -p "$out/$part"
    for test in ${TESTS:-$everything}; do
        simd=-DITD_NO_SIMD
        [ $test != test_ops ] || simd=
        program=$out/$part/$test
        check_that "$part: $test" sh -c "$* $simd tests/$test.c -o $program -lm && $under $program"
    done
}

begin() { started=$(seconds); echo "-- $part"; }
finish() { echo "   $part: $(($(seconds) - started)) s"; }

sanitize="-fsanitize=address,undefined -fno-sanitize-recover=all"
for part in asan-gcc asan-clang; do
    wanted $part || continue
    compiler=${part#asan-} under=
    have "$compiler" || { skip "$part: no $compiler"; continue; }
    begin
    for fault in OVERRUN OVERFLOW LEAK AGAIN; do
        check_that "$part finds what is planted: $fault" finds $fault "$compiler" $base $sanitize
    done
    run_all $part "$compiler" $base $sanitize
    finish
done

# Without OpenMP, whose library is not instrumented.
part=msan
if wanted $part; then
    if have clang; then
        begin
        under=
        check_that "$part finds what is planted" finds UNSET clang $base -fsanitize=memory
        run_all $part clang $base -fsanitize=memory -fsanitize-memory-track-origins -fno-sanitize-recover=all
        finish
    else
        skip "$part: no clang"
    fi
fi

# Threads of the system with gcc and clang; those of OpenMP with clang and Archer, which knows their barriers.
part=tsan
if wanted $part; then
    begin
    for compiler in gcc clang; do
        have $compiler || { skip "$part: no $compiler"; continue; }
        build="$compiler $base -DITD_NO_SIMD -fsanitize=thread tests/race.c -o $out/race -lm -pthread"
        check_that "$part, $compiler finds the planted race" sh -c "$build -DPLANTED &&
            ! $out/race > $out/race.log 2>&1 && grep -q 'data race' $out/race.log"
        check_that "$part, $compiler: different objects are independent" sh -c "$build && $out/race"
    done
    archer=$(ls /usr/lib/llvm-*/lib/libarcher.so 2> /dev/null | tail -n 1)
    if have clang && [ -n "$archer" ]; then
        cat > $out/omp.c << 'END'
int main(void)
{
    int sum = 0, i;
#ifdef PLANTED
#pragma omp parallel for
#else
#pragma omp parallel for reduction(+ : sum)
#endif
    for (i = 0; i < 100000; i++) sum += i;
    return sum == 77;
}
END
        under="env OMP_TOOL_LIBRARIES=$archer TSAN_OPTIONS=ignore_noninstrumented_modules=1 OMP_NUM_THREADS=4"
        build="clang $base -fopenmp -fsanitize=thread -DITD_NO_SIMD -o $out/omp"
        check_that "$part finds the planted race of OpenMP" sh -c "$build -DPLANTED $out/omp.c &&
            ! $under $out/omp > $out/race.log 2>&1 && grep -q 'data race' $out/race.log"
        check_that "$part is silent where there is none" sh -c "$build $out/omp.c && $under $out/omp"
        check_that "$part: test_threads" sh -c "$build tests/test_threads.c -lm && $under $out/omp"
    else
        skip "$part: no clang with Archer for OpenMP"
    fi
    finish
fi

part=valgrind
if wanted $part; then
    if have valgrind; then
        begin
        under="valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite,possible"
        for fault in OVERRUN UNSET LEAK AGAIN; do
            check_that "$part finds what is planted: $fault" finds $fault "${CC:-cc}" $base
        done
        TESTS="test_malformed test_faults test_gaussian test_sample" run_all $part "${CC:-cc}" $base
        under=
        finish
    else
        skip "$part: no valgrind"
    fi
fi

cat > $out/library.c << 'END'
#define ITDIFF_IMPLEMENTATION
#include "itdiff.h"
END
cat > $out/planted_path.c << 'END'
#include <stdlib.h>
int twice(int n);
int twice(int n)
{
    int *p = (int *)malloc(sizeof *p);
    if (!p) return 0;
    *p = n;
    free(p);
    return 2 * *p;
}
END

part=analyzer
if wanted $part; then
    if have gcc; then
        begin
        check_that "$part finds what is planted" sh -c \
            "! gcc -fanalyzer -Werror -c $out/planted_path.c -o $out/x.o"
        check "$part: itdiff.h" gcc -std=c99 -O1 -fanalyzer -DITD_NO_SIMD -I. -c $out/library.c -o $out/x.o
        finish
    else
        skip "$part: no gcc"
    fi
fi

part=tidy
if wanted $part; then
    if have clang-tidy; then
        begin
        # left out: matters of style, and what the code does on purpose
        checks="-*,clang-analyzer-*,bugprone-*,cert-*"
        for check in bugprone-easily-swappable-parameters bugprone-reserved-identifier cert-dcl37-c \
            bugprone-implicit-widening-of-multiplication-result bugprone-macro-parentheses cert-err33-c \
            bugprone-branch-clone bugprone-narrowing-conversions cert-dcl51-cpp cert-flp30-c cert-dcl03-c; do
            checks="$checks,-$check"
        done
        checks="$checks,-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling"
        tidy="clang-tidy --quiet -checks=$checks -warnings-as-errors=*"
        set -f # the stars are clang-tidy's
        check_that "$part finds what is planted" sh -f -c "! $tidy $out/planted_path.c --"
        check_that "$part: itdiff.h" $tidy $out/library.c -- -std=c99 -DITD_NO_SIMD -I.
        set +f
        finish
    else
        skip "$part: no clang-tidy"
    fi
fi

part=cppcheck
if wanted $part; then
    if have cppcheck; then
        begin
        options="--quiet --std=c99 --enable=warning,portability --error-exitcode=9 --max-configs=1"
        options="$options -DITD_NO_SIMD"
        check_that "$part finds what is planted" sh -c "! cppcheck $options $out/planted_path.c"
        check "$part: itdiff.h" cppcheck $options -I. $out/library.c
        finish
    else
        skip "$part: no cppcheck"
    fi
fi

part=kills
if wanted $part; then
    begin
    check_that "$part: 1,000 at random" sh tests/crash.sh 1000
    finish
fi

report
