#!/bin/sh
# docs/playground/index.html in headless Chromium, and what takes too long for `make test`: about two minutes. Needs
# node, chromium and chromedriver (Debian: nodejs chromium chromium-driver). Pictures for looking at are left in
# build/browser/.
cd "$(dirname "$0")/../../.." || exit 1
. tests/shell.sh
for tool in node chromium chromedriver; do
    if ! command -v $tool > /dev/null; then
        skip "$tool is not installed: the page is not opened in a browser"
        report
        exit
    fi
done
unset MAKEFLAGS MAKELEVEL MFLAGS
make -s build/playground || exit 1
# The best of several runs, here and in playground_long.mjs: other programs only make them slower. They may be
# there for one of the two and not for the other, so that there are five tries.
long() { # reports are not errors
    speed=$(for run in 1 2 3 4; do OMP_NUM_THREADS=1 build/playground speed; done | sort -n | tail -n 1)
    said=$(node tests/playground_long.mjs "$speed") || return 1
    echo "$said" | grep '^report:' >&3
    ! echo "$said" | grep -v '^report:'
}
exec 3>&1
five_tries() {
    for try in 1 2 3 4 5; do wrong=$(long) && return; done
    echo "$wrong"
    return 1
}
check "speed, and a thousand restarts" five_tries
node tests/extra/browser/test.mjs build/browser > build/browser.out 2>&1
sed '$d' build/browser.out
last=$(tail -n 1 build/browser.out)
case $last in
*' passed, '*' failed')
    passed=$((passed + ${last%% *}))
    last=${last#*, }
    failed=$((failed + ${last%% *}))
    ;;
*)
    echo "$last"
    failed=$((failed + 1))
    ;;
esac
report
