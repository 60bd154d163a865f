#!/bin/sh
# Prints the output of each test and adds up the reports they end with.
passed=0 failed=0 skipped=0
for file; do
    echo "== $(basename "$file" .out)"
    sed '$d' "$file"
    counts=$(tail -n 2 "$file" | sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed\(, \([0-9]*\) skipped\)*$/\1 \2 \4/p')
    if [ -z "$counts" ]; then # it died before its report
        echo "FAIL $(basename "$file" .out): $(tail -n 1 "$file") without a report"
        failed=$((failed + 1))
        continue
    fi
    read -r p f s << END
$counts
END
    # A program that says all is well and then dies has not passed.
    [ "$f" -gt 0 ] || tail -n 1 "$file" | grep -qx 'exit 0' || f=1
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + ${s:-0}))
done
echo "== all"
if [ "$skipped" -gt 0 ]; then
    echo "$passed passed, $failed failed, $skipped skipped"
else
    echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ]
