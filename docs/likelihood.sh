#!/bin/sh
# The other ways to a likelihood in docs/likelihood.md: the probability flow, the bound of T steps, information;
# half a minute, with the models that sh docs/results.sh default leaves.
#   make && sh docs/likelihood.sh
cd "$(dirname "$0")/.." || exit 1
. docs/shell.sh
page=docs/likelihood.md

model() { echo "runs/results/$1-default-0/model.safetensors"; }
# The input as a block of text, without empty lines at its end.
block() {
    echo '```'
    sed -e :a -e '/^\n*$/{$d;N;ba' -e '}'
    echo '```'
}

for program in ode bounds information; do [ -x build/$program ] || fail "build/$program is missing; run make first"; done
for set in scg moons dino; do [ -f "$(model $set)" ] || fail "$(model $set) is missing; run sh docs/results.sh default"; done
measured=$(commit)
build/ode > "$temporary/ode" || exit 1
for set in scg moons dino; do
    build/ode --load "$(model $set)" --dataset $set >> "$temporary/each" || exit 1
done
build/bounds > "$temporary/all" || exit 1
build/bounds --load "$(model dino)" --draws 1000 > "$temporary/dino" || exit 1
build/information > "$temporary/information" || exit 1
block < "$temporary/ode" | replace $page ode || exit 1
awk 'NR == 1 || !/^mean/' "$temporary/each" | block | replace $page ode-checkpoints || exit 1
{
    awk '/^3 spots/ { on = 1 } on && !NF { exit } on' "$temporary/all"
    echo
    cat "$temporary/dino"
} | block | replace $page bounds || exit 1
block < "$temporary/information" | replace $page information
