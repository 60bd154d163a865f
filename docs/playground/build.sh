#!/bin/sh
# Puts docs/playground/index.html together from src/: build.sh [WASM]. Without a file the WebAssembly is the one that
# the page has already; PAGE=FILE writes another file. Modules are joined in the order in which they need each other,
# without their imports and exports; names at their top level are therefore all different.
part=${TMPDIR:-/tmp}/playground.$$
trap 'rm -f "$part".*' EXIT
if [ -n "$1" ]; then base64 "$1" > "$part.base64" || exit 1; fi
cd "$(dirname "$0")" || exit 1
page=${PAGE:-index.html}

join() { # modules...
    for module; do
        awk '/^import .* from / { next } { sub(/^export /, ""); print }' "src/$module.mjs"
    done
}
join core colors field worker > "$part.worker"
join colors plane csv charts main > "$part.script"
[ -n "$1" ] || sed -n 's/^<script type="text\/plain" id="wasm">\(.*\)<\/script>$/\1/p' index.html > "$part.base64"
tr -d '\n' < "$part.base64" > "$part.wasm"
[ -s "$part.wasm" ] || { echo "playground: no WebAssembly, and none in index.html" >&2; exit 1; }
awk -v part="$part" '
    function insert(file) { while ((getline line < file) > 0) print line }
    $0 == "/*STYLE*/" { insert("src/style.css"); next }
    $0 == "/*WORKER*/" { insert(part ".worker"); next }
    $0 == "/*SCRIPT*/" { insert(part ".script"); next }
    /\/\*WASM\*\// { getline wasm < (part ".wasm"); at = index($0, "/*WASM*/")
        print substr($0, 1, at - 1) wasm substr($0, at + 8); next }
    { print }' src/page.html > "$part.page" && cat "$part.page" > "$page"
