#!/usr/bin/env bash
# Everything that must hold before a change lands: set-up, format, builds, all tests.
#
# The release build and the sanitizer build run every test, the ThreadSanitizer build those tagged
# [concurrency]. The release run comes last and includes the consumer test (install, find_package, translate).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

jobs=$(nproc)
step() { printf '\n== %s (%d s)\n' "$*" "$SECONDS"; }

step "set-up"
tools/setup.sh

step "format"
if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
  mapfile -d '' sources < <(git ls-files -z -- '*.cpp' '*.h')
else  # an unpacked archive
  mapfile -d '' sources < <(find engine loaders runtime tools tests -name '*.cpp' -print0 -o -name '*.h' -print0)
fi
clang-format --dry-run -Werror "${sources[@]}"
printf '%d C++ files are formatted\n' "${#sources[@]}"

build() {  # build PRESET [TARGET...]
  local preset=$1
  shift
  step "build $preset"
  cmake --preset "$preset" >/dev/null
  cmake --build --preset "$preset" ${1:+--target "$@"}
}
build release
build dev
build tsan attend_concurrency_tests

step "tests, ThreadSanitizer"
ctest --preset tsan -L concurrency --parallel "$jobs"
step "tests, AddressSanitizer and UBSan"
ctest --preset dev --parallel "$jobs"
step "tests, release"
ctest --preset release --parallel "$jobs"
