#!/bin/sh
# The benchmark: kernels, training, U-Nets and whole jobs, beside the limits of the machine and their rivals.
#   make bench                      builds and runs; lines are printed, and kept in build/bench.out
#   sh tests/bench.sh --doc FILE    makes tables of build/bench.out, between the markers in FILE
# docs/performance.md explains the lines. PYTHON=... names the interpreter that has PyTorch. With QUICK=1
# everything runs for a moment only: that is to try this script out, the numbers are worth nothing.
cd "$(dirname "$0")/.." || exit 1
results=build/bench.out

fail() {
    echo "bench.sh: $1" >&2
    exit 1
}

temporary=$(mktemp -d) || fail "no temporary folder"
trap 'rm -rf "$temporary"' EXIT
trap 'exit 1' HUP INT TERM

if [ "$QUICK" = 1 ]; then
    kernel_options="--rounds 1 --piece 0.1" torch_seconds=0.02
    train_rounds=1 train_options="--rounds 1 --piece 1" image_rounds=1 image_options="--rounds 1 --batch 1"
    job_options="--num_epochs 2 --grid 40 --samples 100 --eval_draws 4"
else
    kernel_options= torch_seconds=0.2 job_options=
    train_rounds=5 train_options="--rounds 1 --piece 250" image_rounds=3 image_options="--rounds 1"
fi

# ---- measuring ----

machine() {
    model=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo 2> /dev/null | head -n 1)
    processors=$(getconf _NPROCESSORS_ONLN 2> /dev/null || echo 1)
    echo "# machine: ${model:-$(uname -m)}, processors: $processors"
    [ "$QUICK" != 1 ] || echo "# QUICK=1: numbers of no value"
}

# AVX2 kernels have their own limit, and as rival the OpenBLAS kernels for the same instructions.
kernels() {
    build/bench_kernels $kernel_options || exit 1
    build/bench_kernels --simd avx512 --only nothing > /dev/null 2>&1 || return 0
    OPENBLAS_CORETYPE=Haswell build/bench_kernels --simd avx2 --only _t1_avx2 $kernel_options \
        > "$temporary/avx2" || exit 1
    grep '^bench ' "$temporary/avx2"
}

find_torch() {
    for python in ${PYTHON:-python3 /usr/bin/python3}; do
        version=$("$python" -c 'import torch; print(torch.__version__)' 2> /dev/null) && return 0
    done
    python=
}

say_torch() {
    if [ -n "$python" ]; then
        echo "# rival in training and U-Nets: PyTorch $version; ours and theirs in turn," \
            "rounds: $train_rounds and $image_rounds"
    else
        echo "# rival in training and U-Nets: skipped, no python3 with torch found"
    fi
}

# Medians over the rounds. The rival is the fastest of all its ways and numbers of threads.
merge() { # ours theirs
    awk '
        function number(x,  decimals, scale) {
            decimals = 3
            for (scale = x; scale > 0 && scale < 1 && decimals < 9; scale *= 10) decimals++
            for (; scale >= 10 && decimals > 0; scale /= 10) decimals--
            return sprintf("%.*f", decimals, x)
        }
        function median(key,  n, i, j, t, x) {
            n = count[key]
            for (i = 1; i <= n; i++) {
                t = values[key, i]
                for (j = i; j > 1 && x[j - 1] > t; j--) x[j] = x[j - 1]
                x[j] = t
            }
            return n % 2 ? x[(n + 1) / 2] : (x[n / 2] + x[n / 2 + 1]) / 2
        }
        function add(key, x) { values[key, ++count[key]] = x + 0 }
        function stem(name) { sub(/_t[0-9]+$/, "", name); return name }
        {
            split("", field)
            for (i = 2; i <= NF; i++) {
                at = index($i, "=")
                field[substr($i, 1, at - 1)] = substr($i, at + 1)
            }
            name = field["name"]
        }
        $1 == "bench" {
            if (!(name in unit)) order[++lines] = name
            unit[name] = field["unit"]
            add(name, field["value"])
            if ("limit" in field) add(name " limit", field["limit"])
        }
        $1 == "torch" {
            key = name " " field["way"]
            if (!(key in threads)) rivals[++n_rivals] = key
            threads[key] = substr(name, length(stem(name)) + 2)
            of[key] = stem(name); way[key] = field["way"]
            add(key, field["value"])
        }
        END {
            for (i = 1; i <= n_rivals; i++) {
                key = rivals[i]; value = median(key)
                if (value > best[of[key]]) {
                    best[of[key]] = value
                    rival[of[key]] = "PyTorch-" way[key] "-" threads[key]
                }
            }
            for (i = 1; i <= lines; i++) {
                name = order[i]; value = median(name)
                line = "bench name=" name " value=" number(value) " unit=" unit[name]
                if (count[name " limit"]) {
                    limit = median(name " limit")
                    line = line " limit=" number(limit) " fraction=" number(value / limit)
                }
                if (stem(name) in rival) {
                    other = best[stem(name)]
                    line = line " rival=" rival[stem(name)] " rival_value=" number(other)
                    line = line " ratio=" number(value / other)
                }
                print line
            }
        }' "$@"
}

# A program of ours and a script for PyTorch, which gets the networks that ours lists.
in_turn() { # rounds program options options-after-the-first-round script [option]...
    rounds=$1 program=$2 options=$3 later=$4 script=$5
    shift 5
    "build/$program" --list $options > "$temporary/networks" || exit 1
    : > "$temporary/ours"
    : > "$temporary/theirs"
    round=0
    while [ $round -lt $rounds ]; do
        "build/$program" $options >> "$temporary/ours" || exit 1
        options=$later
        if [ -n "$python" ]; then
            "$python" "tests/$script" --threads "$processors" --seconds $torch_seconds "$@" \
                < "$temporary/networks" >> "$temporary/theirs" || fail "tests/$script failed"
        fi
        round=$((round + 1))
    done
    merge "$temporary/ours" "$temporary/theirs"
}

training() { in_turn $train_rounds bench_train "$train_options" "$train_options" bench_torch.py; }

# A step takes seconds: rounds after the first leave out one thread, and the way in which PyTorch was slower.
images() {
    in_turn $image_rounds bench_images "$image_options" "$image_options --single off" \
        bench_torch_images.py --earlier "$temporary/theirs"
}

# Time and memory have targets as their limits.
line() { # name value unit limit
    awk -v name="$1" -v value="$2" -v unit="$3" -v limit="$4" 'BEGIN {
        printf "bench name=%s value=%s unit=%s limit=%s", name, value, unit, limit
        printf " fraction=%.3f\n", value / limit
    }'
}

job() { # options of train_2d...; sets seconds and mebibytes
    build/bench_train --job build/train_2d "$@" $job_options --quiet --out "$temporary/runs" \
        > "$temporary/job" || exit 1
    seconds=$(sed -n 's/^job seconds=\([^ ]*\) mebibytes=.*/\1/p' "$temporary/job")
    mebibytes=$(sed -n 's/^job seconds=.* mebibytes=\([^ ]*\)$/\1/p' "$temporary/job")
}

jobs_of_train_2d() {
    job --original --dataset moons
    line job_moons_original "$seconds" s 6
    job --dataset dino
    line job_dino "$seconds" s 25
    line peak_memory "$mebibytes" MiB 64
}

measure() {
    for program in bench_kernels bench_train bench_images train_2d; do
        [ -x build/$program ] || fail "build/$program is missing; run make bench"
    done
    machine
    kernels
    find_torch
    say_torch
    training
    images
    jobs_of_train_2d
}

# ---- tables ----

tables() {
    awk '
        function row(section, text) { rows[section] = rows[section] text "\n" }
        function append(section, text) { # to its last row
            sub(/\n$/, "", rows[section])
            row(section, text)
        }
        function table(section, title, head, rule) {
            if (section in rows) printf "\n**%s**\n\n%s\n%s\n%s", title, head, rule, rows[section]
        }
        function get(key) { return key in field ? field[key] : "–" }
        function percent() { return "fraction" in field ? sprintf("%.0f %%", 100 * field["fraction"]) : "–" }
        function ratio() { return "ratio" in field ? sprintf("%.2f", field["ratio"]) : "–" }
        function rival(  name) { name = get("rival"); gsub(/-/, " ", name); return name }
        function thousands(x,  text) {
            if (x !~ /^[0-9]+$/) return x
            for (; length(x) > 3; x = substr(x, 1, length(x) - 3)) text = "," substr(x, length(x) - 2) text
            return x text
        }
        # "gemm_nn_8x8x8_t2_avx2": part[1..3] = gemm nn 8x8x8, threads 2, kernels avx2.
        function parse(name,  n, i) {
            n = split(name, part, "_"); threads = ""; kernels = main_kernels
            if (part[n] ~ /^(plain|base|avx2|avx512)$/) kernels = part[n--]
            if (part[n] ~ /^t[0-9]+$/) threads = substr(part[n--], 2)
            flops = part[n] == "flops"
            name = part[2]
            for (i = 3; i <= n - flops; i++) name = name "_" part[i]
            return name
        }
        BEGIN { layout["nn"] = "A B"; layout["tn"] = "Aᵀ B"; layout["nt"] = "A Bᵀ" }
        $1 == "#" {
            print "- " substr($0, 3)
            if ($2 == "kernels:") main_kernels = substr($3, 1, length($3) - 1)
        }
        $1 != "bench" { next }
        {
            split("", field)
            for (i = 2; i <= NF; i++) {
                at = index($i, "=")
                field[substr($i, 1, at - 1)] = substr($i, at + 1)
            }
            name = parse(field["name"])
            value = thousands(field["value"])
            theirs = thousands(get("rival_value"))
        }
        part[1] == "fma" {
            row("gemm", "| limit alone | | " threads " | " kernels " | – | " value " | – | – | – | – |")
        }
        part[1] == "gemm" {
            gsub(/x/, "×", part[3])
            row("gemm", "| " layout[part[2]] " | " part[3] " | " threads " | " kernels " | " value " | " \
                get("limit") " | " percent() " | " rival() " | " theirs " | " ratio() " |")
        }
        part[1] == "conv" {
            gsub(/x/, "×", part[3])
            if (part[2] == "forward") row("conv", "| " part[3] " | " kernels " |")
            append("conv", " " value " | " percent() " |")
        }
        part[1] == "math" {
            row("math", "| `" name "` | " field["unit"] " | " value " | " rival() " | " theirs " | " \
                ratio() " |")
        }
        part[1] ~ /^(train|evaluate|images)$/ {
            section = "train"; what = part[1]
            if (what == "images") {
                section = "images"; what = part[2]
                name = substr(name, length(what) + 2)
            }
            if (flops)
                append(section, value " | " get("limit") " | " percent() " |")
            else
                row(section, "| " what " | " name " | " threads " | " value " | " rival() " | " theirs " | " \
                    ratio() " | ")
        }
        part[1] == "job" || part[1] == "peak" {
            row("job", "| " part[1] " " name " | " field["unit"] " | " value " | " get("limit") " |")
        }
        END {
            table("gemm", "Matrix products, GFLOP/s",
                "| product | m×n×k | threads | kernels | here | limit | fraction | rival | its value | ratio |",
                "|---|---|--:|---|--:|--:|--:|---|--:|--:|")
            table("conv", "3×3 convolutions of 4 images, one thread, GFLOP/s",
                "| pixels×channels | kernels | forward | fraction | input | fraction | weight | fraction |",
                "|---|---|--:|--:|--:|--:|--:|--:|")
            table("math", "Elementwise functions, one thread, arrays of 4,096",
                "| function | unit | here | rival | its value | ratio |", "|---|---|--:|---|--:|--:|")
            head = "| what | network | threads | here | rival | its value | ratio "
            head = head "| GFLOP/s | limit | fraction |"
            rule = "|---|---|--:|--:|---|--:|--:|--:|--:|--:|"
            table("train", "Training in steps/s, evaluation in evaluations/s", head, rule)
            table("images", "U-Nets, images/s", head, rule)
            table("job", "Whole jobs of train_2d", "| what | unit | here | target |", "|---|---|--:|--:|")
        }' "$results" > "$temporary/new"
}

# Puts $temporary/new between the lines <!-- bench:begin --> and <!-- bench:end -->.
replace() { # file
    awk '
        $0 == "<!-- bench:begin -->" { if (!ended) begun++ }
        $0 == "<!-- bench:end -->" { if (begun) ended++ }
        END { exit !(begun == 1 && ended == 1) }' "$1" ||
        fail "$1: no <!-- bench:begin --> and <!-- bench:end -->"
    awk -v new="$temporary/new" '
        $0 == "<!-- bench:end -->" { inside = 0 }
        !inside { print }
        $0 == "<!-- bench:begin -->" { inside = 1; while ((getline line < new) > 0) print line }' \
        "$1" > "$temporary/page"
    cp "$temporary/page" "$1" || fail "$1 cannot be written"
}

case $# in
0) ;;
2)
    [ "$1" = --doc ] || fail "--doc FILE expected, $1 found"
    [ -f "$2" ] || fail "$2: no such file"
    [ -f "$results" ] || fail "$results is missing; run make bench"
    tables
    replace "$2"
    exit 0
    ;;
*) fail "nothing or --doc FILE expected" ;;
esac
{
    (measure)
    echo $? > "$temporary/status"
} | tee "$temporary/lines"
[ "$(cat "$temporary/status")" = 0 ] || exit 1
cp "$temporary/lines" "$results"
