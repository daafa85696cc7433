#!/usr/bin/env python3
"""Writes loaders/tokenizers/unicode_data_*.cpp: what the reference tokenizers library holds about each code point.

The library links several Unicode versions at once (its regular expressions 16, its letter case 17, its
punctuation 8, its normalization 9), so no single Unicode library reproduces it. Every set is therefore measured on
the library itself, code point by code point; properties that cannot be observed from outside (the classes of
grapheme clusters) come from the `regex` module and are restricted to what was observed.

Recorded with: tokenizers 0.23.3, regex 2026.11.15, Python 3.11.
"""

import argparse
import base64
import json
import pathlib
import struct

import regex
from tokenizers import Regex, normalizers, pre_tokenizers

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
CATEGORIES = "Cn Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co".split()
GRAPHEME = ("other cr lf control extend extend_incb linker zwj regional_indicator prepend spacing_mark l v t lv lvt "
            "pictographic consonant").split()
SCRIPTS = """Adlam Ahom Anatolian_Hieroglyphs Arabic Armenian Avestan Balinese Bamum Bassa_Vah Batak Bengali Bhaiksuki
Bopomofo Brahmi Braille Buginese Buhid Canadian_Aboriginal Carian Caucasian_Albanian Chakma Cham Cherokee Chorasmian
Common Coptic Cuneiform Cypriot Cypro_Minoan Cyrillic Deseret Devanagari Dives_Akuru Dogra Duployan
Egyptian_Hieroglyphs Elbasan Elymaic Ethiopic Garay Georgian Glagolitic Gothic Grantha Greek Gujarati Gunjala_Gondi
Gurmukhi Gurung_Khema Han Hangul Hanifi_Rohingya Hanunoo Hatran Hebrew Hiragana Imperial_Aramaic Inherited
Inscriptional_Pahlavi Inscriptional_Parthian Javanese Kaithi Kannada Katakana Kawi Kayah_Li Kharoshthi
Khitan_Small_Script Khmer Khojki Khudawadi Kirat_Rai Lao Latin Lepcha Limbu Linear_A Linear_B Lisu Lycian Lydian
Mahajani Makasar Malayalam Mandaic Manichaean Marchen Masaram_Gondi Medefaidrin Meetei_Mayek Mende_Kikakui
Meroitic_Cursive Meroitic_Hieroglyphs Miao Modi Mongolian Mro Multani Myanmar Nabataean Nag_Mundari Nandinagari
New_Tai_Lue Newa Nko Nushu Nyiakeng_Puachue_Hmong Ogham Ol_Chiki Ol_Onal Old_Hungarian Old_Italic Old_North_Arabian
Old_Permic Old_Persian Old_Sogdian Old_South_Arabian Old_Turkic Old_Uyghur Oriya Osage Osmanya Pahawh_Hmong Palmyrene
Pau_Cin_Hau Phags_Pa Phoenician Psalter_Pahlavi Rejang Runic Samaritan Saurashtra Sharada Shavian Siddham SignWriting
Sinhala Sogdian Sora_Sompeng Soyombo Sundanese Sunuwar Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le Tai_Tham Tai_Viet
Takri Tamil Tangsa Tangut Telugu Thaana Thai Tibetan Tifinagh Tirhuta Todhri Toto Tulu_Tigalari Ugaritic Vai Vithkuqi
Wancho Warang_Citi Yezidi Yi Zanabazar_Square""".split()


def matched(pattern):
    """Code points that one character of `pattern` matches in the library's regular expressions."""
    splitter = pre_tokenizers.Split(Regex(pattern + "+"), "removed", invert=True)
    found = set()
    for i in range(0, len(CODE_POINTS), 20000):
        chunk = CODE_POINTS[i:i + 20000]
        for _, (begin, end) in splitter.pre_tokenize_str("".join(map(chr, chunk))):
            found.update(chunk[begin:end])
    return found


def known(pattern):
    """Code points with a property according to the `regex` module."""
    compiled = regex.compile(pattern)
    return {c for c in CODE_POINTS if compiled.match(chr(c))}


def where(test):
    return {c for c in CODE_POINTS if test(chr(c))}


def ranges(points):
    out = []
    for c in sorted(points):
        if out and (c == out[-1][1] + 1 or (c == 0xE000 and out[-1][1] == 0xD7FF)):
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def runs(value_of):
    """[(first code point, value)] of a map over all code points; surrogates continue the run before them."""
    out = []
    for c in CODE_POINTS:
        v = value_of(c)
        if not out or out[-1][1] != v:
            out.append((c, v))
    return out


def charsmap(keys):
    """A precompiled_charsmap blob (a Darts double array, then NUL-ended strings) with these rules."""
    strings, offsets, root = b"", {}, {}
    for key, value in keys.items():
        offsets[key] = len(strings)
        strings += value.encode() + b"\0"
        node = root
        for byte in key:
            node = node.setdefault(byte, {})
        node[-1] = offsets[key]
    units = [0] * 256

    def place(node, position):
        base = len(units)
        units.extend([0] * 256)
        units[position] |= (position ^ base) << 10
        if -1 in node:
            units[position] |= 1 << 8
            units[base] = node[-1] | 1 << 31
        for byte, child in node.items():
            if byte >= 0:
                units[base ^ byte] = byte
                place(child, base ^ byte)

    place(root, 0)
    trie = struct.pack(f"<{len(units)}I", *units)
    return struct.pack("<I", len(trie)) + trie + strings


def grapheme_classes(assigned):
    """Extending characters are observed: a cluster of less than six bytes is replaced by its first rule."""
    extends = where(lambda ch, p=normalizers.Precompiled(charsmap({b"a": "b"})): p.normalize_str("a" + ch) == "b")
    prepends = {c for c in known(r"\p{GCB=Prepend}")
                if normalizers.Precompiled(charsmap({chr(c).encode(): "Q"})).normalize_str(chr(c) + "z") == "Q"}
    classes = {}
    layers = [("control", known(r"\p{GCB=Control}") & (assigned | known(r"\p{DI}"))), ("pictographic", known(r"\p{ExtPict}")),
              ("consonant", known(r"\p{InCB=Consonant}") & assigned), ("l", known(r"\p{GCB=L}")),
              ("v", known(r"\p{GCB=V}")), ("t", known(r"\p{GCB=T}")), ("lv", known(r"\p{GCB=LV}")),
              ("lvt", known(r"\p{GCB=LVT}")), ("regional_indicator", known(r"\p{GCB=RI}")), ("prepend", prepends),
              ("extend", extends), ("extend_incb", extends & known(r"\p{InCB=Extend}")),
              ("linker", extends & known(r"\p{InCB=Linker}")), ("spacing_mark", extends & known(r"\p{GCB=SpacingMark}")),
              ("zwj", {0x200D}), ("cr", {0xD}), ("lf", {0xA})]
    for name, points in layers:
        for c in points:
            classes[c] = GRAPHEME.index(name)
    return runs(lambda c: classes.get(c, 0))


def old_scripts():
    """Partition that UnicodeScripts makes; 0 = any script. Representatives are numbered by first appearance."""
    splitter = pre_tokenizers.UnicodeScripts()
    joined = lambda a, b: len(splitter.pre_tokenize_str("." + a + b)) == len(splitter.pre_tokenize_str("." + a))
    guess = {}
    for i, name in enumerate(SCRIPTS):
        for c in known(r"\p{Script=%s}" % name):
            guess[c] = i
    found, representatives, by_guess = {}, [], {}
    any_script = lambda ch: (len(splitter.pre_tokenize_str("a" + ch + "a")) == 1
                             and len(splitter.pre_tokenize_str("\u044f" + ch + "\u044f")) == 1)
    for c in CODE_POINTS:
        ch = chr(c)
        if any_script(ch):
            found[c] = 0
            continue
        likely = by_guess.get(guess.get(c))
        if likely is not None and joined(representatives[likely - 1], ch):
            found[c] = likely
            continue
        for i, r in enumerate(representatives):
            if joined(r, ch):
                found[c] = i + 1
                break
        else:
            representatives.append(ch)
            found[c] = len(representatives)
        by_guess.setdefault(guess.get(c), found[c])
    return runs(lambda c: found[c])


def lower_runs():
    """[(first, last, stride, delta)] of one-to-one lower-case mappings; U+0130 is the only other one."""
    lower = normalizers.Lowercase()
    out = []
    for c in CODE_POINTS:
        mapped = lower.normalize_str(chr(c))
        if mapped == chr(c) or len(mapped) > 1:
            assert len(mapped) == 1 or c == 0x130
            continue
        delta = ord(mapped) - c
        if out and out[-1][3] == delta and (out[-1][0] == out[-1][1] or c - out[-1][1] == out[-1][2]) \
                and c - out[-1][1] <= 2:
            out[-1][2] = c - out[-1][1]
            out[-1][1] = c
        else:
            out.append([c, c, 1, delta])
    return out


def fold_pairs():
    """[(first, last, stride, delta)]: code points c, d = c + delta that match each other under (?i)."""
    lower, pairs = normalizers.Lowercase(), {}
    candidates = {c for c in CODE_POINTS if chr(c).lower() != chr(c) or chr(c).upper() != chr(c)
                  or lower.normalize_str(chr(c)) != chr(c)}
    groups = {}
    for c in candidates:
        groups.setdefault(chr(c).casefold() if len(chr(c).casefold()) == 1 else chr(c).lower(), set()).add(c)
    for key, members in groups.items():
        if len(key) == 1:
            members.add(ord(key))
    out = []
    for members in groups.values():
        for c in members:
            splitter = pre_tokenizers.Split(Regex("(?i:%s)" % ("\\x{%X}" % c)), "removed", invert=True)
            for d in members:
                if d != c and splitter.pre_tokenize_str(chr(d)):
                    out.append((c, d))
    merged = []
    for c, d in sorted(out, key=lambda p: (p[1] - p[0], p[0])):
        if merged and merged[-1][3] == d - c and 0 < c - merged[-1][1] <= 2 \
                and (merged[-1][0] == merged[-1][1] or c - merged[-1][1] == merged[-1][2]):
            merged[-1][2] = c - merged[-1][1]
            merged[-1][1] = c
        else:
            merged.append([c, c, 1, d - c])
    return merged


def words(values, per_line=10):
    lines = [", ".join(values[i:i + per_line]) for i in range(0, len(values), per_line)]
    return "    " + ",\n    ".join(lines) + ",\n"


def array(name, type_name, values, per_line=10):
    return f"const {type_name} {name}[] = {{\n{words(values, per_line)}}};\nconst std::size_t {name}Count = std::size({name});\n"


HEAD = """// Made by tests/goldens/make_unicode_tables.py with tokenizers 0.23.3; do not edit.
// clang-format off
#include "loaders/tokenizers/unicode_data.h"

#include <iterator>

namespace attend::unicode_data {

"""
TAIL = "\n}  // namespace attend::unicode_data\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path,
                        default=pathlib.Path(__file__).parents[2] / "loaders" / "tokenizers")
    out = parser.parse_args().out
    packed = lambda items, bits: [f"0x{c << bits | v:X}" for c, v in items]
    flat = lambda points: [f"0x{x:X}" for r in ranges(points) for x in r]

    category = {}
    for i, name in enumerate(CATEGORIES):
        for c in matched(r"\p{%s}" % name):
            category[c] = i
    of = lambda *names: {c for c, v in category.items() if CATEGORIES[v] in names or CATEGORIES[v][0] in names}
    text = HEAD + "// General categories of Unicode 16: first code point << 5 | category.\n"
    text += array("kCategories", "std::uint32_t", packed(runs(lambda c: category[c]), 5), 11)
    (out / "unicode_data_categories.cpp").write_text(text + TAIL)

    script = {}
    for i, name in enumerate(SCRIPTS):
        for c in matched(r"\p{%s}" % name):
            script[c] = i + 1
    text = HEAD + "// Scripts of Unicode 16: first code point << 8 | index into kScriptNames, 0 = unknown.\n"
    text += array("kScriptNames", "std::string_view", ['""'] + [f'"{n.lower().replace("_", "")}"' for n in SCRIPTS], 6)
    text += array("kScripts", "std::uint32_t", packed(runs(lambda c: script.get(c, 0)), 8), 10)
    (out / "unicode_data_scripts.cpp").write_text(text + TAIL)

    text = HEAD + "// Runs of one script as the UnicodeScripts pre-tokenizer sees them, 0 = goes with its neighbours.\n"
    text += array("kSplitScripts", "std::uint32_t", packed(old_scripts(), 8), 11)
    (out / "unicode_data_split_scripts.cpp").write_text(text + TAIL)

    assigned17 = {c for c in CODE_POINTS if not regex.match(r"\p{Cn}", chr(c))}
    text = HEAD + "// Classes of grapheme clusters: first code point << 5 | GraphemeClass.\n"
    text += array("kGraphemes", "std::uint32_t", packed(grapheme_classes(assigned17), 5), 11)
    (out / "unicode_data_graphemes.cpp").write_text(text + TAIL)

    bert = lambda **on: normalizers.BertNormalizer(**{**dict(clean_text=False, handle_chinese_chars=False,
                                                             strip_accents=False, lowercase=False), **on})
    clean, accents, nfd, nfkd = bert(clean_text=True), bert(strip_accents=True), normalizers.NFD(), normalizers.NFKD()
    strip = normalizers.StripAccents()
    digits = pre_tokenizers.Digits(True)
    punctuation = set(CODE_POINTS)
    for i in range(0, len(CODE_POINTS), 20000):
        chunk = CODE_POINTS[i:i + 20000]
        for _, (b, e) in pre_tokenizers.Punctuation("removed").pre_tokenize_str("".join(map(chr, chunk))):
            punctuation.difference_update(chunk[b:e])
    sets = {
        "OtherAlphabetic": matched("[[:alpha:]]") - of("L", "Nl"),
        "OtherLowercase": matched("[[:lower:]]") - of("Ll"),
        "OtherUppercase": matched("[[:upper:]]") - of("Lu"),
        "Punctuation": punctuation,
        "CleanedText": where(lambda ch: clean.normalize_str("a" + ch + "b") == "ab"),
        "Accents": where(lambda ch: strip.normalize_str("a" + ch + "b") == "ab"),
        "BertAccents": where(lambda ch: accents.normalize_str("a" + ch + "b") == "ab"),
        "Numeric": where(lambda ch: len(digits.pre_tokenize_str("a" + ch + "a")) == 3),
        "Normalizable": where(lambda ch: nfkd.normalize_str(ch) != ch or ch == "\u0345"
                              or nfd.normalize_str("a\u0345" + ch) == "a" + ch + "\u0345"),
        "Emoji": matched(r"\p{Emoji}"), "ExtendedPictographic": matched(r"\p{Extended_Pictographic}"),
    }
    comments = {
        "Numeric": "Rust's char::is_numeric, Unicode 17.", "Punctuation": "ASCII punctuation and P of Unicode 8.",
        "CleanedText": "What BertNormalizer's clean_text drops.", "Accents": "What StripAccents drops.",
        "BertAccents": "What BertNormalizer's strip_accents drops.",
        "Normalizable": "Decomposes, or has a combining class, in Unicode 9.",
    }
    text = HEAD
    for name, points in sets.items():
        text += f"// {comments.get(name, 'Unicode 16.')} First and last code point of each range.\n"
        text += array("k" + name, "std::uint32_t", flat(points), 12) + "\n"
    (out / "unicode_data_sets.cpp").write_text(text + TAIL)

    quads = lambda items: [f"{{0x{a:X}, 0x{b:X}, {s}, {d}}}" for a, b, s, d in items]
    text = HEAD + "// Lower case, Unicode 17: first, last, stride, difference. U+0130 has two characters and is not here.\n"
    text += array("kLower", "CaseRun", quads(lower_runs()), 4)
    text += "\n// Code points that (?i) takes for each other, both ways.\n" + array("kFolds", "CaseRun", quads(fold_pairs()), 4)
    (out / "unicode_data_case.cpp").write_text(text + TAIL)


if __name__ == "__main__":
    main()
