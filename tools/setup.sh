#!/usr/bin/env bash
# Installs what a fresh Debian or Ubuntu machine lacks to build and test attend; does nothing where all is there.
#
#   tools/setup.sh            compiler, build tools, libraries, oneDNN
#   tools/setup.sh --fuzz     also clang, for the libFuzzer targets
#   tools/setup.sh --bench    also Google Benchmark, for the micro-benchmarks
#
# oneDNN 3.2 or newer comes from the system's packages where they have it, else from PyPI into .deps/onednn
# (ATTEND_DEPS_PREFIX names another place). Libraries that the system does not package are left to CMake,
# which fetches them.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
deps=${ATTEND_DEPS_PREFIX:-$root/.deps}

packages=(
  g++ cmake ninja-build ccache git ca-certificates clang-format python3
  libhwy-dev libfmt-dev libspdlog-dev nlohmann-json3-dev libcxxopts-dev libutf8proc-dev
  libpng-dev
)
fuzz_packages=(clang llvm)
bench_packages=(libbenchmark-dev)
onednn_minimum=3.2
onednn_wheels=(onednn-cpu-gomp==2023.2.0 onednn-devel-cpu-gomp==2023.2.0)

say() { printf 'setup: %s\n' "$*"; }
fail() {
  printf 'setup: %s\n' "$@" >&2
  exit 1
}

fuzz=no
for argument in "$@"; do
  case $argument in
    --fuzz) fuzz=yes && packages+=("${fuzz_packages[@]}") ;;
    --bench) packages+=("${bench_packages[@]}") ;;
    -h | --help)
      sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
      exit 0
      ;;
    *) printf 'setup: unknown option %s (there are --fuzz and --bench)\n' "$argument" >&2 && exit 2 ;;
  esac
done

have_apt() { command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; }

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    fail "installing packages needs root, and there is no sudo; run this as root: ${*}"
  fi
}

installed_version() { dpkg-query -W -f '${db:Status-Status} ${Version}' "$1" 2>/dev/null | sed -n 's/^installed //p'; }
candidate_version() { apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: //p' | grep -v '(none)' || true; }
# at_least VERSION MINIMUM; an empty version is older than any.
at_least() { [ -n "$1" ] && dpkg --compare-versions "$1" ge "$2"; }

updated=no
apt_update() {
  [ "$updated" = yes ] && return
  say "reading the package lists"
  as_root apt-get -qq -o Acquire::Retries=3 update ||
    fail "apt-get update failed: is this machine offline? Packages still missing: ${missing[*]:-none}"
  updated=yes
}

apt_install() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 install \
    -y --no-install-recommends "$@" >/dev/null ||
    fail "apt-get could not install: $*" "its message is above; without network they cannot be had"
}

# Names those of "$@" that are not installed.
not_installed() {
  local package
  for package in "$@"; do
    [ -n "$(installed_version "$package")" ] || printf '%s\n' "$package"
  done
}

install_packages() {
  local package available=()
  mapfile -t missing < <(not_installed "${packages[@]}")
  [ ${#missing[@]} -eq 0 ] && return
  apt_update
  for package in "${missing[@]}"; do
    if [ -n "$(candidate_version "$package")" ]; then
      available+=("$package")
    else
      say "$package is not packaged for this system: left to CMake"
    fi
  done
  [ ${#available[@]} -eq 0 ] && return
  say "installing ${available[*]}"
  apt_install "${available[@]}"
}

# The machine's own source entry for its release, as an entry for the backports suite: deb822 or classic.
backports_entry() {
  local codename=$1 entry
  for file in /etc/apt/sources.list.d/*.sources; do
    [ -r "$file" ] || continue
    entry=$(awk -v suite="$codename" 'BEGIN { RS = "" }
      {
        found = 0; disabled = 0; stanza = ""
        lines = split($0, line, "\n")
        for (i = 1; i <= lines; ++i) {
          if (line[i] ~ /^#/) continue
          if (tolower(line[i]) ~ /^enabled: *no/) disabled = 1
          if (line[i] ~ /^Suites:/) {
            count = split(line[i], word, /[ \t]+/)
            for (w = 2; w <= count; ++w) if (word[w] == suite) found = 1
            line[i] = "Suites: " suite "-backports"
          }
          if (line[i] ~ /^Types:/) line[i] = "Types: deb"
          stanza = stanza line[i] "\n"
        }
        if (found && !disabled) { printf "%s", stanza; exit }
      }' "$file")
    if [ -n "$entry" ]; then
      printf 'sources\n%s\n' "$entry"
      return
    fi
  done
  entry=$({ cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null || true; } | awk -v suite="$codename" '
    $1 == "deb" { for (i = 2; i <= NF; ++i) if ($i == suite) { $i = suite "-backports"; print; exit } }')
  [ -z "$entry" ] || printf 'list\n%s\n' "$entry"
}

# Catch2 3: from the release itself, else from its backports, else left to CMake.
install_catch2() {
  local codename entry
  at_least "$(installed_version catch2)" 3 && return
  missing=(catch2)
  apt_update
  if at_least "$(candidate_version catch2)" 3; then
    say "installing catch2"
    apt_install catch2
    return
  fi
  codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
  if ! apt-cache policy | grep -q "a=.*$codename-backports\|n=$codename-backports"; then
    entry=$(backports_entry "$codename")
    if [ -n "$entry" ]; then
      say "adding the $codename-backports suite"
      printf '%s\n' "$entry" | tail -n +2 |
        as_root tee "/etc/apt/sources.list.d/attend-backports.${entry%%$'\n'*}" >/dev/null
      updated=no
      apt_update
    fi
  fi
  if apt-cache madison catch2 | awk '{ print $3 }' | grep -q '^3\.'; then
    say "installing catch2 from $codename-backports"
    apt_install "catch2/$codename-backports"
  else
    say "Catch2 3 is not packaged for this system: left to CMake"
  fi
}

# Is there a pip that can download? Prints how to call it.
find_pip() {
  local pip
  for pip in "python3 -m pip" pip3 pip; do
    # shellcheck disable=SC2086
    if $pip --version >/dev/null 2>&1; then
      printf '%s' "$pip"
      return
    fi
  done
}

fetch_onednn() {
  local pip scratch wheel
  pip=$(find_pip)
  if [ -z "$pip" ] && have_apt; then
    missing=(python3-pip)
    apt_update
    say "installing python3-pip"
    apt_install python3-pip
    pip=$(find_pip)
  fi
  [ -n "$pip" ] || fail "oneDNN has to come from PyPI, and there is no pip here: install pip and try again"
  say "fetching oneDNN from PyPI: ${onednn_wheels[*]}"
  scratch=$(mktemp -d)
  # shellcheck disable=SC2086,SC2064
  trap "rm -rf '$scratch'" EXIT
  $pip -qq download --no-deps --only-binary :all: --dest "$scratch" "${onednn_wheels[@]}" ||
    fail "pip could not download ${onednn_wheels[*]}: is this machine offline?"
  for wheel in "$scratch"/*.whl; do
    python3 -m zipfile -e "$wheel" "$scratch/unpacked"
  done
  rm -rf "$deps/onednn.new" "$deps/onednn"
  mkdir -p "$deps/onednn.new"
  cp -R "$scratch"/unpacked/*.data/data/* "$deps/onednn.new/"
  mv "$deps/onednn.new" "$deps/onednn"
}

# Version of the oneDNN headers below an include directory; nothing when there are none.
onednn_version_in() {
  local header=$1/oneapi/dnnl/dnnl_version.h
  [ -r "$header" ] || return 0
  awk '/#define DNNL_VERSION_MAJOR/ { major = $3 } /#define DNNL_VERSION_MINOR/ { minor = $3 }
       END { print major "." minor }' "$header"
}

newer_or_same() { [ -n "$1" ] && [ "$(printf '%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

install_onednn() {
  local include
  for include in "$deps/onednn/include" /usr/include /usr/local/include; do
    newer_or_same "$(onednn_version_in "$include")" "$onednn_minimum" && return
  done
  if have_apt; then
    missing=(libdnnl-dev)
    apt_update
    if at_least "$(candidate_version libdnnl-dev)" "$onednn_minimum"; then
      say "installing libdnnl-dev"
      apt_install libdnnl-dev
      return
    fi
  fi
  if [ "$(uname -m)" = x86_64 ] && [ "$(uname -s)" = Linux ]; then
    fetch_onednn
  else
    say "no prebuilt oneDNN $onednn_minimum for $(uname -sm): CMake will fetch and build it (15 to 30 minutes)"
  fi
}

# The sanitizers' and libFuzzer's runtime is a package of its own, named after Clang's version.
install_clang_runtime() {
  local runtime
  runtime=libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev
  [ -n "$(installed_version "$runtime")" ] && return
  missing=("$runtime")
  apt_update
  if [ -n "$(candidate_version "$runtime")" ]; then
    say "installing $runtime"
    apt_install "$runtime"
  fi
}

check_tools() {
  local tool version
  for tool in cmake ninja c++; do
    command -v "$tool" >/dev/null || fail "$tool is missing, and there is no apt-get here to install it" \
      "install with this system's package manager: ${packages[*]} catch2 (their names may differ)"
  done
  version=$(cmake --version | awk 'NR == 1 { print $3 }')
  newer_or_same "$version" 3.25 ||
    fail "CMake 3.25 or newer is needed, found $version: 'pip install cmake' brings a newer one"
}

if have_apt; then
  install_packages
  install_catch2
  [ "$fuzz" = no ] || install_clang_runtime
fi
check_tools
install_onednn
say "ready"
