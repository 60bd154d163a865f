#!/bin/sh
# Runs the test programs named on the command line and the shell tests, and adds up what they report.
cd "$(dirname "$0")/.." || exit 1
passed=0 failed=0 skipped=0
for program in "$@" "sh tests/header.sh" "sh tests/examples.sh"; do
    echo "== $program"
    output=$($program 2>&1)
    code=$?
    last=$(printf '%s\n' "$output" | tail -n 1)
    printf '%s\n' "$output"
    counts=$(printf '%s\n' "$last" | sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed\(, \([0-9]*\) skipped\)*$/\1 \2 \4/p')
    if [ -z "$counts" ]; then # it died before its report
        echo "FAIL $program: exit $code without a report"
        failed=$((failed + 1))
        continue
    fi
    set -- $counts
    passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + ${3:-0}))
done
echo "== all"
if [ "$skipped" -gt 0 ]; then
    echo "$passed passed, $failed failed, $skipped skipped"
else
    echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ]
