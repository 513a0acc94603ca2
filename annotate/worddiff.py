"""Words of a text, and how many of them an edit changed.

The cost of an edit in PRELUDE (Gao et al. 2024, 2404.15269, section 2) is the Levenshtein distance over word tokens of
draft and edit, unnormalised: inserting, deleting and replacing a word cost 1 each.

The page shows the cost while a person types, so static/js/worddiff.js has the same rule and has to agree in every
case. Unicode properties would not do: Python and the browser know different versions of Unicode. The classes below are
plain ranges of code points instead, word for word the same text in both files (tests/annotate/test_worddiff.py and
tests/e2e/test_worddiff.py hold that). What is a token:

1. Two regional indicators: a flag.
2. A symbol, a punctuation mark, an emoji, or a character of a script that puts no spaces between words (Han, kana,
   Thai, Lao, Khmer, Myanmar), with the marks that combine with it. A zero-width joiner joins such characters.
3. A run of anything else but space: letters of all other scripts with their marks, digits, and what Unicode adds
   later. An apostrophe between two such runs belongs to the word: "don't" is one token.

Space, line ends, zero-width spaces and the invisible marks of direction are no tokens, so that changing only these
costs 0. Case and composition count: nothing is normalised.
"""

import re
from collections.abc import Sequence

SPACE = "9-D 20 85 A0 1680 2000-200B 200E-200F 2028-202F 205F-2060 2066-2069 3000 FEFF"
SYMBOL = (
    "21-2F 3A-40 5B-60 7B-7E A1-A9 AB-AC AE-B1 B4 B6-B8 BB BF D7 F7 37E 387 55A-55F 589-58A 5BE 5C0 5C3 5C6 5F3-5F4 "
    "60C-60D 61B 61E-61F 66A-66D 6D4 700-70D 964-965 970 DF4 F04-F14 F3A-F3D FBE-FC5 104A-104F 10FB 1360-1368 1400 "
    "166D-166E 169B-169C 16EB-16ED 17D4-17DB 1800-180A 2010-2027 2030-205E 207A-207E 208A-208E 20A0-20CF 2100-214F "
    "2190-245F 2500-2BFF 2E00-2E7F 3001-3003 3008-3020 3030 303D-303F 30A0 30FB A4FE-A4FF A60D-A60F "
    "A874-A877 A8CE-A8CF A92E-A92F FD3E-FD3F FE10-FE19 FE30-FE6F FF01-FF0F FF1A-FF20 FF3B-FF40 FF5B-FF65 FFE0-FFEF "
    "FFFC-FFFD 1F000-1FAFF"
)
SINGLE = (
    "E00-EFF 1000-109F 1780-17FF 19E0-19FF 2E80-2FDF 3005-3007 3021-3029 3031-303C 3041-30FF 3100-312F 31A0-33FF "
    "3400-4DBF 4E00-9FFF A9E0-A9FF AA60-AA7F F900-FAFF FF66-FF9F 1AFF0-1B16F 20000-3FFFF"
)
MARK = (
    "300-36F 483-489 E31 E34-E3A E47-E4E EB1 EB4-EBC EC8-ECE 102B-103E 1056-1059 105E-1060 1062-1064 1067-106D "
    "1071-1074 1082-108D 108F 109A-109D 17B4-17D3 17DD 1AB0-1AFF 1DC0-1DFF 20D0-20FF 302A-302F 3099-309A FE00-FE0F "
    "FE20-FE2F FF9E-FF9F 1F3FB-1F3FF E0000-E01EF"
)


def ranges(table: str) -> str:
    """The inside of a character class: "9-D 20" becomes \\U00000009-\\U0000000D\\U00000020."""
    return "".join("-".join(f"\\U{int(end, 16):08X}" for end in part.split("-")) for part in table.split())


ALONE = f"[{ranges(SYMBOL)}{ranges(SINGLE)}][{ranges(MARK)}]*"
WORD = f"[^{ranges(SPACE)}{ranges(SYMBOL)}{ranges(SINGLE)}]+"
TOKEN = re.compile(f"[\\U0001F1E6-\\U0001F1FF]{{2}}|{ALONE}(?:\\u200D(?:{ALONE})?)*|{WORD}(?:['\\u2019]{WORD})*")


def words(text: str) -> list[str]:
    """The tokens of a text in order."""
    return TOKEN.findall(text)


def distance(before: Sequence[str], after: Sequence[str]) -> int:
    """Levenshtein distance between two sequences of tokens.

    Myers 1999 as simplified by Hyyrö 2003: a column of the table is two integers of as many bits as there are tokens.
    Python's integers have any length, so 5,000 tokens against 5,000 take some 10 ms without a compiled library.
    """
    start, end = 0, 0
    shorter = min(len(before), len(after))
    while start < shorter and before[start] == after[start]:
        start += 1
    while end < shorter - start and before[-1 - end] == after[-1 - end]:
        end += 1
    a, b = before[start : len(before) - end], after[start : len(after) - end]
    if not a or not b:
        return len(a) + len(b)
    return distance_of_different(a, b)


def distance_of_different(a: Sequence[str], b: Sequence[str]) -> int:
    places: dict[str, int] = {}
    for place, token in enumerate(a):
        places[token] = places.get(token, 0) | 1 << place
    mask, last = (1 << len(a)) - 1, 1 << (len(a) - 1)
    rises, falls, cost = mask, 0, len(a)  # where the column goes up and down by one from a row to the next
    for token in b:
        same = places.get(token, 0)
        vertical = same | falls
        horizontal = (((same & rises) + rises) ^ rises) | same
        up = falls | ~(horizontal | rises) & mask
        down = rises & horizontal
        cost += bool(up & last) - bool(down & last)
        up = up << 1 | 1
        rises = (down << 1 | ~(vertical | up)) & mask
        falls = up & vertical & mask
    return cost


def cost_of_edit(draft: str, edit: str) -> int:
    """Words changed."""
    return distance(words(draft), words(edit))
