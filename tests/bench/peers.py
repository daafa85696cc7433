"""One measurement of one peer: peers.py PEER WORK MODELS DTYPE THREADS INPUTS prints a figure; see compare.py."""
import json
import os
import pathlib
import sys
import time

PEER, WORK, MODELS, DTYPE, THREADS, INPUTS = sys.argv[1:7]
os.environ["OMP_NUM_THREADS"] = THREADS
MODELS, INPUTS, THREADS = pathlib.Path(MODELS), pathlib.Path(INPUTS), int(THREADS)
NEW_TOKENS = 32


def best_seconds(function, repetitions):
    function()
    seconds = []
    for _ in range(repetitions):
        begin = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


def ctranslate2_figure():
    import ctranslate2
    import sentencepiece

    pieces = sentencepiece.SentencePieceProcessor(model_file=str(MODELS / "marian" / "source.spm"))
    lines = (INPUTS / "sentences.txt").read_text(encoding="utf-8").splitlines()
    sources = [pieces.encode(line, out_type=str) + ["</s>"] for line in lines]
    translator = ctranslate2.Translator(str(MODELS / "marian-ct2"), device="cpu", compute_type=DTYPE,
                                        intra_threads=THREADS, inter_threads=1)
    exact = {"min_decoding_length": NEW_TOKENS, "max_decoding_length": NEW_TOKENS}
    if WORK == "one":
        return 1e3 * best_seconds(lambda: translator.translate_batch(sources[:1], beam_size=1, **exact), 5)
    beams = int(WORK.removeprefix("beam"))
    seconds = best_seconds(
        lambda: translator.translate_batch(sources, beam_size=beams, max_batch_size=32, **exact), 1)
    return len(sources) * NEW_TOKENS / seconds


def batches():
    """Token ids per batch: 8 of 128 tokens, or the mixed texts in batches of 8."""
    if WORK == "bert-8x128":
        return [[[101] + [1000 + i for i in range(126)] + [102]] * 8]
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
    seconds = best_seconds(lambda: [infer(value) for value in inputs], 3 if WORK == "bert-8x128" else 1)
    return sum(len(value["input_ids"]) for value in inputs) / seconds


def onnxruntime_figure():
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    file = {"f32": "model.onnx", "int8": "model-int8.onnx"}[DTYPE]
    session = onnxruntime.InferenceSession(str(MODELS / "bert-ort" / file), options)
    return bert_figure(lambda value: session.run(None, value), {i.name for i in session.get_inputs()})


def openvino_figure():
    import openvino

    core = openvino.Core()
    config = {"INFERENCE_NUM_THREADS": THREADS, "INFERENCE_PRECISION_HINT": {"bf16": "bf16"}.get(DTYPE, "f32")}
    file = "openvino_model_int8.xml" if DTYPE == "int8" else "openvino_model.xml"
    model = core.compile_model(str(MODELS / "bert-ov" / file), "CPU", config)
    return bert_figure(lambda value: model(value), {name for i in model.inputs for name in i.names})


print({"ctranslate2": ctranslate2_figure, "onnxruntime": onnxruntime_figure, "openvino": openvino_figure}[PEER]())
