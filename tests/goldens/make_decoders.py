"""Tiny decoder-only checkpoints with expected values: python tests/goldens/make_decoders.py [NAME...]

See common.py for the files. Node names are transformers' module paths. `logits` are those of every position
of the input; the other nodes are kept for the second input alone.
"""

import json
import shutil
import sys

import torch
import transformers
from transformers import GenerationConfig

from common import Capture, generation_cases, prepare, random_ids, randomize, reset_rotary, write

MAKER = "make_decoders.py"
VOCAB = 64
EOS, BOS, PAD = 0, 1, 2
LENGTHS = [1, 9, 21]  # the second and third longer than the sliding windows

WIDE = dict(
    vocab_size=VOCAB,
    hidden_size=32,
    intermediate_size=40,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=64,
    bos_token_id=BOS,
    eos_token_id=EOS,
    pad_token_id=PAD,
)
NARROW = WIDE | dict(
    hidden_size=16, intermediate_size=24, num_attention_heads=2, num_key_value_heads=1, head_dim=8
)
GPT2 = dict(
    vocab_size=VOCAB,
    n_embd=32,
    n_layer=2,
    n_head=4,
    n_positions=64,
    bos_token_id=BOS,
    eos_token_id=EOS,
    pad_token_id=PAD,
)
THETA = {"rope_theta": 10000.0}
LLAMA3 = THETA | {
    "rope_type": "llama3",
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
YARN = THETA | {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}
LONGROPE = THETA | {
    "rope_type": "longrope",
    "short_factor": [1.0, 1.1, 1.3, 1.7],
    "long_factor": [1.5, 2.5, 5.0, 9.0],
    "original_max_position_embeddings": 32,
}

# name: (model class, config, full = values of every node and more generation cases)
MODELS = {
    "gpt2-tiny": ("GPT2", GPT2, True),
    "gpt2-tiny-scaled": (
        "GPT2",
        GPT2
        | dict(
            n_embd=16, n_head=2, n_inner=24, scale_attn_by_inverse_layer_idx=True, activation_function="relu"
        ),
        False,
    ),
    "llama-tiny": ("Llama", WIDE, True),
    "llama-tiny-bias-tied": (
        "Llama",
        NARROW | dict(attention_bias=True, mlp_bias=True, tie_word_embeddings=True, num_key_value_heads=2),
        False,
    ),
    "llama-tiny-llama3": ("Llama", NARROW | dict(rope_parameters=LLAMA3), False),
    "llama-tiny-linear": (
        "Llama",
        NARROW | dict(rope_parameters=THETA | {"rope_type": "linear", "factor": 2.5}),
        False,
    ),
    "llama-tiny-dynamic": (
        "Llama",
        NARROW
        | dict(rope_parameters=THETA | {"rope_type": "dynamic", "factor": 4.0}, max_position_embeddings=16),
        False,
    ),
    "llama-tiny-yarn": ("Llama", NARROW | dict(rope_parameters=YARN), False),
    "llama-tiny-yarn-mscale": (
        "Llama",
        NARROW
        | dict(
            rope_parameters=YARN
            | {"beta_fast": 16.0, "beta_slow": 2.0, "mscale": 0.7, "mscale_all_dim": 1.2, "truncate": False}
        ),
        False,
    ),
    "mistral-tiny": ("Mistral", WIDE | dict(sliding_window=5, head_dim=12), True),
    "qwen2-tiny": ("Qwen2", WIDE | dict(tie_word_embeddings=True), True),
    "qwen2-tiny-sliding": (
        "Qwen2",
        NARROW | dict(num_hidden_layers=3, use_sliding_window=True, sliding_window=4, max_window_layers=1),
        False,
    ),
    "qwen3-tiny": ("Qwen3", WIDE | dict(head_dim=12, tie_word_embeddings=True), True),
    "gemma-tiny": ("Gemma", WIDE | dict(head_dim=16, num_key_value_heads=1), True),
    "gemma2-tiny": (
        "Gemma2",
        WIDE
        | dict(
            head_dim=12,
            sliding_window=6,
            query_pre_attn_scalar=24,
            attn_logit_softcapping=5.0,
            final_logit_softcapping=6.0,
        ),
        True,
    ),
    "phi3-tiny": ("Phi3", WIDE, True),
    "phi3-tiny-longrope": (
        "Phi3",
        {k: v for k, v in NARROW.items() if k != "head_dim"}
        | dict(
            rope_parameters=LONGROPE,
            original_max_position_embeddings=32,
            max_position_embeddings=64,
            sliding_window=9,
        ),
        False,
    ),
}


def train(model, stream, steps=220):
    """Counting with gaps, may end early: several likely continuations, so that beams compete."""
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=5e-3)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 5e-3 * min(1.0, (step + 1) / 30)
        rows = torch.full((32, 20), EOS)
        for row in rows:
            token = random_ids(stream, 1, 3, VOCAB)[0]
            for at, chance in enumerate(random_ids(stream, 20, 0, 100)):
                row[at] = token
                if chance >= 93:
                    row[at + 1 :] = EOS
                    break
                step_up = 1 if chance < 50 else 2 if chance < 75 else 7
                token = 3 + (token - 3 + step_up) % (VOCAB - 3)
        logits = model(input_ids=rows, use_cache=False).logits[:, :-1]
        target = rows[:, 1:].clone()
        target[:, 1:][(target[:, 1:] == EOS) & (target[:, :-1] == EOS)] = -100
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"  trained to loss {loss.item():.2f}")


def build(family, config, seed):
    config_class = getattr(transformers, family + "Config")
    model_class = getattr(transformers, family + ("LMHeadModel" if family == "GPT2" else "ForCausalLM"))
    torch.manual_seed(seed)
    model = model_class._from_config(config_class(**config), attn_implementation="eager").eval()
    stream = randomize(model, seed)
    train(model, stream)
    model.generation_config = GenerationConfig(bos_token_id=BOS, eos_token_id=EOS, pad_token_id=PAD)
    return model, stream


def node_modules(model):
    """Every module that a paper draws: embeddings, norms, attention, feed-forward, whole layers."""
    wanted = (
        "embed_tokens",
        "wte",
        "wpe",
        "norm",
        "layernorm",
        "ln_1",
        "ln_2",
        "ln_f",
        "self_attn",
        "attn",
        "mlp",
    )
    names = [name for name, _ in model.named_modules()]
    return {
        name: name
        for name in names
        if name.rsplit(".", 1)[-1].endswith(wanted) or name.rsplit(".", 1)[-1].isdigit()
    }


GREEDY = {"num_beams": 1, "max_new_tokens": 24}
BEAM = {"num_beams": 4, "max_new_tokens": 24, "num_return_sequences": 2}
RULES = [
    GREEDY | {"repetition_penalty": 1.6},
    GREEDY | {"no_repeat_ngram_size": 2},
    GREEDY | {"min_new_tokens": 20},
    BEAM | {"repetition_penalty": 1.6},
    BEAM | {"no_repeat_ngram_size": 2, "length_penalty": 2.0},
    BEAM | {"length_penalty": 0.4, "early_stopping": True, "max_new_tokens": 12},
]


def make(name, seed):
    family, config, full = MODELS[name]
    model, stream = build(family, config, seed)
    directory = prepare(name)
    model.save_pretrained(directory)
    inputs = [random_ids(stream, length, 3, VOCAB) for length in LENGTHS]
    tensors = {}
    for index, ids in enumerate(inputs):
        reset_rotary(model)
        with Capture(model, node_modules(model) if full and index == 1 else {}) as capture, torch.no_grad():
            logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits
        tensors |= {f"{index}/{node}": value for node, value in capture.values.items()}
        tensors[f"{index}/logits"] = logits
    if full:
        with torch.no_grad():
            attentions = model(input_ids=torch.tensor([inputs[1]]), output_attentions=True).attentions
        tensors |= {f"1/attention.decoder.{layer}": weights for layer, weights in enumerate(attentions)}
    options = [GREEDY, BEAM] + (RULES if full else [])
    write(
        directory,
        MAKER,
        seed,
        tensors,
        {"inputs": inputs, "generation": generation_cases(model, inputs, options)},
    )


def make_old_spelling(source, name):
    """The same checkpoint with a config.json as it was written before transformers 5."""
    directory = prepare(name)
    for file in (
        "model.safetensors",
        "generation_config.json",
        "expected.json",
        "expected.safetensors",
        "meta.json",
    ):
        shutil.copy(directory.parent / source / file, directory / file)
    config = json.loads((directory.parent / source / "config.json").read_text())
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    config["rope_scaling"] = rope
    config["torch_dtype"] = config.pop("dtype")
    config["transformers_version"] = "4.45.0"
    (directory / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def main():
    for position, name in enumerate(MODELS):
        if len(sys.argv) == 1 or name in sys.argv[1:]:
            make(name, 100 + position)
    if len(sys.argv) == 1 or "llama-tiny-llama3-old" in sys.argv[1:]:
        make_old_spelling("llama-tiny-llama3", "llama-tiny-llama3-old")


if __name__ == "__main__":
    main()
