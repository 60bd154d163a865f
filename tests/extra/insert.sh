#!/bin/sh
# insert.sh NAME [PAGE]: puts its input into docs/reliability.md or another page, between the lines
# <!-- NAME:begin --> and <!-- NAME:end -->, below a line that names the commit that was measured: this one, or
# the words of MEASURED, of a caller that measured earlier.
cd "$(dirname "$0")/../.." || exit 1
. docs/shell.sh
measured=${MEASURED-$(commit)}
[ "$measured" ] || fail "$1: the commit that was measured expected, none known"
replace "${2:-docs/reliability.md}" "$1"
