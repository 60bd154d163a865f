# shell.sh: what the scripts of this folder share; they read it when they stand in the folder above.
fail() {
    echo "$(basename "$0"): $1" >&2
    exit 1
}

temporary=$(mktemp -d) || fail "no temporary folder"
trap 'rm -rf "$temporary"' EXIT
trap 'exit 1' HUP INT TERM

# What lies between the lines <!-- NAME:begin --> and <!-- NAME:end --> of a page becomes the standard input.
replace() { # page name
    cat > "$temporary/new"
    [ -s "$temporary/new" ] || fail "$1: nothing to put between the lines of $2"
    awk -v begin="<!-- $2:begin -->" -v end="<!-- $2:end -->" -v new="$temporary/new" '
        $0 == end { inside = 0 }
        !inside { print }
        $0 == begin { inside = 1; while ((getline line < new) > 0) print line }' "$1" > "$temporary/page"
    cat "$temporary/page" > "$1" || fail "$1 cannot be written"
}
