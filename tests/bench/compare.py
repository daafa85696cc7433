"""Runs attend and its peers alternately and prints the best of each with their ratio; called by compare.sh.

Every measurement is a process of its own that prints one figure, so that no side warms the other's caches or
keeps its threads. What is measured, and the ratio this project wants, is in works.py.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import works

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=pathlib.Path, help="the folder that prepare.sh made")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="run the works whose name contains this")
    parser.add_argument("--list", action="store_true", help="name the works and what is missing for them, run none")
    parser.add_argument("--attend", default=str(ROOT / ".build/release/tools/attend"))
    parser.add_argument("--python", help="the interpreter that has CTranslate2 and onnxruntime")
    parser.add_argument("--openvino-python", help="the interpreter that has OpenVINO")
    parser.add_argument("--llama-bench", help="llama.cpp's benchmark")
    parser.add_argument("--json", action="store_true", help="one line of JSON per ratio instead of a table")
    run = parser.parse_args()
    run.python = run.python or prepared(run.models, "venv-peers")
    run.openvino_python = run.openvino_python or prepared(run.models, "venv-openvino")
    bench = run.models / "llama.cpp" / "build" / "bin" / "llama-bench"
    run.llama_bench = (run.llama_bench or os.environ.get("LLAMA_BENCH") or shutil.which("llama-bench")
                       or (bench if bench.exists() else None))
    return run


def prepared(models, venv):
    """The interpreter of an environment that prepare.sh made, or the one that runs this."""
    python = models / venv / "bin" / "python"
    return str(python) if python.exists() else sys.executable


def compare(run, work):
    """Measures one work; True unless a side failed."""
    missing = {side: side.missing(run) for side in work.sides()}
    for side, reason in missing.items():
        if reason:
            print(f"{work.name}: without {side.name}, {reason}", file=sys.stderr, flush=True)
    peers = [peer for peer, _ in work.peers if not missing[peer]]
    if missing[work.attend] or not peers:
        print(f"{work.name}: left out, {'attend cannot run it' if missing[work.attend] else 'no peer'}", file=sys.stderr)
        return True
    if run.list:
        print(f"{work.name}: {', '.join(peer.name for peer in peers)}")
        return True
    best, failed = measure(run, work, [work.attend, *peers])
    for peer, bar in work.peers:
        if peer in best and work.attend in best:
            report(run, work, best[work.attend], peer.name, best[peer], bar)
    return not failed


def measure(run, work, sides):
    """The best figure of each side over the rounds, and whether a side failed (it is left out then)."""
    best, failed = {}, set()
    for _ in range(run.rounds):
        for side in sides:
            if side in failed or work.attend in failed:
                continue
            try:
                figure = side.measure(run)
            except subprocess.CalledProcessError as error:
                print(f"{work.name}: {side.name} failed: {' '.join(error.cmd)[:400]}\n{error.stderr[-800:]}", file=sys.stderr)
                failed.add(side)
                best.pop(side, None)
                continue
            best[side] = figure if side not in best else (max if work.higher else min)(best[side], figure)
    return best, bool(failed)


def report(run, work, ours, peer, figure, bar):
    ratio = ours / figure
    met = None if bar is None else (ratio >= bar if work.higher else ratio <= bar)
    if run.json:
        print(json.dumps({"work": work.name, "unit": work.unit, "attend": ours, "peer": peer, "figure": figure,
                          "ratio": ratio, "bar": bar, "met": met}), flush=True)
        return
    sign = ">=" if work.higher else "<="
    wanted = "" if bar is None else f"bar {sign} {bar:.2f} {'met' if met else 'MISSED'}"
    print(f"{work.name:42} attend {ours:8.1f}  {peer:32} {figure:8.1f} {work.unit:7} ratio {ratio:5.2f}  {wanted}", flush=True)


def main():
    run = arguments()
    with tempfile.TemporaryDirectory() as folder:
        run.inputs = pathlib.Path(folder)
        works.write_inputs(run)
        results = [compare(run, work) for work in works.all_works(run) if run.only in work.name]
    if not results:
        sys.exit(f"compare.sh: no work's name contains '{run.only}'; --list names them")
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
