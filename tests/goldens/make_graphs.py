"""Models that no architecture of transformers or attend has, as graph.json: python tests/goldens/make_graphs.py

graph-parallel-tiny  decoder: attention and feed-forward read the same norm and are added to the residual side
                     by side; partial interleaved rotation, grouped queries out of one fused tensor, scaled logits
graph-mean-tiny      encoder: root-mean-square norms, gated feed-forward, relative position bias, mean pooling

The values expected are computed here in NumPy, in double precision, straight from the formulas.
"""

import json
import math
import platform

import numpy
from safetensors.numpy import save_file

from common import prepare, write_json

MAKER = "make_graphs.py"
VOCAB, WIDTH, HEADS, KV_HEADS, DIM, HIDDEN, LAYERS, POSITIONS = 48, 24, 4, 2, 6, 32, 2, 64
ROTATED, THETA, LOGIT_SCALE, EPS = 4, 10000.0, 0.5, 1e-5
BUCKETS, MAX_DISTANCE = 8, 16
LABELS = ["alpha", "beta", "gamma"]
INPUTS = [[5], [7, 3, 40, 9, 21, 6, 5, 5, 30], list(range(2, 27))]


class Weights:
    """Named random tensors from one seeded stream; f32 as they are stored, f64 to compute with."""

    def __init__(self, seed):
        self.stream = numpy.random.default_rng(seed)
        self.stored = {}

    def matrix(self, name, rows, columns):
        values = self.stream.standard_normal((rows, columns)) / math.sqrt(columns)
        return self._keep(name, values)

    def norm(self, name, width):
        return self._keep(name, 1 + 0.2 * self.stream.standard_normal(width))

    def vector(self, name, width):
        return self._keep(name, 0.2 * self.stream.standard_normal(width))

    def _keep(self, name, values):
        self.stored[name] = values.astype(numpy.float32)
        return self.stored[name].astype(numpy.float64)


def layer_norm(x, weight, bias):
    centred = x - x.mean(-1, keepdims=True)
    return centred / numpy.sqrt((centred**2).mean(-1, keepdims=True) + EPS) * weight + bias


def rms_norm(x, weight):
    return x / numpy.sqrt((x**2).mean(-1, keepdims=True) + EPS) * weight


def softmax(x):
    e = numpy.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def gelu(x):
    return 0.5 * x * (1 + numpy.vectorize(math.erf)(x / math.sqrt(2)))


def silu(x):
    return x / (1 + numpy.exp(-x))


def rotate(x, inv_freq):
    """x [T, heads, DIM]: pairs (2i, 2i + 1) of the first ROTATED elements."""
    angle = numpy.arange(x.shape[0])[:, None] * inv_freq.astype(numpy.float64)[None]
    cos, sin = numpy.cos(angle)[:, None], numpy.sin(angle)[:, None]
    y = x.copy()
    even, odd = x[..., 0:ROTATED:2], x[..., 1:ROTATED:2]
    y[..., 0:ROTATED:2] = even * cos - odd * sin
    y[..., 1:ROTATED:2] = odd * cos + even * sin
    return y


def attention(q, k, v, bias):
    """q [T, H, d], k and v [T, G, d], bias [H, T, T]: [T, H * d]"""
    out = numpy.empty_like(q)
    for head in range(q.shape[1]):
        kv = head * k.shape[1] // q.shape[1]
        scores = q[:, head] @ k[:, kv].T / math.sqrt(q.shape[2]) + bias[head]
        out[:, head] = softmax(scores) @ v[:, kv]
    return out.reshape(q.shape[0], -1)


def save(name, seed, graph, weights, inputs, values, generation=None):
    directory = prepare(name)
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in graph.items() if key != "graphs"]
    nodes = ",\n  ".join(json.dumps(node) for node in graph["graphs"][0]["nodes"])
    rest = json.dumps({key: value for key, value in graph["graphs"][0].items() if key != "nodes"})[1:]
    lines.append(f' "graphs": [{{"nodes": [\n  {nodes}],\n {rest}]')
    (directory / "graph.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    save_file(weights.stored, directory / "model.safetensors")
    save_file({key: value.astype(numpy.float32) for key, value in values.items()}, directory / "expected.safetensors")
    write_json(directory / "expected.json", {"inputs": inputs} | ({"generation": generation} if generation else {}))
    versions = {"numpy": numpy.__version__, "python": platform.python_version()}
    write_json(directory / "meta.json", {"maker": MAKER, "seed": seed} | versions)
    print(f"{name}: {sum(f.stat().st_size for f in directory.iterdir()) / 1000:.0f} kB")


def parallel_decoder(seed=3):
    w = Weights(seed)
    inv_freq = (1.0 / THETA ** (numpy.arange(0, ROTATED, 2) / ROTATED)).astype(numpy.float32)
    embed = w.matrix("embed", VOCAB, WIDTH)
    rows = (HEADS + 2 * KV_HEADS) * DIM
    layers = [
        {
            "norm": (w.norm(f"blocks.{i}.norm.gain", WIDTH), w.vector(f"blocks.{i}.norm.shift", WIDTH)),
            "qkv": w.matrix(f"blocks.{i}.qkv", rows, WIDTH),
            "qkv_bias": w.vector(f"blocks.{i}.qkv_bias", rows),
            "out": w.matrix(f"blocks.{i}.out", WIDTH, HEADS * DIM),
            "up": w.matrix(f"blocks.{i}.up", WIDTH, HIDDEN),  # stored [in, out]
            "down": w.matrix(f"blocks.{i}.down", WIDTH, HIDDEN),
            "down_bias": w.vector(f"blocks.{i}.down_bias", WIDTH),
        }
        for i in range(LAYERS)
    ]
    last = (w.norm("last.gain", WIDTH), w.vector("last.shift", WIDTH))

    def forward(ids):
        values = {}
        x = values["embed"] = embed[ids]
        causal = numpy.where(numpy.tri(len(ids)) > 0, 0.0, -numpy.inf)[None].repeat(HEADS, 0)
        for i, layer in enumerate(layers):
            n = values[f"blocks.{i}.norm"] = layer_norm(x, *layer["norm"])
            qkv = n @ layer["qkv"].T + layer["qkv_bias"]
            q, k, v = numpy.split(qkv.reshape(len(ids), -1, DIM), [HEADS, HEADS + KV_HEADS], 1)
            a = attention(rotate(q, inv_freq), rotate(k, inv_freq), v, causal) @ layer["out"].T
            m = gelu(n @ layer["up"]) @ layer["down"].T + layer["down_bias"]
            values[f"blocks.{i}.attention"], values[f"blocks.{i}.mlp"] = a, m
            x = values[f"blocks.{i}.sum"] = x + a + m
        values["logits"] = layer_norm(x, *last) @ embed.T * LOGIT_SCALE
        return values

    def node(name, op, inputs, weights=None, **attributes):
        return {"name": name, "op": op, "inputs": inputs} | attributes | ({"weights": weights} if weights else {})

    nodes = [node("embed", "embedding", ["tokens"], {"weight": "embed"}, rows=VOCAB, dim=WIDTH)]
    x = "embed"
    for i in range(LAYERS):
        b = f"blocks.{i}"
        first, parts = 0, {}
        for role, count in (("q", HEADS * DIM), ("k", KV_HEADS * DIM), ("v", KV_HEADS * DIM)):
            place = {"first_row": first, "rows": count}
            parts[f"{role}.weight"] = {"tensor": f"{b}.qkv"} | place
            parts[f"{role}.bias"] = {"tensor": f"{b}.qkv_bias"} | place
            first += count
        norm = {"weight": f"{b}.norm.gain", "bias": f"{b}.norm.shift"}
        mlp = {
            "up.weight": {"tensor": f"{b}.up", "transposed": True},
            "down.weight": f"{b}.down",
            "down.bias": f"{b}.down_bias",
        }
        rope = {"dims": ROTATED, "inv_freq": [float(f) for f in inv_freq], "interleaved": True}
        nodes += [
            node(f"{b}.norm", "norm", [x], norm, kind="layer", eps=EPS),
            node(
                f"{b}.attention",
                "self_attention",
                [f"{b}.norm"],
                parts | {"out.weight": f"{b}.out"},
                heads=HEADS,
                kv_heads=KV_HEADS,
                head_dim=DIM,
                mask="causal",
                rope=rope,
                state=f"{b}.attention",
            ),
            node(f"{b}.mlp", "feed_forward", [f"{b}.norm"], mlp, hidden=HIDDEN, act="gelu"),
            node(f"{b}.with_attention", "add", [x, f"{b}.attention"]),
            node(f"{b}.sum", "add", [f"{b}.with_attention", f"{b}.mlp"]),
        ]
        x = f"{b}.sum"
    nodes += [
        node("rows", "gather_rows", [x], which="sampled"),
        node("last", "norm", ["rows"], {"weight": "last.gain", "bias": "last.shift"}, kind="layer", eps=EPS),
        node("head", "linear", ["last"], {"weight": "embed"}, out=VOCAB, scale=LOGIT_SCALE),
    ]
    graph = {
        "format": "attend-graph",
        "version": 1,
        "architecture": "ParallelDecoder",
        "family": "decoder",
        "tasks": ["text-generation"],
        "vocab_size": VOCAB,
        "target_vocab_size": VOCAB,
        "max_positions": POSITIONS,
        "max_target_positions": POSITIONS,
        "generation": {"eos_token_id": [0], "max_new_tokens": 12},
        "states": [
            {"name": f"blocks.{i}.attention", "kind": "self", "kv_heads": KV_HEADS, "head_dim": DIM}
            for i in range(LAYERS)
        ],
        "graphs": [{"nodes": nodes, "name": "decoder", "outputs": {"logits": "head"}}],
    }
    values, generation = {}, []
    for index, ids in enumerate(INPUTS):
        values |= {f"{index}/{name}": value for name, value in forward(ids).items() if index == 1 or name == "logits"}
        generated = []
        while len(generated) < 12 and (not generated or generated[-1] != 0):
            generated.append(int(forward(ids + generated)["logits"][-1].argmax()))
        generation.append({"input": index, "options": {}, "results": [{"output_ids": generated}]})
    save("graph-parallel-tiny", seed, graph, w, INPUTS, values, generation)


def bucket(distance):
    """T5's, both ways: half of the buckets for keys after the query, logarithmic beyond half of these."""
    half = BUCKETS // 2
    first, n = (half if distance > 0 else 0), abs(distance)
    exact = half // 2
    if n < exact:
        return first + n
    far = exact + int(math.log(n / exact) / math.log(MAX_DISTANCE / exact) * (half - exact))
    return first + min(far, half - 1)


def mean_encoder(seed=2):
    w = Weights(seed)
    embed = w.matrix("tokens", VOCAB, WIDTH)
    table = w.matrix("distances", BUCKETS, HEADS)
    layers = [
        {
            key: w.norm(f"{i}.{key}", WIDTH) if key.startswith("norm") else w.matrix(f"{i}.{key}", *shape)
            for key, shape in {
                "norm1": None,
                "q": (HEADS * DIM, WIDTH),
                "k": (HEADS * DIM, WIDTH),
                "v": (HEADS * DIM, WIDTH),
                "o": (WIDTH, HEADS * DIM),
                "norm2": None,
                "gate": (HIDDEN, WIDTH),
                "up": (HIDDEN, WIDTH),
                "down": (WIDTH, HIDDEN),
            }.items()
        }
        for i in range(LAYERS)
    ]
    last = w.norm("last", WIDTH)
    classes, bias = w.matrix("classes", len(LABELS), WIDTH), w.vector("classes_bias", len(LABELS))

    def forward(ids):
        values = {}
        x = values["tokens_embedded"] = embed[ids]
        span = range(len(ids))
        relative = numpy.array([[table[bucket(k - q)] for k in span] for q in span]).transpose(2, 0, 1)
        for i, layer in enumerate(layers):
            n = values[f"{i}.norm1"] = rms_norm(x, layer["norm1"])
            q, k, v = ((n @ layer[key].T).reshape(len(ids), HEADS, DIM) for key in "qkv")
            a = values[f"{i}.attention"] = attention(q, k, v, relative) @ layer["o"].T
            x = x + a
            n = values[f"{i}.norm2"] = rms_norm(x, layer["norm2"])
            f = values[f"{i}.ffn"] = (silu(n @ layer["gate"].T) * (n @ layer["up"].T)) @ layer["down"].T
            x = x + f
        pooled = values["pooled"] = rms_norm(x, last).mean(0)
        values["logits"] = pooled @ classes.T + bias
        return values

    nodes = [
        {
            "name": "tokens_embedded",
            "op": "embedding",
            "inputs": ["tokens"],
            "rows": VOCAB,
            "dim": WIDTH,
            "weights": {"weight": "tokens"},
        }
    ]
    x = "tokens_embedded"
    for i in range(LAYERS):
        names = {"q.weight": f"{i}.q", "k.weight": f"{i}.k", "v.weight": f"{i}.v", "out.weight": f"{i}.o"}
        ffn = {"gate.weight": f"{i}.gate", "up.weight": f"{i}.up", "down.weight": f"{i}.down"}
        norm = {"op": "norm", "kind": "rms", "eps": EPS}
        nodes += [
            {"name": f"{i}.norm1", "inputs": [x], "weights": {"weight": f"{i}.norm1"}} | norm,
            {
                "name": f"{i}.attention",
                "op": "self_attention",
                "inputs": [f"{i}.norm1"],
                "heads": HEADS,
                "relative_bias": {"buckets": BUCKETS, "max_distance": MAX_DISTANCE, "bidirectional": True},
                "weights": names | {"relative_bias": "distances"},
            },
            {"name": f"{i}.sum1", "op": "add", "inputs": [x, f"{i}.attention"]},
            {"name": f"{i}.norm2", "inputs": [f"{i}.sum1"], "weights": {"weight": f"{i}.norm2"}} | norm,
            {
                "name": f"{i}.ffn",
                "op": "feed_forward",
                "inputs": [f"{i}.norm2"],
                "hidden": HIDDEN,
                "act": "silu",
                "weights": ffn,
            },
            {"name": f"{i}.sum2", "op": "add", "inputs": [f"{i}.sum1", f"{i}.ffn"]},
        ]
        x = f"{i}.sum2"
    head = {"weight": "classes", "bias": "classes_bias"}
    nodes += [
        {"name": "last", "op": "norm", "inputs": [x], "kind": "rms", "eps": EPS, "weights": {"weight": "last"}},
        {"name": "pooled", "op": "mean_rows", "inputs": ["last"]},
        {"name": "classes", "op": "linear", "inputs": ["pooled"], "out": len(LABELS), "weights": head},
    ]
    graph = {
        "format": "attend-graph",
        "version": 1,
        "architecture": "MeanEncoder",
        "family": "encoder",
        "head": "ForSequenceClassification",
        "labels": LABELS,
        "vocab_size": VOCAB,
        "max_positions": POSITIONS,
        "graphs": [{"nodes": nodes, "name": "encoder", "outputs": {"logits": "classes"}}],
    }
    values = {f"{i}/{name}": value for i, ids in enumerate(INPUTS) for name, value in forward(ids).items()}
    save("graph-mean-tiny", seed, graph, w, INPUTS, values)


if __name__ == "__main__":
    parallel_decoder()
    mean_encoder()
