"""What is compared: every work with attend's side, its peers, and the ratio wanted over each (None: just shown).

A ratio is attend's figure by the other's: where more is better it has to be at least the bar, of times and
memory at most.
"""
import dataclasses
import json
import random

from sides import Attend, FirstToken, Limit, LlamaBench, Peer, ReadFiles, Stored, inspected

NEW_TOKENS = 32     # of each sentence translated
DECODED_TOKENS = 64  # of each sequence the language model continues
PROMPT_TOKENS = 8


@dataclasses.dataclass
class Work:
    name: str
    unit: str
    higher: bool  # whether more is better
    attend: object
    peers: list  # of (side, bar)

    def sides(self):
        return [self.attend, *(peer for peer, _ in self.peers)]


def all_works(run):
    yield from translation(run)
    yield from bert(run)
    yield from llama()
    yield from loading()


def write_inputs(run):
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


def translation(run):
    exact = ("--min-new-tokens", NEW_TOKENS, "--max-new-tokens", NEW_TOKENS)
    batches = ("--file", run.inputs / "sentences.txt", "--repetitions", 1, "--batch-size", 32)
    one = ("--file", run.inputs / "one.txt", "--repetitions", 5, "--batch-size", 1, "--num-beams", 1)
    bars = {("f32", 4): 1.4, ("int8", 4): 1.6, ("f32", 1): 1.3, ("int8", 1): 1.4}
    for ours, theirs in (("f32", "float32"), ("int8", "int8")):
        for how, beams in (("beam 4", 4), ("greedy", 1)):
            yield Work(f"translation {how} batch 32 {ours}", "tok/s", True,
                       Attend("marian", ours, "tokens_per_second", *batches, "--num-beams", beams, *exact),
                       [(Peer("ctranslate2", "marian-ct2", f"beam{beams}", theirs), bars[ours, beams])])
        yield Work(f"translation greedy one sentence {ours}", "ms", False,
                   Attend("marian", ours, "latency_p50_ms", *one, *exact),
                   [(Peer("ctranslate2", "marian-ct2", "one", theirs), {"f32": 0.8, "int8": 0.4}[ours])])


def bert(run):
    mixed = [word for ids in run.mixed for word in ("--input-ids", ",".join(map(str, ids)))]
    for dtype in ("f32", "bf16", "int8"):
        # onnxruntime computes no bf16 on a CPU; its int8 is dynamic, OpenVINO's static.
        def peers(work, openvino_bar, onnxruntime_bar, note="", dtype=dtype):
            kind = {"int8": " static int8"}.get(dtype, "")
            yield Peer("openvino", "bert-ov", work, dtype, kind + note), openvino_bar
            if dtype != "bf16":
                kind = {"int8": " dynamic int8"}.get(dtype, "")
                yield Peer("onnxruntime", "bert-ort", work, dtype, kind + note), onnxruntime_bar

        attend = Attend("bert", dtype, "items_per_second", "--prompt-tokens", 128, "--batch-size", 8, "--repetitions", 3)
        eight = list(peers("bert-8x128", 1.0, {"int8": 1.5}.get(dtype)))
        if dtype == "f32":
            eight.append((Limit("measured matmul peak", attend, "measured_peak_gflops", bert_flops), 0.9))
        yield Work(f"BERT-base 8 x 128 {dtype}", "seq/s", True, attend, eight)
        by_length, by_arrival = ((1.0, 1.8) if dtype == "int8" else (1.1, 2.2 if dtype == "f32" else 2.0))
        theirs = {"f32": (1.1, 2.2)}.get(dtype, (None, None))
        yield Work(f"BERT-base mixed lengths {dtype}", "texts/s", True,
                   Attend("bert", dtype, "items_per_second", *mixed, "--batch-size", 32, "--repetitions", 1),
                   [*peers("bert-sorted", by_length, theirs[0], " sorted"),
                    *peers("bert-arrival", by_arrival, theirs[1], " arrival")])
        yield Work(f"BERT-base one sentence of 12 {dtype}", "ms", False,
                   Attend("bert", dtype, "latency_p50_ms", "--prompt-tokens", 12, "--batch-size", 1, "--repetitions", 20),
                   list(peers("bert-1x12", *((0.8, 0.8) if dtype == "f32" else (None, None)))))


def bert_flops(run, tokens=128):
    """Multiplications and additions of one sequence: products with weights, scores and mixed values."""
    config = json.loads((run.models / "bert" / "config.json").read_text())
    width, hidden = config["hidden_size"], config["intermediate_size"]
    return config["num_hidden_layers"] * (2 * tokens * (4 * width**2 + 2 * width * hidden) + 4 * tokens**2 * width)


def llama():
    folders = {"f32": "llama-ov-f32", "bf16": "llama-ov-f32", "int8": "llama-ov-int8"}
    files = {"f32": "llama-f16.gguf", "bf16": "llama-bf16.gguf", "int8": "llama-Q8_0.gguf"}
    prefill_bars = {"f32": (1.0, None), "bf16": (None, 1.5), "int8": (1.3, 3.0)}  # OpenVINO, llama.cpp
    decode_bars = {"f32": (None, None), "bf16": (None, 1.0), "int8": (1.2, 1.2)}
    for dtype in ("f32", "bf16", "int8"):
        openvino, llama_cpp = prefill_bars[dtype]
        yield Work(f"Llama 0.39 B prefill 512 {dtype}", "tok/s", True,
                   Attend("llama", dtype, "prefill_tokens_per_second", "--prompt-tokens", 512, "--batch-size", 1,
                          "--max-new-tokens", 1, "--repetitions", 3),
                   [(Peer("openvino", folders[dtype], "llama-prefill", dtype, f" {dtype}"), openvino),
                    (LlamaBench(files[dtype], "-p", 512), llama_cpp)])
        openvino, llama_cpp = decode_bars[dtype]
        attend = decode(dtype, 1)
        peers = [(Peer("openvino", folders[dtype], "llama-decode", dtype, f" {dtype}"), openvino),
                 (LlamaBench(files[dtype], "-n", DECODED_TOKENS), llama_cpp)]
        if dtype == "bf16":
            peers.append((Limit("measured read bandwidth", attend, "measured_peak_gbs", llama_bytes), 0.9))
        yield Work(f"Llama 0.39 B decode {dtype}", "tok/s", True, attend, peers)
        yield Work(f"Llama 0.39 B decode 16 sequences {dtype}", "tok/s", True, decode(dtype, 16),
                   [(decode(dtype, 1, name="attend, one sequence"), None if dtype == "f32" else 5.0)])


def decode(dtype, sequences, name="attend"):
    return Attend("llama", dtype, "decode_tokens_per_second", "--prompt-tokens", PROMPT_TOKENS, "--batch-size",
                  sequences, "--min-new-tokens", DECODED_TOKENS, "--max-new-tokens", DECODED_TOKENS,
                  "--repetitions", 3, name=name)


def llama_bytes(run):
    return inspected(run.attend, run.models / "llama", "bf16")["weights_bytes"]


def loading():
    """Memory at its highest beside what the weights take, and the time to the first token beside reading them."""
    tokens = PROMPT_TOKENS + DECODED_TOKENS
    one = ("--prompt-tokens", PROMPT_TOKENS, "--batch-size", 1, "--num-beams", 1, "--min-new-tokens", DECODED_TOKENS,
           "--max-new-tokens", DECODED_TOKENS, "--repetitions", 1)
    for model, dtype in (("marian", "f32"), ("marian", "int8"), ("llama", "bf16"), ("llama", "int8")):
        yield Work(f"peak memory {model} {dtype}", "MB", False,
                   Attend(model, dtype, "peak_rss_bytes", *one, scale=1e-6), [(Stored(model, dtype, tokens), 1.15)])
    for model, dtype in (("marian", "f32"), ("llama", "bf16")):
        yield Work(f"load to first token {model} {dtype}", "ms", False, FirstToken(model, dtype),
                   [(ReadFiles(model), 1.5)])
