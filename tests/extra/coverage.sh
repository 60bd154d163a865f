#!/bin/sh
# coverage.sh [test...]: how much of itdiff.h and of the examples' readers the C tests execute, by gcov: lines
# and ways out of branches, over all tests together, as many at a time as there are processors; then the lines
# of the header that none executes. Four tests have the kernels of every instruction set this machine knows,
# the others plain loops. At -O1: without optimization the tests take too long. Aims: 97 % of the lines, 90 %
# of the branches of the header.
# coverage.sh table: what the last run came to; docs: into docs/reliability.md.
cd "$(dirname "$0")/../.." || exit 1
. docs/shell.sh
out=build/coverage
GCC=${GCC:-gcc} GCOV=${GCOV:-gcov}
files='itdiff.h examples/support/datasets.h examples/support/text.h examples/support/csv.h
       examples/support/npy.h examples/support/table.h examples/support/table_columns.h
       examples/support/frame.h examples/support/frame_text.h examples/support/odd.h
       examples/support/args.h examples/support/args_option.h examples/support/args_help.h
       examples/support/cifar10.h examples/support/images.h examples/support/decimal_commas.h
       examples/support/weights.h examples/support/tfevents.h'

if [ "$1" = job ]; then # a test, for xargs: its counts into a folder of its own
    name=$2 folder=$out/$2
    case $name in
    test_kernels | test_images | test_ops | test_unet) options= ;; # every instruction set
    test_threads) options="-DITD_NO_SIMD -fopenmp" ;;
    *) options=-DITD_NO_SIMD ;;
    esac
    mkdir -p "$folder"
    started=$(date +%s)
    $GCC -std=c99 -O1 -g -w -DNDEBUG --coverage $options "tests/$name.c" -o "$folder/program" -lm || exit 1
    if ! "$folder/program" > "$folder/output" 2>&1; then
        echo "$name fails: $(tail -n 1 "$folder/output")"
        touch $out/failed
    fi
    $GCOV -b -c -t -o "$folder" "$folder"/*.gcno > "$folder/counts.gcov" 2> /dev/null
    echo "$name, $(($(date +%s) - started)) s"
    exit 0
fi

# A line or a way out counts if any test takes it: rows of file, line, "line" or a number of a way out, taken.
counts() {
    awk -v files="$files" '
        BEGIN { n = split(files, list, " ") }
        / 0:Source:/ {
            file = ""
            for (k = 1; k <= n; k++)
                if (substr($0, length($0) - length(list[k])) ~ "[/:]" list[k] "$") file = list[k]
            line = 0
        }
        file == "" { next }
        /^branch / { if (line > 0) say(ways++, $3 == "taken" && $4 + 0 > 0); next }
        /^(function|call|unconditional)/ { next }
        {
            split($0, part, ":"); line = part[2] + 0; ways = 0
            count = part[1]; gsub(/[ *]/, "", count)
            if (line < 1 || count == "-" || count == "") { line = 0; next }
            say("line", count !~ /^[#=$]/)
        }
        function say(what, taken,    key) {
            key = file "\t" line "\t" what
            if (!(key in best) || taken > best[key]) best[key] = taken
        }
        END { for (key in best) print key "\t" best[key] }' "$out"/*/counts.gcov
}
table() {
    echo "| file | lines | executed | branches | taken |"
    echo "|---|--:|--:|--:|--:|"
    # What stands between these is compiled once for each instruction set, and once for each number of rows.
    begin=$(grep -n '^#ifdef ITD__W ' itdiff.h | cut -d : -f 1)
    end=$(grep -n '^#undef ITD__W$' itdiff.h | cut -d : -f 1)
    for file in $files; do
        awk -F '\t' -v file="$file" -v begin="$begin" -v end="$end" '
            $1 != file { next }
            { part = file == "itdiff.h" && $2 >= begin && $2 <= end }
            $3 == "line" { lines[part]++; run[part] += $4; next }
            { ways[part]++; went[part] += $4 }
            END { for (part = 0; part < 2; part++) if (lines[part])
                      printf "| %s%s | %d | %.1f %% | %d | %.1f %% |\n", file, part ? ", vector kernels" : "",
                          lines[part], 100 * run[part] / lines[part], ways[part],
                          100 * went[part] / (ways[part] + !ways[part]) }' $out/counts
    done
    echo
    echo "$($GCC --version | head -n 1), $(cat $out/date)."
}
case $1 in
table | docs) [ -s $out/date ] || fail "nothing has been measured; run it without $1 first" ;;
esac
case $1 in
table) table; exit ;;
docs) table | MEASURED=$(cat $out/commit) sh tests/extra/insert.sh coverage; exit ;;
esac

command -v "$GCOV" > /dev/null || fail "$GCOV is not installed"
rm -rf $out
mkdir -p $out
date +%Y-%m-%d > $out/date
commit > $out/commit
tests=${*:-test_images test_unet test_kernels test_train test_likelihood test_grid test_ops
       $(for file in tests/test_*.c; do basename "$file" .c; done)}
printf '%s\n' $tests | awk '!seen[$0]++' |
    xargs -n 1 -P "${JOBS:-$(getconf _NPROCESSORS_ONLN)}" sh tests/extra/coverage.sh job || exit 1
counts > $out/counts
[ -s $out/counts ] || fail "nothing was measured"
table
awk -F '\t' '$1 == "itdiff.h" && $3 == "line" && !$4 { print $2 }' $out/counts | sort -n > $out/uncovered
[ ! -s $out/uncovered ] ||
    awk 'NR == FNR { bare[$1] = 1; next } FNR in bare { printf "%5d %s\n", FNR, $0 }' $out/uncovered itdiff.h
[ ! -e $out/failed ]
