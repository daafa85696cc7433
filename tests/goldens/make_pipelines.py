"""Whole directories, from text to result: tiny random models with real tokenizer files, and what Hugging Face's
pipelines and sentence-transformers answer for them. Written to tests/goldens/pipelines/NAME.

Two environments, because transformers 5 has no question-answering pipeline and sentence-transformers 5.1 needs
transformers 4; the second goes over what the first has written:

    python make_pipelines.py pipelines    # transformers 5.23.0, tokenizers 0.23.3, torch 2.13
    python make_pipelines.py legacy       # transformers 4.57.1, sentence-transformers 5.1.2, torch 2.13
"""

import json
import pathlib
import shutil
import sys
import warnings

import torch
import transformers

from common import randomize
from make_tasks import TEXTS, bytelevel, wordpiece

warnings.filterwarnings("ignore")
transformers.logging.set_verbosity_error()
torch.set_num_threads(1)
HERE = pathlib.Path(__file__).resolve().parent / "pipelines"
SEED = 500
LABELS = {"seq": ["bad", "ok", "good"], "nli": ["contradiction", "neutral", "entailment"],
          "tok": ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]}
HEADS = {"seq": "ForSequenceClassification", "nli": "ForSequenceClassification", "rank": "ForSequenceClassification",
         "tok": "ForTokenClassification", "qa": "ForQuestionAnswering", "mlm": "ForMaskedLM", "base": "Model"}
SIZES = dict(hidden_size=16, intermediate_size=24, num_attention_heads=4, num_hidden_layers=1)
# name: transformers' prefix, tokenizer, its class, head, config
MODELS = {
    "bert-seq": ("Bert", wordpiece, "BertTokenizer", "seq", {}),
    "bert-nli": ("Bert", wordpiece, "BertTokenizer", "nli", {}),
    "bert-tok": ("Bert", wordpiece, "BertTokenizer", "tok", {}),
    "bert-qa": ("Bert", wordpiece, "BertTokenizer", "qa", {}),
    "bert-mlm": ("Bert", wordpiece, "BertTokenizer", "mlm", {}),
    "bert-rank": ("Bert", wordpiece, "BertTokenizer", "rank", dict(num_labels=1)),
    "bert-base": ("Bert", wordpiece, "BertTokenizer", "base", {}),
    "roberta-tok": ("Roberta", bytelevel, "RobertaTokenizer", "tok", dict(type_vocab_size=1)),
    "roberta-mlm": ("Roberta", bytelevel, "RobertaTokenizer", "mlm", dict(type_vocab_size=1)),
}
QUESTIONS = [("Who met Tim?", TEXTS["english"]), ("张伟在", TEXTS["chinese"]), ("what", TEXTS["emoji"]),
             ("Zoe", TEXTS["combining"]), ("where is Berlin", TEXTS["long"])]


def make_model(number, name):
    family, build, tokenizer_class, head, extra = MODELS[name]
    directory = HERE / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    tokenizer, roles = build()
    tokenizer.save(str(directory / "tokenizer.json"), pretty=False)
    # As published checkpoints have it: the special tokens are the class's own. BERT's class makes the normalizer
    # anew from these settings.
    settings = dict(do_lower_case=False, strip_accents=True) if tokenizer_class == "BertTokenizer" else {}
    (directory / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": tokenizer_class, "model_max_length": 64} | settings) + "\n")
    config = SIZES | dict(vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=66) | extra
    if head in LABELS:
        config |= dict(id2label=dict(enumerate(LABELS[head])), label2id={v: k for k, v in enumerate(LABELS[head])})
    torch.manual_seed(SEED + number)
    model = getattr(transformers, family + HEADS[head])(getattr(transformers, family + "Config")(**config)).eval()
    randomize(model, SEED + number, gain=1.4)
    model.save_pretrained(directory)
    return directory


class Cases:
    def __init__(self, directory, task):
        self.directory, self.task, self.rows = directory, task, []
        self.pipe = None

    def add(self, text, expected, pair=None, candidates=None, **options):
        row = {"task": self.task, "options": options, "text": text}
        if pair is not None:
            row["pair"] = pair
        if candidates is not None:
            row["candidates"] = candidates
        self.rows.append(row | {"expected": expected})

    def write(self, versions):
        plain = json.loads(json.dumps(self.rows, default=lambda v: v.item() if hasattr(v, "item") else v.tolist()),
                           parse_float=lambda text: round(float(text), 6))
        lines = ",\n  ".join(json.dumps(row) for row in plain)
        (self.directory / "expected.json").write_text(
            '{"versions": ' + json.dumps(versions) + ', "seed": ' + str(SEED) + ',\n "cases": [\n  ' + lines + "\n ]}\n")
        size = sum(f.stat().st_size for f in self.directory.iterdir() if f.is_file())
        print(f"{self.directory.name}: {len(self.rows)} cases, {size / 1000:.0f} kB")


def open_pipeline(task, directory, **options):
    return transformers.pipeline(task, model=str(directory), tokenizer=str(directory), device="cpu", **options)


def classify(cases):
    pipe = open_pipeline("text-classification", cases.directory)
    for text in TEXTS.values():
        if len(text) < 200:
            cases.add(text, pipe(text)[0])
    cases.add(TEXTS["english"], pipe(TEXTS["english"], top_k=None), top_k=0)
    pair = {"text": TEXTS["english"], "text_pair": TEXTS["chinese"]}
    cases.add(pair["text"], pipe(pair), pair=pair["text_pair"])


def entail(cases):
    pipe = open_pipeline("zero-shot-classification", cases.directory)
    labels = ["city", "film", "工作"]
    for name in ("english", "chinese", "long"):
        cases.add(TEXTS[name], pipe(TEXTS[name], labels), candidate_labels=labels)
    cases.add(TEXTS["emoji"], pipe(TEXTS["emoji"], labels, multi_label=True, hypothesis_template="{} is in it"),
              candidate_labels=labels, multi_label=True, hypothesis_template="{} is in it")


def tag(cases):
    pipe = open_pipeline("token-classification", cases.directory)
    for strategy in ("none", "simple", "first", "average", "max"):
        for name in ("english", "chinese", "emoji", "combining", "mixed", "unknown"):
            cases.add(TEXTS[name], pipe(TEXTS[name], aggregation_strategy=strategy), aggregation_strategy=strategy)
    options = dict(aggregation_strategy="simple", stride=8)
    cases.add(TEXTS["long"], open_pipeline("token-classification", cases.directory, **options)(TEXTS["long"]), **options)


def fill(cases):
    pipe = open_pipeline("fill-mask", cases.directory)
    mask = pipe.tokenizer.mask_token
    for text in (f"Paris is the {mask} of France.", f"张{mask}在北京工作", f"{mask} 🍕 and {mask}!"):
        cases.add(text, pipe(text, top_k=3), top_k=3)
    text = f"She lives in {mask}"
    cases.add(text, pipe(text, targets=["Berlin", "Paris", "city"]), targets=["Berlin", "Paris", "city"])


def answer(cases):
    pipe = open_pipeline("question-answering", cases.directory)
    for options in (dict(), dict(top_k=3), dict(max_seq_len=40, doc_stride=12, top_k=2), dict(align_to_words=False),
                    dict(handle_impossible_answer=True, top_k=2)):
        for question, context in QUESTIONS:
            cases.add(question, pipe(question=question, context=context, **options), pair=context, **options)


def embed(cases):
    """Makes the directory one of sentence-transformers: two kinds of pooling, a dense layer, prompts, a length."""
    from sentence_transformers import SentenceTransformer, models

    transformer = models.Transformer(str(cases.directory), max_seq_length=24)
    torch.manual_seed(SEED)
    encoder = SentenceTransformer(
        modules=[transformer, models.Pooling(16, pooling_mode_cls_token=True, pooling_mode_mean_tokens=True),
                 models.Dense(32, 12, activation_function=torch.nn.Tanh()), models.Normalize()],
        device="cpu", prompts={"query": "who is ", "plain": ""}, default_prompt_name="query")
    saved = cases.directory.with_name("bert-base-saved")
    encoder.save(str(saved), create_model_card=False)
    for name in ("modules.json", "config_sentence_transformers.json", "sentence_bert_config.json", "1_Pooling",
                 "2_Dense", "3_Normalize"):
        if (saved / name).exists():
            (shutil.copytree if (saved / name).is_dir() else shutil.copy)(saved / name, cases.directory / name)
    shutil.rmtree(saved)
    encoder = SentenceTransformer(str(cases.directory), device="cpu")
    for name in ("english", "chinese", "emoji", "long"):
        cases.add(TEXTS[name], {"embedding": encoder.encode(TEXTS[name]).tolist()})
    for options in (dict(prompt=""), dict(prompt="is it "), dict(prompt_name="plain")):
        cases.add(TEXTS["english"], {"embedding": encoder.encode(TEXTS["english"], **options).tolist()}, **options)


def rank(cases):
    from sentence_transformers import CrossEncoder

    encoder = CrossEncoder(str(cases.directory), device="cpu")
    documents = [TEXTS[name] for name in ("chinese", "emoji", "long", "unknown")]
    query = TEXTS["english"]
    cases.add(query, {"score": float(encoder.predict((query, documents[0])))}, pair=documents[0])
    ranked = encoder.rank(query, documents, return_documents=True)
    cases.add(query, [{"corpus_id": int(r["corpus_id"]), "score": float(r["score"]), "text": r["text"]} for r in ranked],
              candidates=documents)


STEPS = {"pipelines": {"seq": ("text-classification", classify), "nli": ("zero-shot-classification", entail),
                       "tok": ("token-classification", tag), "mlm": ("fill-mask", fill)},
         "legacy": {"qa": ("question-answering", answer), "base": ("sentence-embedding", embed),
                    "rank": ("text-ranking", rank)}}


def main(mode):
    versions = {"transformers": transformers.__version__, "torch": torch.__version__.split("+")[0]}
    for number, (name, (*_, head, _)) in enumerate(MODELS.items()):
        directory = make_model(number, name) if mode == "pipelines" else HERE / name
        if head not in STEPS[mode]:
            continue
        task, record = STEPS[mode][head]
        cases = Cases(directory, task)
        record(cases)
        cases.write(versions)


if __name__ == "__main__":
    main(sys.argv[1])
