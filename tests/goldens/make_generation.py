#!/usr/bin/env python3
"""Records what transformers generates, greedily and with beam search, and the distributions it samples from, for
many combinations of options.

    python tests/goldens/make_generation.py            # rewrites tests/goldens/generation/*.json

The model is a hash: the logits that follow a sequence are a function of (seed, first input token, last token,
position) in exact binary fractions, so that the C++ test computes the same bits without a table.
"""

import argparse
import json
import random
import warnings
from pathlib import Path

import torch
import transformers
from transformers import GenerationConfig, GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput, CausalLMOutput, Seq2SeqLMOutput

MASK = 0xFFFFFFFF


def mix(h, value):
    """One round of the hash: 32-bit, multiplicative (tests/runtime/generation/hash_model.h has its twin)."""
    h = ((h ^ value) * 0x9E3779B1) & MASK
    h ^= h >> 15
    h = (h * 0x85EBCA77) & MASK
    return h ^ (h >> 13)


def logits_row(model, key, last, position):
    h = 0
    for value in (model["seed"], key, last, position % model["period"]):
        h = mix(h, value)
    # Without a little that depends on the position, sequences with the same pairs of tokens in another order would
    # have exactly equal scores.
    noise = mix(h, position + 1000003)
    row = [
        ((mix(h, t) & 0xFFFFF) / 131072.0 - 4.0 + (mix(noise, t) & 0xFF) / 16384.0) * model["scale"]
        for t in range(model["vocab_size"])
    ]
    row[0] -= 64.0  # padding, which is not chosen unless nothing else is left
    for token in model["eos"]:
        row[token] += model["eos_bias"] + model["eos_growth"] * position
    return row


class HashConfig(PretrainedConfig):
    model_type = "hash"

    def __init__(self, **kwargs):
        super().__init__(**kwargs)


class Encoder(torch.nn.Module):
    main_input_name = "input_ids"

    def forward(self, input_ids=None, attention_mask=None, **_):
        return BaseModelOutput(last_hidden_state=input_ids[:, :, None].float())


class HashModel(PreTrainedModel, GenerationMixin):
    config_class = HashConfig
    main_input_name = "input_ids"
    _supports_cache_class = False

    def __init__(self, config, spec):
        super().__init__(config)
        self.spec = spec
        self.encoder = Encoder()
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def get_encoder(self, *_, **__):
        return self.encoder

    def prepare_inputs_for_generation(self, input_ids, encoder_outputs=None, attention_mask=None, **_):
        return {"ids": input_ids, "encoder_outputs": encoder_outputs}

    def forward(self, ids=None, encoder_outputs=None, return_dict=True, input_ids=None, **_):
        keys = ids[:, 0] if encoder_outputs is None else encoder_outputs.last_hidden_state[:, 0, 0].long()
        rows = [
            logits_row(self.spec, int(k), int(row[-1]), row.shape[0]) for k, row in zip(keys, ids)
        ]
        logits = torch.tensor(rows, dtype=torch.float64).to(torch.float32)[:, None, :]
        return CausalLMOutput(logits=logits) if encoder_outputs is None else Seq2SeqLMOutput(logits=logits)


def random_model(rng):
    vocab_size = rng.choice([12, 30, 47, 60])
    eos = rng.sample(range(2, vocab_size), rng.choice([1, 1, 1, 2, 3]))
    return {
        "seed": rng.randrange(1 << 31),
        "vocab_size": vocab_size,
        "eos": eos,
        "eos_bias": rng.choice([-2.0, 0.0, 1.0, 2.0]),
        "eos_growth": rng.choice([0.0, 0.125, 0.25]),
        "scale": rng.choice([0.25, 0.5, 1.0]),
        "period": rng.choice([1, 1, 2, 1000]),
    }


def random_options(rng, model, encoder_decoder, prompt_length, beams):
    """Options by their Hugging Face names; each rule is on in some of the cases."""
    v = model["vocab_size"]
    plain = [t for t in range(2, v) if t not in model["eos"]]
    options = {}
    if rng.random() < 0.15:
        options["max_length"] = prompt_length + rng.randrange(2, 12)
    elif rng.random() < 0.93:
        options["max_new_tokens"] = rng.choice([1, 2, 5, 9, 14, 20])
    if rng.random() < 0.2:
        options["min_new_tokens"] = min(rng.choice([1, 3, 6]), options.get("max_new_tokens", 6))
    if rng.random() < 0.1:
        options["min_length"] = rng.choice([2, 5, 8])
    if rng.random() < 0.25:
        options["no_repeat_ngram_size"] = rng.choice([1, 2, 2, 3])
    if rng.random() < 0.1:
        options["encoder_no_repeat_ngram_size"] = rng.choice([1, 2])
    if rng.random() < 0.25:
        options["repetition_penalty"] = rng.choice([0.8, 1.2, 2.0])
    if rng.random() < 0.1:
        options["encoder_repetition_penalty"] = rng.choice([0.7, 1.5])
    if rng.random() < 0.25:
        words = [rng.sample(range(2, v), rng.choice([1, 2, 2, 3])) for _ in range(rng.randrange(1, 5))]
        options["bad_words_ids"] = words + [[rng.choice(model["eos"])]] * (rng.random() < 0.3)
    if rng.random() < 0.15:
        options["suppress_tokens"] = rng.sample(plain, 3)
    if rng.random() < 0.15:
        options["begin_suppress_tokens"] = rng.sample(range(2, v), 3)
    allowed = [t for t in plain if t not in options.get("suppress_tokens", [])]
    # With beams, several forced tokens, or a single step with one, leave hypotheses of exactly equal score, whose
    # order torch.topk leaves open.
    may_force = not beams or options.get("max_new_tokens", 2) > 1
    if rng.random() < 0.2 and may_force:
        options["forced_bos_token_id"] = rng.choice(allowed)
    if rng.random() < 0.2 and may_force:
        eos = model["eos"][:1] if beams else list(model["eos"])
        options["forced_eos_token_id"] = rng.choice([model["eos"][0], eos, rng.choice(allowed)])
    if rng.random() < 0.05:
        options["remove_invalid_values"] = True
    if beams:
        options["num_beams"] = rng.choice([2, 3, 4, 4, 5])
        options["num_return_sequences"] = rng.choice([1, 1, 2, options["num_beams"]])
        options["num_return_sequences"] = min(options["num_return_sequences"], options["num_beams"])
        options["early_stopping"] = rng.choice([False, True, "never"])
        options["length_penalty"] = rng.choice([1.0, 1.0, 0.0, 0.6, 2.0, -0.5])
        if rng.random() < 0.1:
            options["renormalize_logits"] = True
    return options


def record(rng, beams):
    model = random_model(rng)
    encoder_decoder = rng.random() < 0.6
    v = model["vocab_size"]
    batch = rng.choice([1, 1, 2, 3])
    pad, start = 0, 1
    if encoder_decoder:
        encoder = [[rng.randrange(2, v) for _ in range(6)] for _ in range(batch)]
        prompts = [[start]] * batch
        inputs = torch.tensor(encoder)
    else:
        length = rng.choice([1, 3, 6])
        prompts = [[rng.randrange(2, v) for _ in range(length)] for _ in range(batch)]
        encoder = prompts
        inputs = torch.tensor(prompts)
    options = random_options(rng, model, encoder_decoder, len(prompts[0]), beams)
    fixed = {"pad_token_id": pad, "eos_token_id": model["eos"]}
    if encoder_decoder:
        fixed["decoder_start_token_id"] = start
    config = HashConfig(is_encoder_decoder=encoder_decoder, vocab_size=v)
    hash_model = HashModel(config, model).eval()
    out = hash_model.generate(
        inputs,
        attention_mask=torch.ones_like(inputs),
        generation_config=GenerationConfig(
            **options, **fixed, use_cache=False, return_dict_in_generate=True, output_scores=True, output_logits=True
        ),
    )
    per_item = options.get("num_return_sequences", 1)
    prompt_length = len(prompts[0])
    results = [[] for _ in range(batch)]
    for i, row in enumerate(out.sequences.tolist()):
        ids = row[prompt_length:]
        if beams:
            ids = ids[: sum(b >= 0 for b in out.beam_indices[i].tolist())]
            results[i // per_item].append({"ids": ids, "score": out.sequences_scores[i].item()})
        else:
            ends = [j for j, t in enumerate(ids) if t in model["eos"]]
            results[i].append({"ids": ids[: ends[0] + 1] if ends else ids})
    return {
        "model": model,
        "encoder_decoder": encoder_decoder,
        "encoder": encoder,
        "prompts": prompts,
        "options": options,
        "results": results,
    }


def usable(case):
    """Not where the rules forbid every token, which leaves transformers with arbitrary ones (attend refuses)."""
    flat = [r for item in case["results"] for r in item]
    return all(r.get("score", 0.0) > -1e6 for r in flat) and not any(0 in r["ids"] for r in flat)


def record_usable(rng, beams):
    while not usable(case := record(rng, beams)):
        pass
    return case


def random_warpers(rng):
    options = {"top_k": rng.choice([0, 1, 3, 10, 50])}
    if rng.random() < 0.5:
        options["temperature"] = rng.choice([0.3, 0.7, 1.5])
    if rng.random() < 0.5:
        options["top_p"] = rng.choice([0.05, 0.4, 0.8, 0.95])
    if rng.random() < 0.3:
        options["min_p"] = rng.choice([0.0, 0.02, 0.2, 1.0])
    if rng.random() < 0.3:
        options["typical_p"] = rng.choice([0.1, 0.5, 0.9])
    if rng.random() < 0.3:
        options["num_beams"] = 2
    return options


def record_warped(rng):
    """The distribution that sampling draws from, for one row of logits."""
    model = random_model(rng)
    options = random_warpers(rng)
    last = rng.randrange(2, model["vocab_size"])
    ties = rng.random() < 0.3
    row = logits_row(model, last, last, 1)
    if ties:
        row = [round(2.0 * x) / 2.0 for x in row]
    hash_model = HashModel(HashConfig(vocab_size=model["vocab_size"]), model)
    config = GenerationConfig(**options, do_sample=True, eos_token_id=model["eos"], pad_token_id=0)
    config = hash_model._prepare_generation_config(config)[0]
    hash_model._prepare_special_tokens(config)
    warpers = hash_model._get_logits_processor(config, input_ids_seq_length=1)
    scores = warpers(torch.tensor([[last]]), torch.tensor([row], dtype=torch.float64).to(torch.float32))
    probabilities = scores.softmax(-1)[0].tolist()
    kept = [[t, round(p, 7)] for t, p in enumerate(probabilities) if scores[0, t] > -float("inf")]
    return {"model": model, "last": last, "ties": ties, "options": options, "probabilities": kept}


def write(path, seed, cases):
    header = {"transformers": transformers.__version__, "torch": torch.__version__, "seed": seed}
    lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)
    path.write_text(json.dumps(header)[:-1] + ', "cases": [\n' + lines + "\n]}\n")
    print(path, len(cases), "cases", path.stat().st_size, "bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "generation")
    arguments = parser.parse_args()
    transformers.logging.set_verbosity_error()
    warnings.simplefilter("ignore")
    arguments.out.mkdir(exist_ok=True)
    torch.manual_seed(0)
    for name, seed, count, beams in (("greedy", 1, 100, False), ("beam", 2, 320, True)):
        rng = random.Random(seed)
        write(arguments.out / f"{name}.json", seed, [record_usable(rng, beams) for _ in range(count)])
    rng = random.Random(3)
    write(arguments.out / "warped.json", 3, [record_warped(rng) for _ in range(100)])


if __name__ == "__main__":
    main()
