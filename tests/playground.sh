#!/bin/sh
# The page docs/playground/index.html: made of what is in src/, self-contained, and its WebAssembly computes what the
# same C code does on this machine. In a browser it is tested by tests/extra/browser/run.sh.
cd "$(dirname "$0")/.." || exit 1
. tests/shell.sh
dir=build/playground.$$
mkdir -p "$dir"
trap 'rm -rf "$dir"' EXIT
page=docs/playground/index.html

check "the page is put together" env PAGE="$PWD/$dir/page.html" sh docs/playground/build.sh
check "the page is made of what is in src/: sh docs/playground/build.sh" cmp "$dir/page.html" $page
check_that "at most 500,000 bytes" [ "$(wc -c < $page)" -le 500000 ]
check_that "nothing is loaded" sh -c "! grep -vE 'id=\"wasm\"|[<]link rel=\"icon\" href=\"data:' $page |
    grep -E '\bfetch\(|XMLHttpRequest|SharedArrayBuffer|importScripts|^import |<link|src=|@import|url\('"
check_that "at most 300 lines of C" [ "$(wc -l < examples/playground.c)" -le 300 ]
grep -o '"\.\.[a-zA-Z0-9./_-]*' docs/playground/src/page.html | tr -d '"' | sort -u > "$dir/links"
check_that "its links lead to files" sh -c "cd docs/playground && while read -r f; do [ -e \"\$f\" ] || exit 1; done < '../../$dir/links'"
links() { # every link to a section of method.md has its heading
    grep -o 'method.md#[^"]*' docs/playground/src/page.html | sort -u | sed 's/.*#//' | while read -r name; do
        grep '^## ' docs/method.md | sed 's/^#* //' | tr 'A-Z ' 'a-z-' | tr -d ',.:?()!' | grep -qx -e "$name" ||
            echo "no heading $name"
    done
}
check "its sections of method.md exist" links
chapters() { # every >>chapter it names is in the header
    sed 's/%3E%3E/\&gt;\&gt;/g' docs/playground/src/page.html | grep -o '&gt;&gt;[a-z]*' | sort -u | sed 's/&gt;&gt;//' | while read -r name; do
        grep -q "^/\* >>$name " itdiff.h || echo "no chapter $name"
    done
}
check "its chapters of the header exist" chapters

if command -v node > /dev/null; then
    check "restarts, points of its own, a training that diverges" node tests/playground.mjs
    case $(uname -m) in
    x86_64 | i?86)
        build/playground > "$dir/numbers"
        check "numbers are those of this machine's 4-float kernels, to 1e-5 after 100 steps" \
            node tests/playground.mjs "$dir/numbers"
        ;;
    *) skip "the 4-float kernels of $(uname -m) may multiply and add with one rounding, those of WebAssembly do not" ;;
    esac
    for module in docs/playground/src/*.mjs; do check "$module" node --check "$module"; done
    check "tables that are pasted or dropped" node tests/playground_csv.mjs
else
    skip "node is not installed: the WebAssembly of the page is not run"
fi
report
