#!/bin/sh
# What README.md, CONTRIBUTING.md and docs/ say: programs compile and run, commands and options exist, links
# lead somewhere, names are in the code, numbers are in a table. Each check is shown to notice an error, in a
# copy with one.
cd "$(dirname "$0")/.." || exit 1
. tests/shell.sh
CC=${CC:-cc}
top=$PWD
dir=$top/build/docs.$$
mkdir -p "$dir"
trap 'rm -rf "$dir"' EXIT
OMP_NUM_THREADS=1
export OMP_NUM_THREADS
pages="README.md docs/*.md"

notices() { # a command that fails, as it should
    ! "$@" > /dev/null 2>&1
}
spoilt() { # sed script, file: a copy of the file with one error
    sed "$1" "$2" > "$dir/spoilt.md"
    ! cmp -s "$2" "$dir/spoilt.md"
}

# ---- programs: the C blocks of a chapter make one; a block that begins with a file's name is that file ----

extract() { # page, folder
    mkdir -p "$2"
    awk -v page="$1" -v folder="$2" '
        /^## / { chapter++ }
        /^```c$/ {
            first = NR + 1
            while ((getline line) > 0 && line !~ /^```$/) {
                if (NR == first) {
                    file = sprintf("%s/chapter_%02d.c", folder, chapter)
                    if (split(line, word, " ") == 3 && line ~ /^\/\* [a-z_]+\.[ch] \*\/$/)
                        file = folder "/" word[2]
                    printf "#line %d \"%s\"\n", first, page > file
                }
                print line > file
            }
        }' "$1"
}
program() { # source, perhaps an object: silent in compilation, then run in its folder
    folder=${1%/*}
    silent $CC -std=c99 -Wall -Wextra -Wpedantic -I. -I"$folder" "$@" -o "$1.out" -lm &&
        cd "$folder" && "$1.out"
}
for page in docs/*.md; do
    grep -q '^```c$' "$page" || continue
    code=$dir/$(basename "$page" .md)
    extract "$page" "$code"
    object=
    if [ -f "$code/itdiff.c" ]; then
        object="build/itdiff.o $OPENMP" # the same, if the Makefile is at work; without, it takes longer
        [ -n "${OPENMP+set}" ] || object=$code/itdiff.o
        check "$page: itdiff.c" $CC -std=c99 -Wall -Wextra -I. -fsyntax-only "$code/itdiff.c"
        [ -n "${OPENMP+set}" ] || $CC -O1 -I. -c "$code/itdiff.c" -o "$object"
    fi
    for source in "$code"/chapter_*.c; do
        with=$object chapter=${source##*/}
        grep -q ITDIFF_IMPLEMENTATION "$source" && with=
        check_that "$page: ${chapter%.c} compiles and runs" program "$source" $with
    done
done

# ---- what the checks of a page begin with, in awk: lines of prose, without fences and generated regions ----

prose='
    FNR == 1 { fenced = made = 0 }
    /^```/ { fenced = !fenced; next }
    /^<!-- [-a-z]*:begin -->$/ { made = 1 }
    /^<!-- [-a-z]*:end -->$/ { made = 0; next }
    fenced || made { next }'

# ---- links and names ----

awk '/^#/ {
        sub(/^#* /, ""); gsub(/[,.:?()!]/, ""); gsub(/ /, "-")
        print FILENAME "#" tolower($0)
    }' ./*.md docs/*.md | sed 's|^\./||' > "$dir/headings"
links() { # pages: every link leads to a file, and to a heading of it if it has a #
    awk -v as="$as" '
        FILENAME ~ /headings$/ { headings[$0]; next }'"$prose"'
        {
            page = as ? as : FILENAME
            folder = page
            sub(/[^\/]*$/, "", folder)
            while (match($0, /\]\([^)]*\)/)) {
                link = substr($0, RSTART + 2, RLENGTH - 3)
                $0 = substr($0, RSTART + RLENGTH)
                if (link ~ /^http/) continue
                split(link, part, "#")
                file = part[1] == "" ? page : folder part[1]
                while (sub(/[^\/]+\/\.\.\//, "", file)) continue
                print page, link, file, part[2] == "" || file "#" part[2] in headings ? "" : "no such heading"
            }
        }' "$dir/headings" "$@" | while read -r page link file fault; do
        [ -e "$file" ] || fault="no such file"
        [ -z "$fault" ] || echo "$page: $link: $fault"
    done
}
words() { cat "$@" | tr -cs 'A-Za-z0-9_' '\n' | sort -u; }
words itdiff.h > "$dir/words-of-header"
words itdiff.h examples/*.c examples/support/*.h > "$dir/words-of-code"
names() { # pages: every name of the library, and every name behind an arrow, is in the code
    awk -v as="$as" '
        FILENAME ~ /words-of-header$/ { header[$0]; next }
        FILENAME ~ /words-of-code$/ { code[$0]; next }'"$prose"'
        { text[as ? as : FILENAME] = text[as ? as : FILENAME] $0 " " }
        END { for (page in text) look(page, text[page]) }
        function look(page, text,   before, name, behind) {
            while (match(text, /`[^`]*`/)) {
                before = substr(text, 1, RSTART - 1)
                name = substr(text, RSTART + 1, RLENGTH - 2)
                text = substr(text, RSTART + RLENGTH)
                behind = before ~ /→ $/ || (behind && before == ", ")
                sub(/\..*/, "", name)
                if (behind && !(name in code)) print page ": " name " is not in the code"
                sub(/[(=].*/, "", name)
                if (name ~ /^(itd_|ITD)[A-Za-z0-9_]*$/ && !(name in header))
                    print page ": " name " is not in itdiff.h"
            }
        }' "$dir/words-of-header" "$dir/words-of-code" "$@"
}

# ---- commands: programs, targets, scripts and their options exist ----

commands() { # pages: page and command, of the sh blocks and the inline code, without comments
    awk -v as="$as" '
        function say(page, line,   part, n, i) {
            n = split(line, part, /[&|]/)
            for (i = 1; i <= n; i++) {
                gsub(/"[^"]*"/, "quoted", part[i])
                sub(/^ */, "", part[i])
                while (sub(/^[A-Z_]*=[^ ]* /, "", part[i])) continue
                if (part[i] != "") print page, part[i]
            }
        }
        FNR == 1 { shell = 0 }
        { page = as ? as : FILENAME }
        /^```sh$/ { shell = 1; next }
        shell && /^```/ { shell = 0; next }
        shell { sub(/ *#.*/, ""); say(page, $0); next }'"$prose"'
        { text[page] = text[page] $0 " " }
        END {
            for (page in text)
                while (match(text[page], /`[^`]*`/)) {
                    span = substr(text[page], RSTART + 1, RLENGTH - 2)
                    text[page] = substr(text[page], RSTART + RLENGTH)
                    if (span ~ /^(build\/|make( |$)|sh |--[a-z])/) say(page, span)
                }
        }' "$@"
}
knows() { # program: what its help or its source says, in a file of its name; of an option alone, what any says
    file=$dir/known-${1##*/}
    [ ! -f "$file" ] || return 0
    case $1 in
    --*)
        for name in fit train_2d train_cifar10 train_images digits ode bounds information ood; do build/$name --help all; done
        cat docs/*.sh tests/bench/*
        ;;
    *.sh) cat "$1" ;;
    build/train_cifar10_mpi) build/train_cifar10 --help all ;;
    build/fit | build/train_2d | build/train_cifar10 | build/train_images | build/digits | build/ode | build/bounds | \
        build/information | build/ood)
        "$1" --help all
        ;;
    *) cat "examples/${1#build/}.c" "tests/${1#build/}.c" "docs/${1#build/}.c" \
        "tests/bench/${1#build/bench_}.c" 2> /dev/null ;;
    esac > "$file"
}
target_exists() { # of make: asked once; a folder is no target unless a rule says so
    [ "$1" = -C ] || [ ! -d "$1" ] || grep -q "^$1:" Makefile tests/rules.mk docs/rules.mk || return 1
    grep -qxF -e "$*" "$dir/targets" 2> /dev/null ||
        { make -n OPENMP= OPENBLAS= "$@" > /dev/null 2>&1 && echo "$*" >> "$dir/targets"; }
}
targets_exist() { # those of all pages at a time; if one does not, each is asked for alone, later
    commands "$@" | awk '$2 == "make" && NF > 2 { $1 = $2 = ""; sub(/^ */, ""); print }' | sort -u > "$dir/made"
    for folder in . tests/extra; do
        awk -v extra="$folder" '($1 == "-C") == (extra != ".") && ($1 != "-C" || $2 == extra)' "$dir/made" > "$dir/here"
        # Words on purpose; variables do not matter.
        make -n OPENMP= OPENBLAS= -C $folder $(sed 's/^-C [^ ]*//; s/[^ ]*=[^ ]*//g' "$dir/here") > /dev/null 2>&1 &&
            cat "$dir/here" >> "$dir/targets"
    done
}
faults_of_commands() { # pages: faults, and options to look up behind the program they are given to
    commands "$@" | while read -r page line; do
        set -f
        # Words on purpose.
        set -- $line
        case $1 in
        make)
            shift
            target_exists "$@" || echo "$page: make $*: no such target"
            continue
            ;;
        sh)
            [ -f "$2" ] || { echo "$page: $2: no such script"; continue; }
            shift
            of=$1
            ;;
        build/*)
            source=${1#build/}.c of=$1
            [ -f "examples/$source" ] || [ -f "tests/$source" ] || [ -f "docs/$source" ] ||
                [ -f "tests/bench/${source#bench_}" ] ||
                [ "$1" = build/train_cifar10_mpi ] || { echo "$page: $1: no such program"; continue; }
            ;;
        --*) of=--any ;;
        *) continue ;;
        esac
        set +f
        knows "$of"
        for word; do
            case $word in
            --help | ---*) ;;
            --[a-z]*) printf '%s\t%s\t%s\n' "$page" "$of" "${word%%=*}" ;;
            esac
        done
    done
}
command_errors() { # pages
    faults_of_commands "$@" | awk -F '\t' -v folder="$dir" '
        function read_known(program,   file, line, word, n, i) {
            file = program
            sub(/.*\//, "", file)
            file = folder "/known-" file
            while ((getline line < file) > 0) {
                n = split(line, word, /[^-A-Za-z0-9_]+/)
                for (i = 1; i <= n; i++) known[program, word[i]]
            }
        }
        NF == 1 { print; next }
        !($2 in seen) { seen[$2]; read_known($2) }
        !(($2, $3) in known) { print $1 ": " $2 ": no option " $3 }'
}

# ---- numbers: with +- or a unit of likelihood, they stand in one row of a table, after rounding ----

# Not measured here, or not measured at all: page, number, why.
cat > "$dir/exceptions" <<'END_OF_LIST'
README.md 0.01 what one percent is
END_OF_LIST

# Everything measured, row by row: fields of tables, bits/dim also on [-1, 1]; lines of generated regions.
truths() {
    awk -F '\t' '
        FNR == 1 { delete bits; for (i = 1; i <= NF; i++) if ($i == "bits_per_dim_255") bits[i] }
        {
            row = ""
            for (i = 1; i <= NF; i++)
                if ($i ~ /^-?[0-9]/) row = row " " $i ((i in bits) ? " " $i - 6.99435343686 : "")
            print row
        }' docs/*.tsv
    for page in $pages; do
        awk '/^<!-- [-a-z]*:begin -->$/ { on = 1 } /^<!-- [-a-z]*:end -->$/ { on = 0 } on && !/^<!--/' "$page"
    done | sed 's/−/-/g; s/[^-0-9., ]/ /g; s/,\([0-9][0-9][0-9]\)/\1/g; s/,/ /g'
}
truths > "$dir/truths"

number_errors() { # pages; outside of regions, formulas and programs, where blocks of output count as text
    awk -v as="$as" '
        FILENAME ~ /exceptions$/ { excused[$1, $2]; next }
        FILENAME ~ /truths$/ { truth[++rows] = $0; next }
        FNR == 1 { fenced = skip = made = 0 }
        /^```/ { fenced = !fenced; skip = fenced && $0 != "```"; next }
        /^<!-- [-a-z]*:begin -->$/ { made = 1 }
        /^<!-- [-a-z]*:end -->$/ { made = 0; next }
        !skip && !made { text[as ? as : FILENAME] = text[as ? as : FILENAME] $0 " " }
        END { for (page in text) look(page, text[page]) }
        function look(page, text,   number) {
            gsub(/−/, "-", text); gsub(/±/, "+-", text); gsub(/\$[^$]*\$/, "", text)
            while (match(text, /-?[0-9][0-9,]*(\.[0-9]+)?( *\+- *[0-9.]*[0-9])*( (nats?|bits\/dim))?/)) {
                number = substr(text, RSTART, RLENGTH)
                text = substr(text, RSTART + RLENGTH)
                if (text ~ /^[A-Za-z0-9_]/) sub(/ (nats?|bits\/dim)$/, "", number)
                if (number ~ /nat|bits|\+-/) judge(page, number)
            }
        }
        function judge(page, text,   k, n) {
            gsub(/[a-z\/,]/, "", text); gsub(/\+-/, " ", text)
            n = split(text, number, " ")
            if ((page, number[1]) in excused) return
            for (k = 1; k <= rows; k++) {
                fields = split(truth[k], field, " ")
                if (among(number[1]) && (n < 2 || among(number[2]))) return
            }
            print page ": " text " is in no table"
        }
        function among(number,  i, digits) {
            digits = index(number, ".") ? length(number) - index(number, ".") : 0
            for (i = 1; i <= fields; i++) if (sprintf("%.*f", digits, field[i]) == number) return 1
            return 0
        }' "$dir/exceptions" "$dir/truths" "$@"
}

as= # the name that a page goes by, where it is a copy
targets_exist $pages CONTRIBUTING.md
for of in links names command_errors number_errors; do $of $pages CONTRIBUTING.md > "$dir/faults-$of"; done
faults() { # kind, page
    while read -r line; do
        case $line in "$2: "*) echo "$line" ;; esac
    done < "$dir/faults-$1"
}
for page in $pages; do
    check "$page: links lead somewhere" faults links "$page"
    check "$page: names are in the code" faults names "$page"
    check "$page: commands and options exist" faults command_errors "$page"
    check "$page: numbers are measured" faults number_errors "$page"
done
check "CONTRIBUTING.md: links lead somewhere" faults links CONTRIBUTING.md
check "CONTRIBUTING.md: commands and options exist" faults command_errors CONTRIBUTING.md

# ---- generated regions are what their scripts make of the committed tables ----

copy=$dir/copy
mkdir -p "$copy/build"
cp -R README.md docs "$copy"
printf '#!/bin/sh\nexit 1\n' > "$copy/build/train_2d"
chmod +x "$copy/build/train_2d"
check_that "results.sh makes its table" sh "$copy/docs/results.sh"
check "rivals.sh makes its table" sh "$copy/docs/rivals.sh" --table
check "gallery.sh makes its table" sh "$copy/docs/gallery.sh" --tables
check "images.sh makes its tables" sh "$copy/docs/images.sh" --tables
for page in $pages; do
    check "$page: generated tables are current" cmp "$page" "$copy/$page"
done
printed() { # name, page: the output in a page is what the program's first comment says it prints
    awk -v name="$1" '
        function trimmed(line) { sub(/^ */, "", line); sub(/  *\*\/$/, "", line); return line }
        FILENAME ~ /\.c$/ { sub(/^ \* ?/, ""); says[trimmed($0)]; next }
        $0 == "<!-- " name ":end -->" { on = 0 }
        on && !/^(```|<!-- measured)/ && !/^$/ && !(trimmed($0) in says) {
            print FILENAME ": not in examples/" name ".c: " $0
        }
        $0 == "<!-- " name ":begin -->" { on = 1 }' "examples/$1.c" "$2"
}
check "output of exact" printed exact docs/method.md
check "output of ode" printed ode docs/likelihood.md
check "output of information" printed information docs/likelihood.md
# These regions are themselves the record of a measurement, and have nothing to be compared with:
records="estimator errors range bench ode-checkpoints bounds compilers fuzz soak sanitize coverage"
records="$records failures planted-faults"
regions() {
    cat $pages | sed -n 's/^<!-- \([-a-z]*\):begin -->$/\1/p' | while read -r name; do
        case " results rivals gallery likelihood ood exact ode information $records " in
        *" $name "*) ;;
        *) echo "region $name: nobody makes it" ;;
        esac
    done
}
check "every region has its maker" regions

# ---- the checks notice ----

noticed() { # check, sed script, page: the check of a copy with one error says something
    spoilt "$2" "$3" && as=$3 && said=$($1 "$dir/spoilt.md") && [ -n "$said" ]
}
changed() { # what, check, sed script, page
    check_that "a changed $1 is noticed" noticed "$2" "$3" "$4"
}
changed "digit in the text" number_errors 's/\([0-9]\.[0-9]\)\([0-9]* ±\)/\19\2/' README.md
changed "digit in a block of output" number_errors 's/^\(-log p = -*[0-9]\.\)/\19/' README.md
changed "error bar" number_errors 's/ ± 0\.\([0-9]* nats\)/ ± 0.9\1/' docs/faq.md
changed "digit in a program's output" "printed exact" 's/ +- 0\.0/ +- 0.9/' docs/method.md
check_that "a broken link is noticed" noticed links 's/(method\.md)/(methods.md)/' docs/guide.md
check_that "an unknown heading is noticed" noticed links 's/#images)/#image)/' docs/faq.md
check_that "an unknown name is noticed" noticed names 's/`itd_score`/`itd_scores`/' docs/method.md
check_that "an unknown option is noticed" noticed command_errors 's/--fresh #/--fresher #/' docs/gallery.md
check_that "an unknown target is noticed" noticed command_errors 's/^make demo /make dem /' README.md
awk -F '\t' -v OFS='\t' 'NR == 2 { $10 += 0.1 } 1' docs/results.tsv > "$copy/docs/results.tsv"
sh "$copy/docs/results.sh" > /dev/null 2>&1
check_that "a changed table is noticed" notices cmp -s README.md "$copy/README.md"
{
    printf '## Right\n\n```c\nint main(void) { return 0; }\n```\n'
    printf '## Wrong\n\n```c\nint main(void) { return nothing; }\n```\n'
    printf '## Failing\n\n```c\nint main(void) { return 1; }\n```\n'
} > "$dir/three.md"
extract "$dir/three.md" "$dir/three"
check_that "a right program passes" program "$dir/three/chapter_01.c"
check_that "a program that does not compile is noticed" notices program "$dir/three/chapter_02.c"
check_that "a program that fails is noticed" notices program "$dir/three/chapter_03.c"
report
