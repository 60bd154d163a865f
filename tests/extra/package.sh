#!/bin/sh
# What is installed and passed on: files in their places, one version everywhere, manual and completion that
# know the options the programs have.
cd "$(dirname "$0")/../.." || exit 1
. tests/shell.sh
CC=${CC:-cc}
out=$PWD/build/package.$$
mkdir -p "$out"
trap 'rm -rf "$out"' EXIT
unset MAKEFLAGS MAKELEVEL MFLAGS
version=$(sed -n 's/^#define ITDIFF_VERSION "\(.*\)"/\1/p' itdiff.h)

# ---- one version ----

check_that "a version of three numbers" sh -c "echo '$version' | grep -qx '[0-9]*\.[0-9]*\.[0-9]*'"
check_that "the first line of the header says it" sh -c "head -n 1 itdiff.h | grep -q 'version $version '"
check_that "CITATION.cff says it" grep -qx "version: $version" CITATION.cff
check_that "CHANGELOG.md has it" grep -q "^## \[$version\]" CHANGELOG.md
for page in docs/man/*.1; do check_that "$page says it" grep -q "^\.TH .*\"itdiff.h $version\"" "$page"; done

# ---- make install ----

files() { (cd "$out/stage" && find . -type f | sort); }
install_to() { make -s install DESTDIR="$out/stage" PREFIX=/opt/there; }
check "make install" install_to
check_that "every file is in its place" [ "$(files)" = "./opt/there/include/itdiff.h
./opt/there/include/itdiff_grid.h
./opt/there/share/bash-completion/completions/fit
./opt/there/share/bash-completion/completions/train_2d
./opt/there/share/bash-completion/completions/train_cifar10
./opt/there/share/bash-completion/completions/train_images
./opt/there/share/man/man1/fit.1
./opt/there/share/man/man1/train_2d.1
./opt/there/share/man/man1/train_cifar10.1
./opt/there/share/man/man1/train_images.1
./opt/there/share/pkgconfig/itdiff.pc" ]
check "the header is the header" cmp itdiff.h "$out/stage/opt/there/include/itdiff.h"
for program in fit train_2d train_cifar10 train_images; do
    check "the completion of $program is the completion" cmp docs/completion/itdiff.bash \
        "$out/stage/opt/there/share/bash-completion/completions/$program"
done
config() { # options...: of pkg-config, as if the stage were the root
    PKG_CONFIG_PATH=$out/stage/opt/there/share/pkgconfig PKG_CONFIG_SYSROOT_DIR=$out/stage pkg-config "$@" itdiff
}
if command -v pkg-config > /dev/null; then
    printf '#define ITDIFF_IMPLEMENTATION\n#define ITD_NO_SIMD\n#include <itdiff_grid.h>\nint main(void)' > "$out/main.c"
    echo '{ const grid g = {-1, 1, 3}; return grid_valid(&g) ? ITDIFF_VERSION[0] == 0 : 1; }' >> "$out/main.c"
    check_that "pkg-config knows the version" [ "$(config --modversion)" = "$version" ]
    # shellcheck disable=SC2046 # flags are words
    check "a program finds header and grid by pkg-config" $CC $(config --cflags) "$out/main.c" -o "$out/main" \
        $(config --libs)
else
    skip "no pkg-config"
fi
check "make uninstall" make -s uninstall DESTDIR="$out/stage" PREFIX=/opt/there
check_that "nothing is left" [ -z "$(files)" ]

# ---- make dist ----

if git rev-parse --git-dir > /dev/null 2>&1; then
    tarball=build/itdiff-$version.tar.gz
    check_that "make dist" make -s dist
    cp "$tarball" "$out/first.tar.gz"
    sleep 1 # a date in the file would differ now
    check_that "make dist again" make -s dist
    check "both have the same bytes" cmp "$tarball" "$out/first.tar.gz"
    check_that "everything committed is in it" [ "$(gzip -dc "$tarball" | tar -tf - | grep -vc '/$')" -eq \
        "$(git ls-tree -r --name-only HEAD | wc -l)" ]
else
    skip "not a clone: make dist needs git"
fi

# ---- manual and completion ----

helped() { build/"$1" --help all | sed -n 's/^  --\([a-z0-9_]*\).*/\1/p' | sort; }
in_manual() { sed -n 's/^\\fB\\-\\-\([a-z0-9_]*\)\\fR.*/\1/p' "docs/man/$1.1" | sort; }
in_completion() { sed -n "/^itdiff_$1='/,/^'/p" docs/completion/itdiff.bash | sed '1d; $d; s/ .*//' | sort; }
same_lists() { # two lists; says where they differ
    printf '%s\n' "$1" > "$out/one"
    printf '%s\n' "$2" > "$out/other"
    diff "$out/one" "$out/other"
}
# "one of a, b; ..." in the help, its lines joined: option and words as the completion has them
choices() {
    build/"$1" --help all | sed 's/^  --/@/' | tr '\n' ' ' | tr '@' '\n' | tr -s ' ' |
        sed -n 's/^\([a-z0-9_]*\) NAME .*(one of \([^;]*\);.*/\1 \2/p' | tr -d ',' | sort
}
completed() {
    sed -n "/^itdiff_$1='/,/^'/p" docs/completion/itdiff.bash | sed '1d; $d' | grep ' ' | grep -v ' on off$' | sort
}
# The words that explain the options, a line each, in the order of the help.
words() { tr 'A-Z' 'a-z' | tr -cs 'a-z0-9' '\n' | grep .; }
explained() { build/"$1" --help all | sed -n '/^Data:/,/^Other:/p' | sed '/^Other:/d' | words; }
in_manual_explained() {
    sed -n '/^\.SH OPTIONS/,/^\.SS Other/p' "docs/man/$1.1" | sed '1d; $d; s/^\.[A-Z]*//; s/\\f[A-Z]//g; s/\\-/-/g' | words
}
for program in fit train_2d train_cifar10 train_images; do
    check "the manual says of options what $program says" same_lists "$(explained $program)" \
        "$(in_manual_explained $program)"
    check "the manual has the options of $program" same_lists "$(helped $program)" "$(in_manual $program)"
    check "completion has the options of $program" same_lists "$(helped $program)" "$(in_completion $program)"
    check "completion has the words they take" same_lists "$(choices $program)" "$(completed $program)"
    if command -v groff > /dev/null; then
        check_that "docs/man/$program.1 is plain roff" sh -c "[ -z \"\$(groff -man -ww -z docs/man/$program.1 2>&1)\" ]"
    else
        skip "groff is not installed: nobody to read docs/man/$program.1"
    fi
done
if command -v bash > /dev/null; then
    check_that "bash completes" bash -c '. docs/completion/itdiff.bash
        _itdiff train_2d --lr_ x; [ "${COMPREPLY[*]}" = --lr_schedule ] || exit 1
        [ -z "$(_itdiff build/fit README build/fit 2>&1)" ] || exit 1
        _itdiff build/fit README build/fit; [ "${COMPREPLY[*]}" = README.md ] || exit 1
        _itdiff build/train_2d c --lr_schedule; [ "${COMPREPLY[*]}" = "constant cosine" ] || exit 1
        _itdiff train_2d READ --load; [ "${COMPREPLY[*]}" = README.md ]'
else
    skip "no bash"
fi
report
