"""A phrasebook grammar: English sentences with their one Japanese translation.

pair(rng) draws a sentence; the same English always has the same Japanese (check with: python grammar.py).
Japanese is built with "|" between morphemes; plain() removes them. The order of the parts:
  English   subject verb object (to) (with) (at) (by) time
  Japanese  topic time (with) (by) (at) (to) object quantity verb
Sentences about actions are made in clauses.py, the others here.
"""

import random
import sys

import lexicon as lex
from clauses import (
    Action,
    action,
    asking,
    asking_what,
    be,
    because,
    modal,
    negate,
    requesting,
    sentence,
    spanning,
    statement,
    telling,
)
from japanese import casual, copula, describe, join, kanji, plain, polite, stem
from nouns import (
    COUNTED,
    Noun,
    adjective_for,
    article,
    at_place,
    date,
    english_number,
    hour,
    other_person,
    owner,
    person,
    pick,
    place,
    thing,
    when,
    words,
)


def described(rng, comparable=False):
    """A topic and an adjective that suits it: (noun, adjective row)."""
    draw = rng.random()
    if draw < 0.35:
        noun = person(rng)
        rows = [r for r in lex.ADJECTIVES if "person" in r[3].split() and not (comparable and r[1] == "-")]
        return noun, rng.choice(rows)
    if draw < 0.55:
        english, japanese = place(rng, "spot" if rng.random() < 0.7 else "room")
        rows = [r for r in lex.ADJECTIVES if "place" in r[3].split()]
        return Noun(english, japanese, key=english), rng.choice(rows)
    while True:
        english, many, japanese, _, classes = rng.choice(lex.THINGS)
        adjective = adjective_for(rng, classes, comparable)
        if not adjective or set(classes.split()) & {"language", "subject", "sport"}:
            continue
        number = "3p" if english == "shoes" else "3s"
        draw = rng.random()
        if draw < 0.4:
            return Noun("the " + english, japanese, number, key=english), adjective
        if draw < 0.6 and number == "3s":
            this, jthis = rng.choice([("this", "この"), ("that", "その")])
            return Noun(this + " " + english, jthis + "|" + japanese, number, key=english), adjective
        if draw < 0.85 or many == "-":
            mine, jmine = owner(rng)
            return Noun(mine + " " + english, jmine + "|" + japanese, number, key=english), adjective
        subject = person(rng)
        verb = rng.choice(
            [r for r in lex.VERBS if r[7] == "を" and set(r[8].split()) & set(classes.split())] or [None]
        )
        if verb is None:
            continue
        time, jtime = rng.choice(list(lex.PAST_TIMES.items())) if rng.random() < 0.6 else ("", "")
        relative = words("the", english, "that", subject.english, verb[2], time)
        japanese = join(subject.japanese, "が", jtime, stem((verb[5], verb[6]), "ta"), japanese)
        return Noun(relative, japanese, number, key=english), adjective


def describing(rng):
    """The room is not very big. Is this book interesting? The book that he bought was expensive."""
    noun, (english, comparative, japanese, _) = described(rng)
    past, negative, question = rng.random() < 0.35, rng.random() < 0.3, rng.random() < 0.2
    tense = "past" if past else "present"
    verb = be(noun.person, past)
    very, jvery = ("", "")
    if rng.random() < 0.25:
        very, jvery = "very", "あまり" if negative and not question else "とても"
    topic = noun.japanese + "|は"
    if question:
        said = describe(japanese, tense, False)
        return sentence(words(verb, noun.english, very, english), "?"), join(topic, jvery, said, "か。")
    said = describe(japanese, tense, negative)
    verb = negate(rng, verb) if negative else verb
    return sentence(words(noun.english, verb, very, english)), join(topic, jvery, said, "。")


def comparing(rng):
    """This book is more expensive than that book."""
    while True:
        noun, (_, comparative, japanese, classes) = described(rng, True)
        if "that " not in noun.english:
            break
    past = rng.random() < 0.25
    if "person" in classes and noun.key not in COUNTED and not noun.english.startswith("the "):
        other = other_person(rng, noun)
    elif noun.key in COUNTED:
        name = COUNTED[noun.key][1]
        other = Noun("that " + noun.key, "その|" + name)
    else:
        mine, jmine = rng.choice(list(lex.POSSESSIVES.items()))
        other = Noun(mine + " house", jmine + "|家") if "place" in classes else None
    if other is None:
        return comparing(rng)
    said = describe(japanese, "past" if past else "present", False)
    english = words(noun.english, be(noun.person, past), comparative, "than", other.english)
    return sentence(english), join(noun.japanese, "は", other.japanese, "より", said, "。")


def naming(rng):
    """He is a doctor. Was Ms. Sato a nurse? They are not students."""
    while True:
        subject = person(rng)
        english, japanese, many = rng.choice(lex.PEOPLE)
        if subject.key != english and english not in ("boy", "girl", "man", "woman", "child", "customer"):
            break
    plural = subject.person in ("1p", "3p")
    noun = many if plural else article(english)
    past, negative, question = rng.random() < 0.35, rng.random() < 0.3, rng.random() < 0.25
    verb = be(subject.person, past)
    tense = "past" if past else "present"
    topic = subject.japanese + "|は"
    if question:
        return sentence(words(verb, subject.english, noun), "?"), join(
            topic, japanese + copula(tense, False), "か。"
        )
    verb = negate(rng, verb) if negative else verb
    return sentence(words(subject.english, verb, noun)), join(topic, japanese + copula(tense, negative), "。")


FURNITURE = {
    "table": "テーブル",
    "desk": "机",
    "bed": "ベッド",
    "chair": "椅子",
    "box": "箱",
    "window": "窓",
    "door": "ドア",
    "car": "車",
    "tree": "木",
    "house": "家",
    "piano": "ピアノ",
    "television": "テレビ",
}
INSIDE = {"box", "car", "house"}
NOT_ON = {"window", "door", "tree"}


def spot(rng):
    """(English, Japanese) of a place where something is."""
    draw = rng.random()
    if draw < 0.35:
        return at_place(rng)
    english, japanese = rng.choice(list(FURNITURE.items()))
    positions = [
        p
        for p in lex.POSITIONS
        if (p != "in" or english in INSIDE) and (p not in ("on", "under") or english not in NOT_ON)
    ]
    position = rng.choice(positions)
    return f"{position} the {english}", f"{japanese}|の|{lex.POSITIONS[position]}"


def existing(rng):
    """There are two cats under the bed."""
    where, jwhere = spot(rng)
    alive = rng.random() < 0.35
    english, many, japanese, counter, _ = pick(
        rng,
        [r for r in lex.THINGS if r[1] != "-"],
        "animal" if alive else rng.choice(["goods", "personal", "dish"]),
    )
    verb = ("いる", "i") if alive else ("ある", "g")
    past = rng.random() < 0.3
    tense = "past" if past else "present"
    draw = rng.random()
    if draw < 0.35:
        text = words("there", be("3s", past), article(english), where)
        return sentence(text), join(jwhere, "に", japanese, "が", polite(verb, tense, False), "。")
    if draw < 0.7:
        count = rng.randint(2, 10)
        text = words("there", be("3p", past), english_number(count), many, where)
        return sentence(text), join(
            jwhere, "に", japanese, "が", kanji(count), counter, polite(verb, tense, False), "。"
        )
    if draw < 0.85:
        text = words("there", be("3p", past), "no", many, where)
        return sentence(text), join(jwhere, "に", japanese, "は", polite(verb, tense, True), "。")
    text = words(be("3s", past), "there", article(english), where)
    return sentence(text, "?"), join(jwhere, "に", japanese, "が", polite(verb, tense, False), "か。")


def locating(rng):
    """Where is the station? The bank is next to the station. My mother is in the kitchen."""
    draw = rng.random()
    past = rng.random() < 0.25
    tense = "past" if past else "present"
    if draw < 0.25:
        name, japanese = place(rng, "spot")
        polite_start = rng.random() < 0.3
        text = words("where is", name)
        text = "Excuse me, " + text + "?" if polite_start else sentence(text, "?")
        return text, join("すみません|、" if polite_start else "", japanese, "は", "どこ|です|か。")
    if draw < 0.5:
        (name, japanese), (other, jother) = place(rng, "spot"), place(rng, "spot")
        if name == other:
            return locating(rng)
        position = rng.choice(["in front of", "behind", "next to", "near"])
        text = words(name, be("3s", past), position, other)
        where = f"{jother}|の|{lex.POSITIONS[position]}"
        return sentence(text), join(japanese, "は", where, "に", polite(("ある", "g"), tense, False), "。")
    negative = rng.random() < 0.25
    if draw < 0.75:
        subject, verb = person(rng), ("いる", "i")
    else:
        subject, verb = thing(rng, rng.choice(["personal", "goods"]), counted=False), ("ある", "g")
        if subject.quantity or subject.english.startswith(("a ", "an ")):
            return locating(rng)
    where, jwhere = spot(rng)
    said = be(subject.person, past)
    said = negate(rng, said) if negative else said
    return sentence(words(subject.english, said, where)), join(
        subject.japanese, "は", jwhere, "に", polite(verb, tense, negative), "。"
    )


def liking(rng):
    """I like red flowers. She wants a camera. My father is good at tennis."""
    subject = person(rng)
    third = subject.person == "3s"
    negative = rng.random() < 0.25
    do = "does" if third else "do"
    draw = rng.random()
    if draw < 0.5:
        english, many, japanese, _, classes = pick(
            rng,
            lex.THINGS,
            rng.choice(["food", "drink", "animal", "plant", "sport", "subject", "reading", "show"]),
        )
        row = adjective_for(rng, classes) if rng.random() < 0.25 else None
        front, jfront = (row[0] + " ", row[2] + "|") if row else ("", "")
        verb = words(negate(rng, do), "like") if negative else ("likes" if third else "like")
        noun = front + (english if many == "-" else many)
        return sentence(words(subject.english, verb, noun)), join(
            subject.japanese, "は", jfront + japanese, "が|好き" + copula("present", negative), "。"
        )
    if draw < 0.75:
        while subject.person not in ("1s", "1p"):
            subject = person(rng)
        noun = thing(rng, rng.choice(["goods", "drink", "machine"]), not negative)
        verb = words(negate(rng, "do"), "want") if negative else "want"
        return sentence(words(subject.english, verb, noun.english)), join(
            subject.japanese,
            "は",
            noun.japanese,
            "が",
            noun.quantity,
            describe("欲しい", "present", negative),
            "。",
        )
    english, _, japanese, _, classes = pick(rng, lex.THINGS, rng.choice(["sport", "language", "subject"]))
    verb = negate(rng, be(subject.person)) if negative else be(subject.person)
    return sentence(words(subject.english, verb, "good at", english)), join(
        subject.japanese, "は", japanese, "が|上手" + copula("present", negative), "。"
    )


def thinking(rng):
    """I think that she bought the book yesterday."""
    thinker = person(rng)
    while True:
        subject = person(rng)
        if subject.key != thinker.key:
            break
    think, jthink = rng.choice(
        [(" thinks" if thinker.person == "3s" else " think", "思っ|て|い|ます"), (" said", "言い|ました")]
    )
    if thinker.person in ("1s",) and "think" in think:
        jthink = "思い|ます"
    negative = rng.random() < 0.3
    if rng.random() < 0.6:
        act = action(rng, subject, not negative, adjuncts=False)
        time, jtime = when(rng, "past") if rng.random() < 0.4 else ("", "")
        english = words(statement(rng, subject, act, "past", negative), act.english, time)
        japanese = join(subject.japanese, "が", jtime, act.japanese, casual(act.verb, "past", negative))
    else:
        subject, (english, _, adjective, _) = described(rng)
        # "said that it was" is said of the present in Japanese: 高いと言いました.
        tense = "past" if "think" in think else "present"
        verb = be(subject.person, True)
        english = words(subject.english, negate(rng, verb) if negative else verb, english)
        japanese = join(subject.japanese, "が", describe(adjective, tense, negative, "plain"))
    return sentence(f"{thinker.english}{think} that {english}"), join(
        thinker.japanese, "は", japanese, "と", jthink, "。"
    )


def weather(rng):
    """It rained last night. It will be cold tomorrow."""
    tense = rng.choice(["past", "future"])
    times = lex.FUTURE_TIMES if tense == "future" else lex.PAST_TIMES
    time, jtime = rng.choice(
        [(time, jtime) for time, jtime in times.items() if "ago" not in time and time != "soon"]
    )
    negative = rng.random() < 0.3
    if rng.random() < 0.5:
        forms, japanese, verb = rng.choice(
            [
                (["rain", "rains", "rained"], "雨", ("降る", "g")),
                (["snow", "snows", "snowed"], "雪", ("降る", "g")),
            ]
        )
        act = Action(forms, verb, "", "")
        english = words(statement(rng, Noun("it", ""), act, tense, negative), time)
        return sentence(english), join(
            jtime, "は", japanese, "は" if negative else "が", polite(verb, tense, negative), "。"
        )
    english, japanese = rng.choice(
        [("hot", "暑い"), ("cold", "寒い"), ("warm", "暖かい"), ("cool", "涼しい")]
    )
    if tense == "past":
        verb = negate(rng, "was") if negative else "was"
        return sentence(words("it", verb, english, time)), join(
            jtime, "は", describe(japanese, "past", negative), "。"
        )
    verb = words(negate(rng, "will"), "be") if negative else "will be"
    ending = japanese[:-1] + "く|ない|でしょう" if negative else japanese + "|でしょう"
    return sentence(words("it", verb, english, time)), join(jtime, "は", ending, "。")


def counting(rng):
    """Prices, ages, dates, the hour."""
    draw = rng.random()
    if draw < 0.2:
        noun = thing(rng, "goods", counted=False)
        if noun.english.startswith(("a ", "an ", "many", "shoes")) or noun.person == "3p":
            return counting(rng)
        return sentence(words("how much is", noun.english), "?"), join(
            noun.japanese, "は", "いくら|です|か。"
        )
    if draw < 0.4:
        noun = thing(rng, "goods", counted=False)
        if noun.english.startswith(("a ", "an ", "many", "shoes")) or noun.person == "3p":
            return counting(rng)
        unit, value = rng.choice([("hundred", 100), ("thousand", 1000)])
        count = rng.randint(1, 9)
        price = f"{lex.NUMBERS[count - 1]} {unit} yen"
        return sentence(words(noun.english, "is", price)), join(
            noun.japanese, "は", kanji(count * value), "円|です|。"
        )
    if draw < 0.6:
        subject, age = person(rng), rng.randint(5, 99)
        past = rng.random() < 0.2
        english = words(subject.english, be(subject.person, past), english_number(age), "years old")
        return sentence(english), join(
            subject.japanese, "は", kanji(age), "歳" + copula("past" if past else "present", False), "。"
        )
    if draw < 0.75:
        english, japanese = date(rng)
        day, jday, verb, tense = rng.choice(
            [("today", "今日", "is", "present"), ("yesterday", "昨日", "was", "past")]
        )
        return sentence(words(day, verb, english)), join(jday, "は", japanese + copula(tense, False), "。")
    if draw < 0.9:
        english, japanese = date(rng)
        mine, jmine = owner(rng)
        return sentence(words(mine, "birthday is", english)), join(jmine, "誕生日", "は", japanese, "です|。")
    english, japanese = hour(rng)
    return sentence(words("it is", english, "now")), join("今", japanese, "です|。")


def phrase(rng):
    return tuple(rng.choice(lex.PHRASES))


TEMPLATES = [
    (telling, 26),
    (asking, 10),
    (asking_what, 10),
    (requesting, 8),
    (modal, 12),
    (describing, 8),
    (comparing, 4),
    (naming, 4),
    (existing, 5),
    (locating, 5),
    (liking, 5),
    (spanning, 4),
    (because, 5),
    (thinking, 6),
    (weather, 2),
    (counting, 5),
    (phrase, 1),
]


def pair(rng):
    """(English, Japanese with "|" between morphemes)."""
    make = rng.choices([t for t, _ in TEMPLATES], [w for _, w in TEMPLATES])[0]
    return make(rng)


def main():
    rng = random.Random(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    known, used = {}, set()
    for index in range(200000):
        english, japanese = pair(rng)
        if known.setdefault(english, plain(japanese)) != plain(japanese):
            sys.exit(f"ambiguous: {english}\n  {known[english]}\n  {plain(japanese)}")
        used |= set(english.lower().replace("'s", "").strip(".?!").replace(",", "").replace("?", "").split())
    rng = random.Random(7)
    for make, _ in TEMPLATES:
        for _ in range(6):
            english, japanese = make(rng)
            print(f"{english}\t{plain(japanese)}")
    print(
        f"{len(known)} different sentences, {len(used)} English word forms, one translation each",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
