#!/bin/sh
# Makes what docs/gallery.md shows: pictures of the five sets, and the table from docs/results.tsv.
#   make && sh docs/gallery.sh            a minute or two: trains each set once, into runs/gallery;
#                                         makes also those of the dino alone, in README.md and here
#   sh docs/gallery.sh --tables           the table alone
cd "$(dirname "$0")/.." || exit 1
. docs/shell.sh
sets="scg line moons circle dino"

case $1 in
'' | --tables) ;;
*) fail "--tables or nothing expected, $1 found" ;;
esac
if [ "$1" != --tables ]; then
    [ -x build/train_2d ] || fail "build/train_2d is missing; run make first"
    make build/gallery > "$temporary/output" 2>&1 || fail "$(cat "$temporary/output")"
    for set in $sets; do
        pictures=off
        [ "$set" = dino ] && pictures=on
        build/train_2d --dataset "$set" --pictures $pictures --quiet --out runs/gallery || exit 1
    done
    cp runs/gallery/dino/contours.png docs/dino.png || exit 1
    cp runs/gallery/dino/samples.png docs/dino-samples.png || exit 1
    build/gallery runs/gallery docs $sets || exit 1
fi
# The rows are those of the table of README.md.
measured=$(sed -n '/^<!-- results:begin -->$/,/^<!-- results:end -->$/s/^<!-- measured at commit \(.*\) -->$/\1/p' README.md)
awk -F '\t' '
    NR == 1 {
        print "| set | true −log p | estimate | ± | excess | parameters | epochs | training, s |"
        print "|---|--:|--:|--:|--:|--:|--:|--:|"
    }
    $2 == "default" && $3 == 0 {
        printf "| %s | %.3f | %.3f | %.3f | %.3f | %d | %d | %.0f |\n", $1, $9, $6, $7, $10, $5, $4, $11
    }' docs/results.tsv | replace docs/gallery.md gallery
