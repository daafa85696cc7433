#!/usr/bin/env bash
# From a fresh machine to the first translation: set-up, release build, the demo model.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tools/setup.sh
printf 'quickstart: building attend (a few minutes the first time)\n'
cmake --preset release --log-level=WARNING >/dev/null
cmake --build --preset release --target attend_cli
attend=.build/release/tools/attend

translate() {
  printf '\n$ %s run tools/demo/en-ja --log-level warn "%s"\n' "$attend" "$1"
  "$attend" run tools/demo/en-ja --log-level warn "$1"
}
translate "Did you buy three apples yesterday?"
translate "My grandmother is going to eat our bread."
translate "Please do not read his map."
printf '\nquickstart: done. Next: %s --help\n' "$attend"
