#!/bin/sh
# coverage.sh [test...]: how much of itdiff.h the C tests execute, by gcov: lines, and ways out of branches,
# over all tests together; then the lines that none executes. Without optimization the tests take long.
# Aims: 97 % of the lines, 90 % of the branches.
cd "$(dirname "$0")/.." || exit 1
out=build/coverage
GCC=${GCC:-gcc} GCOV=${GCOV:-gcov}
command -v "$GCOV" > /dev/null || { echo "coverage.sh: $GCOV is not installed"; exit 1; }
rm -rf $out
mkdir -p $out

measure() { # test, options...: its counts into a folder of its own
    name=$1
    shift
    folder=$out/$name$(echo "$@" | tr -dc A-Z)
    mkdir -p "$folder"
    $GCC -std=c99 -O0 -g -DNDEBUG --coverage "$@" "tests/$name.c" -o "$folder/program" -lm || exit 1
    "$folder/program" > "$folder/output" 2>&1 || echo "$name: $(tail -n 1 "$folder/output")"
    $GCOV -b -c -t -o "$folder" "$folder"/*.gcno > "$folder/counts.gcov" 2> /dev/null
}

tests=${*:-$(for file in tests/test_*.c; do basename "$file" .c; done)}
for name in $tests; do
    case $name in
    test_kernels | test_images) measure "$name" -fopenmp ;; # every instruction set
    test_threads) measure "$name" -DITD_NO_SIMD -fopenmp ;;
    *) measure "$name" -DITD_NO_SIMD ;;
    esac
done

# A line or a way out counts if any test takes it.
awk '
    / 0:Source:/ { ours = /itdiff\.h$/; line = 0 }
    !ours { next }
    /^branch / {
        if (line < 1) next
        b = line ":" ways++; all[b] = 1
        if ($3 == "taken" && $4 + 0 > 0) taken[b] = 1
        next
    }
    /^(function|call|unconditional)/ { next }
    { split($0, part, ":"); line = part[2] + 0; ways = 0
      if (line < 1) next
      count = part[1]; gsub(/[ *]/, "", count)
      if (count == "-" || count == "") next
      code[line] = 1
      if (count !~ /^[#=$]/) run[line] = 1 }
    END {
        for (k in code) { lines++; if (k in run) covered++ }
        for (k in all) { branches++; if (k in taken) went++ }
        if (!lines) { print "coverage.sh: nothing was measured"; exit 1 }
        printf "lines: %.1f %% of %d; ", 100 * covered / lines, lines
        printf "branches: %.1f %% of %d\n", 100 * went / (branches + !branches), branches
        for (k = 1; k < 100000; k++) if ((k in code) && !(k in run)) print k > "build/coverage/uncovered"
    }' $(find $out -name counts.gcov) || exit 1
[ ! -s $out/uncovered ] ||
    awk 'NR == FNR { bare[$1] = 1; next } FNR in bare { printf "%5d %s\n", FNR, $0 }' $out/uncovered itdiff.h
