"""Runs attend and its peers alternately and prints the best of each with their ratio; called by compare.sh.

Every measurement is a process of its own that prints one figure, so that no side warms the other's caches or
keeps its threads. Peers: CTranslate2, onnxruntime, OpenVINO (Python packages of the interpreter given) and
llama.cpp (its llama-bench on PATH, or named by LLAMA_BENCH).
"""
import argparse
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
NEW_TOKENS = 32


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="run the works whose name contains this")
    parser.add_argument("--attend", default=str(ROOT / ".build/release/tools/attend"))
    parser.add_argument("--python", default=sys.executable, help="the interpreter that has the peers")
    parser.add_argument("--json", action="store_true", help="one line of JSON per work instead of a table")
    return parser.parse_args()


class Attend:
    """`attend bench` with these options; `field` of its last line is the figure."""

    def __init__(self, model, dtype, field, *options):
        self.name, self.model, self.dtype, self.field, self.options = "attend", model, dtype, field, options

    def available(self, run):
        return (run.models / self.model).is_dir()

    def measure(self, run):
        command = [run.attend, "bench", str(run.models / self.model), "--dtype", self.dtype, "--threads",
                   str(run.threads), "--json", "--log-level", "error", *map(str, self.options)]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return json.loads(out.strip().splitlines()[-1])[self.field]


class Peer:
    """A work of peers.py, in the interpreter that has the peer."""

    def __init__(self, name, model, work, dtype):
        self.name, self.model, self.work, self.dtype = name, model, work, dtype

    def available(self, run):
        if not (run.models / self.model).exists():
            return False
        module = {"ctranslate2": "ctranslate2", "onnxruntime": "onnxruntime", "openvino": "openvino"}[self.name]
        return subprocess.run([run.python, "-c", f"import {module}"], capture_output=True).returncode == 0

    def measure(self, run):
        command = [run.python, str(HERE / "peers.py"), self.name, self.work, str(run.models), self.dtype,
                   str(run.threads), str(run.inputs)]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return float(out.strip().splitlines()[-1])


class LlamaBench:
    """llama.cpp's own benchmark: prompt (pp) or generation (tg), tokens per second."""

    def __init__(self, model, option, count):
        self.name = "llama.cpp " + model.removesuffix(".gguf").removeprefix("llama-")
        self.model, self.option, self.count = model, option, count
        self.binary = os.environ.get("LLAMA_BENCH") or shutil.which("llama-bench")

    def available(self, run):
        return self.binary is not None and (run.models / self.model).exists()

    def measure(self, run):
        other = "-n" if self.option == "-p" else "-p"
        command = [self.binary, "-m", str(run.models / self.model), self.option, str(self.count), other, "0",
                   "-t", str(run.threads), "-r", "3", "-o", "json"]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return json.loads(out)[0]["avg_ts"]


def works(run):
    """(name, unit, higher is better, attend, peers)"""
    exact = ("--min-new-tokens", NEW_TOKENS, "--max-new-tokens", NEW_TOKENS)
    lines = ("--file", run.inputs / "sentences.txt", "--repetitions", 1)
    for ours, theirs in (("f32", "float32"), ("int8", "int8")):
        for name, beams in (("beam 4", 4), ("greedy", 1)):
            yield (f"translation {name} batch 32 {ours}", "tok/s", True,
                   Attend("marian", ours, "tokens_per_second", *lines, "--batch-size", 32, "--num-beams", beams, *exact),
                   [Peer("ctranslate2", "marian-ct2", f"beam{beams}", theirs)])
        yield (f"translation greedy one sentence {ours}", "ms", False,
               Attend("marian", ours, "latency_p50_ms", "--file", run.inputs / "one.txt", "--repetitions", 5,
                      "--batch-size", 1, "--num-beams", 1, *exact),
               [Peer("ctranslate2", "marian-ct2", "one", theirs)])
    for ours in ("f32", "bf16", "int8"):
        yield (f"BERT-base 8 x 128 {ours}", "seq/s", True,
               Attend("bert", ours, "items_per_second", "--prompt-tokens", 128, "--batch-size", 8, "--repetitions", 3),
               [Peer("onnxruntime", "bert-ort", "bert-8x128", ours), Peer("openvino", "bert-ov", "bert-8x128", ours)])
        yield (f"BERT-base mixed lengths {ours}", "texts/s", True,
               Attend("bert", ours, "items_per_second", *mixed(run), "--batch-size", 32, "--repetitions", 1),
               [Peer(peer, model, work, ours) for work in ("bert-sorted", "bert-arrival")
                for peer, model in (("onnxruntime", "bert-ort"), ("openvino", "bert-ov"))])
    for dtype, gguf in (("f32", "llama-f16.gguf"), ("bf16", "llama-bf16.gguf"), ("int8", "llama-Q8_0.gguf")):
        yield (f"Llama 0.39 B prefill 512 {dtype}", "tok/s", True,
               Attend("llama", dtype, "prefill_tokens_per_second", "--prompt-tokens", 512, "--batch-size", 1,
                      "--max-new-tokens", 1, "--repetitions", 3),
               [LlamaBench(gguf, "-p", 512)])
        yield (f"Llama 0.39 B decode {dtype}", "tok/s", True,
               Attend("llama", dtype, "decode_tokens_per_second", "--prompt-tokens", 8, "--batch-size", 1,
                      "--min-new-tokens", 64, "--max-new-tokens", 64, "--repetitions", 3),
               [LlamaBench(gguf, "-n", 64)])


def mixed(run):
    return [word for ids in run.mixed for word in ("--input-ids", ",".join(map(str, ids)))]


def prepare(run):
    """The inputs that all sides get: sentences of the corpus, and 512 texts of 5 to 128 random ids."""
    corpus = run.models / "marian" / "corpus.txt"
    if corpus.exists():
        lines = corpus.read_text(encoding="utf-8").splitlines()[:64]
        (run.inputs / "sentences.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (run.inputs / "one.txt").write_text(lines[0] + "\n", encoding="utf-8")
    rng = random.Random(1)
    lengths = [min(128, max(5, int(rng.lognormvariate(3.2, 0.7)))) for _ in range(512)]
    run.mixed = [[101] + [rng.randrange(1000, 30000) for _ in range(n - 2)] + [102] for n in lengths]
    (run.inputs / "mixed.json").write_text(json.dumps(run.mixed))


def main():
    run = arguments()
    with tempfile.TemporaryDirectory() as folder:
        run.inputs = pathlib.Path(folder)
        prepare(run)
        for name, unit, higher, attend, peers in works(run):
            if run.only not in name:
                continue
            sides = [side for side in [attend, *peers] if side.available(run)]
            if attend not in sides or len(sides) == 1:
                print(f"{name}: left out, {'no model' if attend not in sides else 'no peer'}", file=sys.stderr)
                continue
            compare(run, name, unit, higher, sides)


def compare(run, name, unit, higher, sides):
    best = {}
    for _ in range(run.rounds):
        for side in sides:
            figure = side.measure(run)
            key = side.name + (f" {side.work.split('-')[-1]}" if getattr(side, "work", "").startswith("bert") else "")
            best[key] = figure if key not in best else (max if higher else min)(best[key], figure)
    ours = best.pop("attend")
    for peer, figure in best.items():
        ratio = ours / figure
        if run.json:
            print(json.dumps({"work": name, "unit": unit, "attend": ours, "peer": peer, "figure": figure, "ratio": ratio}), flush=True)
        else:
            print(f"{name:40} attend {ours:9.1f}  {peer:22} {figure:9.1f} {unit:7}  ratio {ratio:5.2f}", flush=True)


if __name__ == "__main__":
    main()
