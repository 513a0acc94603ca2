"""The page's words and costs are the server's, in Chromium, on texts that people and tests of Unicode come up with."""

import json
import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from annotate.worddiff import cost_of_edit, words

SCRIPT = Path(__file__).parents[2] / "static" / "js" / "worddiff.js"
NASTY = (
    "",
    " ",
    "a",
    "don't",
    "’tis ’ '' a'b'c ''",
    "cafe\u0301 café e\u0301\u0323",
    "\u0301alone",
    "👩\u200d💻👩🏽\u200d❤\ufe0f\u200d👨",
    "\u200d\u200d👍\u200d x",
    "👍🏽🏽",
    "🇩🇪🇫🇷🇫",
    "🏴\U000e0067\U000e0062\U000e0065\U000e007f",
    "1\ufe0f\u20e3 ©\ufe0f",
    "東京タワー、行く？",
    "か\u3099ｶﾞ々〆",
    "𠮷野家\U0003ffff",
    "สวัสดีครับผม",
    "ສະບາຍດີ",
    "မင်္ဂလာပါ",
    "សួស្តី",
    "한국어 문장\u1112\u1161\u11ab",
    "مَرْحَبًا، يا عالم؟",
    "می\u200cخواهم",
    "\u202bשלום\u202c עולם",
    "हिन्दी है। क्\u200dष",
    "a\r\nb\rc\nd\x85e\u2028f",
    "a\u00a0b\u202fc\u3000d\u200be\ufefff\u2060g",
    "x\u00adyz",
    "\ud83d",
    "\udc00\ud83d a",
    "\U0010ffff\uffff\ufdd0",
    "İIıi ﬁ ß ẞ",
    "\u0378\u05ff\U0001fbff",
    "$3.50, 7 % — ‘ok’ … ₿ № ™ ½ x² ∑ → █",
    "Z̷̢͓a̸l̵g̶o̷",
    "\x00\x07\x1b",
    "~!@#^&*()_+`-={}|[]\\:\";'<>?,./",
)


@pytest.fixture(scope="module")
def tell(browser: Browser) -> Any:
    """tell(code, argument) runs code in a page that has the module as `diff`."""
    page = browser.new_page()
    page.set_content("<title>words</title>")
    page.evaluate(
        """async (source) => {
            window.diff = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
        }""",
        SCRIPT.read_text(),
    )
    # lone surrogates pass only as escapes
    yield lambda code, argument: json.loads(
        page.evaluate(f"json => JSON.stringify(({code})(JSON.parse(json)))", json.dumps(argument))
    )
    page.close()


def random_texts(count: int) -> list[str]:
    draw = random.Random(20)
    letters = [*"".join(NASTY), *" \n'’.", "\u200d", "\ufe0f", "\u0301"]
    return [
        "".join(
            draw.choice(letters) if draw.random() < 0.9 else chr(draw.randrange(draw.choice((0x3000, 0x110000))))
            for _ in range(draw.randrange(60))
        )
        for _ in range(count)
    ]


def joined(text: str) -> str:
    """As the browser reads it: two surrogates beside each other are one character."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def test_both_see_the_same_words_and_costs(tell: Any) -> None:
    texts = [joined(text) for text in [*NASTY, *random_texts(600)]]
    assert tell("texts => texts.map(diff.words)", texts) == [words(text) for text in texts]
    pairs = list(pairwise(texts))
    assert tell("pairs => pairs.map(([a, b]) => diff.costOfEdit(a, b))", pairs) == [
        cost_of_edit(a, b) for a, b in pairs
    ]


def test_both_sort_every_character_alike(tell: Any) -> None:
    """Where a character stands between letters, where a mark belongs and what joins decide its class."""
    for start in range(0, 0x110000, 0x8000):
        text = "".join(f"a{chr(code)}b 。{chr(code)} " for code in range(start, start + 0x8000))
        text = joined(text)
        assert tell("text => diff.words(text)", text) == words(text), hex(start)


def test_costs_of_long_edits_are_the_same(tell: Any) -> None:
    draw = random.Random(3)
    draft = [f"w{draw.randrange(300)}" for _ in range(1_500)]
    pairs = [(draft, draft[200:] + draft[:200])]
    for share in (0.01, 0.2, 0.9):
        pairs.append((draft, [word if draw.random() > share else f"w{draw.randrange(300)}" for word in draft]))
        pairs.append((draft, [word for word in draft if draw.random() > share]))
    texts = [(" ".join(a), " ".join(b)) for a, b in pairs]
    assert tell("pairs => pairs.map(([a, b]) => diff.costOfEdit(a, b))", texts) == [
        cost_of_edit(a, b) for a, b in texts
    ]


def test_the_pieces_give_both_texts_back(tell: Any) -> None:
    texts = [joined(text).strip() for text in [*NASTY, *random_texts(200)]]
    pairs = list(pairwise(texts))
    for (before, after), found in zip(
        pairs, tell("pairs => pairs.map(([a, b]) => diff.pieces(a, b))", pairs), strict=True
    ):
        old = [word for piece in found["pieces"] if piece["kind"] != "ins" for word in words(piece["text"])]
        new = [word for piece in found["pieces"] if piece["kind"] != "del" for word in words(piece["text"])]
        assert (old, new) == (words(before), words(after))
        assert found["cost"] == cost_of_edit(before, after)


def test_a_long_text_is_compared_between_two_keystrokes(tell: Any) -> None:
    """Not a measurement: 2,000 words that all changed are far from the many seconds that a slip would cost."""
    texts = (" ".join(f"a{n}" for n in range(2_000)), " ".join(f"b{n}" for n in range(2_000)))
    took = tell("([a, b]) => { const t = performance.now(); diff.pieces(a, b); return performance.now() - t; }", texts)
    assert took < 5_000
    print(f"{took:.0f} ms")
