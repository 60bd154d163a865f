#!/bin/sh
# compilers.sh: compilers, languages and machines. Each row below is built with every warning and tested where
# its compiler is installed; where it is not, the table says so.
#   make -C tests/extra compilers                    all rows, one after the other
#   make -C tests/extra compilers ONLY="tcc musl"    rows of these names, or whose names begin so
#   make -C tests/extra compilers LIMIT=20           minutes after which the programs of a row are stopped; 60
#   sh tests/extra/compilers.sh docs                 what the last run of each row came to, into docs/portability.md
# Ends with the table; exit status 1 if anything failed or a compiler had anything to say.
cd "$(dirname "$0")/../.." || exit 1
. docs/shell.sh
only=${ONLY:-} limit=${LIMIT:-60}
top=$PWD
out=$top/build/compilers
mode=${1:-run}
failures=0 names=''
mkdir -p "$out"
measured=$(commit)
unset DISPLAY # Wine would look for it
export WINEPREFIX="$out/wine" WINEDEBUG=-all WINEDLLOVERRIDES=mscoree,mshtml=

warn="-pedantic -Wall -Wextra -Wconversion -Wshadow"
# What runs in each row; carry.c, which takes checkpoints from one row to another, always does.
fast="test_rng test_schedule test_gaussian test_kernels test_ops test_checkpoint test_train test_grid exact
      quickstart train_2d"
slow="test_rng test_schedule test_kernels test_ops test_checkpoint train_2d" # emulated, or not optimized

# ---- one row ----

say() { # result
    printf '%s\n' "$line | $1 |" | tee "$out/$name.row"
    echo "$measured" > "$out/$name.commit"
}
fault() { # what, output
    printf 'FAIL %s: %s\n' "$name" "$1"
    printf '%s\n' "$2" | head -n 20
    faults=$((faults + 1))
}

# A compiler that says anything at all has not passed.
build() { # program, source, options...
    program=$1 source=$2
    shift 2
    # shellcheck disable=SC2086 # flags are words
    said=$($compiler $warn $flags -I. "$source" "$@" -o "$dir/$program$exe" -lm 2>&1) && [ -z "$said" ] &&
        return 0
    fault "building $program" "$said"
    return 1
}

limited() { # seconds, command without input: status 124 if it takes longer, where there is a `timeout`
    if command -v timeout > /dev/null; then timeout -k 10 "$@" < /dev/null; else shift; "$@" < /dev/null; fi
}

run() { # program and its arguments, in the folder of the row, in the time that is left to it
    program=./$1$exe
    shift
    left=$((deadline - $(date +%s)))
    [ $left -gt 0 ] || left=1
    # shellcheck disable=SC2086
    (cd "$dir" && limited $left $runner "$program" "$@" 2>&1)
}

# Wine's first start fills a folder with what a Windows has: a minute of work.
prefix() {
    [ ! -f "$out/wine.made" ] || return 0
    rm -rf "$WINEPREFIX"
    limited 1200 wineboot -i > "$out/wine.log" 2>&1 && limited 300 wineserver -w && touch "$out/wine.made" &&
        return
    wineserver -k
    return 1
}

# Says why the runner does not run the smallest program, or nothing. Wine without its 32-bit half is content
# to do nothing.
trouble() {
    emulator=${runner%% *}
    command -v "$emulator" > /dev/null || { echo "no $emulator"; return; }
    [ "$emulator" != wine ] || prefix || { echo "wine makes no prefix, see build/compilers/wine.log"; return; }
    # shellcheck disable=SC2086
    answer=$(cd "$dir" && WINEDEBUG=fixme-all && limited 300 $runner "./small$exe" 2>&1)
    status=$?
    case $status-$answer in
    0-*runs*) ;;
    0-*) echo "$emulator runs no program of this kind" ;;
    124-*) echo "no answer of $emulator within 5 minutes" ;;
    *) echo "$emulator: ${answer:-exit status $status}" | head -n 1 ;;
    esac
}

test_one() { # a program of tests, or an example with a known end
    case $1 in
    test_*) build "$1" "tests/$1.c" || return ;;
    *) [ -x "$dir/$1$exe" ] || return ;; # its build has failed
    esac
    case $1 in
    train_2d) set -- "$1" --quiet --dataset moons --n 400 --num_epochs 2 --train_batch_size 60 --eval_draws 4 \
        --hidden_size 16 --directions 8 --embedding_size 8 --grid 40 --samples 100 --steps 5 ;;
    esac
    [ "$runner" = none ] && return
    said=$(run "$@")
    status=$?
    last=$(printf '%s\n' "$said" | tr -d '\r' | tail -n 1)
    case $1 in
    test_*) count=$(printf '%s\n' "$last" | sed -n 's/^\([0-9]*\) passed, 0 failed.*/\1/p') ;;
    quickstart) count=$(printf '%s\n' "$last" | awk '{ print ($4 > 0.93 && $4 < 1.02) }') ;;
    exact) count=$(printf '%s\n' "$last" | awk '{ print ($3 > 0 && $3 < 4) }') ;;
    train_2d) count=$(printf '%s\n' "$last" | grep -c '^result dataset=moons epochs=[0-2] .* val_nll=[0-9]') ;;
    esac
    if [ $status -eq 0 ] && [ "${count:-0}" -gt 0 ]; then passed=$((passed + count))
    elif [ $status -eq 124 ]; then fault "$1, the $limit minutes of the row are over" "$said"
    else fault "$1, exit status $status" "$(printf '%s\n' "$said" | tail -n 20)"; fi
}

close_to() { # two lists of numbers that agree to rounding
    printf '%s\n%s\n' "$1" "$2" | tr -d '\r' | awk '{ for (i = 1; i <= NF; i++) x[n++] = $i }
        END { if (n < 12 || n % 2) exit 1
              for (i = 0; i < n / 2; i++) { d = x[i] - x[i + n / 2]; if (!(d * d <= 1e-8)) exit 1 } }'
}

# Checkpoints of the machine that runs this script, and what they predict there.
reference() {
    [ -s "$out/reference/there" ] && return
    mkdir -p "$out/reference"
    cc -std=c99 -O1 -DITD_NO_SIMD tests/extra/carry.c -o "$out/reference/carry" -lm &&
        "$out/reference/carry" make "$out/reference/here.safetensors" > "$out/reference/here" &&
        "$out/reference/carry" pass data/cifar10-small.safetensors "$out/reference/half.safetensors" \
            > "$out/reference/there"
}

carried() { # what, bytes that have to be the same, twice, numbers that have to be close, twice
    if cmp "$2" "$3" && close_to "$4" "$5"; then passed=$((passed + 1)); else
        fault "$1" "$(printf '%s\n%s' "$4" "$5")"
    fi
}

# Ours is loaded there and theirs here; the same training comes to the same there; every byte stays.
carry() {
    build carry tests/extra/carry.c || return
    [ "$runner" = none ] && return
    reference || { fault "the checkpoints to carry" "cc cannot make them"; return; }
    cp "$out/reference/here.safetensors" data/cifar10-small.safetensors "$dir"
    numbers=$(run carry pass here.safetensors again.safetensors)
    carried "a checkpoint from here" "$dir/again.safetensors" "$dir/here.safetensors" "$numbers" \
        "$(cat "$out/reference/here")"
    numbers=$(run carry pass cifar10-small.safetensors half.safetensors)
    carried "the U-Net in half precision" "$dir/half.safetensors" "$out/reference/half.safetensors" "$numbers" \
        "$(cat "$out/reference/there")"
    numbers=$(run carry make there.safetensors)
    carried "a checkpoint from there" "$dir/there.safetensors" "$dir/back.safetensors" "$numbers" \
        "$("$out/reference/carry" pass "$dir/there.safetensors" "$dir/back.safetensors")"
    if close_to "$numbers" "$(cat "$out/reference/here")"; then passed=$((passed + 1)); else
        fault "training there and here" "$numbers"
    fi
}

# The compiler's name and version, as it tells them.
version() {
    case $1 in
    tcc) tcc -v | sed 's/ (.*//; s/version //' ;;
    *) $1 --version | sed 's/ ([^)]*)//; s/version //; s/ \([0-9][0-9.]*\)-[^ ]*$/ \1/; q' ;;
    esac
}

# Examples are built without optimization, which takes most of the time of a row and changes nothing they do.
examples() { # those that are left out
    for source in examples/*.c; do
        example=$(basename "$source" .c)
        case " $1 " in *" $example "*) ;; *) build "$example" "$source" -O0 -DITD_NO_SIMD ;; esac
    done
}

row() { # name, compiler, flags, what runs its programs (nothing: the machine), programs, examples left out
    name=$1 compiler=$2 flags=$3 runner=$4 programs=$5 dir=$out/$1 faults=0 passed=0 exe=''
    case $compiler in *mingw*) exe=.exe ;; esac
    case $flags in *-std=*) ;; *) flags="-std=c99${flags:+ $flags}" ;; esac
    names="$names $name" reason='' deadline=$(($(date +%s) + 60 * limit))
    [ "$mode" = run ] || return 0
    case $only in '') ;; *)
        for pattern in $only nothing; do case $name in "$pattern"*) break ;; esac done
        [ "$pattern" != nothing ] || return 0 ;;
    esac
    command=${compiler%% *}
    line="| $name | $command | $flags"
    if ! command -v "$command" > /dev/null; then say "not tested: no $command"; return 0; fi
    rm -rf "$dir"
    mkdir -p "$dir/build"
    line="| $name | $(version "$command") | $flags"
    printf '#include <stdio.h>\nint main(void) { return puts("runs") < 0; }\n' > "$dir/small.c"
    # shellcheck disable=SC2086
    if ! $compiler $flags "$dir/small.c" -o "$dir/small$exe" 2> /dev/null; then
        say "not tested: $command lacks the libraries"
        return 0
    fi
    [ -z "$runner" ] || reason=$(trouble)
    [ -z "$reason" ] || runner=none
    [ -z "$programs" ] || examples "${6:-}"
    for one in $programs; do
        case $one in quickstart | exact) build "$one" "examples/$one.c" || continue ;; esac
        test_one "$one"
    done
    carry
    failures=$((failures + faults))
    if [ "$faults" -gt 0 ]; then say "$faults FAILED, $passed passed"
    elif [ "$runner" = none ]; then say "built; running skipped: $reason"
    else say "$passed passed"; fi
}

# ---- the rows ----

foreign() { # compiler, flags: whether the machine does not run what comes out
    echo 'int main(void) { return 0; }' > "$out/foreign.c"
    "$@" "$out/foreign.c" -o "$out/foreign" 2> /dev/null && ! "$out/foreign" 2> /dev/null
}
openmp() { # prints -fopenmp if the compiler can link it
    echo 'int main(void) { return 0; }' > "$out/omp.c"
    "$1" -fopenmp "$out/omp.c" -o "$out/omp" 2> /dev/null && echo " -fopenmp"
}

for cc in gcc clang; do
    omp=$(openmp $cc)
    row $cc-O0 $cc "-O0$omp" '' "$slow"
    row $cc-O2 $cc "-O2$omp" '' "$fast"
    row $cc-O3 $cc "-O3$omp" '' "$fast"
    for std in c11 c17; do row $cc-$std $cc "-std=$std -O1" '' ''; done
done
row gcc-native gcc "-O3 -march=native$omp" '' "$fast"
row clang16-native clang-16 "-O3 -march=native" '' "$fast"
row unsigned-char gcc "-O2 -funsigned-char" '' "$fast"
row ms-extensions clang "-fms-extensions -O1" '' "$slow"
for cxx in g++ clang++; do
    for std in c++11 c++17; do row $cxx-${std#c++} $cxx "-std=$std -x c++ -O1" '' ''; done
done
# tcc 0.9.27 miscounts arrays of unknown size whose elements are structures from functions: tables of options
row tcc tcc "" '' "test_rng test_schedule test_kernels test_ops test_checkpoint exact" \
    "bounds digits fit information ode ood train_2d train_cifar10 train_images"
row musl musl-gcc "-O2 -static" '' "$fast"
# asm/ is there once for all if compilers for other machines are installed
bits32="-m32 -O2 -idirafter /usr/include/$(uname -m)-linux-gnu"
if foreign gcc -m32; then emulator32=qemu-i386 programs32=$slow; else emulator32='' programs32=$fast; fi
row m32-x87 gcc "$bits32" "$emulator32" "$programs32"
row m32-sse2 gcc "$bits32 -msse2 -mfpmath=sse" "$emulator32" "$programs32"
# isfinite() of its <math.h> has a conversion in it
windows="-O2 -static -Wno-float-conversion"
row mingw64 x86_64-w64-mingw32-gcc "$windows" wine "$slow"
row mingw32 i686-w64-mingw32-gcc "$windows" wine "$slow"
row aarch64 aarch64-linux-gnu-gcc "-O2 -static" qemu-aarch64 "$slow"
row riscv64 riscv64-linux-gnu-gcc "-O2 -static" qemu-riscv64 "$slow"
# The most significant byte comes first. In C99 floats are computed as doubles, in gnu99 as vectors.
readers="test_npy test_table test_frame test_image_sets"
row s390x s390x-linux-gnu-gcc "-O2 -static" qemu-s390x "$slow $readers"
row s390x-gnu s390x-linux-gnu-gcc "-std=gnu99 -O2 -static" qemu-s390x "$slow"

# ---- the table ----

table() {
    echo "| row | compiler | options besides the warnings | result |"
    echo "|---|---|---|---|"
    for name in $names; do
        if [ -f "$out/$name.row" ]; then cat "$out/$name.row"; else echo "| $name | | | not run |"; fi
    done
}

if [ "$mode" = docs ]; then
    table | MEASURED=$(cat "$out"/*.commit | distinct) sh tests/extra/insert.sh compilers docs/portability.md
    exit
fi
echo
table | grep -v '| not run |'
[ $failures -eq 0 ]
