#!/bin/sh
# Prints the output of each test and adds up the reports they end with; the last line of each file is the exit
# status. A program that says all is well and then dies has not passed.
awk '
    function end_of_test(   count) {
        if (name == "") return
        if (report !~ /^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$/) {
            print "FAIL " name ": " line " without a report"
            failed++
            return
        }
        split(report, count, /[^0-9]+/)
        if (count[1] + count[2] + count[3] == 0) {
            print "FAIL " name ": no test"
            count[2] = 1
        }
        if (count[2] == 0 && line != "exit 0") {
            print "FAIL " name ": " line
            count[2] = 1
        }
        passed += count[1]; failed += count[2]; skipped += count[3]
    }
    FNR == 1 {
        end_of_test()
        name = FILENAME
        sub(/.*\//, "", name); sub(/\.out$/, "", name)
        print "== " name
        line = ""
    }
    FNR > 1 { print line }
    { report = line; line = $0 }
    END {
        end_of_test()
        print "== all"
        printf "%d passed, %d failed", passed, failed
        if (skipped) printf ", %d skipped", skipped
        print ""
        exit failed > 0
    }' "$@"
