#!/usr/bin/env python3
"""Writes unicode_table.c to standard output: make-unicode-table.py > unicode_table.c

The properties of every code point are read off Hugging Face `tokenizers` itself, by giving it each one, because the
libraries it is built of mix several versions of Unicode. Needs `tokenizers` (pip install tokenizers)."""
import tokenizers
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

POINTS = [p for p in range(0x110000) if not 0xD800 <= p < 0xE000]
BLOCK = 128  # code points
REMOVED, SPACE, CJK, MARK, PUNCTUATION, WORD, DECOMPOSES, LOWERS = (1 << bit for bit in range(6, 14))


def bert(**steps):
    off = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**{**off, **steps}).normalize_str


def changed(normalize):
    """What each code point becomes, where it becomes something else."""
    return {p: after for p in POINTS if (after := normalize(chr(p))) != chr(p)}


def single_words():
    """The code points that keep a token next to them from being a word of its own."""
    tokenizer = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
    tokenizer.add_tokens([AddedToken("~~", single_word=True, normalized=False)])
    return {p for p in POINTS if len(tokenizer.encode(chr(p) + "~~").ids) == 1}


def combining_ranks(nfd):
    """The order in which canonical ordering puts combining characters: 0 for those that it does not move, else from 1
    up. Ranks stand for the canonical combining classes, which are known only by their order."""
    lowest, highest = "\u0334", "\u0345"  # classes 1 and 240
    moves = [p for p in POINTS if nfd(chr(p)) == chr(p)
             and (nfd(chr(p) + lowest) != chr(p) + lowest or nfd(highest + chr(p)) != highest + chr(p))]
    classes = []  # one code point of each class, lowest first
    ranks = {}
    for point in moves + [ord(lowest)]:
        after = [k for k, other in enumerate(classes) if nfd(other + chr(point)) != other + chr(point)]
        before = [k for k, other in enumerate(classes) if nfd(chr(point) + other) != chr(point) + other]
        if len(after) + len(before) == len(classes):
            classes.insert(len(before), chr(point))
    for point in moves + [ord(lowest)]:
        ranks[point] = 1 + sum(nfd(chr(point) + other) != chr(point) + other for other in classes)
    return ranks


def rows(values, form, across):
    for i in range(0, len(values), across):
        yield "\t" + " ".join(form(value) + "," for value in values[i:i + across])


def table(kind, name, values, form=str, across=24):
    return [f"const {kind} {name}[] = {{", *rows(values, form, across), "};", ""]


def mapping(name, changes):
    """Sorted code points, and the code points that each becomes, packed one after the other."""
    entries, pool = [], []
    for point, after in sorted(changes.items()):
        entries.append(f"{{{point:#x},{len(pool)},{len(after)}}}")
        pool += [ord(character) for character in after]
    return (table("struct unicode_mapping", f"unicode_{name}", entries, across=6)
            + table("uint32_t", f"unicode_{name}_to", pool, hex, 14)
            + [f"const size_t unicode_{name}_count = {len(entries)};", ""])


def main():
    nfd = normalizers.NFD().normalize_str
    cleaned, spaced = changed(bert(clean_text=True)), changed(bert(handle_chinese_chars=True))
    stripped, lowered, decomposed = changed(bert(strip_accents=True)), changed(bert(lowercase=True)), changed(nfd)
    split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    pieces = {p: len(split(f"a{chr(p)}b")) for p in POINTS}
    ranks, words = combining_ranks(nfd), single_words()

    flags = {}
    for p in POINTS:
        flags[p] = (ranks.get(p, 0)
                    | (REMOVED if cleaned.get(p) == "" else 0)
                    | (SPACE if pieces[p] == 2 else 0)
                    | (CJK if p in spaced else 0)
                    | (MARK if stripped.get(p) == "" else 0)
                    | (PUNCTUATION if pieces[p] == 3 else 0)
                    | (WORD if p in words else 0)
                    | (DECOMPOSES if p in decomposed else 0)
                    | (LOWERS if p in lowered else 0))

    # What the C code takes for granted.
    marks = {p for p in POINTS if flags[p] & MARK}
    assert max(ranks.values()) < 64
    for p in POINTS:
        assert cleaned.get(p, " ") in ("", " ") and (cleaned.get(p) == " ") <= bool(flags[p] & SPACE)
        assert p not in spaced or spaced[p] == f" {chr(p)} "
        plain = decomposed.get(p, chr(p))
        assert stripped.get(p, chr(p)) == "".join(c for c in plain if ord(c) not in marks)
        if 0xAC00 <= p < 0xD7A4:
            syllable = p - 0xAC00
            jamo = [0x1100 + syllable // 588, 0x1161 + syllable % 588 // 28, 0x11A7 + syllable % 28]
            assert plain == "".join(map(chr, jamo[:3 if syllable % 28 else 2]))

    blocks, index = {}, []
    for base in range(0, 0x110000, BLOCK):
        block = tuple(flags.get(p, 0) for p in range(base, base + BLOCK))
        index.append(blocks.setdefault(block, len(blocks)))
    values = [value for block in blocks for value in block]
    syllables = range(0xAC00, 0xD7A4)
    decompositions = {p: after for p, after in decomposed.items() if p not in syllables}

    lines = [f"/* Made by make-unicode-table.py from tokenizers {tokenizers.__version__}; not to be edited. */",
             '#include "text/unicode.h"', ""]
    lines += table("uint16_t", "unicode_block_of", index)
    lines += table("uint16_t", "unicode_block", values, lambda value: f"{value:x}" if value < 10 else hex(value), 16)
    lines += mapping("decomposition", decompositions)
    lines += mapping("lowercase", lowered)
    print("\n".join(lines).rstrip())


main()
