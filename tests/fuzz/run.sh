#!/bin/sh
# Builds the fuzz targets and runs each for a while: tests/fuzz/run.sh [SECONDS] [TARGET...]
# Ten minutes for each target is `tests/fuzz/run.sh 600`. Inputs that were found interesting are kept in
# .build/fuzz/corpus; an input that fails is written to .build/fuzz and reported with exit code 1.
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:-60}
[ $# -gt 0 ] && shift
build=.build/fuzz
compiler=${CXX:-$(command -v clang++ || command -v clang++-14)}
cmake -S tests/fuzz -B $build -G Ninja -DCMAKE_CXX_COMPILER="$compiler" >/dev/null
cmake --build $build

# Seeds: every file of the malformed corpus, and the well-formed ones of the goldens, that is not too large.
seeds=$build/seeds
rm -rf $seeds
$build/malformed/attend_malformed_corpus $seeds/all >/dev/null
collect() { # TARGET NAME...: files of these names
  target=$1
  shift
  mkdir -p $seeds/"$target" $build/corpus/"$target"
  for name in "$@"; do
    find $seeds/all tests/goldens tools/demo -name "$name" -type f -size -64k 2>/dev/null | while read -r file; do
      cp "$file" $seeds/"$target"/"$(echo "$file" | tr / _)"
    done
  done
}
collect fuzz_safetensors '*.safetensors'
collect fuzz_config '*.json'
collect fuzz_torch_archive '*.bin'
collect fuzz_sentencepiece '*.spm' '*.model'
collect fuzz_graph 'graph.json'
collect fuzz_tokenizer_load 'tokenizer.json'
collect fuzz_tokenizer_encode 'vocab.txt' 'merges.txt'

status=0
for target in ${*:-fuzz_safetensors fuzz_config fuzz_torch_archive fuzz_sentencepiece fuzz_tokenizer_load \
  fuzz_tokenizer_encode fuzz_graph}; do
  echo "== $target, $seconds s"
  $build/"$target" -max_total_time="$seconds" -max_len=16384 -timeout=60 -rss_limit_mb=1024 -print_final_stats=1 \
    -verbosity=0 -print_funcs=0 -artifact_prefix=$build/"$target"- $build/corpus/"$target" $seeds/"$target" || status=1
done
exit $status
