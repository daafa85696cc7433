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
    find $seeds/all tests/goldens tools/demo ../shared/chat_templates -name "$name" -type f -size -64k 2>/dev/null |
      while read -r file; do
        cp "$file" $seeds/"$target"/"$(echo "$file" | tr / _)"
      done
  done
}
collect fuzz_safetensors '*.safetensors'
collect fuzz_config '*.json'
collect fuzz_model 'config.json'
collect fuzz_torch_archive '*.bin'
collect fuzz_sentencepiece '*.spm' '*.model'
collect fuzz_graph 'graph.json'
collect fuzz_tokenizer_load 'tokenizer.json'
collect fuzz_tokenizer_encode 'vocab.txt' 'merges.txt'
collect fuzz_chat_template 'chat_template.jinja' 'template.jinja'

# Words of the seeds, so that mutations put keys and tags together that are hard to find by chance.
dictionary() { # TARGET PATTERN
  grep -raohE "$2" $seeds/"$1" | sort -u | head -n 2000 |
    sed 's/[\\"]/\\&/g; s/.*/"&"/' >$build/"$1".dict
  [ -s $build/"$1".dict ] || echo '"{"' >$build/"$1".dict # an empty one is refused
}

status=0
for target in ${*:-fuzz_safetensors fuzz_config fuzz_torch_archive fuzz_sentencepiece fuzz_tokenizer_load \
  fuzz_tokenizer_encode fuzz_chat_template fuzz_graph fuzz_model}; do
  echo "== $target, $seconds s"
  case $target in
    fuzz_chat_template) dictionary $target '[A-Za-z_]{2,24}|[{}%#|=~!<>-]{1,3}' ;;
    *) dictionary $target '"[A-Za-z_.]{1,32}"' ;;
  esac
  $build/"$target" -max_total_time="$seconds" -dict=$build/"$target".dict -max_len=16384 -timeout=60 -rss_limit_mb=1024 \
    -print_final_stats=1 -verbosity=0 -print_funcs=0 -artifact_prefix=$build/"$target"- \
    $build/corpus/"$target" $seeds/"$target" || status=1
done
exit $status
