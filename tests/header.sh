#!/bin/sh
# The header compiles silently in every way the documentation promises.
#   sh tests/header.sh           looks for errors and warnings, generates code without the vector kernels
#   sh tests/header.sh whole     generates all code, and with -O2: four times as long (make -C tests/extra whole-header)
cd "$(dirname "$0")/.." || exit 1
. tests/shell.sh
CC=${CC:-cc}
top=$PWD
dir=$top/build/header.$$
mkdir -p "$dir"
trap 'rm -rf "$dir"' EXIT
warn="-pedantic -Wall -Wextra -Wconversion -Wshadow -Werror"

cat > "$dir/main.c" <<'END'
#define ITDIFF_IMPLEMENTATION
#include "itdiff.h"
int main(void)
{
    itd_model_desc desc = itd_model_desc_default(2);
    itd_model *model = 0;
    if (itd_model_create(&desc, 1, &model) != ITD_OK) return 1;
    itd_model_free(model);
    return 0;
}
END
sed '1d' "$dir/main.c" > "$dir/user.c"
printf '#define ITDIFF_IMPLEMENTATION\n#include "itdiff.h"\n' > "$dir/library.c"
cp "$dir/main.c" "$dir/main.cc"
echo 'int none;' > "$dir/none.c"

whole=${1:-}
plain=-DITD_NO_SIMD
[ -z "$whole" ] || plain=
look() { # name, compiler, options...: looks for errors and warnings
    check_name=$1
    shift
    if [ -n "$whole" ]; then check "$check_name" "$@" -o "$dir/program" -lm; else check "$check_name" "$@" -fsyntax-only; fi
}
compile() { # options...: builds and runs one program
    links "$@" $plain
}
links() {
    silent "$@" -o "$dir/program" -lm && "$dir/program"
}

look "compiles silently as c99" $CC -std=c99 $warn -I. "$dir/main.c"
for std in c11 c17; do look "compiles silently as $std" $CC -std=$std $warn $plain -I. "$dir/main.c"; done

# Threads may have small stacks, as those of musl have: what each function takes is told by gcc and clang. If the
# Makefile is at work it has the library optimized already, with the warnings in a file.
usage=-fstack-usage most_stack=24576 library=build/itdiff threads=${OPENMP:-}
if [ -n "${OPENMP+set}" ] && [ -z "$whole" ]; then
    check "compiles silently with -O2" cat build/itdiff.log
    look "... and as gnu C" $CC $warn $plain -I. "$dir/main.c"
else
    library=$dir/library threads=
    silent $CC $usage -c "$dir/none.c" -o "$dir/none.o" > /dev/null || usage=
    check "compiles silently with -O2, as gnu C" $CC $warn $usage -O2 -I. -c "$dir/library.c" -o "$library.o"
fi
check_that "two translation units" links $CC $warn -I. "$dir/user.c" "$library.o" $threads
if [ -s "$library.su" ]; then
    check "no function takes more than $most_stack bytes of the stack" awk -F'\t' -v most=$most_stack \
        '$2 > most || $3 == "dynamic" { print $1 ": " $2 " bytes, " $3 }' "$library.su"
    check_that "... and all were looked at" grep -q itd_nll "$library.su"
else
    skip "$CC does not tell what functions take of the stack"
fi
if $CC tests/small_stack.c "$library.o" $threads -o "$dir/small_stack" -lpthread -lm 2> /dev/null; then
    OMP_NUM_THREADS=1 "$dir/small_stack" "$dir/model" > /dev/null 2>&1
    status=$?
    if [ $status -eq 77 ]; then skip "no threads with 64 KB of stack"
    else check_that "64 KB of stack are enough" test $status -eq 0
    fi
else
    skip "no POSIX threads"
fi

# Only the implementation is compiled with -ffast-math: what is not finite is found, and the numbers are the same.
same_numbers() { # two programs, each of three numbers
    printf '%s %s\n' "$("$1")" "$("$2")" | awk '{
        for (i = 1; i <= 3; i++) if (!(($i - $(i + 3)) ^ 2 <= 1e-8 * $i ^ 2)) exit 1
        exit NF != 6 }'
}
if $CC -O1 -ffast-math $plain -I. -c "$dir/library.c" -o "$dir/fast.o" 2> /dev/null; then
    check "compiles silently against it" $CC $warn -std=c99 -O1 tests/fast_math.c "$dir/fast.o" -o "$dir/fast" -lm
    check_that "NaN is found with -ffast-math" "$dir/fast"
    $CC -O1 tests/fast_math.c "$library.o" $threads -o "$dir/usual" -lm
    check_that "and likelihoods stay what they are" same_numbers "$dir/fast" "$dir/usual"
else
    skip "$CC has no -ffast-math"
fi

case $CC in *clang*) CXX=clang++ ;; *) CXX=g++ ;; esac
if command -v $CXX > /dev/null; then
    check_that "compiles silently as c++11" compile $CXX -std=c++11 $warn -I. "$dir/main.cc"
    look "compiles silently as c++17" $CXX -std=c++17 $warn -I. "$dir/main.cc"
    for macro in ITDIFF_STATIC ITDIFF_NO_STDIO ITD_NO_SIMD; do
        look "$macro in C++" $CXX -std=c++11 $warn $plain -D$macro -I. "$dir/main.cc"
    done
else
    skip "no $CXX"
fi
look "everything off" $CC -std=c99 $warn -DITDIFF_STATIC -DITDIFF_NO_STDIO -DITD_NO_SIMD -I. "$dir/main.c"
check_that "ITDIFF_STATIC in two translation units" compile $CC $warn -DITDIFF_STATIC -I. "$dir/main.c" \
    "$dir/library.c"
check_that "ITDIFF_NO_STDIO" compile $CC $warn -std=c99 -DITDIFF_NO_STDIO -I. "$dir/main.c"
check_that "ITDIFF_NO_STDIO leaves stdio out" sh -c \
    "$CC -std=c99 -DITDIFF_NO_STDIO -I. -E $dir/main.c | grep -c fopen | grep -qx 0"
look "ITD_NO_SIMD" $CC $warn -std=c99 -DITD_NO_SIMD -I. "$dir/main.c"
check_that "own allocator and assert" compile $CC $warn -std=c99 -I. -include stdlib.h "-DITD_MALLOC(n)=malloc(n)" \
    "-DITD_FREE(p)=free(p)" "-DITD_ASSERT(c)=((void)(c))" "$dir/main.c"
check_that "half an allocator is refused" sh -c "! $CC -I. '-DITD_MALLOC(n)=malloc(n)' $plain -fsyntax-only $dir/main.c"
mkdir "$dir/include"
cp itdiff.h "$dir/include/itdiff.h"
check_that "from another folder with -I" sh -c "cd / && $CC $plain -I$dir/include -fsyntax-only $dir/main.c"
look "as a system header" $CC $warn $plain -isystem "$dir/include" "$dir/main.c"
cp itdiff.h "$dir/include/renamed.h"
sed 's/itdiff\.h/renamed.h/' "$dir/main.c" > "$dir/renamed.c"
rm "$dir/include/itdiff.h"
look "renamed, with ITDIFF_FILE" $CC $warn $plain "-DITDIFF_FILE=\"renamed.h\"" -I"$dir/include" "$dir/renamed.c"
cp itdiff.h "$dir/itdiff.h"
look "beside the program, no options" $CC "$dir/main.c"
check_that "lines of at most 110 columns" sh -c "! grep -nE '.{111,}' itdiff.h examples/*.c examples/support/*.h \
    tests/*.c tests/*.h"
report
