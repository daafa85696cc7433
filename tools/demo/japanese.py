"""Japanese morphology: numbers, verbs, adjectives, the copula. "|" stands between morphemes."""

DIGITS = "〇一二三四五六七八九"


def plain(japanese):
    return japanese.replace("|", "")


def kanji(number):
    """345 as 三百四十五."""
    text = ""
    for value, sign in ((10000, "万"), (1000, "千"), (100, "百"), (10, "十")):
        count, number = divmod(number, value)
        if count:
            text += (
                (kanji(count) if count > 9 else "" if count == 1 and value < 10000 else DIGITS[count] + "|")
                + sign
                + "|"
            )
    return (text + (DIGITS[number] if number else "")).strip("|") or DIGITS[0]


def join(*parts):
    """Japanese parts, empty ones left out."""
    return "|".join(part for part in parts if part)


GODAN = {
    "う": "いってわ",
    "く": "きいてか",
    "す": "ししてさ",
    "つ": "ちってた",
    "ぬ": "にんでな",
    "む": "みんでま",
    "ぶ": "びんでば",
    "る": "りってら",
    "ぐ": "ぎいでが",
}


def stem(verb, form):
    """The stem of verb = (dictionary form, class): "i" before masu, "te" (or "ta"), "a" before nai."""
    text, kind = verb
    if kind == "s":
        return text[:-2] + "し" + {"te": "|て", "ta": "|た"}.get(form, "")
    if kind in "ik":
        return ("来" if kind == "k" else text[:-1]) + {"te": "|て", "ta": "|た"}.get(form, "")
    endings = GODAN[text[-1]]
    if form == "i":
        return text[:-1] + endings[0]
    if form == "a":
        return text[:-1] + endings[3]
    sound, mark = ("っ", "て") if text == "行く" else (endings[1], endings[2])
    return text[:-1] + sound + "|" + (mark if form == "te" else {"て": "た", "で": "だ"}[mark])


def dictionary(verb):
    return verb[0]


def polite(verb, tense, negative):
    if tense.endswith("progressive"):
        base = stem(verb, "te") + "|い"
    else:
        base = stem(verb, "i")
    if tense.startswith("past"):
        return base + ("|ませんでした" if negative else "|ました")
    return base + ("|ません" if negative else "|ます")


def casual(verb, tense, negative):
    """The plain form, which also stands inside longer sentences."""
    if tense.endswith("progressive"):
        base = stem(verb, "te")
        endings = {(0, 0): "|いる", (0, 1): "|い|ない", (1, 0): "|い|た", (1, 1): "|い|なかった"}
        return base + endings[tense.startswith("past"), negative]
    if negative:
        return stem(verb, "a") + ("|なかった" if tense == "past" else "|ない")
    return stem(verb, "ta") if tense == "past" else dictionary(verb)


def describe(adjective, tense, negative, style="polite"):
    """A predicate adjective: 高いです, 高くなかったです, 静かではありません; style "plain": 高い, 静かだ."""
    past = tense == "past"
    if adjective.endswith("い"):
        base = adjective[:-1]
        text = (
            base + ("く|なかった" if past else "く|ない")
            if negative
            else base + "かった"
            if past
            else adjective
        )
        return text + ("|です" if style == "polite" else "")
    base = adjective[:-1] if adjective.endswith("な") else adjective
    return base + copula(tense, negative, style)


def copula(tense, negative, style="polite"):
    past = tense == "past"
    if style == "polite":
        if negative:
            return "|では|ありません" + ("でした" if past else "")
        return "|でした" if past else "|です"
    if negative:
        return "|じゃ|なかった" if past else "|じゃ|ない"
    return "|だった" if past else "|だ"
