#!/bin/sh
# Takes docs/playground.png, the picture of the page in README.md: a minute of training on the dino in headless
# Chromium (Debian: nodejs chromium chromium-driver).
cd "$(dirname "$0")/../.." || exit 1
for tool in node chromium chromedriver; do
    command -v $tool > /dev/null || { echo "picture.sh: $tool is not installed" >&2; exit 1; }
done
exec node tests/extra/browser/picture.mjs docs/playground.png
