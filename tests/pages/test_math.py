"""Formulas in answers: shown as MathML, harmless whoever wrote them, and bounded in time."""

import time

import pytest

from pages.prose import to_html


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("It is $x^2$.", '<math display="inline"><mrow><msup><mi>x</mi><mn>2</mn></msup></mrow></math>.'),
        (r"It is \(x^2\).", "<msup><mi>x</mi><mn>2</mn></msup>"),
        (r"$$\sum_{i=1}^n i$$", '<math display="block"><mrow><munderover><mo>∑</mo>'),
        ("so:\n\\[\na\n+ b\n= c\n\\]\nend", "<mi>a</mi><mo>+</mo><mi>b</mi><mo>=</mo><mi>c</mi>"),
        ("> $$\n> x\n> - y\n> $$", "<mi>x</mi><mo>−</mo><mi>y</mi>"),
        (r"$$\begin{aligned}a&=b\\c&=d\end{aligned}$$", "<mtable>"),
        (r"$\begin{pmatrix}a&b\end{pmatrix}$", "<mtd><mi>a</mi></mtd><mtd><mi>b</mi></mtd>"),
        ("the $n$th", "</math>th"),
        ("$a<b$", "<mo>&lt;</mo>"),
    ],
)
def test_formulas_are_mathml(text: str, part: str) -> None:
    assert part in to_html(text)


@pytest.mark.parametrize(
    "text",
    [
        "It costs $5 and $10.",
        "It costs $5 or 10$ in all.",
        "from US$5 to US$10, $20/month or $200/year",
        "$PATH:$HOME and ${a}${b}",
        r"\$x\$ and \$y\$",
        "`$x$`",
        "```\n$$x$$\n```",
        "    $$x$$",
        r"\[see the notes\]",
        "$ x $",
        "$$ $$",
        r"$\frac{$",
        r"$\nosuchcommand x$",
        "$x^2^3$",
        "$" + "x" * 2_001 + "$",
        "$" + "{" * 999 + "}" * 999 + "$",
    ],
)
def test_prices_names_code_and_broken_formulas_stay_as_they_are(text: str) -> None:
    assert "<math" not in to_html(text)


def test_a_broken_formula_is_shown_as_it_was_written() -> None:
    assert to_html(r"It is $\frac{a<b}{$, *so*.").strip() == r"<p>It is $\frac{a&lt;b}{$, <em>so</em>.</p>"


@pytest.mark.parametrize(
    "formula",
    [
        r"\href{javascript:alert(1)}{x}",
        r"\text{<script>alert(1)</script>}",
        r"\mbox{<img src=x onerror=alert(1)>}",
        r"\text{\text{<svg onload=alert(1)>}}",
        r"\operatorname{<script>alert(1)</script>}",
        r"\style{position:fixed}{x}",
        r"\color{red} x",
        r"\color{red\" onclick=\"alert(1)}{x}",
        r"\begin{matrix}<script>alert(1)</script>\end{matrix}",
        r"x</math><script>alert(1)</script>",
        r"\tag{<iframe src=//e.org>} x",
        r"\hspace{100em} x",
        r"\hspace{-100em} x",
        r"\rule{100em}{100em}",
        r"\begin{array}{<b>}x\end{array}",
        r"\class{btn}{x} \id{send}{x}",
    ],
)
@pytest.mark.parametrize("form", ["${}$", "$${}$$", "\\({}\\)", "\\[{}\\]"])
def test_no_formula_can_do_anything(form: str, formula: str) -> None:
    html = to_html(form.replace("{}", formula))
    for start in html.split("<")[1:]:
        tag = start.split(">")[0].lower()
        assert tag.split()[0].strip("/") in {"p", "math", "br"} or tag.lstrip("/")[0] == "m", tag
        for word in (" on", "style=", "href", "javascript", "class=", " id=", "color", "100em", "src="):
            assert word not in tag


@pytest.mark.parametrize(
    "part", ["$", "$$ ", "$a", "$a$ ", "$$a\n", "$$a\n# h\n", "\\(", "\\[\n", "- $$a\n", "$\\$", "$x_1^2$ ", "$$x\n\n"]
)
def test_a_long_text_of_signs_takes_no_time(part: str) -> None:
    started = time.perf_counter()
    to_html(part * (100_000 // len(part)))
    assert time.perf_counter() - started < 20  # under a second; what is refused here takes minutes
