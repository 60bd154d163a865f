#!/bin/sh
# fuzz.sh MINUTES [target...]: fuzzes each target for so many minutes, as many at a time as there are
# processors, with libFuzzer (clang) and AFL++, half of the time each, as far as they are installed; without
# them by the driver's own random changes. What is found of interest is kept in build/fuzz and taken up the
# next time; a crash is left there too, and ends in exit status 1.
# fuzz.sh -n COUNT [target...]: so many executions of libFuzzer or of the driver instead.
# ENGINE=libFuzzer, AFL++ or driver takes that one alone; OPT=-O0 compiles faster; JOBS=1 at a time.
# fuzz.sh table: the totals of docs/fuzz.tsv, to which each run of a target adds a row; fuzz.sh docs: into
# docs/reliability.md.
cd "$(dirname "$0")/../.." || exit 1
. docs/shell.sh
build=build/fuzz
totals=docs/fuzz.tsv
all=$(sed -n 's/^    {"\([a-z0-9]*\)", fuzz_.*/\1/p' tests/fuzz/targets.h)
warn="-std=c99 ${OPT:--O1} -g -DITD_NO_SIMD"
sanitize="-fsanitize=address,undefined -fno-sanitize-recover=undefined"
# Named before any target adds its row.
: "${FUZZ_COMMIT:=$(commit)}"
export FUZZ_COMMIT
# Freed blocks are kept from use for a while; 256 MB of them, the default, would never be in a cache.
ASAN_OPTIONS=quarantine_size_mb=4
export ASAN_OPTIONS
mkdir -p $build

table() {
    echo "| target | engine | executions | hours | crashes | last run |"
    echo "|---|---|--:|--:|--:|---|"
    sed 1d $totals | sort | awk -F '\t' -v targets="$(echo $all)" '
        { k = $1 " | " $2; if (!(k in n)) order[++m] = k
          n[k] += $3; s[k] += $4; c[k] += $5; if ($6 > last[k]) last[k] = $6
          all += $3; hours += $4 / 3600; crashes += $5; seen[$1] = 1 }
        END { for (i = 1; i <= m; i++) {
                  k = order[i]
                  printf "| %s | %d | %.2f | %d | %s |\n", k, n[k], s[k] / 3600, c[k], last[k] }
              for (i = split(targets, target, " "); i > 0; i--)
                  if (!(target[i] in seen)) printf "| %s | – | 0 | 0 | – | not run |\n", target[i]
              printf "| all | | %d | %.2f | %d | |\n", all, hours, crashes }'
}
record() { # target engine executions seconds crashes
    [ -s $totals ] || printf 'target\tengine\texecutions\tseconds\tcrashes\tdate\tcommit\n' > $totals
    printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$@" "$(date +%Y-%m-%d)" "$FUZZ_COMMIT" >> $totals
    echo "$1, $2: $3 executions in $4 s, $5 crashes"
}
seconds() { date +%s; }
most() { # target: the longest input it is worth
    sed -n "s/^    {\"$1\", [a-z0-9_]*, [a-z0-9_]*, \([0-9]*\),.*/\1/p" tests/fuzz/targets.h
}

libfuzzer() { # target seconds count
    start=$(seconds)
    budget="-max_total_time=$2"
    [ -z "$3" ] || budget="-runs=$3"
    $build/libFuzzer $budget -max_len="$(most "$1")" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
        -dict=tests/extra/fuzz/words.dict -artifact_prefix="$build/$1_crash-" "$build/$1" \
        > "$build/$1.log" 2>&1
    code=$?
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$build/$1.log")
    record "$1" libFuzzer "${runs:-0}" $(($(seconds) - start)) $((code != 0))
    return $code
}

afl() { # target seconds
    start=$(seconds)
    stats=$build/$1_afl/default/fuzzer_stats
    before=$(sed -n 's/^execs_done *: *//p' "$stats" 2> /dev/null) # resumed, it counts on
    AFL_NO_UI=1 AFL_SKIP_CPUFREQ=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_AUTORESUME=1 \
        AFL_NO_AFFINITY=1 \
        ASAN_OPTIONS=$ASAN_OPTIONS:abort_on_error=1:symbolize=0:detect_leaks=0 \
        afl-fuzz -m none -t 5000 -V "$2" -G "$(most "$1")" -x tests/extra/fuzz/words.dict -i "$build/$1" \
        -o "$build/$1_afl" $build/AFL++ > "$build/$1_afl.log" 2>&1
    runs=$(sed -n 's/^execs_done *: *//p' "$stats") crashes=$(sed -n 's/^saved_crashes *: *//p' "$stats")
    record "$1" AFL++ $((${runs:-0} - ${before:-0})) $(($(seconds) - start)) "${crashes:-1}"
    [ "${crashes:-1}" -eq 0 ]
}

driver() { # target seconds count
    start=$(seconds) runs=0 code=0 step=${3:-20000}
    while [ $code -eq 0 ]; do
        $build/driver -n "$step" -s $((start + runs)) "$build/$1"/* > "$build/$1.log" 2>&1
        code=$?
        runs=$((runs + step))
        { [ -z "$3" ] && [ $(($(seconds) - start)) -lt "$2" ]; } || break
    done
    record "$1" driver $runs $(($(seconds) - start)) $((code != 0))
    return $code
}

can() { # compiler, options...: whether it links such a program
    echo '#include <stddef.h>
int LLVMFuzzerTestOneInput(const unsigned char *p, size_t n) { return !p + !n; }
#ifdef MAIN
int main(void) { return 0; }
#endif' > $build/can.c
    "$@" $build/can.c -o $build/can 2> /dev/null
}
build() { # engine, compiler, options, file
    echo "$1: $2 $3"
    $2 $warn $3 "tests/extra/fuzz/$4" -o "$build/$1" -lm || exit 1
}

case $1 in
table) table; exit ;;
docs) table | MEASURED=$(sed 1d $totals | cut -f 7 | distinct) sh tests/extra/insert.sh fuzz; exit ;;
one) # engines, seconds, count ("" without), target: its part of a run
    FUZZ_TARGET=$5
    export FUZZ_TARGET
    mkdir -p "$build/$5"
    FUZZ_SEEDS=$build/$5 $build/"${2%% *}" > "$build/$5.log" 2>&1 || exit 1
    cp tests/corpus/"$5"/* "$build/$5" 2> /dev/null
    failed=0
    for engine in $2; do
        case $engine in
        libFuzzer) libfuzzer "$5" "$3" "$4" || failed=1 ;;
        AFL++) afl "$5" "$3" || failed=1 ;;
        *) driver "$5" "$3" "$4" || failed=1 ;;
        esac
    done
    exit $failed
    ;;
esac

count=
if [ "$1" = -n ]; then
    count=$2
    shift
fi
minutes=${1:-1}
[ $# -eq 0 ] || shift
engines=
case ${ENGINE:-libFuzzer} in libFuzzer) ! can clang -fsanitize=fuzzer || engines=libFuzzer ;; esac
case $count${ENGINE:-AFL++} in
AFL++) if command -v afl-fuzz > /dev/null && can afl-clang-fast -fsanitize=fuzzer; then
    engines="$engines AFL++"
fi ;;
esac
engines=$(echo ${engines:-driver})
for engine in $engines; do
    case $engine in
    # Watching every comparison as well takes up to two thirds of the time; the dictionary stands in for it.
    libFuzzer)
        build $engine clang "-O2 $sanitize -fsanitize=fuzzer -fno-sanitize-coverage=trace-cmp" entry.c
        ;;
    AFL++) AFL_QUIET=1 build $engine afl-clang-fast "-fsanitize=address,fuzzer" entry.c ;;
    *)
        sanitizers=
        ! can "${CC:-cc}" $sanitize -DMAIN || sanitizers=$sanitize
        build $engine "${CC:-cc}" "$sanitizers" driver.c
        ;;
    esac
done
seconds=$(echo "$minutes" "$engines" | awk '{ printf "%d", 60 * $1 / (NF - 1) }')
# xargs ends in 123 or so if one of them has failed
printf '%s\n' ${*:-$all} |
    xargs -n 1 -P "${JOBS:-$(getconf _NPROCESSORS_ONLN)}" \
        sh tests/extra/fuzz.sh one "$engines" "$seconds" "$count"
