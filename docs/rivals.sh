#!/bin/sh
# What other methods reach on the five sets, from the points that train_2d trains on, into docs/rivals.tsv.
#   make build/points && sh docs/rivals.sh      a quarter of an hour; needs a python3 with scikit-learn
# Rows that are there are not measured again; FORCE=1 starts anew. SETS="moons dino" and SEEDS="0 1" choose.
# In nats: truth is the true mean -log p of 20,000 fresh points, excess_* what a rival has over it, stderr_*
# the standard error of that. kde_kind says in which coordinates kde is; kde_other is in the others.
cd "$(dirname "$0")/.." || exit 1
. docs/shell.sh
table=docs/rivals.tsv
tab=$(printf '\t')
[ -x build/points ] || fail "build/points is missing; run make build/points first"
for python in python3 /usr/bin/python3 none; do
    "$python" -c "import sklearn" 2> /dev/null && break
done
[ $python != none ] || fail "expected a python3 with scikit-learn (Debian: python3-sklearn), found none"

[ -z "$FORCE" ] || rm -f "$table"
[ -f "$table" ] || printf 'data\tseed\t%s\n' "$($python docs/rivals.py --tsv-names)" > "$table"
for set in ${SETS:-scg line moons circle dino}; do
    sizes=
    [ "$set" = dino ] && sizes=142 # as many as its points
    for seed in ${SEEDS:-0 1 2}; do
        grep -q "^$set$tab$seed$tab" "$table" && continue
        build/points "$set" "$seed" "$temporary/train" "$temporary/fresh" || exit 1
        row=$($python docs/rivals.py --truth --tsv --sizes "$sizes" "$temporary/train" "$temporary/fresh") ||
            fail "$set, seed $seed: nothing was measured"
        printf '%s\t%s\t%s\n' "$set" "$seed" "$row" >> "$table"
    done
done
