# shell.sh: what the shell tests share. `check NAME command...` passes when the command succeeds and prints
# nothing; `check_that NAME command...` when it succeeds, whatever it prints.
passed=0 failed=0 skipped=0
LC_ALL=C # numbers and messages are compared
export LC_ALL

verdict() { # "any" output passes or "none"; name, command...
    allowed=$1 name=$2
    shift 2
    if output=$("$@" 2>&1) && { [ "$allowed" = any ] || [ -z "$output" ]; }; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAIL %s\n%s\n' "$name" "$output"
    fi
}
check_that() { verdict any "$@"; }
check() { verdict none "$@"; }

silent() { # command...: succeeds if it does and prints nothing
    said=$("$@" 2>&1) && [ -z "$said" ] && return 0
    printf '%s\n' "$said"
    return 1
}

# Where python3 is, if it is there: what is found first may be a script that takes longer than ours.
has_python() {
    python=$(python3 -c 'import sys; print(sys.executable)' 2> /dev/null)
}

skip() {
    skipped=$((skipped + 1))
    echo "  skipped: $1"
}

report() {
    if [ "$skipped" -gt 0 ]; then
        echo "$passed passed, $failed failed, $skipped skipped"
    else
        echo "$passed passed, $failed failed"
    fi
    [ "$failed" -eq 0 ]
}
