"""Noun phrases and adverbials of time and place, each as English and Japanese."""

from dataclasses import dataclass

import lexicon as lex
from japanese import DIGITS, kanji


def english_number(number):
    if number <= 12:
        return lex.NUMBERS[number - 1]
    if number < 20:
        return lex.TEENS[number - 13]
    tens = lex.TENS[number // 10 * 10]
    return tens + ("-" + lex.NUMBERS[number % 10 - 1] if number % 10 else "")


def article(noun):
    return ("an " if noun[0] in "aeiou" and not noun.startswith(("use", "uni")) else "a ") + noun


def words(*parts):
    """English parts, empty ones left out."""
    return " ".join(part for part in parts if part)


def pick(rng, table, kind=None, column=-1):
    return rng.choice([row for row in table if kind is None or kind in row[column].split()])


# Countable things: plural, Japanese, counter.
COUNTED = {row[0]: (row[1], row[2], row[3]) for row in lex.THINGS if row[1] != "-"}


@dataclass
class Noun:
    english: str
    japanese: str
    person: str = "3s"
    quantity: str = ""  # 三冊, which stands before the verb
    key: str = ""  # what it is, to avoid saying it twice


def person(rng, pronouns=True, plural=True):
    """Somebody as subject."""
    draw = rng.random()
    if pronouns and draw < 0.45:
        english, japanese, number = rng.choice(lex.PRONOUNS)
        return Noun(english, japanese, number, key=english)
    if draw < 0.65:
        owner = rng.choice(["my"] * 5 + ["your", "his", "her"])
        english, own, other = rng.choice(lex.FAMILY)
        japanese = own if owner == "my" else lex.POSSESSIVES[owner] + "|" + other
        return Noun(owner + " " + english, japanese, key=english)
    if draw < 0.75:
        english, japanese = rng.choice(lex.NAMES)
        return Noun(rng.choice(["Mr. ", "Ms. "]) + english, japanese + "|さん", key=english)
    if draw < 0.82:
        english, japanese = rng.choice(lex.FIRST_NAMES)
        return Noun(english, japanese, key=english)
    english, japanese, many = rng.choice(lex.PEOPLE)
    if plural and rng.random() < 0.25:
        return Noun("the " + many, japanese + "|たち", "3p", key=english)
    return Noun("the " + english, japanese, key=english)


def other_person(rng, subject):
    """Somebody else, as object."""
    while True:
        noun = person(rng)
        if noun.key != subject.key and not (noun.person in "1s 1p 2" and subject.person in "1s 1p 2"):
            return Noun(
                lex.OBJECT_PRONOUN.get(noun.english, noun.english), noun.japanese, noun.person, key=noun.key
            )


SUITS = {
    "thing": "goods building",
    "color": "goods plant",
    "content": "reading show",
    "taste": "food",
    "warm": "warm",
    "animal": "animal",
}


def adjective_for(rng, classes, comparable=False):
    """An adjective that suits a thing of these classes, or None."""
    kinds = {kind for kind, of in SUITS.items() if set(of.split()) & set(classes.split())}
    rows = [
        row for row in lex.ADJECTIVES if kinds & set(row[3].split()) and not (comparable and row[1] == "-")
    ]
    return rng.choice(rows) if rows else None


def owner(rng):
    if rng.random() < 0.75:
        return rng.choice(list(lex.POSSESSIVES.items()))
    noun = person(rng, pronouns=False, plural=False)
    return noun.english + "'s", noun.japanese + "|の"


def thing(rng, kind, counted=True, bare=True):
    """A thing of a class: a book, this red book, my father's book, three books, many books, milk."""
    english, many, japanese, counter, classes = pick(rng, lex.THINGS, kind)
    adjective = adjective_for(rng, classes) if rng.random() < 0.25 else None
    front, jfront = (adjective[0] + " ", adjective[2] + "|") if adjective else ("", "")
    name, jname = front + english, jfront + japanese
    if set(classes.split()) & {"language", "subject", "sport"}:
        return Noun(english, japanese, key=english)
    if "instrument" in classes:
        return Noun("the " + english, japanese, key=english)
    if many == "-":
        choice = rng.random()
        if choice < 0.5 and bare and "machine" not in classes:
            return Noun(name, jname, "3p" if english == "shoes" else "3s", key=english)
        number = "3p" if english == "shoes" else "3s"
        if choice < 0.8:
            return Noun("the " + name, jname, number, key=english)
        mine, jmine = owner(rng)
        return Noun(mine + " " + name, jmine + "|" + jname, number, key=english)
    choice = rng.random()
    if choice < 0.25:
        return Noun(article(name), jname, key=english)
    if choice < 0.4:
        return Noun("the " + name, jname, key=english)
    if choice < 0.55:
        this, jthis = rng.choice([("this", "この"), ("that", "その")])
        return Noun(this + " " + name, jthis + "|" + jname, key=english)
    if choice < 0.68 or not counted:
        mine, jmine = owner(rng)
        return Noun(mine + " " + name, jmine + "|" + jname, key=english)
    if choice < 0.9:
        count = rng.randint(2, 10)
        return Noun(
            f"{english_number(count)} {front}{many}", jname, "3p", kanji(count) + "|" + counter, english
        )
    if choice < 0.95:
        return Noun("many " + front + many, jname, "3p", "たくさん", english)
    return Noun("these " + front + many, "これら|の|" + jname, "3p", key=english)


def place(rng, kind):
    row = pick(rng, lex.PLACES, kind)
    return row[0], row[1]


def at_place(rng):
    english, japanese = place(rng, "event")
    city = not english.startswith("the ") or any(
        word in english for word in ("kitchen", "garden", "room", "village")
    )
    return ("in " if city else "at ") + english, japanese


def date(rng):
    month = rng.randint(1, 12)
    day = rng.randint(1, 30 if month in (4, 6, 9, 11) else 28 if month == 2 else 31)
    return f"{lex.MONTHS[month - 1]} {day}", f"{kanji(month)}|月|{kanji(day)}|日"


def hour(rng):
    number = rng.randint(1, 12)
    if rng.random() < 0.35:
        return "half past " + lex.NUMBERS[number - 1], kanji(number) + "|時|半"
    return lex.NUMBERS[number - 1] + " o'clock", kanji(number) + "|時"


def when(rng, tense):
    """A time adverbial for a tense: (English, Japanese)."""
    if tense == "present":
        if rng.random() < 0.2:
            day = rng.choice(list(lex.WEEKDAYS))
            return "every " + day, f"毎週|{lex.WEEKDAYS[day]}|曜日に"
        return rng.choice(list(lex.HABITS.items()))
    if tense == "progressive":
        return rng.choice(list(lex.PROGRESSIVE_TIMES.items()))
    draw = rng.random()
    if draw < 0.1:
        day = rng.choice(list(lex.WEEKDAYS))
        return "on " + day, lex.WEEKDAYS[day] + "|曜日に"
    if draw < 0.25:
        english, japanese = date(rng)
        return "on " + english, japanese + "|に"
    if draw < 0.45:
        english, japanese = hour(rng)
        part = rng.random()
        if part < 0.3:
            day, jday = ("tomorrow", "明日") if tense == "future" else ("yesterday", "昨日")
            return f"at {english} {day}", jday + "|の|" + japanese + "|に"
        if part < 0.5:
            half, jhalf = rng.choice([("in the morning", "午前"), ("in the afternoon", "午後")])
            return f"at {english} {half}", jhalf + "|" + japanese + "|に"
        return "at " + english, japanese + "|に"
    if draw < 0.5 and tense == "past":
        year = rng.randint(1950, 2024)
        return f"in {year}", "|".join(DIGITS[int(digit)] for digit in str(year)) + "|年|に"
    return rng.choice(list((lex.FUTURE_TIMES if tense == "future" else lex.PAST_TIMES).items()))
