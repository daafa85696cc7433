"""Writes tests/goldens/attention: maps of generated sequences, masked heads and custom queries.

The models are the tiny ones of the other folders; run after their makers. expected.json lists cases, the
tensors are in expected.safetensors under "CASE/NAME".

  generated  "cross.L" [heads, generated, source], "decoder.L" [heads, generated, generated]: the rows that
             generate(output_attentions=True) gave for the best sequence, step by step
  masked     "output": logits (of the first step, where the model generates) with the input of the output
             projection multiplied in the columns of one head
  queries    "query" [N, D], "weights" [heads, N, source], "values" [heads, N, d]: eager attention of these
             hidden states over the keys and values that a layer makes of the encoder's output
"""

import json

import torch
import transformers
from common import HERE, prepare, write
from transformers import AutoConfig


def load(name):
    directory = HERE / name
    architecture = AutoConfig.from_pretrained(directory).architectures[0]
    return getattr(transformers, architecture).from_pretrained(directory, attn_implementation="eager").eval()


def inputs_of(name):
    return json.loads((HERE / name / "expected.json").read_text())["inputs"]


@torch.no_grad()
def generated(name, ids, options):
    """Attention of the best sequence, one row a step; beams are followed backwards."""
    model = load(name)
    result = model.generate(
        torch.tensor([ids]),
        attention_mask=torch.ones(1, len(ids), dtype=torch.long),
        return_dict_in_generate=True,
        output_attentions=True,
        output_scores=True,
        **options,
    )
    eos = model.generation_config.eos_token_id
    out = result.sequences[0].tolist()[1:]
    if eos in out:
        out = out[: out.index(eos) + 1]
    tensors = {}
    for layer in range(model.config.decoder_layers):
        cross, own = [], []
        for step in range(len(out)):
            beam = int(result.beam_indices[0, step]) if options.get("num_beams", 1) > 1 else 0
            # The row that chose token `step` ran in the beam that the chosen one continues.
            cross.append(result.cross_attentions[step][layer][beam, :, -1])
            row = result.decoder_attentions[step][layer][beam, :, -1]
            own.append(torch.nn.functional.pad(row, (0, len(out) - row.shape[-1])))
        tensors[f"cross.{layer}"] = torch.stack(cross, 1).contiguous()
        tensors[f"decoder.{layer}"] = torch.stack(own, 1).contiguous()
    return {"model": name, "input_ids": ids, "options": options, "output_ids": out}, tensors


# Where each kind of layer projects what its heads mixed.
PROJECTIONS = {
    "marian-tiny": {
        "encoder": "model.encoder.layers.{}.self_attn.out_proj",
        "decoder": "model.decoder.layers.{}.self_attn.out_proj",
        "cross": "model.decoder.layers.{}.encoder_attn.out_proj",
    },
    "llama-tiny": {"decoder": "model.layers.{}.self_attn.o_proj"},
    "gemma2-tiny": {"decoder": "model.layers.{}.self_attn.o_proj"},
    "gpt2-tiny": {"decoder": "transformer.h.{}.attn.c_proj"},
    "bert-tiny": {"encoder": "bert.encoder.layer.{}.attention.output.dense"},
    # One module for every layer: the hook counts its calls.
    "albert-tiny": {"encoder": "albert.encoder.albert_layer_groups.0.albert_layers.0.attention.dense"},
}


@torch.no_grad()
def masked(name, ids, kind, layer, head, scale):
    model = load(name)
    config = model.config
    count = config.num_attention_heads  # the tiny models have as many on both sides
    path = PROJECTIONS[name][kind]
    calls = 0

    def hook(module, args):
        nonlocal calls
        calls += 1
        if name.startswith("albert") and calls != layer + 1:
            return None
        mixed = args[0].clone()
        width = mixed.shape[-1] // count
        mixed[..., head * width : (head + 1) * width] *= scale
        return (mixed,) + args[1:]

    model.get_submodule(path.format(layer)).register_forward_pre_hook(hook)
    arguments = {"input_ids": torch.tensor([ids])}
    if config.is_encoder_decoder:
        arguments["decoder_input_ids"] = torch.tensor([[config.decoder_start_token_id]])
    logits = model(**arguments).logits[0]
    output = logits[-1] if logits.dim() == 2 else logits  # classification has one row
    case = {"model": name, "input_ids": ids, "kind": kind, "layer": layer, "head": head, "scale": scale}
    return case, {"output": output.contiguous()}


@torch.no_grad()
def queries(name, ids, kind, layer, count, seed):
    model = load(name)
    stream = torch.Generator().manual_seed(seed)
    if kind == "cross":
        block = model.model.decoder.layers[layer].encoder_attn
        states = model.model.encoder(torch.tensor([ids])).last_hidden_state
        q, k, v, heads = block.q_proj, block.k_proj, block.v_proj, block.num_heads
    else:
        block = model.bert.encoder.layer[layer].attention.self
        states = model.bert(torch.tensor([ids]), output_hidden_states=True).hidden_states[layer]
        q, k, v, heads = block.query, block.key, block.value, block.num_attention_heads
    query = torch.randn(count, states.shape[-1], generator=stream)

    def split(x):
        return x.view(-1, heads, x.shape[-1] // heads).transpose(0, 1)

    asked = split(q(query))
    scores = asked @ split(k(states[0])).transpose(1, 2) / asked.shape[-1] ** 0.5
    weights = scores.softmax(-1)
    values = weights @ split(v(states[0]))
    tensors = {"query": query, "head_query": asked, "weights": weights, "values": values}
    case = {"model": name, "input_ids": ids, "kind": kind, "layer": layer}
    return case, {key: value.contiguous() for key, value in tensors.items()}


def main():
    directory = prepare("attention")
    cases, tensors = {}, {}

    def add(section, made):
        case, values = made
        name = f"{section}.{len(cases.setdefault(section, []))}"
        cases[section].append(case)
        tensors.update({f"{name}/{key}": value.clone() for key, value in values.items()})

    marian = inputs_of("marian-tiny")
    for ids in marian[1:3]:
        add("generated", generated("marian-tiny", ids, {"num_beams": 1}))
        add("generated", generated("marian-tiny", ids, {"num_beams": 4, "length_penalty": 0.6}))
    add("masked", masked("marian-tiny", marian[2], "encoder", 0, 1, 0.0))
    add("masked", masked("marian-tiny", marian[2], "decoder", 1, 3, 0.0))
    add("masked", masked("marian-tiny", marian[2], "cross", 1, 2, 0.0))
    add("masked", masked("marian-tiny", marian[2], "cross", 0, 0, 0.5))
    for name in ("llama-tiny", "gemma2-tiny", "gpt2-tiny"):
        add("masked", masked(name, inputs_of(name)[1], "decoder", 1, 2, 0.0))
    add("masked", masked("bert-tiny", inputs_of("bert-tiny")[1], "encoder", 1, 0, 0.0))
    add("masked", masked("albert-tiny", inputs_of("albert-tiny")[1], "encoder", 1, 3, 0.0))
    add("queries", queries("marian-tiny", marian[2], "cross", 1, 3, 5))
    add("queries", queries("bert-tiny", inputs_of("bert-tiny")[1], "encoder", 1, 2, 6))
    write(directory, "make_attention.py", 5, tensors, cases)


if __name__ == "__main__":
    main()
