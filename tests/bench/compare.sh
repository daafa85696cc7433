#!/usr/bin/env bash
# attend beside the peers that are installed, alternating in one run: prints figures, ratios and the bars.
#
#   tests/bench/prepare.sh MODELS     makes models and peers, once
#   tests/bench/compare.sh MODELS [--threads N] [--rounds N] [--only TEXT] [--list] [--json] [--attend BINARY]
#                                 [--python BINARY] [--openvino-python BINARY] [--llama-bench BINARY]
#
# MODELS is the folder that prepare.sh made: checkpoints at real shapes (marian, bert, llama: Hugging Face
# directories) and the peers' forms of them (marian-ct2, bert-ort, bert-ov, llama-ov-f32, llama-ov-int8,
# llama-f16.gguf, llama-bf16.gguf, llama-Q8_0.gguf). CTranslate2 and onnxruntime are packages of the interpreter
# that --python names (default: MODELS/venv-peers, else the one that runs this), OpenVINO of --openvino-python's
# (MODELS/venv-openvino): it wants an older transformers. llama.cpp's llama-bench is the one of --llama-bench,
# LLAMA_BENCH, PATH or MODELS/llama.cpp.
#
# A side that cannot be measured is named on standard error with what it lacks and left out, and so is a work
# without any peer; --list does only that. Exit code 1: a side failed. attend's figure is the median of its
# repetitions, a peer's the best of its own; of the rounds the best of each side counts. Absolute figures prove
# nothing on a shared machine; the ratios of one run do.
set -euo pipefail
exec "${ATTEND_PYTHON:-python3}" "$(dirname "${BASH_SOURCE[0]}")/compare.py" "$@"
