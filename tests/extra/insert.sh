#!/bin/sh
# insert.sh NAME: puts its input into docs/reliability.md, between <!-- NAME:begin --> and <!-- NAME:end -->.
cd "$(dirname "$0")/../.." || exit 1
page=docs/reliability.md
mkdir -p build
cat > "build/$1.inserted"
awk -v name="$1" -v table="build/$1.inserted" '
    $0 ~ "<!-- " name ":end" { on = 0 }
    !on { print }
    $0 ~ "<!-- " name ":begin" { on = 1; while ((getline line < table) > 0) print line }' $page > build/page
cat build/page > $page
