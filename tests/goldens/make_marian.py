"""Tiny Marian checkpoints with expected values (see common.py): python tests/goldens/make_marian.py

Node names are those of loaders/models/marian.cpp: the module path, where `embed` is token embedding times
scale plus positions, and `ffn` is the output of fc2. Values are before the residual addition.
"""

import json

import torch
from transformers import GenerationConfig, MarianConfig, MarianMTModel

from common import Capture, generation_cases, prepare, random_ids, randomize, write

MAKER = "make_marian.py"
SEED = 20
LENGTHS = [1, 7, 12, 23]
TARGET_LENGTHS = [1, 9, 3, 17]


def build(seed, **changes):
    vocab = changes.pop("vocab_size", 64)
    target_vocab = changes.get("decoder_vocab_size", vocab)
    pad = min(vocab, target_vocab) - 1
    config = MarianConfig(
        **{
            **dict(vocab_size=vocab, d_model=32, encoder_layers=2, decoder_layers=2),
            **dict(encoder_attention_heads=4, decoder_attention_heads=4),
            **dict(encoder_ffn_dim=48, decoder_ffn_dim=48, activation_function="swish"),
            **dict(scale_embedding=True, max_position_embeddings=64, pad_token_id=pad),
            **dict(eos_token_id=0, bos_token_id=0, decoder_start_token_id=pad, forced_eos_token_id=0),
            **changes,
        }
    )
    torch.manual_seed(seed)
    model = MarianMTModel._from_config(config, attn_implementation="eager").eval()
    stream = randomize(model, seed)
    with torch.no_grad():
        # Scaled tables as in trained checkpoints: after times sqrt(d_model) about as large as the positions.
        for table in {id(e): e for e in (model.get_input_embeddings().weight, model.lm_head.weight)}.values():
            table.mul_(0.6)
        model.final_logits_bias.normal_(0, 0.3, generator=stream)
    train(model, stream)
    model.generation_config = GenerationConfig(
        bad_words_ids=[[pad]],
        bos_token_id=0,
        decoder_start_token_id=pad,
        eos_token_id=0,
        forced_eos_token_id=0,
        max_length=40,
        num_beams=4,
        pad_token_id=pad,
    )
    return model, stream


def train(model, stream, steps=300):
    """A few seconds on a noisy copying task: purely random weights only repeat one token and never end.

    Token x becomes x + 1 or, less often, x + 2, or is said twice, and every sentence may break off early:
    what comes out has several likely continuations and ends, so that beams compete.
    """
    config = model.config
    low, high = 1, min(config.vocab_size, config.decoder_vocab_size) - 2
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=4e-3)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 4e-3 * min(1.0, (step + 1) / 30)
        source = torch.full((48, 13), config.pad_token_id)
        target = torch.full((48, 17), -100)
        for row in range(48):
            words = random_ids(stream, 1 + random_ids(stream, 1, 0, 12)[0], low, high - 2)
            source[row, : len(words) + 1] = torch.tensor(words + [config.eos_token_id])
            said = []
            for word, chance in zip(words, random_ids(stream, len(words), 0, 100)):
                said += [word + 1] if chance < 55 else [word + 2] if chance < 80 else [word + 1] * 2
                if chance >= 94:
                    break
            said = said[:16] + [config.eos_token_id]
            target[row, : len(said)] = torch.tensor(said)
        decoder_input = target.roll(1, dims=1).masked_fill(target.roll(1, dims=1) < 0, config.pad_token_id)
        decoder_input[:, 0] = config.decoder_start_token_id
        mask = (source != config.pad_token_id).long()
        logits = model(input_ids=source, attention_mask=mask, decoder_input_ids=decoder_input).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"  trained to loss {loss.item():.2f}")


def node_modules(model):
    """({node: module whose output it is}, {node: module whose input it is})."""
    outputs, inputs = {}, {}
    for side, layers in (("encoder", model.model.encoder.layers), ("decoder", model.model.decoder.layers)):
        inputs[f"model.{side}.embed"] = f"model.{side}.layers.0"
        for index in range(len(layers)):
            at = f"model.{side}.layers.{index}"
            names = ["self_attn", "self_attn_layer_norm", "final_layer_norm"]
            if side == "decoder":
                names += ["encoder_attn", "encoder_attn_layer_norm"]
            outputs |= {f"{at}.{name}": f"{at}.{name}" for name in names}
            outputs[f"{at}.ffn"] = f"{at}.fc2"
    return outputs, inputs


@torch.no_grad()
def forward(model, input_ids, decoder_input_ids, **options):
    return model(
        input_ids=torch.tensor([input_ids]),
        decoder_input_ids=torch.tensor([decoder_input_ids]),
        use_cache=False,
        **options,
    )


def option_sets(pad):
    bad = [[pad], [34], [60, 12], [12, 12, 12]]
    greedy = [
        {"num_beams": 1},
        {"num_beams": 1, "max_new_tokens": 6},
        {"num_beams": 1, "min_new_tokens": 12, "max_new_tokens": 24},
        {"num_beams": 1, "min_length": 9},
        {"num_beams": 1, "no_repeat_ngram_size": 2},
        {"num_beams": 1, "repetition_penalty": 1.7},
        {"num_beams": 1, "bad_words_ids": bad},
        {"num_beams": 1, "forced_bos_token_id": 9},
        {"num_beams": 1, "forced_eos_token_id": 3, "max_new_tokens": 5},
        {"num_beams": 1, "suppress_tokens": [1, 2, 7], "begin_suppress_tokens": [0, 21]},
        {"num_beams": 1, "eos_token_id": [0, 17]},
    ]
    beams = [
        {},
        {"num_beams": 2},
        {"num_beams": 4, "length_penalty": 0.6},
        {"num_beams": 4, "length_penalty": 2.0},
        {"num_beams": 4, "length_penalty": 0.0},
        {"num_beams": 4, "length_penalty": -1.0},
        {"num_beams": 5, "early_stopping": True},
        {"num_beams": 5, "early_stopping": False, "length_penalty": 2.0},
        {"num_beams": 5, "early_stopping": "never", "length_penalty": 2.0},
        {"num_beams": 4, "early_stopping": "never", "length_penalty": 0.6, "max_new_tokens": 12},
        {"num_beams": 4, "num_return_sequences": 4},
        {"num_beams": 5, "num_return_sequences": 3, "early_stopping": True, "length_penalty": 0.6},
        {"num_beams": 4, "no_repeat_ngram_size": 2},
        {"num_beams": 4, "no_repeat_ngram_size": 1, "max_new_tokens": 20},
        {"num_beams": 4, "repetition_penalty": 1.7},
        {"num_beams": 4, "bad_words_ids": bad},
        {"num_beams": 4, "forced_bos_token_id": 9},
        {"num_beams": 4, "forced_eos_token_id": 3, "max_new_tokens": 5, "num_return_sequences": 2},
        {"num_beams": 4, "min_new_tokens": 10, "max_new_tokens": 20},
        {"num_beams": 4, "max_new_tokens": 1},
        {"num_beams": 4, "renormalize_logits": True, "num_return_sequences": 2},
        {"num_beams": 4, "eos_token_id": [0, 17], "num_return_sequences": 2},
    ]
    combined = {"num_beams": 5, "length_penalty": 1.4, "early_stopping": "never", "no_repeat_ngram_size": 3}
    combined |= {
        "repetition_penalty": 1.2,
        "min_new_tokens": 4,
        "max_new_tokens": 18,
        "num_return_sequences": 5,
    }
    return greedy, beams + [combined]


def save_reference(model, name):
    directory = prepare(name)
    model.save_pretrained(directory)
    return directory


def inputs_for(model, stream):
    config = model.config
    inputs = [random_ids(stream, n - 1, 1, config.vocab_size - 1) + [0] for n in LENGTHS]
    targets = [
        [config.decoder_start_token_id] + random_ids(stream, n - 1, 1, config.decoder_vocab_size - 1)
        for n in TARGET_LENGTHS
    ]
    return inputs, targets


def make_main():
    model, stream = build(SEED)
    directory = save_reference(model, "marian-tiny")
    inputs, targets = inputs_for(model, stream)
    tensors = {}
    for index, (source, target) in enumerate(zip(inputs, targets)):
        with Capture(model, *node_modules(model)) as capture:
            output = forward(model, source, target, output_attentions=True)
        tensors |= {f"{index}/{node}": value for node, value in capture.values.items()}
        tensors[f"{index}/logits"] = output.logits
        if index == 1:
            kinds = {
                "encoder": output.encoder_attentions,
                "decoder": output.decoder_attentions,
                "cross": output.cross_attentions,
            }
            for kind, layers in kinds.items():
                for layer, weights in enumerate(layers):
                    tensors[f"{index}/attention.{kind}.{layer}"] = weights
    greedy, beams = option_sets(model.config.pad_token_id)
    expected = {
        "inputs": inputs,
        "decoder_input_ids": targets,
        "generation": generation_cases(model, inputs, greedy + beams),
    }
    write(directory, MAKER, SEED, tensors, expected)
    return model, inputs


def make_variant(name, seed, **changes):
    changes = (
        dict(d_model=16, encoder_layers=1, decoder_layers=1, encoder_ffn_dim=24, decoder_ffn_dim=24) | changes
    )
    model, stream = build(seed, **changes)
    directory = save_reference(model, name)
    inputs, targets = inputs_for(model, stream)
    tensors = {}
    for index, (source, target) in enumerate(zip(inputs, targets)):
        tensors[f"{index}/logits"] = forward(model, source, target).logits
    options = [{"num_beams": 1}, {"num_beams": 4}]
    expected = {
        "inputs": inputs,
        "decoder_input_ids": targets,
        "generation": generation_cases(model, inputs, options),
    }
    write(directory, MAKER, seed, tensors, expected)


# The keys that conversions of 2020 wrote; those that transformers never reads are there to be skipped.
OLD_CONFIG = {
    "_num_labels": 3,
    "add_bias_logits": False,
    "add_final_layer_norm": False,
    "classif_dropout": 0.0,
    "classifier_dropout": 0.0,
    "gradient_checkpointing": False,
    "id2label": {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"},
    "label2id": {"LABEL_0": 0, "LABEL_1": 1, "LABEL_2": 2},
    "normalize_before": False,
    "normalize_embedding": False,
    "static_position_embeddings": True,
    "torch_dtype": "float32",
    "transformers_version": "4.22.0.dev0",
}


def make_old(model, inputs, name, zip_form):
    """The weights of marian-tiny as published years ago: a pickle, settings of generation in config.json."""
    directory = prepare(name)
    state = model.state_dict()  # an OrderedDict with a _metadata attribute, as published files hold it
    assert "model.encoder.embed_positions.weight" in state and "lm_head.weight" in state
    torch.save(state, directory / "pytorch_model.bin", _use_new_zipfile_serialization=zip_form)
    config = model.config.to_dict()
    for key in ("dtype", "tie_word_embeddings", "decoder_vocab_size", "is_decoder", "_name_or_path"):
        config.pop(key, None)
    config["num_hidden_layers"] = config["encoder_layers"]
    generation = model.generation_config.to_diff_dict()
    generation.pop("transformers_version", None)
    generation.pop("_from_model_config", None)
    config |= OLD_CONFIG | generation | {"architectures": ["MarianMTModel"], "model_type": "marian"}
    (directory / "config.json").write_text(json.dumps(dict(sorted(config.items())), indent=2) + "\n")

    loaded = MarianMTModel.from_pretrained(directory, attn_implementation="eager").eval()
    for key, value in loaded.state_dict().items():
        assert torch.equal(value, state[key]), key
    expected = {"inputs": inputs, "generation": generation_cases(loaded, inputs, [{}, {"num_beams": 1}])}
    write(directory, MAKER, SEED, {}, expected, {"same_weights_as": "marian-tiny"})


def main():
    model, inputs = make_main()
    make_old(model, inputs, "marian-tiny-old", zip_form=False)
    make_old(model, inputs, "marian-tiny-old-zip", zip_form=True)
    make_variant(
        "marian-tiny-relu", 31, activation_function="relu", scale_embedding=False, decoder_ffn_dim=40
    )
    make_variant(
        "marian-tiny-gelu", 32, activation_function="gelu", encoder_layers=2, decoder_attention_heads=2
    )
    separate = dict(share_encoder_decoder_embeddings=False, vocab_size=72, decoder_vocab_size=56)
    make_variant("marian-tiny-separate", 33, **separate)
    make_variant("marian-tiny-untied", 34, tie_word_embeddings=False, **separate)


if __name__ == "__main__":
    main()
