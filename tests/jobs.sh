#!/bin/sh
# What people bring: tables and images as other programs write them, and what is none. Each job has its right
# answer or its one line. Tables are made here, small, and of known densities; no job trains longer than it has to.
cd "$(dirname "$0")/.." || exit 1
. tests/shell.sh
out=build/jobs
rm -rf "$out"
mkdir -p "$out"
OMP_NUM_THREADS=1
export OMP_NUM_THREADS
fit="build/fit --out $out/runs --quiet --pictures off --eval_draws 4 --num_epochs 0 --hidden_size 8 --hidden_layers 1"
images="build/train_images --out $out/runs --quiet --pictures off --num_epochs 1 --n 24 --features 8 --eval_images 4
        --eval_draws 2 --train_batch_size 8"

told() { # name, pattern of the result line, pattern of stderr, command...
    name=$1 result=$2 warning=$3
    shift 3
    if "$@" > "$out/printed" 2> "$out/errors" < /dev/null && tail -n 1 "$out/printed" | grep -Eq -- "^result .*$result" &&
        if [ -n "$warning" ]; then grep -Eq -- "$warning" "$out/errors"; else [ ! -s "$out/errors" ]; fi; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAIL %s\n' "$name"
        tail -n 3 "$out/printed" "$out/errors"
    fi
}
job() { # name, pattern of the result line, command...: which has nothing else to say
    name=$1 result=$2
    shift 2
    told "$name" "$result" "" "$@"
}
refused() { # name, pattern of the one line on stderr, command...
    name=$1 line=$2
    shift 2
    "$@" > "$out/printed" 2> "$out/errors" < /dev/null
    if [ $? -eq 1 ] && [ ! -s "$out/printed" ] && [ "$(wc -l < "$out/errors")" -eq 1 ] &&
        grep -Eq -- "^(fit|train_images|ode): .*$line" "$out/errors"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAIL %s\n' "$name"
        cat "$out/printed" "$out/errors"
    fi
}

# ---- a table of 300 rows: x, y and z normal, y with correlation 0.6 to x, z by itself; three decimals ----

awk 'function normal() { return sqrt(-2 * log(1 - rand())) * cos(6.283185307 * rand()) }
     BEGIN { srand(5); print "x,y,z"
             for (i = 0; i < 300; i++) { a = normal(); printf "%.5f,%.5f,%.5f\n", a, 0.6 * a + 0.8 * normal(), normal() } }' \
    > "$out/plain.csv"
body() { sed 1d "$out/plain.csv"; }
check_that "a tie is called one" sh -c "
    $fit --quiet off --data $out/plain.csv 2> $out/errors | tail -n 2 |
        awk 'NR == 1 && /^a tie on the 30 validation rows: the model and the / { said = 1 } END { exit !(said && / best=model /) }'"
answer=$($fit --data "$out/plain.csv" | sed 's/.*\( rows=.* gaussian_nll=[^ ]*\).*/\1/')
same="$answer"
check_that "the plain table is as it was made" sh -c "echo '$answer' | grep -q 'rows=300 columns=3 .*val_nll=[34]'"

# ---- how other programs write the same table ----

form() { # name, where the written form is already
    job "$1" "$same" $fit --data "$2"
}
(printf '\357\273\277' && cat "$out/plain.csv") > "$out/bom.csv"
form "a byte order mark of UTF-8" "$out/bom.csv"
sed 's/$/\r/' "$out/plain.csv" > "$out/crlf.csv"
form "line ends of Windows" "$out/crlf.csv"
tr '\n' '\r' < "$out/plain.csv" > "$out/cr.csv"
form "line ends of old Macintoshes" "$out/cr.csv"
tr ',' ';' < "$out/plain.csv" > "$out/semicolons.csv"
form "semicolons" "$out/semicolons.csv"
tr ',' '\t' < "$out/plain.csv" > "$out/tabs.tsv"
form "tabs" "$out/tabs.tsv"
tr ',' '|' < "$out/plain.csv" > "$out/bars.txt"
form "vertical bars, as sqlite3 writes them" "$out/bars.txt"
tr ',' ' ' < "$out/plain.csv" > "$out/blanks.txt"
form "blanks" "$out/blanks.txt"
awk -F, 'NR > 1 { printf "%12.5f%12.5f  %12.5f\n", $1, $2, $3 } NR == 1 { print "   x    y    z" }' "$out/plain.csv" \
    > "$out/aligned.txt"
form "columns aligned with blanks" "$out/aligned.txt"
sed 's/,/;/g; s/\./,/g' "$out/plain.csv" > "$out/german.csv"
form "semicolons and decimal commas" "$out/german.csv"
sed '3s/,/./' "$out/german.csv" > "$out/mixed.csv"
refused "commas and points for decimals" 'mixed.csv.*line 2.*"0,[0-9]*".*commas and points' $fit --data "$out/mixed.csv"
sed 's/[^,][^,]*/"&"/g' "$out/plain.csv" > "$out/quoted.csv"
form "everything in quotes" "$out/quoted.csv"
sed '1s/.*/"x, of course","y ""quoted""",z/' "$out/plain.csv" > "$out/names.csv"
form "names with commas and quotes" "$out/names.csv"
sed 's/,/ , /g' "$out/plain.csv" > "$out/spaced.csv"
form "blanks around commas" "$out/spaced.csv"
(echo '# measured by hand' && cat "$out/plain.csv" && echo && echo) > "$out/comment.csv"
form "a comment first, empty lines last" "$out/comment.csv"
printf '%s' "$(cat "$out/plain.csv")" > "$out/unended.csv"
form "no line end at the end" "$out/unended.csv"
body > "$out/nameless.csv"
form "no names" "$out/nameless.csv"
sed 's/$/,/' "$out/plain.csv" > "$out/trailing.csv"
refused "a comma at the end of each line" 'trailing.csv: row 1 \(line 2\), column 4.*300 in all, in 300 rows and column 4\); --columns 1-3' $fit --data "$out/trailing.csv"
job "... which is left out" "$same" $fit --data "$out/trailing.csv" --columns 1-3
awk -F, 'NR == 1 { print $0 } NR > 1 { printf "%.4e,%+.5f,%.5fE0\n", $1, $2, $3 }' "$out/plain.csv" > "$out/exponents.csv"
job "exponents and plus signs" "rows=300 columns=3" $fit --data "$out/exponents.csv"
awk -F, 'NR == 1 { print "," $0 } NR > 1 { print NR - 2 "," $0 }' "$out/plain.csv" > "$out/pandas.csv"
told "row numbers of pandas" "columns=4" "column 1.*an index.*--columns 2-4" $fit --data "$out/pandas.csv"
sed '1s/x,y,z/x,x,x/' "$out/plain.csv" > "$out/repeated.csv"
form "a name that is repeated" "$out/repeated.csv"
sed '1s/.*/2019,2020,2021/' "$out/plain.csv" > "$out/years.csv"
told "years as names" "rows=301 columns=3" "names of columns" $fit --data "$out/years.csv"
sed '1s/.*/Größe [mm],Höhe,µ/' "$out/plain.csv" > "$out/unicode.csv"
form "names in UTF-8" "$out/unicode.csv"
od -An -v -tu1 -w1 "$out/plain.csv" | awk 'BEGIN { printf "\\377\\376" } { printf "\\%03o\\000", $1 }' > "$out/octal"
# shellcheck disable=SC2059 # the file is a format
printf "$(cat "$out/octal")" > "$out/utf16.csv"
refused "UTF-16, which Excel calls Unicode" 'utf16.csv.*UTF-16.*UTF-8' $fit --data "$out/utf16.csv"

awk -F, '{ for (i = 1; i <= 3; i++) printf "%s%s", NR == 1 ? $i : "\"" $i "\"", i < 3 ? "," : "\n" }' "$out/plain.csv" |
    sed '2,$s/\./,/g' > "$out/quoted-german.csv"
form "decimal commas in quotes, with commas between" "$out/quoted-german.csv"
cut -d '"' -f 2 "$out/quoted-german.csv" | sed '1s/.*/x/; s/.*/"&"/' > "$out/german-column.csv"
job "... in a column alone" "rows=300 columns=1" $fit --data "$out/german-column.csv"
awk -F, '{ print (NR == 1 ? "tag" : NR % 3 ? "word" : "#word") "," $0 }' "$out/plain.csv" > "$out/tags.csv"
job "rows that begin with #" "$same" $fit --data "$out/tags.csv" --columns 2-4
sed '5s/^/# 9,/; 5s/,[^,]*$//; 7s/^/#/' "$out/plain.csv" > "$out/taken-out.csv"
job "rows that are taken out with #" "rows=298 columns=3" $fit --data "$out/taken-out.csv"
body | awk -F, '{ printf "2024-01-%02d,%s\n", NR % 28 + 1, NR == 1 ? 5 : $1 }' > "$out/undated.csv"
job "dates without names, the first value whole" "rows=300 columns=1" $fit --data "$out/undated.csv" --columns 2
awk -F, '{ print (NR == 1 ? "id" : NR * 97 % 307) "," $0 }' "$out/plain.csv" > "$out/shuffled.csv"
told "row numbers after a shuffle" "columns=4" '"id".*an index.*--columns 2-4' $fit --data "$out/shuffled.csv"
sed '2,200d' "$out/plain.csv" > "$out/last.csv"
job "columns by number, and names in the other file" "columns=3 .*test_nll=[0-9]" $fit --data "$out/shuffled.csv" \
    --columns 2-4 --test "$out/last.csv"

# ---- values that are none ----

sed '7s/^[^,]*/NA/; 9s/[^,]*$//' "$out/plain.csv" > "$out/missing.csv"
refused "missing values" 'missing.csv: row 6 \(line 7\), column 1.*"NA".*a missing value; 2 in all, in 2 rows and columns 1,3\).*--columns 2 ' $fit --data "$out/missing.csv"
told "... which are left out" "rows=298 columns=3" 'missing.csv: 2 of its 300 rows are left out' \
    $fit --data "$out/missing.csv" --drop_missing
for word in '#DIV\/0!' '-nan(ind)' '(null)' '1.#QNAN'; do
    sed "7s/^[^,]*/$word/" "$out/plain.csv" > "$out/word.csv"
    told "$word is a missing value" "rows=299 columns=3" '1 of its 300 rows' $fit --data "$out/word.csv" --drop_missing
done
sed '7s/^[^,]*/inf/' "$out/plain.csv" > "$out/infinite.csv"
refused "a value that is infinite" 'infinite.csv.*line 7.*column 1' $fit --data "$out/infinite.csv"
sed '7s/^[^,]*/1e400/' "$out/plain.csv" > "$out/huge.csv"
refused "a value beyond all floats" 'huge.csv.*line 7.*column 1' $fit --data "$out/huge.csv"
sed '7s/^[^,]*/oops/' "$out/plain.csv" > "$out/word.csv"
refused "a word among numbers" 'word.csv.*line 7.*"oops"' $fit --data "$out/word.csv"
sed '7s/$/,1/' "$out/plain.csv" > "$out/ragged.csv"
refused "a line that is too long" 'ragged.csv.*line 7.*3 .*4' $fit --data "$out/ragged.csv"
sed '7s/,[^,]*$//' "$out/plain.csv" > "$out/short.csv"
refused "a line that is too short" 'short.csv.*line 7.*3 .*2' $fit --data "$out/short.csv"
awk -F, 'NR == 1 { print $0 ",kind" } NR > 1 { print $0 (NR % 2 ? ",cat" : ",dog") }' "$out/plain.csv" > "$out/label.csv"
refused "a column of words" 'label.csv.*"(cat|dog)".*--columns 1-3' $fit --data "$out/label.csv"
job "... which is left out" "$same" $fit --data "$out/label.csv" --columns x,y,z
awk -F, 'NR == 1 { print "when," $0 } NR > 1 { printf "2024-01-%02d,%s\n", NR % 28 + 1, $0 }' "$out/plain.csv" > "$out/dates.csv"
refused "a column of dates" 'dates.csv.*2024-01' $fit --data "$out/dates.csv"
sed '7s/^[^,]*/5%/' "$out/plain.csv" > "$out/percent.csv"
refused "a percent sign" 'percent.csv.*line 7.*5%' $fit --data "$out/percent.csv"
sed '7s/^[^,]*/"1,234.5"/' "$out/plain.csv" > "$out/thousands.csv"
refused "a comma between thousands" 'thousands.csv.*line 7.*1,234.5' $fit --data "$out/thousands.csv"
sed '7s/^[^,]*/0x10/' "$out/plain.csv" > "$out/hexadecimal.csv"
refused "a hexadecimal number" 'hexadecimal.csv.*line 7.*0x10' $fit --data "$out/hexadecimal.csv"
head -n 1 "$out/plain.csv" > "$out/names-only.csv"
refused "names and nothing else" 'names-only.csv: rows of numbers expected, none found' $fit --data "$out/names-only.csv"
: > "$out/empty.csv"
refused "an empty file" 'empty.csv.*none found' $fit --data "$out/empty.csv"

# ---- files that are no tables ----

printf '\037\213\010\000\000\000\000\000\000\003' > "$out/table.csv.gz"
refused "a compressed table" 'table.csv.gz.*gzip' $fit --data "$out/table.csv.gz"
printf 'PK\003\004\024\000\006\000' > "$out/table.xlsx"
refused "a workbook of Excel" 'table.xlsx:.* zip archive' $fit --data "$out/table.xlsx"
printf 'PAR1\025\004\025' > "$out/table.parquet"
refused "a Parquet file" 'table.parquet.*Parquet' $fit --data "$out/table.parquet"
echo '[{"x": 1.5, "y": 2}, {"x": 2.5, "y": 3}]' > "$out/table.json"
refused "JSON" 'table.json:.* JSON found' $fit --data "$out/table.json"
printf '<!DOCTYPE html>\n<html><body>Not found</body></html>\n' > "$out/page.csv"
refused "a page of HTML" 'page.csv.*HTML' $fit --data "$out/page.csv"
refused "a folder" 'jobs.*folder' $fit --data "$out"
refused "a file without --data" 'expected an option.*did you mean --data' build/fit "$out/plain.csv"
refused "a file that is not there" 'missing-file.csv.*No such file' $fit --data "$out/missing-file.csv"
(cat "$out/plain.csv" && printf '1,2\000,3\n') > "$out/nul.csv"
refused "a byte of zero" 'nul.csv.*line 302' $fit --data "$out/nul.csv"
cp "$out/plain.csv" "$out/a name, with blanks & ünicode.csv"
form "a file with an odd name" "$out/a name, with blanks & ünicode.csv"
cp "$out/plain.csv" "$out/-dash.csv"
form "a name with a dash" "$out/-dash.csv"

# ---- arrays of NumPy ----

octets() { awk '{ for (i = 1; i <= NF; i++) printf "\\%03o", $i < 0 ? $i + 256 : $i }'; }
npy() { # file, type, order, shape, bytes in octal: of version 1.0
    head="{'descr': '$2', 'fortran_order': $3, 'shape': ($4), }"
    # shellcheck disable=SC2059 # the last is a format
    { printf '\223NUMPY\001\000v\000%-117s\n' "$head" && printf "$5"; } > "$1"
}
bytes=$(body | awk -F, '{ print int($1 * 40), int($2 * 40), int($3 * 40) }' | octets)
npy "$out/small.npy" '|i1' False '300, 3' "$bytes"
told "bytes with signs" "rows=300 columns=3" "steps of 1" $fit --data "$out/small.npy"
wide=$(body | awk -F, '{ for (i = 1; i <= 3; i++) { v = int($i * 1000); if (v < 0) v += 65536; print v % 256, int(v / 256) } }' | octets)
big=$(body | awk -F, '{ for (i = 1; i <= 3; i++) { v = int($i * 1000); if (v < 0) v += 65536; print int(v / 256), v % 256 } }' | octets)
npy "$out/little.npy" '<i2' False '300, 3' "$wide"
npy "$out/big.npy" '>i2' False '300, 3' "$big"
job "16-bit numbers" "rows=300 columns=3" $fit --data "$out/little.npy"
little=$(sed 's/.*\( rows=.* seconds\).*/\1/' "$out/printed")
job "... in the other order of bytes" "$little" $fit --data "$out/big.npy"
columns=$(for i in 1 2 3; do body | awk -F, -v i=$i '{ v = int($i * 1000); if (v < 0) v += 65536; print v % 256, int(v / 256) }'; done | octets)
npy "$out/fortran.npy" '<i2' True '300, 3' "$columns"
job "... column by column" "$little" $fit --data "$out/fortran.npy"
npy "$out/flat.npy" '<i2' False '900,' "$wide"
told "... one column" "rows=900 columns=1" "repeat earlier ones" $fit --data "$out/flat.npy"
npy "$out/deep.npy" '<i2' False '30, 10, 3' "$wide"
refused "three dimensions" 'deep.npy.*\(30, ?10, ?3\)|deep.npy.*3 dimensions' $fit --data "$out/deep.npy"
npy "$out/object.npy" '|O' False '300, 3' "$wide"
refused "Python objects" 'object.npy.*(objects|type)' $fit --data "$out/object.npy"
npy "$out/complex.npy" '<c8' False '75, 3' "$wide"
refused "complex numbers" 'complex.npy.*c8' $fit --data "$out/complex.npy"
head -c 500 "$out/little.npy" > "$out/cut.npy"
refused "an array that is cut off" 'cut.npy.*\(300, 3\).*found 372 bytes' $fit --data "$out/cut.npy"
printf 'PK\003\004\024\000\000\000' > "$out/arrays.npz"
refused "an archive of arrays" 'arrays.npz.*(zip|npz)' $fit --data "$out/arrays.npz"

# ---- scales, units, orders: the Gaussian is that of the same table in other units ----

gaussian() { sed 's/.* gaussian_nll=\([^ ]*\) .*/\1/' "$out/printed"; }
in_units() { # name, program of awk that writes a row, how much -log p grows
    for part in training validation; do awk -F, "NR == 1 { print; next } $2" "$out/$part.csv" > "$out/$part-units.csv"; done
    job "$1" "rows=240 columns=3" $fit --data "$out/training-units.csv" --validation "$out/validation-units.csv" \
        --dequantize off
    check_that "... and its likelihood" awk -v a="$(gaussian)" -v b="$unscaled" -v by="$3" \
        'BEGIN { off = a - b - by; exit !(off < 0.0011 && off > -0.0011) }'
}
head -n 241 "$out/plain.csv" > "$out/training.csv"
sed '2,241d' "$out/plain.csv" > "$out/validation.csv"
$fit --data "$out/training.csv" --validation "$out/validation.csv" --dequantize off > "$out/printed"
unscaled=$(gaussian)
in_units "numbers of 1e-6" '{ printf "%.11f,%.11f,%.11f\n", $1 * 1e-6, $2 * 1e-6, $3 * 1e-6 }' -41.4465
in_units "numbers of 1e9" '{ printf "%.0f,%.0f,%.0f\n", $1 * 1e9, $2 * 1e9, $3 * 1e9 }' 62.1698
in_units "time stamps in seconds" '{ printf "%.2f,%s,%s\n", 1.7e9 + 1000 * $1, $2, $3 }' 6.9078
in_units "time stamps in microseconds" '{ printf "%.0f,%s,%s\n", 1.7e15 + 1e9 * $1, $2, $3 }' 20.7233
in_units "columns of 1e-6, 1 and 1e9" '{ printf "%.11f,%s,%.0f\n", $1 * 1e-6, $2, $3 * 1e9 }' 6.9078
in_units "columns in another order" '{ print $3 "," $1 "," $2 }' 0
(head -n 1 "$out/training.csv" && sed 1d "$out/training.csv" | sort) > "$out/sorted.csv"
job "rows in another order" "gaussian_nll=$unscaled" $fit --data "$out/sorted.csv" --validation "$out/validation.csv" \
    --dequantize off

# ---- shapes ----

job "one column" "rows=300 columns=1" $fit --data "$out/plain.csv" --columns y
normals() { # rows, columns
    awk -v n="$1" -v d="$2" 'function normal() { return sqrt(-2 * log(1 - rand())) * cos(6.283185307 * rand()) }
        BEGIN { srand(7); for (i = 0; i < n; i++) { line = normal(); for (j = 1; j < d; j++) line = line "," normal(); print line } }'
}
normals 400 60 > "$out/sixty.csv"
job "sixty columns" "rows=400 columns=60" $fit --data "$out/sixty.csv"
normals 30 50 > "$out/few.csv"
told "fewer rows than columns" "rows=30 columns=50" "too few to tell how the columns vary together" $fit --data "$out/few.csv"
check_that "... of which the Gaussian is shrunk" awk -v a="$(gaussian)" 'BEGIN { exit !(a > 55 && a < 95) }'
normals 100000 2 > "$out/many.csv"
job "100,000 rows" "rows=100000 columns=2" $fit --data "$out/many.csv"
check_that "... have the entropy of a normal pair" awk -v a="$(gaussian)" \
    'BEGIN { off = a - 2.8379; exit !(off < 0.04 && off > -0.04) }'
normals 20 2 > "$out/twenty.csv"
job "twenty rows" "rows=20 columns=2" $fit --data "$out/twenty.csv"
refused "twenty rows, nearly all of them kept back" 'twenty.csv: at least 4 rows to learn from .* leaves 1' \
    $fit --data "$out/twenty.csv" --validation 0.95
awk 'BEGIN { for (i = 0; i < 20; i++) { for (j = 0; j < 16385; j++) printf "%d,", i * j % 97; print i } }' > "$out/wide.csv"
refused "more columns than a network takes" 'wide.csv: at most 16384 columns expected, 16386 found' $fit --data "$out/wide.csv"

# ---- columns that are special ----

sed '1s/$/,c/; 2,$s/$/,7/' "$out/plain.csv" > "$out/constant.csv"
refused "a column of one value" 'constant.csv.*column 4.*--columns 1-3' $fit --data "$out/constant.csv"
awk -F, 'NR == 1 { print $0 ",c" } NR > 1 { print $0 "," NR * 7 % 307 "e-60" }' "$out/plain.csv" > "$out/faint.csv"
refused "a column that is one value to a float" 'faint.csv: column 4 \("c"\).*one value.*--columns 1-3 .*single precision' \
    $fit --data "$out/faint.csv"
awk -F, 'NR == 1 { print $0 ",c" } NR > 1 { print $0 "," (NR == 9) }' "$out/plain.csv" > "$out/rare.csv"
check_that "a column whose other value is not learned" sh -c "
    ! $fit --data $out/rare.csv --validation 0.5 --dequantize off > $out/printed 2> $out/errors && tail -n 1 $out/errors |
        grep -q 'rare.csv: column 4 (\"c\").*one value.*--columns 1-3 .*among the 150 rows to learn from'"
awk -F, '{ print $0 "," $1 }' "$out/plain.csv" > "$out/repeated.csv"
told "a column that is there already" "rows=300 columns=4" "column 4.*follows from" $fit --data "$out/repeated.csv"
awk -F, 'NR == 1 { print $0 ",sum" } NR > 1 { printf "%s,%.5f\n", $0, $1 + $2 + $3 }' "$out/plain.csv" > "$out/sum.csv"
told "a column that is the sum of others" "rows=300 columns=4" "column 4.*follows from" $fit --data "$out/sum.csv"
awk -F, 'NR == 1 { print $0 ",class" } NR > 1 { print $0 "," NR % 3 }' "$out/plain.csv" > "$out/classes.csv"
told "a column of classes" "rows=300 columns=4" "column 4.*3 (distinct )?values|steps of 1" $fit --data "$out/classes.csv"
awk -F, 'NR == 1 { print } NR > 1 { printf "%d,%d,%d\n", $1 * 5, $2 * 5, $3 * 5 }' "$out/plain.csv" > "$out/counts.csv"
told "whole numbers" "rows=300 columns=3" "steps of 1" $fit --data "$out/counts.csv"
(cat "$out/plain.csv" && body && body) > "$out/thrice.csv"
told "rows that are repeated" "rows=900 columns=3" "600 rows repeat" $fit --data "$out/thrice.csv"
sed '7s/^[^,]*/1000000/' "$out/plain.csv" > "$out/outlier.csv"
told "a value far off" "rows=300 columns=3" 'column 1.*far outside.*: row 6 \(line 7\), 1e\+06' $fit --data "$out/outlier.csv"
body | awk -F, 'NR == 1 { print "x" } { printf "%.9g\n", $1 / ($3 * $3 + 1e-6) }' > "$out/tails.csv"
check_that "heavy tails give finite numbers" sh -c "
    $fit --data $out/tails.csv > $out/printed 2> $out/errors && ! grep -Eq '(nan|inf)' $out/printed"
awk 'BEGIN { srand(1); print "rain"; for (i = 0; i < 400; i++) print rand() < 0.6 ? 0 : rand() * 9 }' > "$out/rain.csv"
check_that "one value in most rows, wherever the rows are divided" sh -c "
    for seed in 1 2 3 4 5 6 7 8; do $fit --data $out/rain.csv --seed \$seed 2> $out/errors || exit 1; done"
yes '1,2' | head -n 50 > "$out/flat.csv"
refused "rows that are all the same" 'flat.csv.*columns 1-2.*one value' $fit --data "$out/flat.csv"

# ---- models: other data, no data, no models ----

$fit --data "$out/plain.csv" --experiment_name model > /dev/null
model=$out/runs/model/model.safetensors
load="build/fit --out $out/runs --quiet --pictures off --eval_draws 4 --load"
body | sed 's/^\([^,]*\),\([^,]*\),/\2,\1,/; s/[0-9]$/5/' | sed '1i y,x,z' > "$out/others.csv"
job "the rows of another table" "rows=300 columns=3" $load $model --data "$out/others.csv"
sed '1s/.*/x,y,x/' "$out/plain.csv" > "$out/same.csv"
$fit --data "$out/same.csv" --experiment_name same > /dev/null
told "names that repeat" "rows=300 columns=3" "rows that it was trained on" build/fit --out "$out/runs" --quiet \
    --pictures off --eval_draws 4 --load "$out/runs/same/model.safetensors" --data "$out/same.csv"
refused "... with missing values" 'missing.csv.*line 7' $load $model --data "$out/missing.csv"
sed '1s/.*/a,b,c/' "$out/others.csv" > "$out/renamed.csv"
refused "... under other names" 'renamed.csv: a column named "x" expected.*--columns takes them' \
    $load $model --data "$out/renamed.csv"
job "... which are told apart by their places" "rows=300" $load $model --data "$out/renamed.csv" --columns 2,1,3
refused "... with other columns" '3 columns expected|column named' $load $model --data "$out/twenty.csv"
awk -F, 'NR == 1 { print } NR > 1 { print $1 * 1000 "," $2 "," $3 }' "$out/others.csv" > "$out/thousand.csv"
sed '7s/^[^,]*/1e38/' "$out/others.csv" > "$out/beyond.csv"
refused "... beyond what a model takes" 'beyond.csv: row 6 \(line 7\), column 1 \("y"\): .* 1e30 standard .* 1e\+38 found' \
    $load $model --data "$out/beyond.csv"
told "... a thousand times as large" "rows=300" "in other units, or other data" $load $model --data "$out/thousand.csv"
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n' > "$out/lfs.safetensors"
printf '\200\002}q\000.' > "$out/pickle.bin"
head -c 100 "$model" > "$out/half.safetensors"
printf ' <\000\000\000\000\000\000{"__metadata__":{}}' > "$out/like-a-page.safetensors"
refused "a model that is a table" 'plain.csv: .*safetensors expected, found text that begins "x,y,z"' $load "$out/plain.csv" --data "$out/plain.csv"
refused "a model that is a page" 'page.csv.*HTML' $load "$out/page.csv" --data "$out/plain.csv"
refused "a model that is a pointer of git-lfs" 'lfs.safetensors.*(git-lfs|git lfs)' $load "$out/lfs.safetensors" --data "$out/plain.csv"
refused "a model that is a pickle" 'pickle.bin.*pickle' $load "$out/pickle.bin" --data "$out/plain.csv"
refused "a model whose length reads as a page begins" 'page.safetensors: .*too few for its header' $load "$out/like-a-page.safetensors" \
    --data "$out/plain.csv"
refused "a model that is cut off" 'half.safetensors: 100 bytes' $load "$out/half.safetensors" --data "$out/plain.csv"
refused "a model that is not there" 'no-model: weights expected, no such file' $load "$out/no-model" --data "$out/plain.csv"

body | awk -F, '{ printf "%s,%.4f\n", $1, 10 * $2 }' > "$out/two.csv"
body | awk -F, 'BEGIN { print "a,x,x" } { printf "%s,%s,%.4f\n", $1, $2, 10 * $3 }' > "$out/again.csv"
$fit --data "$out/again.csv" --columns 3,2 --experiment_name again > /dev/null
trained=$($fit --data "$out/again.csv" --columns 3,2 --experiment_name again | sed 's/.* gaussian_nll=\([^ ]*\) .*/\1/')
told "a repeated name, in another order" "rows=300 columns=2" "rows that it was trained on" build/fit --out "$out/runs" --quiet \
    --pictures off --eval_draws 4 --load "$out/runs/again/model.safetensors" --data "$out/again.csv" --columns 3,2
check_that "... is the same column again" awk -v a="$(gaussian)" -v b="$trained" 'BEGIN { exit !(a - b < 0.3 && b - a < 0.3) }'
for order in 1,2 2,1; do
    $fit --data "$out/two.csv" --columns $order --experiment_name "order$order" > /dev/null
    told "columns $order of a table without names" "rows=300" "rows that it was trained on" build/fit --out "$out/runs" --quiet \
        --pictures off --eval_draws 4 --load "$out/runs/order$order/model.safetensors" --data "$out/two.csv" --columns $order
    echo "$(gaussian)" >> "$out/orders"
done
check_that "... are the same columns again" awk 'NR == 1 { a = $1 } END { exit !(NR == 2 && a - $1 < 0.02 && $1 - a < 0.02) }' \
    "$out/orders"
body | awk -F, '{ printf "%.0f\n", 1.7e15 + 300 * $1 }' > "$out/stamps.csv"
$fit --data "$out/stamps.csv" --samples 50 --samples_out "$out/stamps-out.csv" > /dev/null 2>&1
check_that "samples of large numbers have all their digits" [ "$(grep -c '^1[67][0-9]\{14\}' "$out/stamps-out.csv")" -eq 50 ]
sed 's/^/"/; s/,/ ","/g; s/$/"/; 1!s/[" ]//g' "$out/plain.csv" > "$out/blank-names.csv"
$fit --data "$out/blank-names.csv" --experiment_name blank --samples 50 --samples_out "$out/blank-out.csv" > /dev/null
job "samples under names that end in a blank" "rows=50" $load "$out/runs/blank/model.safetensors" --data "$out/blank-out.csv"

# ---- images ----

array() { # file, shape, values of a byte by awk: of i
    count=$(echo "$2" | awk -F, '{ n = 1; for (i = 1; i <= NF; i++) n *= $i; print n }')
    npy "$1" '|u1' False "$2" "$(awk -v n="$count" "BEGIN { srand(9); for (i = 0; i < n; i++) print int($3) }" | octets)"
}
shade='128 + 60 * sin(i / 5) + 20 * rand()'
array "$out/grey.npy" '24, 8, 8' "$shade"
job "grey images" "images_seen=16" $images --data "$out/grey.npy"
cp "$out/grey.npy" "$out/a name, with blanks & ünicode.npy"
job "images in a file with an odd name" "images_seen=16" $images --data "$out/a name, with blanks & ünicode.npy"
check_that "... which gives its folder a plain one" [ -f "$out/runs/a_name__with_blanks___ünicode/model.safetensors" ]
array "$out/colour.npy" '24, 8, 8, 3' "$shade"
job "colour images" "images_seen=16" $images --data "$out/colour.npy"
check_that "images on no grid: the density is to be quoted" sh -c "
    $(echo $images) --quiet off --data $out/deep.npy 2> $out/errors | grep -q '^to quote: \"continuous\", a density'"
array "$out/odd.npy" '24, 7, 9' "$shade"
job "sizes that are odd" "images_seen=16" $images --data "$out/odd.npy"
array "$out/tall.npy" '24, 16, 4' "$shade"
job "images that are not square" "images_seen=16" $images --data "$out/tall.npy"
array "$out/black.npy" '24, 8, 8' 'i % 64 % 8 < 2 ? 0 : 200 * rand()'
job "a black border" "images_seen=16" $images --data "$out/black.npy"
array "$out/binary.npy" '24, 8, 8' '255 * int(2 * rand())'
job "black and white" "images_seen=16" $images --data "$out/binary.npy"
array "$out/flat-image.npy" '24, 8, 8' '7'
refused "images of one grey" 'flat-image.npy.*differences expected, every value is 7' $images --data "$out/flat-image.npy"
array "$out/alike.npy" '24, 8, 8' 'i % 64 * 3'
told "images that are all the same" "images_seen=16 val_nll=-*[0-9]" 'alike.npy: the training images are all the same' \
    $images --data "$out/alike.npy"
array "$out/one.npy" '1, 8, 8' "$shade"
refused "a single image" 'one.npy: at least 4 images expected, 1 found' $images --data "$out/one.npy"
measured="build/train_images --out $out/runs --quiet --pictures off --eval_draws 2 --eval --load $out/runs/grey/model.safetensors"
job "... which a model can measure" "val_nll=" $measured --data "$out/one.npy"
job "... or as the test alone" "val_nll=" $measured --test "$out/one.npy"
array "$out/new.npy" '9, 8, 8' "$shade"
job "images that the model has not learned" "val_nll=" $measured --data "$out/new.npy" --scores "$out/new.tsv"
check_that "... are all measured" [ "$(wc -l < "$out/new.tsv")" -eq 10 ]
job "images that it has" "val_nll=" $measured --data "$out/grey.npy" --scores "$out/grey.tsv"
check_that "... but for those it has learned" [ "$(wc -l < "$out/grey.tsv")" -eq 3 ]
array "$out/ten.npy" '12, 8, 8' "$shade"
job "fewer images than a batch" "images_seen=16" build/train_images --out "$out/runs" --quiet --pictures off --num_epochs 1 \
    --features 8 --eval_draws 2 --train_batch_size 16 --data "$out/ten.npy"
npy "$out/signed.npy" '|i1' False '24, 8, 8' "$(awk 'BEGIN { for (i = 0; i < 1536; i++) print i * 7 % 60 - 30 }' | octets)"
told "bytes with signs" "images_seen=16" 'signed.npy: only 60 different values; numpy.save them as uint8' \
    $images --data "$out/signed.npy"
npy "$out/hot.npy" '<i2' False '24, 8, 8' "$(awk 'BEGIN { srand(3)
    for (i = 0; i < 1536; i++) { v = i == 700 ? 32000 : int(300 * rand()); print v % 256, int(v / 256) } }' | octets)"
told "one value far off" "images_seen=16" 'hot.npy: image 11 has a value of 32000, and 99.9 % of all lie between' \
    $images --data "$out/hot.npy"
refused "nothing to go on with" 'resume: no checkpoint found in .*/nothing/' $images --data "$out/grey.npy" --resume \
    --experiment_name nothing
array "$out/row.npy" '24, 64' "$shade"
refused "rows without a shape" 'row.npy.*height.*width' $images --data "$out/row.npy"
array "$out/four.npy" '24, 8, 8, 5' "$shade"
refused "five channels" 'four.npy: 1 to 4 channels expected, 5 found' $images --data "$out/four.npy"
idx() { # file, images, side
    { printf '\000\000\010\003' && printf "$(echo 0 0 0 "$2" 0 0 0 "$3" 0 0 0 "$3" | octets)" &&
        printf "$(awk -v n=$(($2 * $3 * $3)) "BEGIN { srand(4); for (i = 0; i < n; i++) print int($shade) }" | octets)"; } > "$1"
}
idx "$out/train-images-idx3-ubyte" 24 8
job "a file as MNIST's" "images_seen=16" $images --data "$out/train-images-idx3-ubyte"
mkdir -p "$out/mnist/train-images-idx3-ubyte"
cp "$out/train-images-idx3-ubyte" "$out/mnist/train-images.idx3-ubyte"
job "... in a folder with a folder of its other name" "images_seen=16" $images --data "$out/mnist"
refused "... for scores" 'scores: .* is one of the files that are read' $images --data "$out/mnist" \
    --scores "$out/mnist/train-images.idx3-ubyte"
mkfifo "$out/pipe.npy"
cat "$out/grey.npy" > "$out/pipe.npy" &
job "images from a pipe" "images_seen=16" $images --data "$out/pipe.npy"
printf '\037\213\010\000\000\000\000\000\000\003' > "$out/train-images-idx3-ubyte.gz"
refused "... compressed" 'gz.*gunzip|gzip' $images --data "$out/train-images-idx3-ubyte.gz"
head -c 500 "$out/train-images-idx3-ubyte" > "$out/cut-idx3-ubyte"
refused "... cut off" 'cut-idx3-ubyte: 1552 bytes expected.*500 found' $images --data "$out/cut-idx3-ubyte"
printf '\000\000\010\001\000\000\000\002\001\002' > "$out/labels-idx1-ubyte"
refused "... with labels" 'labels-idx1-ubyte: images expected.*the labels' $images --data "$out/labels-idx1-ubyte"
printf '\211PNG\r\n\032\n' > "$out/picture.png"
refused "a PNG file" 'picture.png.*one picture found' $images --data "$out/picture.png"
printf '\377\330\377\340' > "$out/picture.jpg"
refused "a JPEG file" 'picture.jpg.*one picture found' $images --data "$out/picture.jpg"
refused "a table" 'plain.csv: .npy, .* expected, text found' $images --data "$out/plain.csv"
mkdir "$out/bare"
refused "a folder without images" 'bare: images expected, found a folder' $images --data "$out/bare"
refused "no images at all" 'no-images: images expected, found nothing' $images --data "$out/no-images"

# ---- where results go ----

if [ -w /dev/full ]; then
    full() { # name, command...: the file is lost, the result is not
        check_that "$1" sh -c "! $2 > $out/printed 2> $out/errors && grep -q '^result ' $out/printed &&
            [ \$(wc -l < $out/errors) -eq 1 ] && grep -q 'full: cannot be written' $out/errors"
    }
    full "a full disk, for scores" "$load $model --data $out/others.csv --scores /dev/full"
    full "... for samples" "$fit --data $out/plain.csv --samples_out /dev/full"
    full "... for scores of images" "$(echo $measured) --data $out/new.npy --scores /dev/full"
else
    skip "there is no /dev/full"
fi
cp "$out/others.csv" "$out/precious.csv"
refused "the table itself, for its scores" 'scores: .*precious.csv is needed as it is' \
    $load $model --data "$out/precious.csv" --scores "$out/../jobs/precious.csv"
refused "... for samples" 'samples_out: .*precious.csv is needed as it is' \
    $fit --data "$out/precious.csv" --samples_out "$out/precious.csv"
check_that "... which is still there" cmp "$out/others.csv" "$out/precious.csv"
ln -s nothing.csv "$out/link.csv"
job "scores behind a link to no file" "rows=300" $load $model --data "$out/others.csv" --scores "$out/link.csv"
check_that "... are there" [ "$(wc -l < "$out/nothing.csv")" -eq 301 ]
refused "one file for scores and samples" 'another file than that of --scores expected' $load $model \
    --data "$out/others.csv" --scores "$out/both.csv" --samples_out "$out/../jobs/both.csv"
refused "a folder that is a file" 'plain\.csv/.*: the folder cannot be made' $fit --data "$out/plain.csv" --out "$out/plain.csv"
refused "a file in a folder that is none" 'nowhere/s.csv.*cannot' $fit --data "$out/plain.csv" --samples_out "$out/nowhere/s.csv"
report
