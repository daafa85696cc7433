"""Sentences about what is done: statements, questions, requests, modals, subordinate clauses."""

from dataclasses import dataclass

import lexicon as lex
from japanese import casual, dictionary, join, polite, stem
from nouns import COUNTED, Noun, at_place, hour, other_person, person, place, thing, when, words

NO_PROGRESSIVE = set(
    "understand believe forget lose find see receive finish break meet go come return thank invite "
    "choose borrow open close hide order".split()
) | {"get up", "turn on", "turn off", "throw away"}


@dataclass
class Action:
    """A verb with its object and the rest, still without subject, tense and time."""

    forms: list  # base, 3rd person, past, participle, -ing
    verb: tuple
    english: str  # what follows the verb
    japanese: str  # what precedes it, after the time
    object: Noun | None = None
    particle: str = ""


def action(rng, subject, counted=True, progressive=False, kind=None, adjuncts=True):
    while True:
        row = rng.choice(lex.VERBS if kind is None else [r for r in lex.VERBS if r[8].split()[0] in kind])
        if rng.random() < 0.06 and kind is None:
            return giving(rng, subject, counted)
        if not (progressive and row[0] in NO_PROGRESSIVE):
            break
    *forms, japanese, group, particle, classes = row
    kinds = classes.split()
    target, quantity, noun, to, jto = "", "", None, "", ""
    if particle != "-":
        chosen = rng.choice(kinds)
        noun = other_person(rng, subject) if chosen == "person" else thing(rng, chosen, counted)
        target, quantity = noun.japanese + "|" + particle, noun.quantity
    elif kinds[0] == "motion":
        where, jwhere = place(rng, "goal")
        to, jto = "to " + where, jwhere + "|に"
    extras, jextras = "", ""
    if adjuncts:
        extras, jextras = companions(rng, subject, kinds, noun)
    english = words(noun.english if noun else "", to, extras)
    return Action(forms, (japanese, group), english, join(jextras, jto, target, quantity), noun, particle)


def companions(rng, subject, kinds, noun):
    """With whom, by what, where."""
    english, japanese = [], []
    if rng.random() < 0.15 and "person" not in kinds:
        friend = other_person(rng, subject)
        if noun is None or noun.key != friend.key:
            english.append("with " + friend.english)
            japanese.append(friend.japanese + "|と")
    if kinds[0] == "motion":
        if rng.random() < 0.3:
            means, jmeans = rng.choice(list(lex.MEANS.items()))
            english.append(means)
            japanese.append(jmeans + "|で")
    elif rng.random() < 0.3:
        where, jwhere = at_place(rng)
        english.append(where)
        japanese.append(jwhere + "|で")
    return " ".join(english), "|".join(japanese)


def giving(rng, subject, counted=True):
    *forms, japanese, group, particle, classes = rng.choice(lex.GIVING)
    noun = thing(rng, rng.choice(classes.split()), counted)
    receiver = other_person(rng, subject)
    if receiver.person in "1s 1p" and forms[0] == "give":
        japanese, group = "くれる", "i"
    target = join(receiver.japanese + "|に", noun.japanese + "|" + particle, noun.quantity)
    return Action(forms, (japanese, group), f"{noun.english} to {receiver.english}", target, noun, particle)


def be(number, past=False):
    if past:
        return "was" if number in ("1s", "3s") else "were"
    return {"1s": "am", "3s": "is"}.get(number, "are")


CONTRACTED = {
    "do": "don't",
    "does": "doesn't",
    "did": "didn't",
    "will": "won't",
    "is": "isn't",
    "are": "aren't",
    "was": "wasn't",
    "were": "weren't",
    "can": "can't",
    "could": "couldn't",
    "must": "mustn't",
    "should": "shouldn't",
}


def negate(rng, auxiliary):
    if auxiliary in CONTRACTED and rng.random() < 0.4:
        return CONTRACTED[auxiliary]
    return "cannot" if auxiliary == "can" else auxiliary + " not"


def auxiliary_of(tense, number):
    """(auxiliary, index of the verb form after it)."""
    if tense.endswith("progressive"):
        return be(number, tense.startswith("past")), 4
    if tense == "future":
        return "will", 0
    if tense == "past":
        return "did", 0
    return ("does" if number == "3s" else "do"), 0


def statement(rng, subject, act, tense, negative, frequency=""):
    """Subject and verb in English, without what follows the verb."""
    helper, form = auxiliary_of(tense, subject.person)
    if negative:
        return words(subject.english, negate(rng, helper), act.forms[form])
    if helper in ("do", "does", "did"):
        index = {"do": 0, "does": 1, "did": 2}[helper]
        return words(subject.english, frequency, act.forms[index])
    return words(subject.english, helper, act.forms[form])


def sentence(text, mark="."):
    return text[0].upper() + text[1:] + mark


TENSES = ["past"] * 5 + ["future"] * 3 + ["present"] * 2 + ["progressive"] * 2 + ["past progressive"]


def time_for(rng, tense):
    """Simple present always has a time, so that "I read" has one meaning; other tenses may."""
    if tense == "past progressive":
        return when(rng, "past") if rng.random() < 0.4 else ("", "")
    chance = {"present": 1.0, "past": 0.65, "future": 0.7, "progressive": 0.4}[tense]
    return when(rng, tense) if rng.random() < chance else ("", "")


def telling(rng):
    """I bought three books at the station yesterday."""
    subject, tense, negative = person(rng), rng.choice(TENSES), rng.random() < 0.25
    act = action(rng, subject, not negative, "progressive" in tense)
    time, jtime = time_for(rng, tense)
    frequency, jfrequency = "", ""
    if tense == "present" and not negative and rng.random() < 0.4:
        frequency, jfrequency = rng.choice(list(lex.FREQUENCIES.items()))
        time, jtime = "", ""
    english = words(statement(rng, subject, act, tense, negative, frequency), act.english)
    informal = rng.random() < 0.15
    form = casual if informal else polite
    verb = form(act.verb, tense, negative) + ("|よ" if informal else "")
    if time and rng.random() < 0.12 and not informal:
        return sentence(f"{time}, {english}"), join(
            jtime, "、", subject.japanese, "は", act.japanese, verb, "。"
        )
    japanese = join(subject.japanese, "は", jtime, jfrequency, act.japanese, verb, "。")
    english = words(english, time)
    return ("Hey, " + english + ".", "ねえ|、|" + japanese) if informal else (sentence(english), japanese)


def asking(rng):
    """Did you buy the book yesterday?"""
    subject, tense = person(rng), rng.choice(TENSES)
    act = action(rng, subject, True, "progressive" in tense)
    time, jtime = time_for(rng, tense)
    helper, form = auxiliary_of(tense, subject.person)
    english = words(helper, subject.english, act.forms[form], act.english, time) + "?"
    if rng.random() < 0.15:
        topic = "" if subject.english == "you" else subject.japanese + "|は"
        return "Hey, " + english, join(
            "ねえ|、", topic, jtime, act.japanese, casual(act.verb, tense, False), "？"
        )
    verb = polite(act.verb, tense, False)
    return sentence(english, ""), join(subject.japanese, "は", jtime, act.japanese, verb, "か。")


def asking_what(rng):
    """What did you buy? Who bought it? Where, when, why, how many, with whom, which."""
    subject, tense = person(rng), rng.choice(["past"] * 3 + ["future"] * 2)
    kind = rng.choice(["what", "who", "where", "when", "why", "how many", "with whom", "which"])
    needs_object = kind in ("what", "how many", "which")
    while True:
        act = action(rng, subject, kind != "how many", adjuncts=False)
        if not needs_object or (
            act.object and act.object.key in COUNTED and act.object.person != "1s" and act.forms[0] in ASKABLE
        ):
            break
    time, jtime = when(rng, tense) if rng.random() < 0.4 and kind != "when" else ("", "")
    helper, _ = auxiliary_of(tense, subject.person)
    verb = polite(act.verb, tense, False) + "|か。"
    topic = subject.japanese + "|は"
    if kind == "who":
        told = statement(rng, Noun("who", "", "3s"), act, tense, False)
        return sentence(words(told, act.english, time), "?"), join("誰|が", jtime, act.japanese, verb)
    base = words(helper, subject.english, act.forms[0])
    if kind == "what":
        return sentence(words("what", base, time), "?"), join(topic, jtime, "何", act.particle, verb)
    if kind == "which":
        many, name, _ = COUNTED[act.object.key]
        return sentence(words("which", act.object.key, base, time), "?"), join(
            topic, jtime, "どの", name, act.particle, verb
        )
    if kind == "how many":
        many, name, counter = COUNTED[act.object.key]
        japanese = join(topic, jtime, name, act.particle, "何|" + counter, verb)
        return sentence(words("how many", many, base, time), "?"), japanese
    asked, jasked = {
        "where": ("where", "どこ|で"),
        "when": ("when", "いつ"),
        "why": ("why", "なぜ"),
        "with whom": ("with whom", "誰|と"),
    }[kind]
    if kind == "where" and act.verb[0] in ("行く", "来る", "戻る"):
        asked, jasked = "why", "なぜ"
    return sentence(words(asked, base, act.english, time), "?"), join(
        topic, jtime, jasked, act.japanese, verb
    )


# Verbs after which "what", "which" and "how many" leave one Japanese verb and particle.
ASKABLE = {row[0] for row in lex.VERBS if row[7] == "を"} - {"see", "watch", "call", "return", "send"}

REQUESTS = [
    ("Please {0}.", "te", "|ください|。"),
    ("Please do not {0}.", "a", "|ないで|ください|。"),
    ("Let's {0}.", "i", "|ましょう|。"),
    ("Shall we {0}?", "i", "|ましょう|か。"),
    ("Could you {0}?", "te", "|いただけます|か。"),
    ("May I {0}?", "te", "も|いいです|か。"),
    ("Would you like to {0}?", "i", "|ません|か。"),
    ("Hey, will you {0} for me?", "te", "|くれる|？"),
    ("Hey, do not {0}.", "a", "|ないで|。"),
]


def requesting(rng):
    """Please open the window."""
    pattern, form, ending = rng.choice(REQUESTS)
    subject = Noun("you", "あなた", "2", key="you")
    act = action(rng, subject, "not" not in pattern)
    time, jtime = when(rng, "future") if rng.random() < 0.3 else ("", "")
    english = pattern.format(words(act.forms[0], act.english, time))
    front = "ねえ|、" if pattern.startswith("Hey") else ""
    return english, join(front, jtime, act.japanese, stem(act.verb, form) + ending)


def modal(rng):
    """Want to, can, must, should, may, be going to, have done before, begin to, like doing."""
    name = rng.choice(
        [
            "want",
            "wanted",
            "can",
            "could",
            "must",
            "had",
            "should",
            "going",
            "have",
            "may",
            "must not",
            "not have",
            "began",
            "like",
            "decided",
        ]
    )
    negative = name in ("want", "can", "could", "should", "going", "have", "like") and rng.random() < 0.3
    while True:
        subject = person(rng)
        if name not in ("want", "wanted", "like") or subject.person in ("1s", "1p"):
            break
    act = action(rng, subject, not negative)
    third = subject.person == "3s"
    base, verb = act.forms[0], act.verb
    do = "does" if third else "do"
    shall = negate(rng, name) if negative and name in ("can", "could", "should") else name
    table = {
        "want": (
            words(negate(rng, do), "want to") if negative else "want to",
            stem(verb, "i"),
            "たくない|です" if negative else "たい|です",
        ),
        "wanted": ("wanted to", stem(verb, "i"), "たかった|です"),
        "can": (shall, dictionary(verb), "ことが|でき" + ("ません" if negative else "ます")),
        "could": (shall, dictionary(verb), "ことが|でき" + ("ませんでした" if negative else "ました")),
        "must": ("must", stem(verb, "a"), "なければ|なりません"),
        "had": ("had to", stem(verb, "a"), "なければ|なりませんでした"),
        "should": (shall, stem(verb, "a") + "|ない" if negative else stem(verb, "ta"), "ほう|が|いいです"),
        "going": (
            (negate(rng, be(subject.person)) if negative else be(subject.person)) + " going to",
            casual(verb, "present", negative),
            "つもり|です",
        ),
        "have": (
            ("has" if third else "have") + (" never" if negative else ""),
            stem(verb, "ta"),
            "ことが|ありません" if negative else "ことが|あります",
        ),
        "may": ("may", stem(verb, "te"), "も|いいです"),
        "must not": (negate(rng, "must"), stem(verb, "te"), "は|いけ|ません"),
        "not have": (negate(rng, do) + " have to", stem(verb, "a"), "なく|ても|いいです"),
        "began": ("began to", stem(verb, "i"), "始め|ました"),
        "like": (
            words(negate(rng, do), "like to") if negative else "like to",
            dictionary(verb),
            "のが|好き|" + ("では|ありません" if negative else "です"),
        ),
        "decided": ("decided to", dictionary(verb), "こと|に|し|ました"),
    }
    said, body, ending = table[name]
    time, jtime = "", ""
    if name in ("want", "must", "going", "should", "can", "not have") and rng.random() < 0.4:
        time, jtime = when(rng, "future")
    elif name in ("wanted", "had", "could", "began") and rng.random() < 0.4:
        time, jtime = when(rng, "past")
    tail = "before" if name == "have" and not negative else time
    english = words(subject.english, said, act.forms[3] if name == "have" else base, act.english, tail)
    return sentence(english), join(subject.japanese, "は", jtime, act.japanese, body, ending, "。")


def spanning(rng):
    """I worked from nine o'clock to five o'clock. We walked from the station to the park."""
    subject, tense = person(rng), rng.choice(["past", "past", "future"])
    negative = rng.random() < 0.1
    row = rng.choice([r for r in lex.VERBS if "span" in r[8]])
    act = Action(row[:5], (row[5], row[6]), "", "")
    if row[0] in ("walk", "run", "swim", "travel") and rng.random() < 0.7:
        (start, jstart), (end, jend) = place(rng, "goal"), place(rng, "goal")
    else:
        (start, jstart), (end, jend) = hour(rng), hour(rng)
    if start == end:
        return spanning(rng)
    time, jtime = when(rng, tense) if rng.random() < 0.4 and "時" not in jstart else ("", "")
    english = words(statement(rng, subject, act, tense, negative), "from", start, "to", end, time)
    return sentence(english), join(
        subject.japanese, "は", jtime, jstart, "から", jend, "まで", polite(act.verb, tense, negative), "。"
    )


def because(rng):
    """I did not go to school because it was raining."""
    subject, negative = person(rng), rng.random() < 0.5
    act = action(rng, subject, not negative)
    reason, jreason = rng.choice(lex.REASONS)
    english = words(statement(rng, subject, act, "past", negative), act.english, "because", reason)
    return sentence(english), join(
        jreason, "ので", "、", subject.japanese, "は", act.japanese, polite(act.verb, "past", negative), "。"
    )
