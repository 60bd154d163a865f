#!/bin/sh
# insert.sh NAME [PAGE]: puts its input into docs/reliability.md or another page, between the lines
# <!-- NAME:begin --> and <!-- NAME:end -->, with the commit that was measured.
cd "$(dirname "$0")/../.." || exit 1
. docs/shell.sh
measured=$(commit)
replace "${2:-docs/reliability.md}" "$1"
