"""Writes tests/goldens/alignment/en-ja.tsv: sentences of the demo, with words that are known to match.

The demo grammar's lexicon says which Japanese each English word becomes. A pair counts where both occur once
in the sentence and neither is part of a larger pair. Columns: English, Japanese, and the pairs as
"start-end:start-end" in code points.
"""

import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
DEMO = HERE.parents[1] / "tools" / "demo"
sys.path.insert(0, str(DEMO))
import lexicon as lex  # noqa: E402

SENTENCES = 150


def verb_stem(row):
    """What is left of the dictionary form in every inflection."""
    return row[5][:-2] if row[6] == "s" and len(row[5]) > 2 else row[5][:-1]


def entries():
    pairs = [(form, row[2]) for row in lex.THINGS for form in row[:2]]
    pairs += [(form, row[1]) for row in lex.PEOPLE for form in (row[0], row[2])]
    pairs += [(row[0].replace("the ", ""), row[1]) for row in lex.PLACES]
    pairs += [(row[0], row[1]) for row in lex.PRONOUNS]
    pairs += [(other, row[1]) for row in lex.PRONOUNS for other in [lex.OBJECT_PRONOUN.get(row[0])] if other]
    pairs += [(row[0], name) for row in lex.FAMILY for name in row[1:]]
    times = (lex.PAST_TIMES, lex.FUTURE_TIMES, lex.PROGRESSIVE_TIMES)
    pairs += [pair for table in times for pair in table.items()]
    pairs += [(row[0], row[2].rstrip("いな")) for row in lex.ADJECTIVES]
    pairs += [(row[0], row[1]) for row in lex.NAMES + lex.FIRST_NAMES]
    pairs += [(form, verb_stem(row)) for row in lex.VERBS for form in row[:5]]
    return sorted({(e, j) for e, j in pairs if e != "-" and j})


def matches(english, japanese, known):
    found = []
    for e, j in known:
        spans = [m.span() for m in re.finditer(r"\b" + re.escape(e.lower()) + r"\b", english.lower())]
        if len(spans) == 1 and japanese.count(j) == 1:
            found.append((spans[0], (japanese.index(j), japanese.index(j) + len(j))))
    found = sorted(set(found))

    def within(a, b):
        return b[0] <= a[0] and a[1] <= b[1]

    def covered(pair):
        return any(other != pair and any(map(within, pair, other)) for other in found)

    return [pair for pair in found if not covered(pair)]


def main():
    known = entries()
    lines = []
    for line in (DEMO / "heldout.tsv").read_text().splitlines()[:SENTENCES]:
        english, japanese = line.split("\t")
        pairs = matches(english, japanese, known)
        if pairs:
            spans = " ".join(f"{a}-{b}:{c}-{d}" for (a, b), (c, d) in pairs)
            lines.append(f"{english}\t{japanese}\t{spans}\n")
    directory = HERE / "alignment"
    directory.mkdir(exist_ok=True)
    (directory / "en-ja.tsv").write_text("".join(lines))
    print(f"{len(lines)} sentences, {sum(line.count(':') for line in lines)} pairs")


if __name__ == "__main__":
    main()
