#!/bin/sh
# What other methods reach on the five sets, from the points that train_2d trains on, into docs/rivals.tsv.
#   make build/points && FORCE=1 sh docs/rivals.sh   a quarter of an hour; needs a python3 with scikit-learn
#   sh docs/rivals.sh --table                        only the table of docs/rivals.md, which is made at the end
# Without FORCE=1, rows that are there are not measured again. SETS="moons dino" and SEEDS="0 1" choose.
# In nats: truth is the true mean -log p of 20,000 fresh points, excess_* what a rival has over it, stderr_*
# the standard error of that. kde_kind says in which coordinates kde is; kde_other is in the others.
cd "$(dirname "$0")/.." || exit 1
. docs/shell.sh
table=docs/rivals.tsv
tab=$(printf '\t')

# The mean excess over the seeds, +- the standard error that follows from theirs.
rivals_table() {
    awk -F '\t' '
        function excess(key,  error) {
            error = sqrt(square[key]) / count[key]
            return sprintf(" %.3f ± %.3f |", sum[key] / count[key], error > 0.001 ? error : 0.001)
        }
        NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
        {
            if (!($1 in truth)) set[++sets] = $1
            seeds[$1]++; truth[$1] += $at["truth"]
            components[$1] = $at["gmm_components"]
            for (k = split("gaussian gaussian_lw kde kde_other gmm", name, " "); k > 0; k--) {
                count[$1, name[k]]++; sum[$1, name[k]] += $at["excess_" name[k]]
                square[$1, name[k]] += $at["stderr_" name[k]] ^ 2
            }
        }
        END {
            print "| set | true −log p | gaussian | gaussian_lw | kde | kde_other | gmm | components |"
            print "|---|--:|--:|--:|--:|--:|--:|--:|"
            for (s = 1; s <= sets; s++) {
                printf "| %s | %.3f |", set[s], truth[set[s]] / seeds[set[s]]
                for (k = 1; k in name; k++) printf "%s", excess(set[s] SUBSEP name[k])
                printf " %d |\n", components[set[s]]
            }
            print ""
            print "Excess in nats over the true −log p, means over the seeds; components: of the mixture of the last seed."
        }' "$table" | replace docs/rivals.md rivals
}
if [ "$1" = --table ]; then
    rivals_table
    exit
fi
now=$(commit)
[ -x build/points ] || fail "build/points is missing; run make build/points first"
for python in python3 /usr/bin/python3 none; do
    "$python" -c "import sklearn" 2> /dev/null && break
done
[ $python != none ] || fail "expected a python3 with scikit-learn (Debian: python3-sklearn), found none"

if [ "$FORCE" = 1 ] && [ -f "$table" ]; then # without the rows that are to be measured
    awk -F '\t' -v sets=" ${SETS:-scg line moons circle dino} " -v seeds=" ${SEEDS:-0 1 2} " \
        'NR == 1 || !index(sets, " " $1 " ") || !index(seeds, " " $2 " ")' "$table" > "$temporary/kept" || exit 1
    cp "$temporary/kept" "$table"
fi
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
        measured=$now
    done
done
rivals_table
