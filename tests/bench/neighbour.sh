#!/usr/bin/env bash
# How much throughput is left when another process keeps one of two cores busy, for two ways of waiting:
#
#   tests/bench/neighbour.sh MODELS [ATTEND]
#
# MODELS is the folder of prepare.sh. Each row alternates alone and beside `while :; do :; done` on the second
# core, three times, and prints the best of each and their ratio. "spins" is libgomp as it comes, which spins
# for about 3 ms before a thread sleeps; "brief" is what attend sets for itself (tools/cli/waiting.h).
set -euo pipefail
models=${1:?usage: tests/bench/neighbour.sh MODELS [ATTEND]}
attend=${2:-$(dirname "${BASH_SOURCE[0]}")/../../.build/release/tools/attend}
sentences=$(mktemp)
neighbour=
trap 'rm -f "$sentences"; [ -z "$neighbour" ] || kill "$neighbour"' EXIT
for i in $(seq 64); do echo "The $i houses at the river are older than the bridge that leads to them."; done >"$sentences"

greedy=("$models/marian" --dtype f32 --file "$sentences" --batch-size 32 --num-beams 1
  --min-new-tokens 32 --max-new-tokens 32)
decode=("$models/llama" --dtype bf16 --prompt-tokens 8 --batch-size 1 --min-new-tokens 48 --max-new-tokens 48)

# measure SPIN_COUNT ARGUMENT...: tokens per second
measure() {
  local spins=$1
  shift
  taskset -c 0,1 env GOMP_SPINCOUNT="$spins" "$attend" bench "$@" --threads 2 --repetitions 1 --warm-up 1 \
    --json --log-level error | sed -n 's/.*"tokens_per_second": *\([0-9.]*\).*/\1/p' | tail -n 1
}

printf '%-28s %-6s %10s %10s %6s\n' work waits alone beside ratio
for work in greedy decode; do
  declare -n arguments=$work
  for waits in spins:300000 brief:1000; do
    alone=0 beside=0
    for _ in 1 2 3; do
      alone=$(measure "${waits#*:}" "${arguments[@]}" | awk -v best="$alone" '{print ($1 > best ? $1 : best)}')
      taskset -c 1 sh -c 'while :; do :; done' &
      neighbour=$!
      beside=$(measure "${waits#*:}" "${arguments[@]}" | awk -v best="$beside" '{print ($1 > best ? $1 : best)}')
      kill "$neighbour"
      wait "$neighbour" 2>/dev/null || true
      neighbour=
    done
    awk -v work="$work ${arguments[0]##*/}" -v waits="${waits%:*}" -v a="$alone" -v b="$beside" \
      'BEGIN { printf "%-28s %-6s %10.1f %10.1f %6.2f\n", work, waits, a, b, b / a }'
  done
done
