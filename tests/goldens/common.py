"""Shared by the golden makers: seeded random weights, captured module outputs, reference generation.

A golden directory is a Hugging Face model directory plus
  expected.safetensors  "I/NAME": value of node or output NAME for input I, batch dimension dropped;
                        "I/attention.KIND.LAYER": weights [heads, queries, keys], KIND one of encoder,
                        decoder, cross
  expected.json         {"inputs": [...], "generation": [{"input", "options", "results"}], ...}: the options
                        go on top of the directory's own; output_ids are the generated ids alone, with the end
                        token if there was one; score is transformers' sequences_scores (beams only)
  meta.json             versions and seed that made it
"""

import json
import platform
import shutil
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
torch.set_num_threads(1)  # the same rounding on every machine with the same versions

HERE = Path(__file__).resolve().parent


def prepare(name):
    """Returns an empty directory tests/goldens/NAME."""
    directory = HERE / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory


def randomize(model, seed, gain=1.0):
    """Fills every parameter from one seeded stream, lively enough that outputs depend on everything.

    Matrices get std gain / sqrt(columns); norm weights lie around 1; biases and other vectors are small but
    never zero, so that a forgotten one shows. Tied parameters are visited once, frozen tables left alone.
    """
    stream = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if not value.requires_grad:
                continue
            noise = torch.randn(value.shape, generator=stream)
            if value.dim() >= 2:
                value.copy_(noise * gain / value.shape[-1] ** 0.5)
            elif name.endswith("weight"):  # norms
                value.copy_((1.0 if value.mean() > 0.5 else 0.0) + 0.2 * noise)
            else:
                value.copy_(0.2 * noise)
    return stream


def random_ids(stream, length, low, high):
    return torch.randint(low, high, (length,), generator=stream).tolist()


def tensor_of(value):
    """The first tensor of a module's output (modules return tensors, tuples or output objects)."""
    if isinstance(value, torch.Tensor):
        return value
    if hasattr(value, "to_tuple"):
        value = value.to_tuple()
    for item in value if isinstance(value, (tuple, list)) else ():
        if isinstance(item, torch.Tensor):
            return item
    return None


class Capture:
    """Records module outputs under given node names while it is active; of several runs the first.

    outputs: {node name: module path}; inputs: {node name: module path}, the module's first argument.
    """

    def __init__(self, model, outputs, inputs=None):
        self.values = {}
        self.handles = []
        for node, path in outputs.items():
            self.handles.append(model.get_submodule(path).register_forward_hook(self._output(node)))
        for node, path in (inputs or {}).items():
            hook = self._input(node)
            self.handles.append(model.get_submodule(path).register_forward_pre_hook(hook, with_kwargs=True))

    def _output(self, node):
        def hook(module, args, result):
            value = tensor_of(result)
            if value is not None:
                self.values.setdefault(node, value.detach())

        return hook

    def _input(self, node):
        def hook(module, args, kwargs):
            self.values.setdefault(node, (args[0] if args else kwargs["hidden_states"]).detach())

        return hook

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for handle in self.handles:
            handle.remove()


def drop_batch(value):
    value = value.detach().float()
    return (value[0] if value.dim() > 1 and value.shape[0] == 1 else value).contiguous().clone()


def trim(ids, start, pad, eos):
    """Generated ids alone: without the first `start` ids and without the filling after the end token."""
    ids = list(ids)[start:]
    ends = eos if isinstance(eos, list) else [eos]
    for index, token in enumerate(ids):
        if token in ends:
            return ids[: index + 1]
    while ids and ids[-1] == pad:
        ids.pop()
    return ids


def reset_rotary(model):
    """Undoes what dynamically scaled rotary positions remember of longer inputs seen before."""
    for module in model.modules():
        if hasattr(module, "max_seq_len_cached") and hasattr(module, "original_inv_freq"):
            module.inv_freq = module.original_inv_freq.clone()
            module.max_seq_len_cached = module.original_max_seq_len


@torch.no_grad()
def generate(model, input_ids, options):
    """One request alone: [{"output_ids", "score" (beams only)}], best first."""
    reset_rotary(model)
    eos = options.get("eos_token_id", model.generation_config.eos_token_id)
    pad = model.generation_config.pad_token_id
    result = model.generate(
        torch.tensor([input_ids]),
        attention_mask=torch.ones(1, len(input_ids), dtype=torch.long),
        return_dict_in_generate=True,
        output_scores=True,
        **options,
    )
    start = 1 if model.config.is_encoder_decoder else len(input_ids)
    beams = getattr(result, "sequences_scores", None)
    rows = []
    for index, sequence in enumerate(result.sequences.tolist()):
        row = {"output_ids": trim(sequence, start, pad, eos)}
        if beams is not None:
            row["score"] = round(beams[index].item(), 6)
        rows.append(row)
    return rows


def generation_cases(model, inputs, option_sets, which=None):
    """Every option set on every input (or those in `which`), each run by itself.

    Cases whose ids change in double precision are decided by rounding: they are left out and named.
    """
    cases = []
    for options in option_sets:
        for index, input_ids in enumerate(inputs):
            if which is not None and index not in which:
                continue
            results = generate(model, input_ids, options)
            model.double()
            exact = generate(model, input_ids, options)
            model.float()
            if [r["output_ids"] for r in results] != [r["output_ids"] for r in exact]:
                print(f"  undecided in float32, left out: input {index}, {options}")
                continue
            cases.append({"input": index, "options": options, "results": results})
    return cases


def write_json(path, value):
    """JSON with one line per list item, so that diffs stay readable and files small."""
    lines = []
    for key, item in value.items():
        if isinstance(item, list) and item and isinstance(item[0], (list, dict)):
            rows = ",\n  ".join(json.dumps(row) for row in item)
            lines.append(f"{json.dumps(key)}: [\n  {rows}\n ]")
        else:
            lines.append(f"{json.dumps(key)}: {json.dumps(item)}")
    Path(path).write_text("{\n " + ",\n ".join(lines) + "\n}\n")


def write(directory, maker, seed, tensors, expected, notes=None):
    """Writes expected.safetensors, expected.json and meta.json."""
    if tensors:
        save_file(
            {name: drop_batch(value) for name, value in tensors.items()}, directory / "expected.safetensors"
        )
    if expected:
        write_json(directory / "expected.json", expected)
    meta = {
        "maker": maker,
        "seed": seed,
        "transformers": transformers.__version__,
        "torch": torch.__version__.split("+")[0],
        "python": platform.python_version(),
    }
    write_json(directory / "meta.json", meta | (notes or {}))
    size = sum(f.stat().st_size for f in directory.iterdir())
    print(f"{directory.name}: {size / 1000:.0f} kB")
