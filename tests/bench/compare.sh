#!/usr/bin/env bash
# attend beside the peers that are installed, alternating in one run: prints figures and ratios.
#
#   tests/bench/compare.sh MODELS [--threads N] [--rounds N] [--only TEXT] [--attend BINARY] [--python BINARY]
#
# MODELS is a folder with checkpoints at real shapes: marian, bert, llama (Hugging Face directories) and what
# the peers were given for them: marian-ct2, llama-f16.gguf and so on. A peer or model that is not there is
# left out, and said so. Absolute figures prove nothing on a shared machine; the ratios of one run do.
set -euo pipefail
exec "${ATTEND_PYTHON:-python3}" "$(dirname "${BASH_SOURCE[0]}")/compare.py" "$@"
