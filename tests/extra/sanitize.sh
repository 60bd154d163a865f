#!/bin/sh
# sanitize.sh: what takes too long for `make test`: sanitizers, valgrind, static analysers, 1,000 kills; as many
# jobs at a time as there are processors. Every tool first has to find a fault that is planted for it; parts
# whose tools are not installed are skipped, and said to be.
#   make -C tests/extra sanitize                     everything, in half an hour of two processors
#   make -C tests/extra sanitize ONLY="msan tsan"    some of the parts; TESTS="test_rng" some of their tests;
#                                                    JOBS=1 at a time
#   sh tests/extra/sanitize.sh table                 what the last run of each part came to; docs: into
#                                                    docs/reliability.md
cd "$(dirname "$0")/../.." || exit 1
. docs/shell.sh
top=$PWD out=$PWD/build/sanitize
mkdir -p "$out"
have() { command -v "$1" > /dev/null; }
seconds() { date +%s; }

# Tests of the vector kernels, and of the largest network, have the kernels of every instruction set, which take
# a sanitizer most of a minute to compile; all others have plain loops. Not here: test_plot, whose code is not
# the header's, and test_threads: see tsan.
kernels="test_images test_kernels test_ops test_unet"
models="test_train test_golden test_likelihood test_grid test_sample test_gaussian test_map test_eigen test_learn
        test_kde test_scores"
readers="test_malformed test_faults test_fuzz test_checkpoint test_support test_cifar10 test_datasets test_npy
         test_table test_frame test_tfevents test_view test_watch test_rng test_schedule test_saved test_image_sets
         test_readers"
parts="asan-gcc asan-clang asan-O0 msan tsan valgrind analyzer tidy cppcheck kills"

# ---- what the parts are ----

sanitize="-fsanitize=address,undefined -fno-sanitize-recover=all"
describe() { # part: sets compiler, options, under, tests, tool, what
    options="-std=c99 -O1 -g -fno-omit-frame-pointer" under='' tests="$kernels $models $readers" compiler=gcc
    case $1 in
    asan-gcc) options="$options $sanitize" what="AddressSanitizer and UBSan, -O1" ;;
    asan-clang) compiler=clang options="$options -O2 $sanitize" what="the same, -O2" ;;
    asan-O0) options="$options -O0 $sanitize" tests=$readers what="the same, -O0" ;;
    msan)
        compiler=clang what="MemorySanitizer, -O1"
        options="$options -fsanitize=memory -fsanitize-memory-track-origins -fno-sanitize-recover=all"
        ;;
    tsan) tests="gcc clang openmp" what="ThreadSanitizer: threads of the system and of OpenMP" ;;
    valgrind)
        compiler=${CC:-cc}
        tests="test_malformed test_checkpoint test_npy test_frame test_tfevents test_cifar10 test_golden
               test_gaussian test_schedule test_train"
        under="valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite,possible"
        what="valgrind's memcheck, leaks too"
        ;;
    analyzer) tests=itdiff.h what="gcc -fanalyzer" ;;
    tidy) tests=itdiff.h what="clang-tidy: clang-analyzer, bugprone, cert" ;;
    cppcheck) tests=itdiff.h what="cppcheck: warnings, portability" ;;
    kills) tests=1000 what="trainings killed while they save" ;;
    esac
    tool=$compiler
    case $1 in valgrind | cppcheck) tool=$1 ;; tidy) tool=clang-tidy ;; kills) tool=make ;; esac
}
version() { # program: its name and version
    "$1" --version 2> /dev/null | sed -n 's/^\([^0-9]*\)[^0-9]*\([0-9][0-9.]*\).*/\2/p' | head -n 1 |
        sed "s/^/$1 /"
}

# ---- planted faults ----

plant() {
    cat > "$out/memory.c" << 'EOF'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int *volatile seen; /* by others, so that no compiler leaves the block out */
int main(int argc, char **argv)
{
    int *p = (int *)malloc(4 * sizeof *p), sum = 0;
    (void)argv;
    if (!p) return 1;
    seen = p, seen = NULL;
#ifdef OVERRUN
    memset(p, 0, 4 * sizeof *p);
    sum = p[argc + 3];
#endif
#ifdef UNSET
    p[0] = 1;
    if (p[argc]) puts("set");
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
EOF
    cat > "$out/path.c" << 'EOF'
#include <stdlib.h>
int same(int n);
int same(int n)
{
    int *p = (int *)malloc(sizeof *p);
    if (!p) return 0;
    *p = n;
    free(p);
    n = *p;
    return n;
}
EOF
    printf '#define ITDIFF_IMPLEMENTATION\n#include "itdiff.h"\n' > "$out/library.c"
    cat > "$out/omp.c" << 'EOF'
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
EOF
}
finds() { # faults: that the tool of the part finds each, and nothing in the same program without
    for fault in NONE "$@"; do
        $compiler $options -D"$fault" "$out/memory.c" -o "$folder/planted" 2> /dev/null || return 1
        if $under "$folder/planted" > "$folder/found" 2>&1; then found=0; else found=1; fi
        if [ $fault = NONE ]; then wanted=0; else wanted=1; fi
        [ $found -eq $wanted ] || { echo "planted: $fault"; cat "$folder/found"; return 1; }
    done
}
silent() {
    said=$("$@" 2>&1) && [ -z "$said" ] && return 0
    printf '%s\n' "$said"
    return 1
}
not() { ! "$@" > "$folder/found" 2>&1; }

# ---- the jobs ----

# In a folder of its own, where it finds what it looks for and may leave what it likes.
run_test() { # test
    simd=-DITD_NO_SIMD
    case " $kernels " in *" $1 "*) simd= ;; esac
    mkdir -p "$folder/build"
    for entry in tests examples data README.md itdiff.h; do ln -sfn "$top/$entry" "$folder/$entry"; done
    $compiler $options $simd -w "tests/$1.c" -o "$folder/program" -lm || return 1
    limit= # what hangs has failed
    ! have timeout || limit="timeout 1200"
    (cd "$folder" && $limit $under ./program)
}

# Threads of the system with gcc and clang; those of OpenMP with clang and Archer, which knows their barriers.
threads() { # compiler
    build="$1 $options -DITD_NO_SIMD -fsanitize=thread tests/extra/race.c -o $folder/race -lm -pthread"
    $build -DPLANTED && not "$folder/race" && grep -q 'data race' "$folder/found" && $build && "$folder/race"
}
openmp() {
    build="clang $options -fopenmp -fsanitize=thread -DITD_NO_SIMD -o $folder/omp"
    archer=$(ls /usr/lib/llvm-*/lib/libarcher.so | tail -n 1)
    export OMP_TOOL_LIBRARIES="$archer" TSAN_OPTIONS=ignore_noninstrumented_modules=1 OMP_NUM_THREADS=4
    $build -DPLANTED "$out/omp.c" && not "$folder/omp" && grep -q 'data race' "$folder/found" &&
        $build "$out/omp.c" && "$folder/omp" && $build tests/test_threads.c -lm && "$folder/omp"
}

analyzer() { # file
    silent gcc -std=c99 -O1 -fanalyzer -DITD_NO_SIMD -I. -c "$1" -o "$folder/x.o"
}

# Left out, as matters of style or because the code does so on purpose:
#   names                       itd__ is how the library marks what is its own
#   widening, narrowing, macros, swappable parameters, repeated branches, rand, unchecked fprintf, strtod:
#                               style; what matters of these is checked at the end (ferror) or by -Wconversion
#   DeprecatedOrUnsafeBuffer    asks for Annex K, which no C library has
#   integer-division            weights of a row are a multiple of its outputs
#   suspicious-string-compare   asks for `!= 0` behind strcmp
# The file itself has to be given: clang's analyzer passes over functions of files that are included.
tidy() { # file
    checks="-*,clang-analyzer-*,bugprone-*,cert-*"
    for check in bugprone-easily-swappable-parameters bugprone-reserved-identifier cert-dcl37-c \
        bugprone-implicit-widening-of-multiplication-result bugprone-macro-parentheses cert-err33-c \
        bugprone-branch-clone bugprone-narrowing-conversions cert-dcl51-cpp cert-flp30-c cert-dcl03-c \
        clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling bugprone-integer-division \
        bugprone-suspicious-string-compare; do
        checks="$checks,-$check"
    done
    clang-tidy --quiet "-checks=$checks" '-warnings-as-errors=*' '-header-filter=.*' "$1" -- -x c \
        -std=c99 -DITD_NO_SIMD -DITDIFF_IMPLEMENTATION
}

# It does not see that the loop before has set the `spread` (itd__pilot) that itd__set_density reads.
cppcheck_header() { # file
    cat > "$folder/except.xml" << 'EOF'
<suppressions><suppress><id>uninitvar</id><symbolName>spread</symbolName></suppress>
<suppress><id>IOWithoutPositioning</id></suppress></suppressions>
EOF
    cppcheck --quiet --std=c99 --enable=warning,portability --error-exitcode=9 --max-configs=1 \
        "--suppress-xml=$folder/except.xml" -DITD_NO_SIMD -I. "$1"
}

# What became of a job. One that is killed leaves the word that stands there when all begin.
row() { # part, name, result, seconds
    mkdir -p "$out/$1/$2"
    printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$@" "$(date +%Y-%m-%d)" "$COMMIT" > "$out/$1/$2/row"
}
job() { # part, name: the name of a test, "planted", or what else the part knows
    case $1-$2 in
    asan-*-planted) finds OVERRUN OVERFLOW LEAK AGAIN ;;
    msan-planted) finds UNSET ;;
    valgrind-planted) finds OVERRUN UNSET LEAK AGAIN ;;
    analyzer-planted) not analyzer "$out/path.c" ;;
    tidy-planted) not tidy "$out/path.c" ;;
    cppcheck-planted) not cppcheck_header "$out/path.c" ;;
    tsan-openmp) openmp ;;
    tsan-*) threads "$2" ;;
    analyzer-*) analyzer "$out/library.c" ;;
    tidy-*) tidy itdiff.h ;;
    cppcheck-*) cppcheck_header "$out/library.c" ;;
    kills-*) sh tests/extra/kills.sh "$2" library ;;
    *) run_test "$2" ;;
    esac
}

if [ "$1" = job ]; then # one of them, for xargs: part:name
    part=${2%%:*} name=${2#*:}
    folder=$out/$part/$name
    mkdir -p "$folder"
    describe "$part"
    started=$(seconds)
    if job "$part" "$name" > "$folder/log" 2>&1; then result=passed; else result=FAILED; fi
    took=$(($(seconds) - started))
    row "$part" "$name" $result $took
    echo "$result  $part: $name, $took s"
    [ $result = passed ] || tail -n 40 "$folder/log"
    [ $result = FAILED ] || rm -f "$folder/program"
    exit 0
fi

# ---- all together ----

rows() { cat "$out"/*/*/row 2> /dev/null; }
table() {
    echo "| part | tool | what | result | seconds | date |"
    echo "|---|---|---|---|--:|---|"
    for part in $parts; do
        describe "$part"
        tool=$(version "$tool")
        case $part in tsan) tool="gcc, clang" ;; kills) tool="tests/extra/kills.sh" ;; esac
        rows | awk -F '\t' -v part="$part" -v tool="$tool" -v what="$what" '
            $1 != part { next }
            { n++; s += $4; if ($5 > date) date = $5 }
            $2 ~ /^test_/ && $3 == "passed" { tests++ }
            $3 == "skipped" { skipped = skipped " " $2; next }
            $3 != "passed" { failed = failed " " $2 }
            END {
                if (tests) what = what "; " tests " tests"
                if (part == "kills") what = "1,000 " what
                result = failed ? "failed:" failed : skipped ? "skipped:" skipped : n ? "passed" : "not run"
                printf "| %s | %s | %s | %s | %d | %s |\n", part, tool, what, result, s, date }'
    done
    rows | awk -F '\t' '$3 == "skipped" { next }
        { n++; failed += $3 != "passed"; s += $4; if ($5 > date) date = $5 }
        END { printf "| all | | %d jobs | %d failed | %d | %s |\n", n, failed, s, date }'
}
case $1 in
table | docs) [ "$(rows)" ] || fail "nothing has been run; run it without $1 first" ;;
esac
case $1 in
table) table; exit ;;
docs) table | MEASURED=$(rows | cut -f 6 | distinct) sh tests/extra/insert.sh sanitize; exit ;;
esac

CC=${CC:-cc} COMMIT=$(commit)
export CC COMMIT
plant
started=$(seconds)
list='' skipped=0
skip() { # part, name, reason
    echo "skipped: $1: $3"
    row "$1" "$2" skipped 0
    skipped=$((skipped + 1))
}
for part in ${ONLY:-$parts}; do
    describe "$part"
    rm -rf "${out:?}/$part"
    have "$tool" || { skip "$part" all "no $tool"; continue; }
    case $part in tsan | kills) ;; *) list="$list $part:planted" ;; esac
    case $part in asan-* | msan | valgrind) tests=${TESTS:-$tests} ;; esac
    for name in $tests; do
        case $part:$name in
        tsan:gcc | tsan:clang) have "$name" || { skip "$part" "$name" "no $name"; continue; } ;;
        tsan:openmp) have clang && ls /usr/lib/llvm-*/lib/libarcher.so > /dev/null 2>&1 ||
            { skip "$part" openmp "no clang with Archer for OpenMP"; continue; } ;;
        esac
        list="$list $part:$name"
    done
done
# What takes longest begins first.
order() {
    for name in test_images test_kernels test_ops test_unet test_likelihood kills: analyzer: test_faults; do
        printf '%s\n' $list | grep "$name"
    done
    printf '%s\n' $list
}
for entry in $list; do row "${entry%%:*}" "${entry#*:}" unfinished 0; done
order | awk '!seen[$0]++' |
    xargs -n 1 -P "${JOBS:-$(getconf _NPROCESSORS_ONLN)}" sh tests/extra/sanitize.sh job
echo
table
rows | awk -F '\t' -v took=$(($(seconds) - started)) -v skipped=$skipped '
    $3 != "skipped" { failed += $3 != "passed"; n++ }
    END { printf "%d s; %d passed, %d failed%s\n", took, n - failed, failed,
              skipped ? ", " skipped " skipped" : ""
          exit failed > 0 }'
