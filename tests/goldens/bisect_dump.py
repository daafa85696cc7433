"""Finds the first node where a dump of attend leaves transformers.

  attend run MODEL --input-ids 5,6,7 --num-beams 1 --dump DIR
  python tests/goldens/bisect.py DIR MODEL --input-ids 5,6,7

DIR holds NODE.npy as `attend run --dump` writes them: batch dimension dropped, rows of every step appended.
The generated ids are taken from transformers' own greedy search, or given with --output-ids (what attend
returned, if its rules of generation differ). Nodes are printed in the order in which they run; the first that
differs by more than --tolerance times its scale ends the search with exit code 1.
"""

import argparse
import sys
from pathlib import Path

import numpy
import torch
import transformers

from common import Capture, drop_batch
from make_marian import node_modules as marian_nodes


def ids(text):
    return [int(part) for part in text.split(",")]


def load(directory):
    """The class that the checkpoint names, on eager attention."""
    config = transformers.AutoConfig.from_pretrained(directory)
    model_class = getattr(transformers, config.architectures[0])
    return model_class.from_pretrained(directory, attn_implementation="eager", dtype=torch.float32).eval()


def node_modules(model):
    if model.config.model_type == "marian":
        return marian_nodes(model)
    return {name: name for name, _ in model.named_modules() if name}, {}


@torch.no_grad()
def reference(model, arguments):
    """{node: value} in the order of execution, and the rows that sample, of a decoder-only model.

    A generating model is run once over all that it generates.
    """
    source = torch.tensor([ids(arguments.input_ids)])
    call = {"input_ids": source}
    if arguments.token_type_ids:
        call["token_type_ids"] = torch.tensor([ids(arguments.token_type_ids)])
    rows = None
    if model.can_generate():
        if arguments.output_ids:
            generated = ids(arguments.output_ids)
        else:
            full = model.generate(
                **call, num_beams=1, do_sample=False, max_new_tokens=arguments.max_new_tokens
            )[0]
            generated = full[1 if model.config.is_encoder_decoder else source.shape[1] :].tolist()
        if model.config.is_encoder_decoder:
            start = model.generation_config.decoder_start_token_id
            call["decoder_input_ids"] = torch.tensor([[start] + generated[:-1]])
        else:
            # attend computes what comes after its last layer for the generated tokens alone.
            call["input_ids"] = torch.tensor([source[0].tolist() + generated[:-1]])
            rows = slice(source.shape[1] - 1, None)
        call["use_cache"] = False
    with Capture(model, *node_modules(model)) as capture:
        output = model(**call)
    values = {name: drop_batch(value).numpy() for name, value in capture.values.items()}
    for name, value in output.items():
        if isinstance(value, torch.Tensor):
            values[name] = drop_batch(value).numpy()
    return values, rows


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dump", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--input-ids", required=True)
    parser.add_argument("--token-type-ids")
    parser.add_argument("--output-ids")
    parser.add_argument("--max-new-tokens", type=int)
    parser.add_argument("--tolerance", type=float, default=2e-4)
    arguments = parser.parse_args()
    dumped = {path.stem: path for path in arguments.dump.glob("*.npy")}
    if not dumped:
        sys.exit(f"{arguments.dump}: no .npy files")
    compared = 0
    values, rows = reference(load(arguments.model), arguments)
    for node, expected in values.items():
        if node not in dumped:
            continue
        found, compared = numpy.load(dumped.pop(node)), compared + 1
        if rows is not None and len(found) == len(expected[rows]):
            expected = expected[rows]
        if found.size != expected.size:
            print(f"{node}: shape {found.shape}, expected {expected.shape}  <- first difference")
            return 1
        expected = expected.reshape(found.shape)
        scale = max(numpy.abs(expected).max(), 1e-6)
        error = numpy.abs(found - expected)
        print(f"{node}: {error.max() / scale:.1e} of scale {scale:.3g}")
        if not error.max() <= arguments.tolerance * scale:
            at = tuple(int(i) for i in numpy.unravel_index(numpy.nanargmax(error), error.shape))
            print(f"  <- first difference, largest at {at}: found {found[at]}, expected {expected[at]}")
            return 1
    print(
        f"{compared} nodes agree" + (f"; not in transformers: {', '.join(sorted(dumped))}" if dumped else "")
    )
    return 0 if compared else 1


if __name__ == "__main__":
    sys.exit(main())
