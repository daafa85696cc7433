"""Tiny random encoder checkpoints with expected values: python tests/goldens/make_encoders.py [NAME...]

See common.py for the files. For each architecture: NAME (sequence classification, the value of every module
for the second input), NAME-tokens (token classification), NAME-qa (question answering), NAME-mlm (masked
language model) and NAME-base (no head); the last four only with the outputs, under transformers' names.
"""

import sys

import torch
import transformers

from common import Capture, prepare, random_ids, randomize, write

MAKER = "make_encoders.py"
VOCAB = 48
SIZES = dict(
    hidden_size=16, intermediate_size=24, num_attention_heads=4, num_hidden_layers=2, vocab_size=VOCAB
)
BASE = SIZES | dict(max_position_embeddings=40)
DEBERTA = BASE | dict(
    relative_attention=True,
    pos_att_type=["p2c", "c2p"],
    norm_rel_ebd="layer_norm",
    share_att_key=True,
    position_biased_input=False,
    position_buckets=4,
    max_relative_positions=-1,
    pooler_hidden_size=16,
    pooler_hidden_act="gelu",
    layer_norm_eps=1e-7,
)
MODERNBERT = {k: v for k, v in BASE.items()} | dict(
    num_hidden_layers=4,
    global_attn_every_n_layers=3,
    local_attention=6,
    bos_token_id=1,
    eos_token_id=2,
    cls_token_id=1,
    sep_token_id=2,
    pad_token_id=0,
)

# name: (transformers' prefix, config, reads token_type_ids, heads besides sequence classification)
ALL = ["tokens", "qa", "mlm", "base"]
MODELS = {
    "bert-tiny": ("Bert", BASE, True, ALL),
    "roberta-tiny": (
        "Roberta",
        BASE | dict(type_vocab_size=1, max_position_embeddings=42, layer_norm_eps=1e-5),
        False,
        ALL,
    ),
    "distilbert-tiny": (
        "DistilBert",
        dict(vocab_size=VOCAB, dim=16, hidden_dim=24, n_heads=4, n_layers=2, max_position_embeddings=40),
        False,
        ALL,
    ),
    "albert-tiny": ("Albert", BASE | dict(embedding_size=8, num_hidden_layers=3), True, ALL),
    "albert-tiny-groups": (
        "Albert",
        BASE
        | dict(
            embedding_size=8, num_hidden_layers=4, num_hidden_groups=2, inner_group_num=2, hidden_act="gelu"
        ),
        True,
        [],
    ),
    "electra-tiny": ("Electra", BASE | dict(embedding_size=8), True, ALL),
    "mpnet-tiny": ("MPNet", BASE | dict(max_position_embeddings=42, layer_norm_eps=1e-5), False, ALL),
    "deberta-v3-tiny": ("DebertaV2", DEBERTA | dict(type_vocab_size=0), False, ALL),
    "deberta-v2-tiny": (
        "DebertaV2",
        DEBERTA
        | dict(
            type_vocab_size=2,
            conv_kernel_size=3,
            conv_act="gelu",
            position_biased_input=True,
            share_att_key=False,
            legacy=False,
        ),
        True,
        ["mlm"],
    ),
    # Distances as they are, cut at 5; one kind of term; narrow embeddings; the older spelling of a list.
    "deberta-v2-tiny-narrow": (
        "DebertaV2",
        DEBERTA
        | dict(
            embedding_size=8,
            type_vocab_size=3,
            position_buckets=-1,
            max_relative_positions=5,
            pos_att_type="P2C",
            norm_rel_ebd="none",
            share_att_key=False,
            position_biased_input=True,
            pooler_hidden_act="tanh",
        ),
        True,
        ["mlm"],
    ),
    "deberta-v2-tiny-c2p": (
        "DebertaV2",
        DEBERTA
        | dict(
            type_vocab_size=0,
            position_buckets=7,
            max_relative_positions=13,
            pos_att_type=["c2p"],
            conv_kernel_size=5,
        ),
        False,
        [],
    ),
    # No terms of distances; the norm of their embeddings is stored all the same.
    "deberta-v2-tiny-absolute": (
        "DebertaV2",
        BASE | dict(type_vocab_size=2, pos_att_type="none", norm_rel_ebd="layer_norm", hidden_act="relu"),
        True,
        [],
    ),
    "modernbert-tiny": ("ModernBert", MODERNBERT, False, ALL),
    "modernbert-tiny-mean": (
        "ModernBert",
        MODERNBERT
        | dict(
            classifier_pooling="mean",
            attention_bias=True,
            mlp_bias=True,
            norm_bias=True,
            classifier_bias=True,
        ),
        False,
        [],
    ),
}
HEADS = {
    "": "ForSequenceClassification",
    "tokens": "ForTokenClassification",
    "qa": "ForQuestionAnswering",
    "mlm": "ForMaskedLM",
    "base": "Model",
}
LABELS = {"": ["negative", "neutral", "positive"], "tokens": ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]}
# Outputs that are worth keeping, by transformers' name.
OUTPUTS = ["logits", "start_logits", "end_logits", "last_hidden_state", "pooler_output"]


def node_modules(model):
    """All modules with a value of their own; dropouts and activations have none."""
    dull = ("Dropout", "Identity", "GELU", "Activation", "RotaryEmbedding", "Tanh")
    names = [
        name for name, module in model.named_modules() if name and not type(module).__name__.endswith(dull)
    ]
    return {
        name: name for name in names if "dropout" not in name and not name.endswith(("activation", "_fn"))
    }


def make(name, head, seed):
    family, config, types, _ = MODELS[name]
    config_class = getattr(transformers, family + "Config")
    model_class = getattr(transformers, family + HEADS[head])
    if head not in ("",):
        config = config | {("n_layers" if family == "DistilBert" else "num_hidden_layers"): 1}
    labels = LABELS.get(head)
    if labels:
        config = config | dict(
            id2label=dict(enumerate(labels)), label2id={label: i for i, label in enumerate(labels)}
        )
    torch.manual_seed(seed)
    model = model_class._from_config(config_class(**config), attn_implementation="eager").eval()
    stream = randomize(model, seed, gain=1.4)
    directory = prepare(name + (f"-{head}" if head else ""))
    model.save_pretrained(directory)

    inputs = [random_ids(stream, length, 3, VOCAB) for length in ([1, 6, 19] if head == "" else [9, 4])]
    expected, tensors = {"inputs": inputs}, {}
    if types:
        expected["token_type_ids"] = [
            [0] * (len(ids) // 2) + [1] * (len(ids) - len(ids) // 2) for ids in inputs
        ]
    for index, ids in enumerate(inputs):
        call = {"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids), dtype=torch.long)}
        if types:
            call["token_type_ids"] = torch.tensor([expected["token_type_ids"][index]])
        wanted = node_modules(model) if head == "" and index == 1 else {}
        with Capture(model, wanted) as capture, torch.no_grad():
            output = model(**call)
        for node, value in capture.values.items():
            convolved = isinstance(model.get_submodule(node), torch.nn.Conv1d)  # [1, D, T]
            tensors[f"{index}/{node}"] = value.transpose(1, 2) if convolved else value
        tensors |= {f"{index}/{key}": output[key] for key in OUTPUTS if output.get(key) is not None}
        if wanted:
            with torch.no_grad():
                attentions = model(**call, output_attentions=True).attentions
            tensors |= {
                f"{index}/attention.encoder.{layer}": weights for layer, weights in enumerate(attentions)
            }
    write(directory, MAKER, seed, tensors, expected)


def main():
    for position, (name, (_, _, _, heads)) in enumerate(MODELS.items()):
        if len(sys.argv) == 1 or name in sys.argv[1:]:
            for number, head in enumerate(["", *heads]):
                make(name, head, 300 + 10 * position + number)


if __name__ == "__main__":
    main()
