#!/usr/bin/env bash
# Makes all that compare.sh measures against, from nothing: about 10 GB and half an hour, most of it downloads.
#
#   tests/bench/prepare.sh MODELS [--python BINARY] [--openvino-python BINARY]
#
# MODELS/venv-peers, venv-openvino   Python environments, unless interpreters that have the peers are named
# MODELS/llama.cpp                   llama.cpp with its llama-bench (MODELS/llama.cpp/build/bin)
# MODELS/marian, bert, llama         checkpoints of random weights at real shapes. Hugging Face directories of the
#                                    same architectures can stand here instead (marian also needs corpus.txt,
#                                    sentences one a line)
# MODELS/marian-ct2, bert-ort, bert-ov, llama-ov-*, llama-*.gguf   the same in the peers' forms
#
# What is there is kept: delete a folder to have it made again. TORCH names the package of PyTorch.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
usage() { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; }
[ $# -gt 0 ] || { usage >&2 && exit 2; }
case $1 in -h | --help) usage && exit 0 ;; esac
mkdir -p "$1"
models=$(cd "$1" && pwd)
shift
python=$models/venv-peers/bin/python
openvino=$models/venv-openvino/bin/python
while [ $# -gt 0 ]; do
  case $1 in
    --python) python=$2 ;;
    --openvino-python) openvino=$2 ;;
    *) printf 'prepare: unknown option %s\n' "$1" >&2 && exit 2 ;;
  esac
  shift 2
done
torch=${TORCH:-torch}

if [ ! -x "$python" ]; then
  python3 -m venv "$models/venv-peers"
  "$python" -m pip install -q "$torch"
  "$python" -m pip install -q transformers safetensors sentencepiece ctranslate2 onnxruntime onnx sympy gguf
fi
if [ ! -x "$openvino" ]; then
  python3 -m venv "$models/venv-openvino"
  "$openvino" -m pip install -q "$torch"
  "$openvino" -m pip install -q openvino openvino-genai nncf requests safetensors "transformers<5.6"
  "$openvino" -m pip install -q --no-deps optimum optimum-intel # their pins exclude packages that work
fi

"$python" "$here/prepare.py" checkpoints "$models"
[ -e "$models/marian-ct2/model.bin" ] || "$(dirname "$python")/ct2-transformers-converter" \
  --model "$models/marian" --output_dir "$models/marian-ct2" --force --copy_files source.spm target.spm
"$python" "$here/prepare.py" onnx "$models"
"$python" "$here/prepare.py" gguf "$models"

export_openvino() { # MODEL TASK FOLDER [OPTION...]
  local model=$1 task=$2 folder=$3
  shift 3
  [ -e "$models/$folder/openvino_model.xml" ] || "$(dirname "$openvino")/optimum-cli" export openvino \
    --model "$models/$model" --task "$task" "$@" "$models/$folder"
}
export_openvino bert text-classification bert-ov --weight-format fp32
export_openvino llama text-generation-with-past llama-ov-f32 --weight-format fp32
export_openvino llama text-generation-with-past llama-ov-int8 --weight-format int8
"$openvino" "$here/prepare.py" openvino "$models"

# llama.cpp's sources are inside the source distribution of its Python package.
if [ -z "${LLAMA_BENCH:-}" ] && [ ! -x "$models/llama.cpp/build/bin/llama-bench" ]; then
  "$python" -m pip -q download --no-deps --no-binary llama-cpp-python --dest "$models" llama-cpp-python
  mkdir -p "$models/llama.cpp"
  tar xf "$models"/llama_cpp_python-*.tar.gz -C "$models/llama.cpp" --strip-components=3 --wildcards '*/vendor/llama.cpp'
  rm "$models"/llama_cpp_python-*.tar.gz
  cmake -S "$models/llama.cpp" -B "$models/llama.cpp/build" -DCMAKE_BUILD_TYPE=Release -DGGML_NATIVE=ON \
    -DLLAMA_CURL=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_SERVER=OFF >/dev/null
  cmake --build "$models/llama.cpp/build" -j --target llama-bench
fi
printf 'prepared: tests/bench/compare.sh %s --python %s --openvino-python %s\n' "$models" "$python" "$openvino"
