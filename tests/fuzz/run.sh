#!/bin/sh
# run.sh MINUTES [target...]: fuzzes each target for so many minutes, with libFuzzer (clang) and with AFL++
# where they are installed, otherwise with the driver's own random changes. What is found of interest is kept
# in build/fuzz and taken up the next time; a crash is left there too, and ends in exit status 1.
# run.sh -n COUNT [target...]: so many executions of libFuzzer or of the driver instead.
# ENGINE=driver goes without libFuzzer; OPT=-O0 compiles faster.
# run.sh table: the totals so far; run.sh docs: into docs/reliability.md.
cd "$(dirname "$0")/../.." || exit 1
build=build/fuzz
totals=$build/totals.tsv
all=$(for file in tests/fuzz/*.c; do basename "$file" .c; done | grep -vx driver)
warn="-std=c99 ${OPT:--O1} -g -DITD_NO_SIMD"
sanitize="-fsanitize=address,undefined -fno-sanitize-recover=undefined"
mkdir -p $build

table() {
    echo "| target | engine | executions | hours | crashes |"
    echo "|---|---|--:|--:|--:|"
    [ ! -f $totals ] || sort $totals | awk -F '\t' '
        { k = $1 " | " $2; if (!(k in n)) order[++m] = k; n[k] += $3; s[k] += $4; c[k] += $5 }
        END { for (i = 1; i <= m; i++) {
            k = order[i]; printf "| %s | %d | %.2f | %d |\n", k, n[k], s[k] / 3600, c[k] } }'
}
if [ "$1" = table ]; then
    table
    exit
fi
if [ "$1" = docs ]; then
    table > $build/table
    page=docs/reliability.md
    awk -v table=$build/table '/fuzz:end/ { on = 0 } !on { print }
        /fuzz:begin/ { on = 1; while ((getline line < table) > 0) print line }' $page > $build/page
    cat $build/page > $page
    exit
fi

count=
if [ "$1" = -n ]; then
    count=$2
    shift
fi
seconds=$(echo "${1:-1}" | awk '{ printf "%d", 60 * $1 }')
[ $# -eq 0 ] || shift
failed=0
can() { # compiler, options...: whether it links such a program
    echo '#include <stddef.h>
int LLVMFuzzerTestOneInput(const unsigned char *p, size_t n) { return !p + !n; }' > $build/can.c
    echo '#ifdef MAIN
int main(void) { return 0; }
#endif' >> $build/can.c
    "$@" $build/can.c -o $build/can 2> /dev/null
}
record() { # target engine executions seconds crashes
    printf '%s\t%s\t%s\t%s\t%s\n' "$@" >> $totals
    echo "$1, $2: $3 executions in $4 s, $5 crashes"
    [ "$5" -eq 0 ] || failed=1
}

for target in ${*:-$all}; do
    corpus=$build/$target
    mkdir -p "$corpus"
    ${CC:-cc} $warn tests/fuzz/$target.c tests/fuzz/driver.c -o $build/${target}_plain -lm || exit 1
    $build/${target}_plain -w "$corpus"
    cp tests/corpus/$target/* "$corpus" 2> /dev/null
    start=$(date +%s)
    if [ "$ENGINE" != driver ] && can clang -fsanitize=fuzzer; then
        clang $warn $sanitize -fsanitize=fuzzer tests/fuzz/$target.c -o $build/${target}_lib -lm || exit 1
        budget=-max_total_time=$seconds
        [ -z "$count" ] || budget=-runs=$count
        $build/${target}_lib $budget -max_len=65536 -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
            -artifact_prefix=$build/${target}_crash- "$corpus" > $build/$target.log 2>&1
        code=$?
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' $build/$target.log)
        record $target libFuzzer "${runs:-0}" $(($(date +%s) - start)) $((code != 0))
    else
        sanitizers=
        ! can ${CC:-cc} $sanitize -DMAIN || sanitizers=$sanitize
        program=$build/${target}_driver
        ${CC:-cc} $warn $sanitizers tests/fuzz/$target.c tests/fuzz/driver.c -o $program -lm || exit 1
        runs=0 code=0 step=${count:-20000}
        while [ $code -eq 0 ]; do
            $program -n $step -s $((start + runs)) "$corpus"/* > $build/$target.log 2>&1
            code=$?
            runs=$((runs + step))
            { [ -z "$count" ] && [ $(($(date +%s) - start)) -lt "$seconds" ]; } || break
        done
        record $target driver $runs $(($(date +%s) - start)) $((code != 0))
    fi
    if [ -z "$count" ] && command -v afl-fuzz > /dev/null && command -v afl-clang-fast > /dev/null; then
        start=$(date +%s)
        program=$build/${target}_afl
        AFL_QUIET=1 AFL_NO_UI=1 AFL_SKIP_CPUFREQ=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_AUTORESUME=1
        export AFL_QUIET AFL_NO_UI AFL_SKIP_CPUFREQ AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES AFL_AUTORESUME
        afl-clang-fast $warn -fsanitize=address tests/fuzz/$target.c tests/fuzz/driver.c -o $program -lm ||
            exit 1
        afl-fuzz -m none -V "$seconds" -i "$corpus" -o $program.out -- $program @@ > $program.log 2>&1
        stats=$program.out/default/fuzzer_stats
        record $target AFL++ "$(sed -n 's/^execs_done *: *//p' $stats)" $(($(date +%s) - start)) \
            "$(sed -n 's/^saved_crashes *: *//p' $stats)"
    fi
done
exit $failed
