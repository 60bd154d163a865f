# shell.sh: what the scripts of this folder share; they read it when they stand in the folder above.
fail() {
    echo "$(basename "$0"): $1" >&2
    exit 1
}

measured=
temporary=$(mktemp -d) || fail "no temporary folder"
trap 'rm -rf "$temporary"' EXIT
trap 'exit 1' HUP INT TERM

# The commit of what is measured, with a + if files have been changed since.
commit() { git describe --always --match '' --dirty=+ 2> /dev/null || echo unknown; }

# The lines of the input, each once, with commas between.
distinct() { sed 's/^$/unknown/' | sort -u | paste -s -d , - | sed 's/,/, /g'; }

# What lies between the lines <!-- NAME:begin --> and <!-- NAME:end --> of a page becomes the standard input, below
# a line that names the commit it was measured at: $measured or, if that is empty, the one that is there.
replace() { # page name
    cat > "$temporary/table"
    [ -s "$temporary/table" ] || fail "$1: nothing to put between the lines of $2"
    for mark in begin end; do
        grep -qx "<!-- $2:$mark -->" "$1" || fail "$1: a line <!-- $2:$mark --> expected, none found"
    done
    {
        if [ "$measured" ]; then echo "<!-- measured at commit $measured -->"
        else sed -n "/^<!-- $2:begin -->\$/,/^<!-- $2:end -->\$/s/^<!-- measured at.*/&/p" "$1"; fi
        cat "$temporary/table"
    } > "$temporary/new"
    awk -v begin="<!-- $2:begin -->" -v end="<!-- $2:end -->" -v new="$temporary/new" '
        $0 == end { inside = 0 }
        !inside { print }
        $0 == begin { inside = 1; while ((getline line < new) > 0) print line }' "$1" > "$temporary/page"
    cat "$temporary/page" > "$1" || fail "$1 cannot be written"
}
