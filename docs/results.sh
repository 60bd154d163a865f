#!/bin/sh
# Measures what README.md and docs/estimator.md report, and writes it there.
#   make && sh docs/results.sh [variant ...]    default, original, fresh (none named: all); table of README.md
#   make && sh docs/results.sh --estimator      table of docs/estimator.md
# Result lines are kept in docs/results.tsv. What is there is not run again, so that an interrupted measurement
# goes on where it stopped; FORCE=1 runs the named variants again. SETS="moons dino" runs these sets only.
# TRAIN_OPTIONS go to every training as they are: with "--num_epochs 3" this script can be tried out.
cd "$(dirname "$0")/.." || exit 1
. docs/shell.sh
all_sets="scg line moons circle dino"
all_variants="default original fresh"
seeds="0 1 2"
tab=$(printf '\t')
now=$(commit) # before the first row changes a file that is in it
columns="set variant seed epochs params val_nll stderr stderr_data true_nll excess train_seconds excess_stderr"
table=docs/results.tsv

is_measured() { # set variant seed
    [ -f "$table" ] && grep -q "^$1$tab$2$tab$3$tab" "$table"
}

# Takes the place of the row with the same set, variant and seed; rows stay in the order of variants, sets, seeds.
keep() { # row
    {
        echo "$columns" | tr ' ' '\t'
        { [ -f "$table" ] && sed 1d "$table"; printf '%s\n' "$1"; } |
            awk -F '\t' -v sets="$all_sets" -v variants="$all_variants" -v seeds="$seeds" '
                { row[$2, $1, $3] = $0 }
                END {
                    m = split(variants, variant, " "); n = split(sets, set, " "); k = split(seeds, seed, " ")
                    for (v = 1; v <= m; v++)
                        for (s = 1; s <= n; s++)
                            for (i = 1; i <= k; i++)
                                if ((variant[v], set[s], seed[i]) in row) print row[variant[v], set[s], seed[i]]
                }'
    } > "$temporary/table"
    cp "$temporary/table" "$table" || fail "$table cannot be written"
}

train() { # set variant seed
    case $2 in
    default) option= ;;
    *) option=--$2 ;;
    esac
    # The options are words, split on purpose.
    build/train_2d --dataset "$1" --seed "$3" $option --pictures off --quiet --out runs/results \
        --experiment_name "$1-$2-$3" $TRAIN_OPTIONS > "$temporary/output" || fail "$1-$2-$3: the training failed"
    row=$(awk -v set="$1" -v variant="$2" -v seed="$3" -v columns="$columns" '
        $1 == "result" {
            for (i = 2; i <= NF; i++) {
                at = index($i, "=")
                value[substr($i, 1, at - 1)] = substr($i, at + 1)
            }
        }
        END {
            n = split(columns, column, " ")
            line = set "\t" variant "\t" seed
            for (i = 4; i <= n; i++) {
                if (value[column[i]] !~ /^-?[0-9]+(\.[0-9]+)?$/) exit 1
                line = line "\t" value[column[i]]
            }
            print line
        }' "$temporary/output") || fail "$1-$2-$3: no result in '$(tail -n 1 "$temporary/output")'"
    keep "$row"
    printf '%s\n' "$row"
}

require_markers() { # file name: looked for first, lest hours of measurement end nowhere
    awk -v begin="<!-- $2:begin -->" -v end="<!-- $2:end -->" '
        $0 == begin { if (!ended) begun++ }
        $0 == end { if (begun) ended++ }
        END { exit !(begun == 1 && ended == 1) }' "$1" || fail "$1: no <!-- $2:begin --> and <!-- $2:end -->"
}

# The mean excess over the seeds, +- the standard error that follows from those of the estimates; that of the
# kernel density estimate and of the mixture is in docs/rivals.tsv, which sh docs/rivals.sh makes.
results_table() {
    awk -F '\t' -v sets="$all_sets" '
        function add(key, value, error) {
            count[key]++; sum[key] += value; square[key] += error * error
        }
        function excess(key,  error) {
            if (!count[key]) return "–"
            error = sqrt(square[key]) / count[key]
            return sprintf("%.3f ± %.3f", sum[key] / count[key], error > least ? error : least)
        }
        BEGIN { least = 0.001 }
        FNR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
        FILENAME ~ /rivals/ {
            add($1 "-kde", $at["excess_kde"], $at["stderr_kde"])
            add($1 "-gmm", $at["excess_gmm"], $at["stderr_gmm"])
            next
        }
        {
            add($1 "-" $2, $at["excess"], $at["excess_stderr"])
            seconds[$1 "-" $2] += $at["train_seconds"]
            if ($2 == "default" && $3 == 0) truth[$1] = $at["true_nll"]
        }
        END {
            print "| set | true −log p | excess, 7,200 points | kernel density estimate | mixture of Gaussians | excess, fresh data | excess, original | training, s |"
            print "|---|--:|--:|--:|--:|--:|--:|--:|"
            n = split(sets, set, " ")
            for (s = 1; s <= n; s++) {
                name = set[s]
                key = name "-default"
                printf "| %s | %s | %s | %s | %s | %s | %s | %s |\n", name,
                    (name in truth) ? sprintf("%.3f", truth[name]) : "–",
                    excess(key), excess(name "-kde"), excess(name "-gmm"), excess(name "-fresh"),
                    excess(name "-original"), count[key] ? sprintf("%.0f", seconds[key] / count[key]) : "–"
            }
            print ""
            print "In nats, means over three seeds. ±: standard error of the estimates (not the spread between seeds), at"
            print "least 0.001. True −log p: on the validation points of seed 0. Training: on the 7,200 points."
        }' docs/rivals.tsv "$table"
}

estimator_table() {
    require_markers docs/estimator.md estimator
    make build/bench_estimator > "$temporary/output" 2>&1 || fail "$(cat "$temporary/output")"
    for set in $all_sets; do
        [ -f "runs/results/$set-default-0/model.safetensors" ] || train "$set" default 0
    done
    measured=$now
    build/bench_estimator --markdown --runs runs/results --suffix=-default-0 > "$temporary/estimates" || exit 1
    replace docs/estimator.md estimator < "$temporary/estimates"
}

[ -x build/train_2d ] || fail "build/train_2d is missing; run make first"
if [ "$1" = --estimator ]; then
    [ $# -eq 1 ] || fail "--estimator takes no variants"
    estimator_table
    exit 0
fi
for variant; do
    case " $all_variants " in
    *" $variant "*) ;;
    *) fail "one of $all_variants, or --estimator expected, $variant found" ;;
    esac
done
[ $# -gt 0 ] || set -- $all_variants
require_markers README.md results
for variant; do
    for set in ${SETS:-$all_sets}; do
        for seed in $seeds; do
            if [ "$FORCE" = 1 ] || ! is_measured "$set" "$variant" "$seed"; then
                train "$set" "$variant" "$seed"
                measured=$now
            fi
        done
    done
done
results_table | replace README.md results
