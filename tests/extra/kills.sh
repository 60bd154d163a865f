#!/bin/sh
# kills.sh [N [WHAT...]]: trainings killed N times each (1000) at random, and resumed: the files are always those
# of a complete state, and the end is the same to the bit as that of a training that nobody killed. First the
# library, which saves itself after every step; then fit and train_images as a user runs them, but saving after
# every round, or every few steps, instead of after seconds or minutes. fit does so from the moment it has settled
# on a network: before, it would go on with the one that leads, and not come to the same end. WHAT: some of
# library, fit, train_images.
cd "$(dirname "$0")/../.." || exit 1
. tests/shell.sh
n=${1:-1000}
[ $# -eq 0 ] || shift
what=" ${*:-library fit train_images} "
top=$PWD out=build/kills
make -s build/test_faults build/digits || exit 1
case $what in *" library "*)
    check_that "the library" build/test_faults --kills "$n"
    printf '%s\n' "$output"
    ;;
esac

rm -rf $out
mkdir -p $out
cp -r examples itdiff.h $out
sed -i.before 's/if (system_seconds() - t->saved > TRAINING_SAVE_SECONDS)/if (!t->l->rivals)/' $out/examples/support/training.h
sed -i.before 's/save_minutes, 0.01/save_minutes, 1e-9/' $out/examples/support/image_run.h
for header in training image_run; do
    ! cmp -s $out/examples/support/$header.h $out/examples/support/$header.h.before ||
        { echo "kills.sh: $header.h no longer says when it saves"; exit 1; }
done
cat > $out/whole.c << 'EOF'
#define ITDIFF_IMPLEMENTATION
#include "itdiff.h"
int main(int argc, char **argv) /* whether these files are checkpoints to the last byte */
{
    for (int k = 1; k < argc; k++) {
        itd_model *model = NULL;
        itd_error error = {""};
        if (itd_load(argv[k], &model, NULL, &error) != ITD_OK) return puts(error.text), 1;
        itd_model_free(model);
    }
    return 0;
}
EOF
cc=${CC:-cc}
for program in fit train_images; do
    $cc -std=c99 -O1 -w -DITD_NO_SIMD -I$out $out/examples/$program.c -o $out/$program -lm || exit 1
done
$cc -std=c99 -O1 -w -DITD_NO_SIMD -I$out $out/whole.c -o $out/whole -lm || exit 1
cd $out || exit 1
awk 'BEGIN { srand(4); print "a,b"
    for (i = 0; i < 300; i++) { a = rand() + rand() + rand(); printf "%.5f,%.5f\n", a, a * a + rand() / 3 } }' > table.csv
"$top/build/digits" --n 40 --out digits.npy || exit 1

# Seconds until each kill, up to half of what an undisturbed training takes.
pauses() { awk -v n="$1" -v max="$2" 'BEGIN { srand(n); for (;;) print max * rand() }' | head -n $((20 * n)); }

killed() { # checkpoint, program, options...: killed n times, and resumed
    checkpoint=$1
    shift
    rm -rf runs alone
    "$@" > printed 2>&1 || { cat printed; return 1; }
    mv runs alone
    kills=0 ends=0 resumed=0
    begun=$(date +%s.%N)
    "$@" > printed 2>&1
    max=$(date +%s.%N | awk -v begun="$begun" '{ print ($1 - begun) / 2 }')
    rm -rf runs
    pauses "$n" "$max" > pauses
    while [ $kills -lt "$n" ] && read -r pause; do
        again=
        ! [ -s runs/it/$checkpoint.safetensors ] || { again=--resume resumed=$((resumed + 1)); }
        "$@" $again > printed 2>&1 &
        process=$!
        sleep "$pause"
        kill -KILL $process
        wait $process
        status=$?
        for file in runs/it/*.safetensors; do
            [ ! -e "$file" ] || ./whole "$file" || { echo "$file after kill $kills"; return 1; }
        done
        case $status in
        137) kills=$((kills + 1)) ;;
        0)
            ends=$((ends + 1))
            for file in alone/it/*.safetensors; do cmp "$file" "runs/it/${file##*/}" || return 1; done
            rm -rf runs
            ;;
        *) cat printed; return 1 ;;
        esac
    done 2> errors < pauses
    echo "$kills kills, $resumed trainings resumed, $ends came to their end, each the same"
    [ $kills -eq "$n" ] && [ $ends -gt 0 ] && [ $resumed -gt $((n / 3)) ]
}
quiet="--quiet --out runs --experiment_name it --pictures off --eval_draws 4"
for program in fit train_images; do
    case $what in *" $program "*) ;; *) continue ;; esac
    case $program in
    fit) checkpoint=training options="$quiet --data table.csv --hidden_size 16 --num_epochs 40" ;;
    *) checkpoint=model options="$quiet --data digits.npy --features 8,8 --num_epochs 12 --train_batch_size 8 --eval_images 4
                --checkpoint_minutes 1e-8" ;;
    esac
    check_that "$program" killed $checkpoint ./$program $options
    echo "  $program: $output"
done
report
[ $failed -eq 0 ]
