"""The sides of a comparison: attend, its peers, and the limits that the machine sets.

Each has a `name`, `missing(run)` (why it cannot be measured here, or None) and `measure(run)` (one figure).
"""
import functools
import json
import pathlib
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent


def output(command):
    return subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout


def no_folder(run, name):
    return None if (run.models / name).exists() else f"no {name} in {run.models}"


class Attend:
    """`attend bench` with these options; `field` of its last line is the figure."""

    def __init__(self, model, dtype, field, *options, name="attend", scale=1.0):
        self.name, self.model, self.dtype, self.field, self.options = name, model, dtype, field, options
        self.scale = scale
        self.last = {}

    def missing(self, run):
        return no_folder(run, self.model) or (None if pathlib.Path(run.attend).exists() else f"no binary {run.attend}")

    def measure(self, run):
        self.last = json.loads(output([run.attend, "bench", run.models / self.model, "--dtype", self.dtype,
                                       "--threads", run.threads, "--json", "--log-level", "error",
                                       *self.options]).strip().splitlines()[-1])
        return self.last[self.field] * self.scale


class FirstToken:
    """Milliseconds from the start of the process to the end of it, one token later; files in the page cache."""

    name = "attend"

    def __init__(self, model, dtype):
        self.model, self.dtype = model, dtype

    def missing(self, run):
        return no_folder(run, self.model)

    def measure(self, run):
        def once():
            begin = time.perf_counter()
            output([run.attend, "run", run.models / self.model, "--dtype", self.dtype, "--threads", run.threads,
                    "--log-level", "error", "--input-ids", "5,6,7,8", "--num-beams", 1, "--max-new-tokens", 1, "--json"])
            return time.perf_counter() - begin

        return 1e3 * min(once(), once())


class Peer:
    """A work of peers.py, in the interpreter that has the peer."""

    def __init__(self, module, model, work, dtype, note=""):
        self.module, self.model, self.work, self.dtype = module, model, work, dtype
        self.name = module + note

    def missing(self, run):
        found = installed(self.python(run), self.module)
        if found is None:
            return f"{self.python(run)} has none"
        if found not in self.name:
            self.name = self.name.replace(self.module, f"{self.module} {found}", 1)
        return no_folder(run, self.model)

    def python(self, run):
        return run.openvino_python if self.module == "openvino" else run.python

    def measure(self, run):
        command = [self.python(run), HERE / "peers.py", self.module, self.work, run.models / self.model, self.dtype,
                   run.threads, run.inputs]
        return float(output(command).strip().splitlines()[-1])


@functools.cache
def installed(python, module):
    """The version of a Python package, or None where the interpreter has none."""
    code = f"import {module}; from importlib.metadata import version; print(version('{module}'))"
    try:
        return output([python, "-c", code]).strip().splitlines()[-1]
    except (OSError, subprocess.CalledProcessError):
        return None


class LlamaBench:
    """llama.cpp's own benchmark: prompt (-p) or generation (-n), tokens per second."""

    def __init__(self, model, option, count):
        self.name = "llama.cpp " + model.removesuffix(".gguf").removeprefix("llama-")
        self.model, self.option, self.count = model, option, count

    def missing(self, run):
        return no_folder(run, self.model) or (None if run.llama_bench else "no llama-bench, see --llama-bench")

    def measure(self, run):
        other = "-n" if self.option == "-p" else "-p"
        return json.loads(output([run.llama_bench, "-m", run.models / self.model, self.option, self.count, other, 0,
                                  "-t", run.threads, "-r", 3, "-o", "json"]))[0]["avg_ts"]


class Limit:
    """What the machine would allow, from the peak that attend's own measurement just found: peak / cost."""

    def __init__(self, name, attend, field, cost):
        self.name, self.attend, self.field, self.cost = name, attend, field, cost

    def missing(self, run):
        return None

    def measure(self, run):
        return self.attend.last[self.field] * 1e9 / self.cost(run)


class Stored:
    """Megabytes of a model's weights at this precision, and of the cache for so many tokens."""

    name = "weights as stored and cache"

    def __init__(self, model, dtype, tokens):
        self.model, self.dtype, self.tokens = model, dtype, tokens

    def missing(self, run):
        return no_folder(run, self.model)

    def measure(self, run):
        found = inspected(run.attend, run.models / self.model, self.dtype)
        return (found["weights_bytes"] + self.tokens * found["cache_bytes_per_token"]) / 1e6


@functools.cache
def inspected(attend, model, dtype):
    return json.loads(output([attend, "inspect", model, "--dtype", dtype, "--json", "--log-level", "error"]))


class ReadFiles:
    """Milliseconds to read a checkpoint's weights from the page cache into a small buffer."""

    name = "reading the file"

    def __init__(self, model):
        self.model = model

    def missing(self, run):
        return no_folder(run, self.model)

    def measure(self, run):
        buffer = bytearray(1 << 20)

        def once():
            begin = time.perf_counter()
            for path in (run.models / self.model).glob("*.safetensors"):
                with open(path, "rb", buffering=0) as file:
                    while file.readinto(buffer):
                        pass
            return time.perf_counter() - begin

        return 1e3 * min(once(), once())
