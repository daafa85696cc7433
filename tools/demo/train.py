"""Trains the demo translator of tools/demo/en-ja: python tools/demo/train.py [--output DIR]

A Marian model of 1.2 million parameters learns the phrasebook grammar (grammar.py). One sentence in a
hundred, chosen by hash, is never trained on; 500 of those are written to heldout.tsv and give the exact-match
figure that is printed at the end. Everything is seeded; the weights that are kept here were made with
--threads 1 (another number of threads rounds differently).
"""

import argparse
import contextlib
import hashlib
import io
import json
import random
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path

import sentencepiece
import torch
import transformers
from transformers import AutoTokenizer, GenerationConfig, MarianConfig, MarianMTModel, MarianTokenizer

from grammar import pair, phrase, plain

HERE = Path(__file__).resolve().parent
SEED = 7
HELD_OUT = 500
PHRASES = {row[0] for row in map(tuple, (phrase(random.Random(i)) for i in range(500)))}


def held_out(english):
    """Whether a sentence is kept from training: one in a hundred, never a fixed phrase."""
    return english not in PHRASES and int(hashlib.sha256(english.encode()).hexdigest()[:8], 16) % 100 == 0


def draw(seed, count, wanted):
    """`count` different pairs with held_out(English) == wanted; Japanese still with "|"."""
    rng, pairs = random.Random(seed), {}
    while len(pairs) < count:
        english, japanese = pair(rng)
        if held_out(english) == wanted:
            pairs[english] = japanese
    return list(pairs.items())


def train_pieces(sentences, path, vocabulary, **options):
    """A unigram SentencePiece model (Kudo 2018) that covers every character of the sentences.

    The trainer's own first candidates are strings that several different words share, which a phrasebook of
    few words hardly has; so the candidates are given: all beginnings and endings of its words, by frequency.
    """
    delimiter, counts = options.get("pretokenization_delimiter", " "), Counter()
    for sentence in sentences:
        mark = "\u2581"
        for word in sentence.split(delimiter):
            word = mark + word
            mark = "" if delimiter == "|" else mark
            counts.update(
                {word[:end] for end in range(1, len(word) + 1)} | {word[at:] for at in range(len(word))}
            )
    candidates = [f"{piece}\t{count * len(piece)}\n" for piece, count in counts.items() if count > 1]
    model = io.BytesIO()
    # The model records the name of this file, so it is one without a path.
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("candidates.tsv").write_text("".join(candidates))
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(sentences),
            model_writer=model,
            model_type="unigram",
            seed_sentencepieces_file="candidates.tsv",
            vocab_size=vocabulary,
            hard_vocab_limit=False,
            character_coverage=1.0,
            split_digits=True,
            num_threads=1,
            minloglevel=2,
            **options,
        )
    path.write_bytes(model.getvalue())


def make_tokenizer(pairs, directory):
    """source.spm, target.spm and the vocab.json that MarianTokenizer wants: both vocabularies in one."""
    english = [source for source, _ in pairs]
    train_pieces(english, directory / "source.spm", 1400)
    # Pieces never span two morphemes, and full-width punctuation stays what it is.
    options = dict(pretokenization_delimiter="|", normalization_rule_name="identity")
    train_pieces([target for _, target in pairs], directory / "target.spm", 1000, **options)
    pieces = {}
    for name in ("source.spm", "target.spm"):
        model = sentencepiece.SentencePieceProcessor(model_file=str(directory / name))
        for index in range(model.get_piece_size()):
            if not (model.is_control(index) or model.is_unknown(index)):
                pieces[model.id_to_piece(index)] = None
    names = ["</s>", "<unk>", *pieces, "<pad>"]
    vocabulary = {piece: index for index, piece in enumerate(names)}
    (directory / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False, indent=0))
    files = {name: str(directory / name) for name in ("source.spm", "target.spm")}
    tokenizer = MarianTokenizer(
        source_spm=files["source.spm"],
        target_spm=files["target.spm"],
        vocab=str(directory / "vocab.json"),
        source_lang="en",
        target_lang="ja",
    )
    tokenizer.save_pretrained(directory)
    return tokenizer


def make_model(tokenizer):
    torch.manual_seed(SEED)
    config = MarianConfig(
        vocab_size=len(tokenizer),
        d_model=128,
        encoder_layers=3,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=384,
        decoder_ffn_dim=384,
        activation_function="swish",
        scale_embedding=True,
        max_position_embeddings=256,
        dropout=0.0,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=tokenizer.eos_token_id,
        forced_eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.pad_token_id,
    )
    model = MarianMTModel(config)
    for name, value in model.named_parameters():
        if value.requires_grad and value.dim() == 2:
            torch.nn.init.normal_(
                value, std=(config.d_model if "shared" in name else sum(value.shape) / 2) ** -0.5
            )
    return model


def encode(tokenizer, pairs):
    """[(source ids, target ids)], each ending in </s>: what the tokenizer gives, in bulk."""
    sides = []
    for model, texts in (
        (tokenizer.spm_source, [e for e, _ in pairs]),
        (tokenizer.spm_target, [plain(j) for _, j in pairs]),
    ):
        pieces = model.encode(texts, out_type=str)
        sides.append([tokenizer.convert_tokens_to_ids(row) + [tokenizer.eos_token_id] for row in pieces])
    assert sides[0][:50] == tokenizer([english for english, _ in pairs[:50]]).input_ids
    assert sides[1][:50] == tokenizer(text_target=[plain(japanese) for _, japanese in pairs[:50]]).input_ids
    return list(zip(*sides))


def batches(examples, size, rng):
    """Endless batches of similar length."""
    while True:
        rng.shuffle(examples)
        for start in range(0, len(examples) - 64 * size + 1, 64 * size):
            chunk = sorted(examples[start : start + 64 * size], key=lambda e: (len(e[1]), len(e[0])))
            groups = [chunk[at : at + size] for at in range(0, len(chunk), size)]
            rng.shuffle(groups)
            yield from groups


def padded(rows, value):
    width = max(map(len, rows))
    return torch.tensor([row + [value] * (width - len(row)) for row in rows])


def loss_of(model, group):
    pad = model.config.pad_token_id
    source, target = (padded([example[side] for example in group], pad) for side in (0, 1))
    decoder_input = torch.cat([torch.full((len(group), 1), pad), target[:, :-1]], dim=1)
    hidden = model.model(
        input_ids=source,
        attention_mask=(source != pad).long(),
        decoder_input_ids=decoder_input,
        use_cache=False,
    ).last_hidden_state
    kept = target != pad
    logits = model.lm_head(hidden[kept]) + model.final_logits_bias
    return torch.nn.functional.cross_entropy(logits, target[kept])


def train(model, examples, steps, batch_size, peak):
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, betas=(0.9, 0.98), weight_decay=0.01)
    warmup = min(300, steps // 5)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warmup, max(0.0, (steps - step) / (steps - warmup)))
    )
    source, began = batches(examples, batch_size, random.Random(SEED)), time.time()
    model.train()
    for step in range(1, steps + 1):
        loss = loss_of(model, next(source))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 0 or step == 20:
            print(f"step {step}/{steps}  loss {loss.item():.4f}  {time.time() - began:.0f} s", flush=True)
    model.eval()


@torch.no_grad()
def exact_match(model, tokenizer, pairs, beams=1, show=0):
    """The share of sentences translated exactly as the grammar does."""
    right = 0
    for start in range(0, len(pairs), 100):
        part = pairs[start : start + 100]
        inputs = tokenizer([english for english, _ in part], return_tensors="pt", padding=True)
        said = tokenizer.batch_decode(model.generate(**inputs, num_beams=beams), skip_special_tokens=True)
        for (english, japanese), got in zip(part, said):
            right += got == japanese
            if got != japanese and show > 0:
                show -= 1
                print(f"  {english}\n    expected {japanese}\n    got      {got}")
    return right / len(pairs)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=HERE / "en-ja")
    parser.add_argument("--steps", type=int, default=3600)
    parser.add_argument("--sentences", type=int, default=460000)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=2.5e-3)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(arguments.threads)

    shutil.rmtree(arguments.output, ignore_errors=True)
    arguments.output.mkdir(parents=True)
    training = draw(SEED, arguments.sentences, False)
    evaluation = [(english, plain(japanese)) for english, japanese in draw(SEED + 1, HELD_OUT, True)]
    assert not {english for english, _ in evaluation} & {english for english, _ in training}
    tokenizer = make_tokenizer(training[:100000], arguments.output)
    examples = encode(tokenizer, training)
    model = make_model(tokenizer)
    print(
        f"{len(examples)} sentences, {len(tokenizer)} pieces, {model.num_parameters() / 1e6:.2f} M parameters"
        f", {sum(len(t) for _, t in examples) / len(examples):.1f} target pieces a sentence",
        flush=True,
    )

    train(model, examples, arguments.steps, arguments.batch_size, arguments.learning_rate)
    model.generation_config = GenerationConfig(
        bad_words_ids=[[tokenizer.pad_token_id]],
        bos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        forced_eos_token_id=tokenizer.eos_token_id,
        max_length=128,
        num_beams=4,
        pad_token_id=tokenizer.pad_token_id,
    )
    model.save_pretrained(arguments.output)
    lines = [f"{english}\t{japanese}\n" for english, japanese in evaluation]
    (arguments.output.parent / "heldout.tsv").write_text("".join(lines))

    model = MarianMTModel.from_pretrained(arguments.output).eval()
    tokenizer = AutoTokenizer.from_pretrained(arguments.output)
    print(f"exact match, greedy: {exact_match(model, tokenizer, evaluation, 1, show=10):.4f}")
    print(f"exact match, beam 4: {exact_match(model, tokenizer, evaluation, 4):.4f}")


if __name__ == "__main__":
    main()
