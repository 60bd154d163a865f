#!/bin/sh
# soak.sh [HOURS [JOBS]]: trains for hours, and looks whether the memory stays flat and no file stays open.
# JOBS trainings (2) of images side by side, a thread each, run HOURS (1) each; every ten minutes each is
# stopped, in turn by a signal it can answer and by one it cannot, and goes on from its checkpoint. In its
# first half such a leg does everything it ever does: steps, estimates, checkpoints, events, resumption; what
# it needs in the second half has been needed before. Linux only, for /proc.
#   MINUTES=1 sh tests/extra/soak.sh 0.1     shorter legs
#   sh tests/extra/soak.sh table             the totals of docs/soak.tsv, to which each leg adds a row
#   sh tests/extra/soak.sh docs              into docs/reliability.md
cd "$(dirname "$0")/../.." || exit 1
. docs/shell.sh
out=build/soak totals=docs/soak.tsv
leg=$(awk -v m="${MINUTES:-10}" 'BEGIN { printf "%d", 60 * m }')

table() {
    echo "| trainings | legs | killed | hours | of processor | steps | most MB | later more by | failed |"
    echo "|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
    awk -F '\t' 'NR > 1 {
            legs++; t += $3; cpu += $4; killed += $6 == "KILL"; failed += $11 != "ok"
            if ($5 > step[$1]) step[$1] = $5
            if ($7 > most) most = $7
            if ($8 - $7 > grew) grew = $8 - $7 }
        END { for (run in step) { runs++; steps += step[run] }
              printf "| %d | %d | %d | %.1f | %.1f | %d | %.1f | %.1f | %d |\n", runs, legs, killed, t / 3600,
                  cpu / 3600, steps, most / 1024, grew / 1024, failed }' $totals
}
case $1 in
table) table; exit ;;
docs) table | MEASURED=$(sed 1d $totals | cut -f 12 | distinct) sh tests/extra/insert.sh soak; exit ;;
esac

# Of a process: resident kilobytes, open files, seconds of processor.
state() { # process
    echo "$(awk '/^VmRSS/ { print $2 }' "/proc/$1/status") $(ls "/proc/$1/fd" | wc -l) $(
        awk -v tick="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); print ($12 + $13) / tick }' "/proc/$1/stat"
    )"
}

# One leg of a training, looked at a hundred times; adds its row to the totals.
one_leg() { # run, signal
    resume=
    [ ! -s "$out/$1/model.safetensors" ] || resume=--resume
    build/soak/train_cifar10 --synthetic --hours 1000 --threads 1 --n 64 --train_batch_size 8 \
        --features 16,32 --steps 5 --eval_images 64 --eval_draws 4 --checkpoint_minutes "$every" \
        --eval_minutes "$every" --quiet $resume --out $out --experiment_name "$1" > "$out/$1.log" 2>&1 &
    process=$! seconds=0
    : > "$out/$1.states"
    while [ $seconds -lt "$leg" ] && kill -0 $process 2> /dev/null; do
        sleep $pause
        seconds=$((seconds + pause))
        echo "$seconds $(state $process)" >> "$out/$1.states"
    done 2> /dev/null
    kill "-$2" $process 2> /dev/null
    wait $process 2> /dev/null
    status=$? wanted=0
    [ "$2" != KILL ] || wanted=137
    [ $status -eq $wanted ] && result=ok || result="status $status"
    step=$(tail -n 1 "$out/$1/metrics.tsv" | cut -f 1)
    awk -v leg="$leg" -v run="$1" -v signal="$2" -v step="$step" -v result="$result" \
        -v date="$(date +%Y-%m-%d)" -v commit="$measured" '
        NF == 4 {
            half = 2 * $1 > leg; cpu = $4; t = $1
            if ($2 > rss[half]) rss[half] = $2
            if (!files[half] || $3 < files[half]) files[half] = $3 } # those that are never closed
        END {
            if (result == "ok" && t < leg) result = "ended early"
            if (result == "ok" && !(rss[1] <= 1.01 * rss[0] + 512)) result = "memory grows"
            if (result == "ok" && !(files[1] <= files[0])) result = "files stay open"
            printf "%s\t%s\t%d\t%.1f\t%d\t%s\t%d\t%d\t%d\t%d\t%s\t%s\n", run, date, t, cpu, step, signal,
                rss[0], rss[1], files[0], files[1], result, commit
            exit result != "ok" }' "$out/$1.states" >> $totals
}

[ -r /proc/self/status ] || { echo "soak.sh: no /proc: skipped"; exit 0; }
make -s build/train_cifar10 || exit 1
mkdir -p $out
cp build/train_cifar10 $out/ # what is rebuilt meanwhile is not what is tested
[ -s $totals ] || printf 'run\tdate\tseconds\tprocessor\tstep\tsignal\t%s\n' \
    'kB_before	kB_after	files_before	files_after	result	commit' > $totals
measured=$(commit)
every=$(awk -v leg="$leg" 'BEGIN { print leg / 60 / 5 }')
pause=$(((leg + 99) / 100))
legs=$(awk -v h="${1:-1}" -v leg="$leg" 'BEGIN { n = int(3600 * h / leg + 0.5); print n < 1 ? 1 : n }')
started=$(date +%s)
pids='' failed=0
for job in $(seq "${2:-2}"); do
    (
        k=0 bad=0
        while [ $k -lt "$legs" ]; do
            if [ $((k % 2)) -eq 0 ]; then signal=TERM; else signal=KILL; fi
            one_leg "run-$started-$job" $signal || bad=1
            k=$((k + 1))
        done
        exit $bad
    ) &
    pids="$pids $!"
done
for pid in $pids; do wait "$pid" || failed=1; done
table
exit $failed
