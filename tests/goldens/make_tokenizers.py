#!/usr/bin/env python3
"""Writes tests/goldens/tokenizers: tiny tokenizers of every component, and what the reference does with some texts.

Each folder has the tokenizer's files and expected.jsonl; a row is a text, perhaps a second one and options, and the
encoding and decoding that the library gave for them.

Recorded with: tokenizers 0.23.3, transformers 5.23, Python 3.11; seed 20.
"""

import base64
import json
import pathlib
import random
import struct

from tokenizers import Regex, Tokenizer, models, trainers, pre_tokenizers, normalizers

from make_unicode_tables import charsmap

OUT = pathlib.Path(__file__).parent / "tokenizers"
CORPUS = ["the quick brown fox jumps over the lazy dog, then the other thing happened there",
          "she sells sea shells by the sea shore; the shells she sells are sea shells for sure",
          "to be or not to be: that is the question, whether it is nobler in the mind to suffer",
          "numbers 0 1 12 123 1234 and years 1999 2024, prices $9.99 and 50%",
          "don't can't won't it's they're we've I'll he'd", "naïve café déjà vu über straße", "你好世界 我爱北京 hello世界"]
TEXTS = ["", " ", "the", " the", "Hello,  world!", "The quick brown fox", "I'm sure they're RIGHT; we'll GO", "a1b22c333d4444 1,000.5",
         "tabs\tand\nnew\r\nlines \n\n", "naïve Café e\u0301a\u0300 STRASSE straße", "e\u0302\u0301 \u1112\u1161\u11ab \u304b\u3099 \uff76\uff9e",
         "你好，世界！hello世界2024年", "カタカナ ひらがな 漢字", "\u0915\u094d\u0937\u093f \u0e01\u0e33", "👩‍👩‍👧 👍🏽 🇫🇷 ❤️", "ﬁne ½ ² Ⅷ ① ™",
         "\u0130stanbul ΑΣ ΔΣΟΣ", "zero\u200bwidth \ufeffbom \u00adhyphen \u0085nel", "[CLS] in text [SEP]x <mask>  y[MASK]", " word <mask> word<mask>",
         "snake_case camelCase kebab-case", "a--b---c -d-", "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627", "x\u0000y\u0001z", "\U0001f600\U00031350\u1c8a\u2e4f",
         "   lead and trail   ", "...!!!???", "sea sea sea sea sea sea sea sea sea sea sea"]
PAIRS = [("the quick fox", "sea shells"), ("", "one"), ("one", ""), (" a b c d e f g h", "the other thing happened there")]


def train(tokenizer, trainer):
    tokenizer.train_from_iterator(CORPUS, trainer)
    return json.loads(tokenizer.to_str())


def bpe(pre_tokenizer, size=330, normalizer=None, alphabet=(), special=("[UNK]", "[CLS]", "[SEP]", "<mask>"), **model):
    tokenizer = Tokenizer(models.BPE(**model))
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer:
        tokenizer.normalizer = normalizer
    options = {k: v for k, v in model.items() if k in ("continuing_subword_prefix", "end_of_word_suffix")}
    return train(tokenizer, trainers.BpeTrainer(vocab_size=size, special_tokens=list(special), show_progress=False,
                                                initial_alphabet=list(alphabet), **options))


def unigram(pre_tokenizer, size=120):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizer
    return train(tokenizer, trainers.UnigramTrainer(vocab_size=size, special_tokens=["<unk>", "[CLS]", "[SEP]", "<mask>"],
                                                    unk_token="<unk>", show_progress=False))


def wordpiece(size=150):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return train(tokenizer, trainers.WordPieceTrainer(vocab_size=size, special_tokens=["[UNK]", "[CLS]", "[SEP]", "[MASK]"],
                                                      show_progress=False))


def wordlevel(pre_tokenizer):
    tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizer
    return train(tokenizer, trainers.WordLevelTrainer(special_tokens=["[UNK]", "[CLS]", "[SEP]"], show_progress=False))


def added(content, id=None, numbers=iter(range(9000, 10000)), **flags):
    """The reference gives tokens that the model lacks ids of its own; the file's need only differ."""
    return {"id": next(numbers) if id is None else id, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
            "special": False, **flags}


def template(cls, sep, ids):
    special = lambda t, type_id=0: {"SpecialToken": {"id": t, "type_id": type_id}}
    sequence = lambda s, type_id=0: {"Sequence": {"id": s, "type_id": type_id}}
    return {"type": "TemplateProcessing", "single": [special(cls), sequence("A"), special(sep)],
            "pair": [special(cls), sequence("A"), special(sep), sequence("B", 1), special(sep, 1)],
            "special_tokens": {t: {"id": t, "ids": [ids[t]], "tokens": [t]} for t in (cls, sep)}}


def split(pattern, behavior, invert=False):
    kind = "Regex" if isinstance(pattern, Regex) or pattern.startswith("re:") else "String"
    return {"type": "Split", "pattern": {kind: pattern.removeprefix("re:")}, "behavior": behavior, "invert": invert}


def byte_level(prefix=False, regex=True, trim=True):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": trim, "use_regex": regex}


def metaspace(scheme="always", split=True):
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split}


def sequence(key, *parts):
    return {"type": "Sequence", key: list(parts)}


LLAMA3 = ("re:(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+"
          "|\\s+(?!\\S)|\\s+")


def llama2():
    t = bpe(pre_tokenizers.Metaspace(prepend_scheme="always", split=True), 220, special=["<unk>", "[CLS]", "[SEP]"])
    vocab = t["model"]["vocab"]
    for i in range(256):
        vocab[f"<0x{i:02X}>"] = len(vocab)
    t["model"].update(unk_token="<unk>", byte_fallback=True, fuse_unk=True,
                      merges=[" ".join(m) for m in t["model"]["merges"]])
    t["normalizer"] = sequence("normalizers", {"type": "Prepend", "prepend": "▁"},
                               {"type": "Replace", "pattern": {"String": " "}, "content": "▁"})
    t["pre_tokenizer"] = None
    t["decoder"] = sequence("decoders", {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
                            {"type": "ByteFallback"}, {"type": "Fuse"},
                            {"type": "Strip", "content": " ", "start": 1, "stop": 0})
    t["post_processor"] = template("[CLS]", "[SEP]", vocab)
    return t


def cases():
    """[(name, tokenizer.json)]"""
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    gpt = bpe(pre_tokenizers.ByteLevel(add_prefix_space=False), 400, alphabet=sorted(alphabet))
    ids = gpt["model"]["vocab"]

    t = json.loads(json.dumps(gpt))
    t["pre_tokenizer"] = sequence("pretokenizers", split(LLAMA3, "Isolated"), byte_level(regex=False))
    t["post_processor"] = sequence("processors", byte_level(), template("[CLS]", "[SEP]", ids))
    t["decoder"] = byte_level()
    t["model"]["ignore_merges"] = True
    yield "llama3-like", t

    t = json.loads(json.dumps(gpt))
    t["normalizer"] = {"type": "Lowercase"}
    t["pre_tokenizer"] = byte_level(prefix=True)
    t["post_processor"] = {"type": "RobertaProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1], "trim_offsets": True,
                           "add_prefix_space": True}
    t["decoder"] = byte_level()
    t["added_tokens"] = [added("[CLS]", 1, special=True), added("<mask>", 3, lstrip=True, special=True),
                         added("Quick", normalized=True, single_word=True), added("sea", single_word=True, rstrip=True),
                         added("\n\n"), added("\n", rstrip=True), added("\u0130", normalized=True)]
    yield "roberta-like-added-tokens", t

    yield "llama2-like", llama2()

    t = unigram(pre_tokenizers.Metaspace())
    rules = {"™".encode(): "TM", "ﬁ".encode(): "fi", "½".encode(): "1/2", "\t".encode(): " ", "\n".encode(): " ",
             "\r".encode(): " ", "\u0130".encode(): "I", "\u00ad".encode(): "", "e\u0301".encode(): "é", "Ⅷ".encode(): "VIII"}
    t["normalizer"] = sequence("normalizers", {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(charsmap(rules)).decode()},
                               {"type": "Strip", "strip_left": False, "strip_right": True},
                               {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"})
    t["pre_tokenizer"] = sequence("pretokenizers", {"type": "WhitespaceSplit"},
                                  {"type": "Metaspace", "replacement": "▁", "add_prefix_space": True, "str_rep": "▁"})
    t["post_processor"] = template("[CLS]", "[SEP]", {"[CLS]": 1, "[SEP]": 2})
    t["decoder"] = metaspace()
    yield "t5-like", t

    t = unigram(pre_tokenizers.Metaspace(prepend_scheme="first", split=False))
    t["model"]["byte_fallback"] = True
    t["model"]["vocab"] += [[f"<0x{i:02X}>", -20.0] for i in range(256)]
    t["pre_tokenizer"] = metaspace("first", False)
    t["decoder"] = sequence("decoders", {"type": "ByteFallback"}, metaspace("first", False))
    yield "unigram-byte-fallback", t

    t = wordpiece()
    t["post_processor"] = template("[CLS]", "[SEP]", t["model"]["vocab"])
    t["decoder"] = {"type": "WordPiece", "prefix": "##", "cleanup": True}
    t["model"]["max_input_chars_per_word"] = 12
    del t["model"]["type"]
    t["truncation"] = {"direction": "Left", "max_length": 9, "strategy": "LongestFirst", "stride": 2}
    t["padding"] = {"strategy": "BatchLongest", "direction": "Left", "pad_to_multiple_of": 4, "pad_id": 3, "pad_type_id": 1,
                    "pad_token": "[MASK]"}
    yield "bert-like", t

    t = bpe(pre_tokenizers.WhitespaceSplit(), 260, normalizer=normalizers.Lowercase(), alphabet=sorted(alphabet),
            end_of_word_suffix="</w>", unk_token="[UNK]")
    t["normalizer"] = sequence("normalizers", {"type": "NFC"}, {"type": "Replace", "pattern": {"Regex": "\\s+"}, "content": " "},
                               {"type": "Lowercase"})
    t["pre_tokenizer"] = sequence("pretokenizers", split(r"re:'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
                                                         "Removed", True), byte_level())
    t["decoder"] = {"type": "BPEDecoder", "suffix": "</w>"}
    t["post_processor"] = {"type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1]}
    yield "clip-like", t

    t = wordlevel(pre_tokenizers.Whitespace())
    t["normalizer"] = sequence("normalizers", {"type": "NFKD"}, {"type": "StripAccents"}, {"type": "Nmt"}, {"type": "Lowercase"})
    t["decoder"] = {"type": "CTC", "pad_token": "[UNK]", "word_delimiter_token": "e", "cleanup": True}
    yield "words", t

    t = wordlevel(pre_tokenizers.Whitespace())
    t["post_processor"] = sequence("processors", template("[CLS]", "[SEP]", t["model"]["vocab"]),
                                   {"type": "BertProcessing", "sep": ["the", t["model"]["vocab"]["the"]], "cls": ["[UNK]", 0]})
    t["padding"] = {"strategy": {"Fixed": 8}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0,
                    "pad_token": "[UNK]"}
    yield "surrounded-twice", t

    chars = bpe(pre_tokenizers.WhitespaceSplit(), 300, continuing_subword_prefix="##", unk_token="[UNK]")
    chars["decoder"] = {"type": "WordPiece", "prefix": "##", "cleanup": False}
    steps = {
        "splits-1": [split("-", "MergedWithNext"), {"type": "Punctuation", "behavior": "Contiguous"},
                     {"type": "Digits", "individual_digits": True}],
        "splits-2": [split("re:[a-z]+(?=[A-Z])|(?<=\\p{Lu})\\p{Ll}{2}", "MergedWithPrevious"), {"type": "UnicodeScripts"},
                     {"type": "Digits", "individual_digits": False}],
        "splits-3": [split("re:[\\p{L}&&[^aeiou]]{2,3}?|\\b\\d++|^ ", "Isolated"), {"type": "CharDelimiterSplit", "delimiter": "e"},
                     {"type": "FixedLength", "length": 4}],
        "splits-4": [split("re:(?i:st|ss|k)|$|(a|)+b", "Contiguous", True), {"type": "BertPreTokenizer"}],
    }
    for name, parts in steps.items():
        t = json.loads(json.dumps(chars))
        t["normalizer"] = {"type": "NFKC"} if name != "splits-3" else {"type": "NFD"}
        t["pre_tokenizer"] = sequence("pretokenizers", *parts)
        yield name, t


def encoding(e):
    return {"ids": e.ids, "tokens": e.tokens, "offsets": e.offsets, "type_ids": e.type_ids,
            "sequence_ids": [-1 if s is None else s for s in e.sequence_ids], "special_tokens_mask": e.special_tokens_mask,
            "attention_mask": e.attention_mask, "overflowing": [encoding(w) for w in e.overflowing]}


def rows(tokenizer):
    for i, (text, pair) in enumerate([(t, None) for t in TEXTS] + PAIRS):
        special = i % 3 != 1
        row = {"text": text, "pair": pair, "add_special_tokens": special}
        e = tokenizer.encode(text, pair, add_special_tokens=special)
        row.update(encoding(e))
        if sum(p in tokenizer.to_str() for p in ("TemplateProcessing", "BertProcessing")) == 2:
            del row["sequence_ids"]  # the reference counts the tokens of the inner one as the text's
        row["skip_special_tokens"] = i % 2 == 0
        row["decoded"] = tokenizer.decode(e.ids, skip_special_tokens=i % 2 == 0)
        yield row


def write(folder, tokenizer, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    with open(folder / "expected.jsonl", "w") as out:
        for row in rows(tokenizer):
            out.write(json.dumps(row, separators=(",", ":")) + "\n")


def write_class(name, data, config, model):
    """A model's directory, as transformers reads it."""
    from transformers import AutoTokenizer
    folder = OUT / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(model))
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text(json.dumps(data, ensure_ascii=False, separators=(",", ":")))
    write(folder, AutoTokenizer.from_pretrained(folder).backend_tokenizer, {})


def main():
    random.seed(20)
    for name, data in cases():
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        write(OUT / name, Tokenizer.from_str(text), {"tokenizer.json": text})

    # The older files, as transformers reads them.
    from transformers import BertTokenizer, GPT2Tokenizer
    data = wordpiece()
    vocab = "".join(t + "\n" for t, _ in sorted(data["model"]["vocab"].items(), key=lambda item: item[1]))
    config = {"tokenizer_class": "BertTokenizer", "do_lower_case": False, "strip_accents": True, "model_max_length": 64}
    folder = OUT / "bert-vocab-txt"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text(vocab)
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    tokenizer = BertTokenizer.from_pretrained(folder)
    write(folder, tokenizer.backend_tokenizer, {})

    data = bpe(pre_tokenizers.ByteLevel(add_prefix_space=False), 320, alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
               special=["<|endoftext|>"])
    folder = OUT / "gpt2-vocab-json"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(data["model"]["vocab"], ensure_ascii=False))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(" ".join(m) + "\n" for m in data["model"]["merges"]))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "GPT2Tokenizer", "add_bos_token": True}))
    tokenizer = GPT2Tokenizer.from_pretrained(folder)
    write(folder, tokenizer.backend_tokenizer, {})

    # A model's directory whose class builds the tokenizer anew; `<unk>` and `[SEP]` are written normalized there.
    from transformers import AutoTokenizer
    data = llama2()
    data["added_tokens"] = [added(t, i, special=True, normalized=True) for i, t in enumerate(["<unk>", "[CLS]", "[SEP]"])]
    tokens = {str(t["id"]): {k: v for k, v in t.items() if k != "id"} for t in data["added_tokens"]}
    config = {"tokenizer_class": "LlamaTokenizer", "bos_token": "[CLS]", "eos_token": "[SEP]", "unk_token": "<unk>"}
    for name, settings in (("llama-class", config | {"added_tokens_decoder": tokens}), ("llama-class-legacy", config | {"legacy": True})):
        folder = OUT / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
        (folder / "tokenizer.json").write_text(json.dumps(data, ensure_ascii=False, separators=(",", ":")))
        write(folder, AutoTokenizer.from_pretrained(folder).backend_tokenizer, {})

    # XLM-RoBERTa's class normalizes by the table alone; Gemma's has a mask token of its own.
    data = unigram(pre_tokenizers.Metaspace())
    known = [p for p in data["model"]["vocab"] if p[0] not in ("<unk>", "[CLS]", "[SEP]", "<mask>")]
    data["model"].update(vocab=[["<s>", 0.0], ["<pad>", 0.0], ["</s>", 0.0], ["<unk>", 0.0], *known, ["<mask>", 0.0]], unk_id=3)
    table = base64.b64encode(charsmap({"\t".encode(): " ", "\x85".encode(): "", "ﬁ".encode(): "fi"})).decode()
    data["normalizer"] = sequence("normalizers", {"type": "Precompiled", "precompiled_charsmap": table},
                                  {"type": "Strip", "strip_left": False, "strip_right": True},
                                  {"type": "Replace", "pattern": {"Regex": "[eo]"}, "content": "▁"})
    data["pre_tokenizer"] = sequence("pretokenizers", {"type": "WhitespaceSplit"}, metaspace())
    data["post_processor"] = {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0], "trim_offsets": False,
                              "add_prefix_space": False}
    data["decoder"] = metaspace()
    data["added_tokens"] = [added(t, i, special=True, lstrip=t == "<mask>")
                            for i, t in [(0, "<s>"), (1, "<pad>"), (2, "</s>"), (3, "<unk>"), (len(known) + 4, "<mask>")]]
    write_class("xlm-roberta-class", data, {"tokenizer_class": "XLMRobertaTokenizer"}, {"model_type": "xlm-roberta"})

    data = llama2()
    vocab = data["model"]["vocab"]
    for token in ("<pad>", "<eos>", "<bos>", "<mask>"):
        vocab.setdefault(token, len(vocab))
    data["normalizer"] = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    data["pre_tokenizer"] = split(" ", "MergedWithPrevious")
    data["decoder"] = sequence("decoders", *data["decoder"]["decoders"][:3])
    data["post_processor"] = template("<bos>", "<eos>", vocab)
    data["added_tokens"] = [added(t, vocab[t], special=t != "<mask>") for t in ("<unk>", "<pad>", "<eos>", "<bos>", "<mask>")]
    write_class("gemma-class", data, {"tokenizer_class": "GemmaTokenizer"}, {"model_type": "gemma"})

    # DeBERTa's spm.model without a tokenizer.json.
    import sentencepiece
    folder = OUT / "deberta-spm-model"
    folder.mkdir(parents=True, exist_ok=True)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS), model_prefix=str(folder / "spm"), vocab_size=120, pad_id=0, bos_id=1, eos_id=2, unk_id=3,
        pad_piece="[PAD]", bos_piece="[CLS]", eos_piece="[SEP]", unk_piece="[UNK]", normalization_rule_name="identity",
        hard_vocab_limit=False, num_threads=1, minloglevel=2)
    (folder / "spm.vocab").unlink()
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": False, "vocab_type": "spm"}))
    (folder / "config.json").write_text(json.dumps({"model_type": "deberta-v2"}))
    write(folder, AutoTokenizer.from_pretrained(folder).backend_tokenizer, {})


if __name__ == "__main__":
    main()
