#!/usr/bin/env python3
"""Record what Hugging Face's pipelines answer, for tests/runtime/tasks.

The models are tiny and random (seeds below), the tokenizers are built here. Stored are the tokenizers'
answers, the models' outputs and the pipelines' results, so that the C++ tests need neither.

Two environments, because transformers 5 has no question-answering pipeline and sentence-transformers 5.1
needs transformers 4:

    python make_tasks.py pipelines        # transformers 5.23.0, tokenizers 0.23.3, torch 2.13
    python make_tasks.py legacy           # transformers 4.57.1, sentence-transformers 5.1.2, torch 2.13
"""

import argparse
import itertools
import json
import pathlib
import tempfile

import numpy as np
import tokenizers
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

SEED = 20240726
HERE = pathlib.Path(__file__).parent / "tasks"
POSITIONS = 64  # of every model and tokenizer
DECIMALS = 3  # of model outputs: enough to tell scores apart, and short in the file
PER_TOKEN = {"token-classification", "fill-mask", "feature-extraction", "question-answering", "sentence-embedding",
             "sentence-similarity"}

TEXTS = {
    "english": "Angela Merkel met Tim Cook in New York, didn't she?",
    "chinese": "张伟在北京工作,李娜住在上海。",
    "emoji": "I ♥ 🍕 with 👩‍👩‍👧 in Zürich 🙂!",
    "combining": "Cafe\u0301 Zoe\u0301 in Mu\u0308nchen, e\u0301te\u0301",
    "mixed": "東京 Tokyo  und\tA\u030angstro\u0308m – ok 🙂🙂 B2B",
    "unknown": "Ω₀ met ϟ in ⵣ Berlin",
    "long": "Tim Cook met 张伟 in Berlin 🙂. " * 7,
}

WORDS = """the in and met with ok she did not New York Berlin Paris Tim Cook Angela Merkel Zoe Cafe work works
lives is was who where what city capital of France Germany example This about film book good bad B2B""".split()
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,!?'-–"
SYMBOLS = "张伟在北京工作李娜住上海东東都市中国é ü ö å 🙂 🍕 👩 👧 ♥".replace(" ", "")


def wordpiece():
    """BERT's: normalised to no accents, Chinese characters alone, ## on continuing pieces."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *LETTERS, *("##" + c for c in LETTERS if c.isalnum())]
    pieces += [*SYMBOLS, "##er", "##kel", "##ing", "Mer", "Zur", "##ich"]
    vocab = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocab["[CLS]"]), ("[SEP]", vocab["[SEP]"])])
    tokenizer.decoder = decoders.WordPiece()
    roles = dict(unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]", mask_token="[MASK]")
    return tokenizer, roles


def bytelevel():
    """RoBERTa's: byte-level BPE with a few merges, offsets trimmed."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("Ġ", "i"), ("Ġi", "n"), ("Ġ", "m"), ("Ġm", "e"), ("Ġme", "t"), ("Ġ", "B"), ("e", "r"), ("l", "i"),
              ("Ã", "©"), ("o", "k"), ("T", "i"), ("Ti", "m")]
    pieces = ["<s>", "<pad>", "</s>", "<unk>", *alphabet, *(a + b for a, b in merges), "<mask>"]
    vocab = {piece: i for i, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocab, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True,
                                                            add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    roles = dict(bos_token="<s>", eos_token="</s>", unk_token="<unk>", cls_token="<s>", sep_token="</s>",
                 pad_token="<pad>", mask_token=tokenizers.AddedToken("<mask>", lstrip=True))
    return tokenizer, roles


def unigram():
    """XLM-RoBERTa's: a unigram model over words that begin with a meta space."""
    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    pieces += [("▁" + word, -3.0 - 0.01 * i) for i, word in enumerate(WORDS)]
    pieces += [(c, -6.0 - 0.01 * i) for i, c in enumerate(dict.fromkeys(LETTERS + SYMBOLS))] + [("<mask>", 0.0)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3, byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    roles = dict(bos_token="<s>", eos_token="</s>", unk_token="<unk>", cls_token="<s>", sep_token="</s>",
                 pad_token="<pad>", mask_token=tokenizers.AddedToken("<mask>", lstrip=True))
    return tokenizer, roles


def key(*parts):
    return json.dumps(parts, ensure_ascii=False)


class Recorder:
    """A tokenizer for the pipelines, and everything that is asked of it."""

    def __init__(self, name, build, max_length=POSITIONS):
        self.name = name
        tokenizer, roles = build()
        self.fast = transformers.PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, model_max_length=max_length,
            model_input_names=["input_ids", "token_type_ids", "attention_mask"], clean_up_tokenization_spaces=name == "wordpiece",
            **roles)
        self.backend = Tokenizer.from_str(self.fast._tokenizer.to_str())
        self.max_length = max_length
        self.encodings, self.decoded, self.joined = {}, {}, {}
        self._decode = self.fast.decode
        self._join = self.fast.convert_tokens_to_string
        self.fast.decode = self.decode
        self.fast.convert_tokens_to_string = self.join

    def decode(self, ids, skip_special_tokens=False, **kwargs):
        ids = [int(i) for i in np.atleast_1d(ids)]
        text = self._decode(ids, skip_special_tokens=skip_special_tokens, **kwargs)
        self.decoded[key(ids, skip_special_tokens)] = {"ids": ids, "skip_special_tokens": skip_special_tokens,
                                                       "text": text}
        return text

    def join(self, tokens):
        text = self._join(tokens)
        self.joined[key(tokens)] = {"tokens": tokens, "text": text}
        return text

    def encode(self, text, pair=None, strategy=None, max_length=None, stride=0, add_special_tokens=True):
        """One call of the C++ interface; returns how many tokens came."""
        self.backend.no_truncation()
        request = {"text": text, "pair": pair, "add_special_tokens": add_special_tokens}
        if strategy:
            max_length = max_length or self.max_length
            self.backend.enable_truncation(max_length, stride=stride, strategy=strategy)
            request |= {"strategy": strategy, "max_length": max_length, "stride": stride}
        encoding = self.backend.encode(text, pair, add_special_tokens=add_special_tokens)
        self.encodings[key(*request.values())] = request | {
            "encoding": plain(encoding), "overflowing": [plain(window) for window in encoding.overflowing]}
        return len(encoding.ids)

    def encode_cut(self, text, pair=None, strategy="longest_first", max_length=None):
        if self.encode(text, pair) > (max_length or self.max_length):
            self.encode(text, pair, strategy, max_length)

    def json(self):
        roles = {role: getattr(self.fast, role + "_token_id") for role in "bos eos unk sep pad cls mask".split()}
        return {
            "special_token_ids": {role: i for role, i in roles.items() if i is not None},
            "special_ids": sorted(set(self.fast.all_special_ids)),
            "continuing_subword_prefix": getattr(self.backend.model, "continuing_subword_prefix", None) or "",
            "model_max_length": self.max_length,
            "vocab": self.fast.convert_ids_to_tokens(list(range(self.backend.get_vocab_size()))),
            "encodings": list(self.encodings.values()),
            "decoded": list(self.decoded.values()),
            "joined": list(self.joined.values()),
        }


def plain(encoding):
    return {
        "ids": encoding.ids, "offsets": [number for offset in encoding.offsets for number in offset],
        "type_ids": runs_of(encoding.type_ids), "sequence_ids": runs_of(encoding.sequence_ids),
        "word_ids": runs_of(encoding.word_ids),
    }


def runs_of(values):
    """[value, how often, ...]; None is -1."""
    return [n for value, run in itertools.groupby(values) for n in (-1 if value is None else value, len(list(run)))]


def table(value):
    """A list of objects with the same fields, without their names in every row."""
    if isinstance(value, list) and len(value) > 1 and all(isinstance(row, dict) for row in value):
        return {"fields": list(value[0]), "rows": [list(row.values()) for row in value]}
    return value


class Cases:
    """Runs a pipeline and keeps what went through its model."""

    def __init__(self):
        self.cases, self.tokenizers = [], {}
        self.runs = {}  # what went through a model once is stored once

    def tokenizer(self, name, build):
        return self.tokenizers.setdefault(name, Recorder(name, build))

    def add(self, name, recorder, task, source, run, outputs, config=None, options=None, rows=None):
        """run(forward hook) -> expected; `outputs` names the model's outputs that are kept."""
        runs = []

        def hook(inputs, result):
            for i in range(len(inputs["input_ids"])):
                mask = inputs.get("attention_mask", torch.ones_like(inputs["input_ids"]))[i].bool()
                ids = inputs["input_ids"][i][mask]
                types = inputs.get("token_type_ids", torch.zeros_like(inputs["input_ids"]))[i][mask]
                sequence = {"ids": ids.tolist(), "type_ids": types.tolist()}
                values = []
                for output in outputs:
                    value = result[output][i]
                    if task in PER_TOKEN:
                        value = value[mask]
                    if rows is not None:
                        value = value[ids == rows]
                        sequence["rows"] = torch.nonzero(ids == rows)[:, 0].tolist()
                    values.append({"shape": list(value.shape), "values": shorten(value)})
                run_key = key(sequence, values)
                runs.append(self.runs.setdefault(run_key, {"number": len(self.runs), "sequence": sequence,
                                                           "outputs": values})["number"])

        expected = run(hook)
        self.cases.append({
            "name": name, "task": task, "tokenizer": recorder.name if recorder else None, "config": config or {},
            "options": options or {}, "input": source, "runs": runs, "expected": table(to_plain(expected))})

    def write(self, path, versions):
        data = {"versions": versions, "seed": SEED,
                "tokenizers": {name: recorder.json() for name, recorder in self.tokenizers.items()},
                "runs": list(self.runs.values()), "cases": self.cases}
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        path.write_text(text.replace('{"name":', '\n{"name":').replace('{"number":', '\n{"number":') + "\n")
        print(path.name, len(self.cases), "cases,", len(path.read_bytes()), "bytes")


def shorten(value):
    """What rounded() left, without the noise of f32 in its decimals."""
    return [round(float(x), DECIMALS) for x in value.flatten().tolist()]


def to_plain(value):
    if isinstance(value, dict):
        return {k: to_plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(v) for v in value]
    if isinstance(value, (np.ndarray, torch.Tensor)):
        return to_plain(value.tolist())
    value = value.item() if isinstance(value, np.generic) else value
    return float(f"{value:.6g}") if isinstance(value, float) else value


def rounded(model):
    """The model, its floating outputs rounded as they are stored, so that results follow from what is stored."""
    forward = model.forward

    def wrapped(*args, **kwargs):
        result = forward(*args, **kwargs)
        for name, value in result.items():
            if torch.is_tensor(value) and value.is_floating_point():
                result[name] = torch.round(value, decimals=DECIMALS)
        if model.hook:
            model.hook(kwargs, result)
        return result

    model.forward, model.hook = wrapped, None
    return model


def bert(head, vocab_size, seed, labels=None, scale=0.6, **options):
    torch.manual_seed(SEED + seed)
    if labels:
        options |= {"num_labels": len(labels), "id2label": dict(enumerate(labels)),
                    "label2id": {label: i for i, label in enumerate(labels)}}
    config = transformers.BertConfig(vocab_size=vocab_size, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
                                     intermediate_size=32, max_position_embeddings=POSITIONS, **options)
    model = getattr(transformers, "Bert" + head)(config).eval()
    with torch.no_grad():  # wide enough that labels differ from token to token
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.normal_(0, scale)
    return rounded(model)


def through(pipe, *args, **kwargs):
    def run(hook):
        pipe.model.hook = hook
        try:
            return pipe(*args, **kwargs)
        finally:
            pipe.model.hook = None
    return run


# --------------------------------------------------------------------------------------------- pipelines


def text_classification(cases, recorder):
    size = recorder.backend.get_vocab_size()
    for seed, (labels, extra, calls) in enumerate([
        (["NEGATIVE", "NEUTRAL", "POSITIVE"], {}, [{}, {"top_k": 1}, {"top_k": 2}, {"top_k": None},
                                                  {"function_to_apply": "sigmoid", "top_k": 3},
                                                  {"function_to_apply": "none"}]),
        (["toxic", "insult", "threat", "垃圾"], {"problem_type": "multi_label_classification"}, [{"top_k": None}, {}]),
        (["LABEL_0"], {}, [{}, {"function_to_apply": "none"}]),
        (["score"], {"problem_type": "regression"}, [{}]),
        (["a", "b"], {"problem_type": "regression"}, [{"top_k": None}]),
    ]):
        model = bert("ForSequenceClassification", size, seed, labels, **extra)
        pipe = transformers.TextClassificationPipeline(model=model, tokenizer=recorder.fast)
        sources = [("english", None), ("emoji", "chinese")] if seed == 0 else [("combining", None)]
        for call in calls:
            for first, second in sources:
                source = {"text": TEXTS[first]} | ({"pair": TEXTS[second]} if second else {})
                recorder.encode(*source.values())
                asked = {"text": TEXTS[first]} | ({"text_pair": TEXTS[second]} if second else {})
                options = {k: (0 if v is None else v) for k, v in call.items()}

                def run(hook):
                    result = through(pipe, [asked] if "top_k" not in call else asked, **call)(hook)
                    return result[0] if "top_k" not in call else result

                cases.add(f"{len(labels)} labels {call} {first}", recorder, "text-classification", source, run,
                          ["logits"], {"labels": labels, "problem_type": extra.get("problem_type", "")}, options)
    model = bert("ForSequenceClassification", size, 9, num_labels=3)  # names missing: LABEL_0 ...
    pipe = transformers.TextClassificationPipeline(model=model, tokenizer=recorder.fast)
    for text in ["", TEXTS["chinese"]]:
        recorder.encode(text)
        cases.add(f"no label names '{text[:2]}'", recorder, "text-classification", {"text": text},
                  through(pipe, text, top_k=None), ["logits"], {}, {"top_k": 0})


def token_classification(cases, recorder, seed):
    size = recorder.backend.get_vocab_size()
    strategies = {"none": ["chinese", "combining"], "simple": ["english", "chinese", "emoji", "combining", "unknown"],
                  "first": ["english", "emoji", "unknown"], "average": ["combining", "chinese"],
                  "max": ["chinese", "english"]}
    if recorder.name != "wordpiece":
        strategies = {"none": ["chinese"], "simple": ["emoji", "combining"], "first": ["combining", "english"],
                      "average": ["emoji"], "max": ["chinese"]}
    schemes = {"bio": ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"], "plain": ["O", "PER", "LOC-X"]}
    for scheme, labels in schemes.items():
        model = bert("ForTokenClassification", size, seed, labels, scale=0.8)
        pipe = transformers.TokenClassificationPipeline(model=model, tokenizer=recorder.fast)
        for strategy in strategies if scheme == "bio" else ["simple"]:
            for name in strategies[strategy] if scheme == "bio" else ["mixed"]:
                text = TEXTS[name]
                recorder.encode_cut(text)
                options = {"aggregation_strategy": strategy}
                if strategy == "max":
                    options["ignore_labels"] = ["PER", "I-PER"]
                cases.add(f"{recorder.name} {scheme} {strategy} {name}", recorder, "token-classification",
                          {"text": text}, through(pipe, text, **options), ["logits"], {"labels": labels}, options)
    model = bert("ForTokenClassification", size, seed + 1, schemes["bio"], scale=0.8)
    pipe = transformers.TokenClassificationPipeline(model=model, tokenizer=recorder.fast)
    text = TEXTS["long"]
    recorder.encode_cut(text)
    if recorder.name == "wordpiece":
        cases.add(f"{recorder.name} long, first window", recorder, "token-classification", {"text": text},
                  through(pipe, text, aggregation_strategy="simple"), ["logits"], {"labels": schemes["bio"]},
                  {"aggregation_strategy": "simple"})
    strides = [("simple", 0), ("first", 16), ("average", 30)]
    for strategy, stride in strides if recorder.name == "wordpiece" else strides[1:2]:
        recorder.encode(text, None, "longest_first", POSITIONS, stride)
        cases.add(f"{recorder.name} long {strategy} stride {stride}", recorder, "token-classification",
                  {"text": text}, through(pipe, text, aggregation_strategy=strategy, stride=stride), ["logits"],
                  {"labels": schemes["bio"]}, {"aggregation_strategy": strategy, "stride": stride})
    recorder.encode("")
    cases.add(f"{recorder.name} empty", recorder, "token-classification", {"text": ""}, through(pipe, ""), ["logits"],
              {"labels": schemes["bio"]}, {})


def fill_mask(cases, recorder, seed):
    mask = recorder.fast.mask_token
    pipe = transformers.FillMaskPipeline(model=bert("ForMaskedLM", recorder.backend.get_vocab_size(), seed),
                                         tokenizer=recorder.fast)
    for name, text, call in [
        ("one", f"Paris is the {mask} of France.", {}),
        ("top_k", f"北京 {mask} 🙂 Zoe\u0301", {"top_k": 3}),
        ("two masks", f"{mask} lives in {mask}!", {"top_k": 2}),
        ("targets", f"The film was {mask}.", {"targets": ["good", "bad", "in", "bad"]}),
        ("targets of several pieces", f"{mask} 张伟", {"targets": ["Berlin", "Zebra", "🙂"], "top_k": 2}),
    ]:
        recorder.encode(text)
        for target in call.get("targets", []):
            recorder.encode(target, add_special_tokens=False)
        cases.add(f"{recorder.name} {name}", recorder, "fill-mask", {"text": text}, through(pipe, text, **call),
                  ["logits"], {}, call, rows=recorder.fast.mask_token_id)


def zero_shot(cases, recorder):
    for seed, labels in enumerate([["contradiction", "neutral", "entailment"], ["ENTAILMENT", "not_entailment"]]):
        model = bert("ForSequenceClassification", recorder.backend.get_vocab_size(), 40 + seed, labels)
        pipe = transformers.ZeroShotClassificationPipeline(model=model, tokenizer=recorder.fast)
        for name, text, candidates, call in [
            ("three labels", TEXTS["english"], ["city", "film", "food 🍕"], {}),
            ("several may be true", TEXTS["chinese"], ["城市", "work", "book"], {"multi_label": True}),
            ("one label", TEXTS["emoji"], ["good"], {}),
            ("template", TEXTS["combining"], ["Café", "B2B"], {"hypothesis_template": "{{This}} is about {}!"}),
            ("long premise", TEXTS["long"], ["city", "capital"], {}),
        ]:
            for candidate in candidates:
                template = call.get("hypothesis_template", "This example is {}.")
                recorder.encode_cut(text, template.format(candidate), "only_first")
            cases.add(f"{len(labels)} classes, {name}", recorder, "zero-shot-classification", {"text": text},
                      through(pipe, text, candidate_labels=candidates, **call), ["logits"], {"labels": labels},
                      {"candidate_labels": candidates} | call)


def feature_extraction(cases, recorder):
    pipe = transformers.FeatureExtractionPipeline(model=bert("Model", recorder.backend.get_vocab_size(), 60),
                                                  tokenizer=recorder.fast)
    recorder.encode(TEXTS["unknown"])
    cases.add("features", recorder, "feature-extraction", {"text": TEXTS["unknown"]}, through(pipe, TEXTS["unknown"]),
              ["last_hidden_state"])


def record_pipelines():
    cases = Cases()
    builds = {"wordpiece": wordpiece, "bytelevel": bytelevel, "unigram": unigram}
    recorders = {name: cases.tokenizer(name, build) for name, build in builds.items()}
    text_classification(cases, recorders["wordpiece"])
    for seed, recorder in enumerate(recorders.values()):
        token_classification(cases, recorder, 10 + 2 * seed)
        fill_mask(cases, recorder, 20 + seed)
    zero_shot(cases, recorders["wordpiece"])
    feature_extraction(cases, recorders["unigram"])
    cases.write(HERE / "pipelines.json", versions())


# ------------------------------------------------------------------------------------------------ legacy


def question_answering(cases, recorder, seed):
    model = bert("ForQuestionAnswering", recorder.backend.get_vocab_size(), seed, scale=0.5)
    pipe = transformers.QuestionAnsweringPipeline(model=model, tokenizer=recorder.fast)
    long = "张伟 works in Berlin 🙂. Zoe\u0301 lives in Paris! " * (2 if recorder.name == "bytelevel" else 4)
    for name, question, context, call in [
        ("short", "Where is Tim?", TEXTS["english"], {}),
        ("chinese", "谁在北京?", TEXTS["chinese"], {"top_k": 3}),
        ("emoji", "What is 🍕?", TEXTS["emoji"], {"top_k": 4, "align_to_words": False}),
        ("combining", "Zoe\u0301?", TEXTS["combining"], {"top_k": 2, "max_answer_len": 3}),
        ("windows", "Who lives in Paris?", long, {"top_k": 3}),
        ("narrow windows", "Who?", long, {"max_seq_len": 24, "doc_stride": 8, "top_k": 5}),
        ("impossible", "Who?", long, {"max_seq_len": 40, "doc_stride": 20, "handle_impossible_answer": True, "top_k": 4}),
        ("impossible short", "Where is 東京?", TEXTS["mixed"], {"handle_impossible_answer": True}),
        ("white space", "Who?", "  ", {}),
    ]:
        if recorder.name == "bytelevel" and "max_seq_len" in call:
            continue  # so many bytes
        size = call.get("max_seq_len", POSITIONS)
        if recorder.encode(question, context) > size:
            recorder.encode(question, context, "only_second", size, call.get("doc_stride", size // 2))
        cases.add(f"{recorder.name} {name}", recorder, "question-answering", {"text": question, "pair": context},
                  through(pipe, question=question, context=context, **call), ["start_logits", "end_logits"], {}, call)


def embeddings(cases, recorder, folder):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers import models as modules

    torch.manual_seed(SEED)
    dense = modules.Dense(16, 6, activation_function=torch.nn.Tanh())
    plain_dense = modules.Dense(16, 5, bias=False, activation_function=torch.nn.GELU())
    norm = modules.LayerNorm(16)
    with torch.no_grad():
        norm.norm.weight.uniform_(0.5, 1.5)
        norm.norm.bias.normal_()
        for module in (dense, plain_dense, norm):
            for parameter in module.parameters():
                parameter.copy_(torch.round(parameter, decimals=DECIMALS))

    def dense_json(module):
        bias = shorten(module.linear.bias) if module.linear.bias is not None else []
        return {"type": "Dense", "in_features": module.in_features, "out_features": module.out_features,
                "weight": shorten(module.linear.weight), "bias": bias,
                "activation_function": torch.typename(module.activation_function)}

    norm_json = {"type": "LayerNorm", "weight": shorten(norm.norm.weight), "bias": shorten(norm.norm.bias)}
    pool = lambda **modes: (modules.Pooling(16, **({"pooling_mode_mean_tokens": False} | modes)),
                            {"type": "Pooling"} | {k.removeprefix("pooling_mode_"): v for k, v in modes.items()})
    normalize = (modules.Normalize(), {"type": "Normalize"})
    every = {f"pooling_mode_{mode}": True for mode in ("cls_token", "max_tokens", "mean_tokens",
                                                        "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")}
    mean = pool(pooling_mode_mean_tokens=True)
    chains = {
        "mean": [mean],
        "mean normalized": [mean, normalize],
        "cls dense": [pool(pooling_mode_cls_token=True), (dense, dense_json(dense))],
        "all modes": [pool(**every)],
        "layer norm gelu": [mean, (norm, norm_json), (plain_dense, dense_json(plain_dense)), normalize],
        # Not with cls_token: there max_tokens writes its mask over the first token's values.
        "prompt left out": [pool(**{mode: mode != "pooling_mode_cls_token" for mode in every}, include_prompt=False)],
    }
    for name, chain in chains.items():
        transformer = modules.Transformer(str(folder), max_seq_length=POSITIONS, do_lower_case=name == "mean")
        rounded(transformer.auto_model)
        encoder = SentenceTransformer(modules=[transformer] + [module for module, _ in chain], device="cpu")
        config = {"modules": [described for _, described in chain], "do_lower_case": name == "mean"}
        options = {"prompt": "Who is: "} if "prompt" in name else {}
        prepare = lambda text: (options.get("prompt", "") + text).strip()
        for text_name in ["english", "emoji", "long"] if name == "mean" else ["combining"]:
            call = dict(options)
            if text_name == "emoji":
                call |= {"truncate_dim": 5, "normalize_embeddings": True}
            text = "  " + TEXTS[text_name] + "\u3000"
            asked = prepare(text).lower() if config["do_lower_case"] else prepare(text)
            recorder.encode_cut(asked)
            if "prompt" in call:
                recorder.encode(call["prompt"].strip())

            def run(hook):
                transformer.auto_model.hook = hook
                return {"embedding": encoder.encode(text, show_progress_bar=False, **call)}

            cases.add(f"{name} {text_name}", recorder, "sentence-embedding", {"text": text}, run,
                      ["last_hidden_state"], {"sentence_embedding": config}, call)
    similarities(cases, recorder, folder, SentenceTransformer, modules)


def similarities(cases, recorder, folder, SentenceTransformer, modules):
    for function in ["cosine", "dot", "euclidean", "manhattan"]:
        transformer = modules.Transformer(str(folder), max_seq_length=POSITIONS)
        rounded(transformer.auto_model)
        encoder = SentenceTransformer(modules=[transformer, modules.Pooling(16)], similarity_fn_name=function,
                                      device="cpu")
        sentences = [TEXTS["english"], "Who met Tim?", TEXTS["chinese"], TEXTS["combining"]]
        for sentence in sentences:
            recorder.encode(sentence)

        def run(hook):
            transformer.auto_model.hook = hook
            vectors = [encoder.encode(sentence, show_progress_bar=False) for sentence in sentences]
            return encoder.similarity(vectors[0], np.stack(vectors[1:]))[0]

        cases.add(f"similarity {function}", recorder, "sentence-similarity",
                  {"text": sentences[0], "candidates": sentences[1:]}, run, ["last_hidden_state"],
                  {"sentence_embedding": {"modules": [{"type": "Pooling", "mean_tokens": True}],
                                          "similarity_fn_name": function}})


def cross_encoders(cases, recorder, folder):
    from sentence_transformers import CrossEncoder

    documents = [TEXTS["chinese"], "Zoe\u0301 lives in Paris 🙂.", TEXTS["long"], "Tim met Angela."]
    query = "Who lives in Paris?"
    for document in documents:
        recorder.encode_cut(query, document)
    for name, labels, activation in [("sigmoid", 1, None), ("identity", 1, torch.nn.Identity()), ("nli", 3, None)]:
        bert("ForSequenceClassification", recorder.backend.get_vocab_size(), 80, num_labels=labels).save_pretrained(folder)
        recorder.fast.save_pretrained(folder)
        encoder = CrossEncoder(str(folder), device="cpu", activation_fn=activation)
        rounded(encoder.model)
        config = {"cross_encoder_activation": torch.typename(activation)} if activation else {}

        def predict(hook):
            encoder.model.hook = hook
            result = encoder.predict([(query, documents[1])], show_progress_bar=False)[0]
            return {"score": result} if labels == 1 else {"scores": result}

        cases.add(f"{name} pair", recorder, "text-ranking", {"text": query, "pair": documents[1]}, predict, ["logits"],
                  config)
        if labels == 1:
            def rank(hook):
                encoder.model.hook = hook
                return encoder.rank(query, documents, top_k=3, return_documents=True, batch_size=1,
                                    show_progress_bar=False)

            cases.add(f"{name} rank", recorder, "text-ranking", {"text": query, "candidates": documents}, rank,
                      ["logits"], config, {"top_k": 3})


def record_legacy():
    import sentence_transformers

    answers = Cases()
    for seed, build in enumerate([wordpiece, bytelevel, unigram]):
        question_answering(answers, answers.tokenizer(build.__name__, build), 30 + seed)
    answers.write(HERE / "question_answering.json", versions())
    sentences = Cases()
    recorder = sentences.tokenizer("wordpiece", wordpiece)
    with tempfile.TemporaryDirectory() as base, tempfile.TemporaryDirectory() as head:
        bert("Model", recorder.backend.get_vocab_size(), 70).save_pretrained(base)
        recorder.fast.save_pretrained(base)
        embeddings(sentences, recorder, base)
        cross_encoders(sentences, recorder, head)
    sentences.write(HERE / "sentence_transformers.json",
                    versions() | {"sentence-transformers": sentence_transformers.__version__})


def versions():
    return {"transformers": transformers.__version__, "tokenizers": tokenizers.__version__,
            "torch": torch.__version__}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["pipelines", "legacy"])
    HERE.mkdir(exist_ok=True)
    {"pipelines": record_pipelines, "legacy": record_legacy}[parser.parse_args().part]()


if __name__ == "__main__":
    main()
