#!/usr/bin/env python3
"""Writes the torch archives of this folder; made with torch 2.13.

Values are arange-like, so that the test can compute what it expects.
"""
import collections
import pathlib

import torch

here = pathlib.Path(__file__).parent


def state():
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    s = collections.OrderedDict()
    s["weight"] = torch.nn.Parameter(base.clone())
    s["tied"] = s["weight"]
    s["transposed"] = base.clone().t()
    s["rows"] = base.clone()[1:3]
    s["half"] = torch.arange(3, dtype=torch.float16)
    s["bfloat"] = torch.arange(3).bfloat16()
    s["double"] = torch.tensor(2.5, dtype=torch.float64)
    s["long"] = torch.tensor([-1, 2**40])
    s["bool"] = torch.tensor([True, False])
    s["empty"] = torch.zeros(0, 4)
    s._metadata = collections.OrderedDict([("", {"version": 1})])
    return s


torch.save(state(), here / "zip.bin")
torch.save(state(), here / "legacy.bin", _use_new_zipfile_serialization=False)
