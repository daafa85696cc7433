"""One measurement of one peer: peers.py PEER WORK MODEL DTYPE THREADS INPUTS prints a figure; see works.py.

MODEL is the peer's own form of the model. The best of the repetitions counts.
"""
import json
import os
import pathlib
import sys
import time

PEER, WORK, MODEL, DTYPE, THREADS, INPUTS = sys.argv[1:7]
os.environ["OMP_NUM_THREADS"] = THREADS
MODEL, INPUTS, THREADS = pathlib.Path(MODEL), pathlib.Path(INPUTS), int(THREADS)
NEW_TOKENS = 32
DECODED_TOKENS = 64
PROMPT_TOKENS = 8


def best_seconds(function, repetitions, warm_up=None):
    (warm_up or function)()
    seconds = []
    for _ in range(repetitions):
        begin = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


def ctranslate2_figure():
    import ctranslate2
    import sentencepiece

    pieces = sentencepiece.SentencePieceProcessor(model_file=str(MODEL / "source.spm"))
    lines = (INPUTS / "sentences.txt").read_text(encoding="utf-8").splitlines()
    sources = [pieces.encode(line, out_type=str) + ["</s>"] for line in lines]
    translator = ctranslate2.Translator(str(MODEL), device="cpu", compute_type=DTYPE, intra_threads=THREADS,
                                        inter_threads=1)
    exact = {"min_decoding_length": NEW_TOKENS, "max_decoding_length": NEW_TOKENS}
    if WORK == "one":
        return 1e3 * best_seconds(lambda: translator.translate_batch(sources[:1], beam_size=1, **exact), 5)
    beams = int(WORK.removeprefix("beam"))
    seconds = best_seconds(
        lambda: translator.translate_batch(sources, beam_size=beams, max_batch_size=32, **exact), 1)
    return len(sources) * NEW_TOKENS / seconds


def batches():
    """Token ids per batch: 8 of 128 tokens, one of 12, or the mixed texts in batches of 8."""
    if WORK in ("bert-8x128", "bert-1x12"):
        count, tokens = map(int, WORK.removeprefix("bert-").split("x"))
        return [[[101] + [1000 + i for i in range(tokens - 2)] + [102]] * count]
    texts = json.loads((INPUTS / "mixed.json").read_text())
    if WORK == "bert-sorted":
        texts = sorted(texts, key=len)
    return [texts[i : i + 8] for i in range(0, len(texts), 8)]


def padded(batch):
    import numpy

    width = max(map(len, batch))
    ids = numpy.zeros((len(batch), width), dtype=numpy.int64)
    mask = numpy.zeros_like(ids)
    for row, text in enumerate(batch):
        ids[row, : len(text)] = text
        mask[row, : len(text)] = 1
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": numpy.zeros_like(ids)}


def bert_figure(infer, names):
    inputs = [{name: value for name, value in padded(batch).items() if name in names} for batch in batches()]
    seconds = best_seconds(lambda: [infer(value) for value in inputs], {"bert-8x128": 3, "bert-1x12": 20}.get(WORK, 1),
                           warm_up=lambda: [infer(value) for value in inputs[:: max(1, len(inputs) // 8)]])
    return 1e3 * seconds if WORK == "bert-1x12" else sum(len(value["input_ids"]) for value in inputs) / seconds


def onnxruntime_figure():
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    file = {"f32": "model.onnx", "int8": "model-int8.onnx"}[DTYPE]
    session = onnxruntime.InferenceSession(str(MODEL / file), options, providers=["CPUExecutionProvider"])
    return bert_figure(lambda value: session.run(None, value), {i.name for i in session.get_inputs()})


def openvino_figure():
    import openvino

    core = openvino.Core()
    # The language model in int8 computes in whatever OpenVINO finds fastest; everything else as it is called.
    hint = {"f32": "f32", "bf16": "bf16", "int8": None if WORK.startswith("llama") else "f32"}[DTYPE]
    config = {"INFERENCE_NUM_THREADS": THREADS, "PERFORMANCE_HINT": "LATENCY"}
    if hint:
        config["INFERENCE_PRECISION_HINT"] = hint
    file = "openvino_model_int8.xml" if DTYPE == "int8" and WORK.startswith("bert") else "openvino_model.xml"
    model = core.compile_model(str(MODEL / file), "CPU", config)
    names = {name for i in model.inputs for name in i.names}
    request = model.create_infer_request()
    if WORK.startswith("bert"):
        return bert_figure(request.infer, names)
    return llama_figure(request, names)


def llama_figure(request, names):
    """Tokens a second of a stateful model: a prompt of 512, or 64 steps of one token after a short prompt."""
    import numpy

    def step(tokens, past):
        values = {
            "input_ids": 10 + numpy.arange(past, past + tokens, dtype=numpy.int64)[None],
            "attention_mask": numpy.ones((1, past + tokens), dtype=numpy.int64),
            "position_ids": numpy.arange(past, past + tokens, dtype=numpy.int64)[None],
            "beam_idx": numpy.zeros(1, dtype=numpy.int32),
        }
        request.infer({name: value for name, value in values.items() if name in names})

    def prefill():
        request.reset_state()
        step(512, 0)

    def decode():
        request.reset_state()
        step(PROMPT_TOKENS, 0)
        begin = time.perf_counter()
        for i in range(DECODED_TOKENS):
            step(1, PROMPT_TOKENS + i)
        return time.perf_counter() - begin

    if WORK == "llama-prefill":
        return 512 / best_seconds(prefill, 3)
    decode()
    return DECODED_TOKENS / min(decode() for _ in range(3))


print({"ctranslate2": ctranslate2_figure, "onnxruntime": onnxruntime_figure, "openvino": openvino_figure}[PEER]())
