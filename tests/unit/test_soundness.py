from __future__ import annotations

import random

import numpy as np
import pytest

from ingest.parse.pdf_lines import LINE_HYPHEN, Line
from ingest.parse.pdfium import Glyphs
from ingest.parse.soundness import NO_LAYER, Layer, Verdict, judge, likeness

PROSE = (
    "The committee met on 4 March and agreed to replace both pumps (TX-200) before the summer; "
    "the costs of 48,200.50 euros, i.e. 12% of the budget, are shared between two departments."
)


def line(text: str) -> Line:
    quads = np.tile([10.0, 10.0, 15.0, 20.0], (len(text), 1))
    return Line(
        text=text, boxes=quads, x0=10, y0=10, x1=15, y1=20, size=10, bold=False, upright=True
    )


def layer(text: str, *, codes: str | None = None, pictured: float = 0.0) -> Layer:
    written = codes if codes is not None else text
    points = np.array([ord(char) for char in written], np.uint32)
    glyphs = Glyphs(
        codes=points,
        boxes=np.tile([10.0, 10.0, 15.0, 20.0], (len(points), 1)),
        written=np.ones(len(points), np.bool_),
        bold=np.zeros(len(points), np.bool_),
        width=600.0,
        height=800.0,
    )
    return judge(glyphs, [line(text)] if text else [], pictured)


@pytest.mark.parametrize(
    "text",
    [
        PROSE,
        "Inhaltsverzeichnis\n1 Größe und Maß . . . . . . . . . 12\n2 Prüfung ............ 14",
        "Umsatz 2023 2024\nDeutschland 1.204,5 1.310,0\nSonstige (12,5) -3,1 %\nSumme € 2.501,4",
        "Der Prüf" + LINE_HYPHEN + "\nbericht über die Leistungs" + LINE_HYPHEN + "\nprüfung",
        "本公司于2024年5月发现，批次号为SK-2311的机械密封磨损过快。",  # noqa: RUF001
        "يجب على المورد استبدال جميع المضخات قبل الصيف",
        "Насосы заменены до лета, стоимость 48 200 евро",
        "Page 7",
    ],
)
def test_text_of_any_language_and_kind_is_sound(text: str) -> None:
    assert layer(text).verdict is Verdict.SOUND


def test_shifted_private_and_unmapped_characters_are_garbled() -> None:
    shifted = "".join(chr(ord(char) - 29) if char > "=" else char for char in PROSE)
    private = "".join(chr(0xF000 + ord(char)) for char in PROSE)
    lost = "".join("\x03" if n % 3 else char for n, char in enumerate(PROSE))
    for text, codes in ((shifted, shifted), (private, private), (PROSE[::3], lost), ("", lost)):
        assert layer(text, codes=codes).verdict is Verdict.GARBLED


def test_likeness_falls_with_every_letter_that_is_mistaken() -> None:
    generator = random.Random(5)

    def noisy(share: float) -> str:
        return "".join(
            generator.choice("|~^}{$&#@") if char != " " and generator.random() < share else char
            for char in PROSE * 5
        )

    scores = [likeness(noisy(share)) for share in (0.0, 0.05, 0.15, 0.4)]
    assert scores[0] == 1.0
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] < 0.5


def test_recognized_text_replaces_only_what_is_worse() -> None:
    recognized = [line(PROSE)]
    assert layer("").verdict is Verdict.MISSING
    assert NO_LAYER.is_worse_than(recognized)
    assert not NO_LAYER.is_worse_than([])
    stamped = layer("Stamped 0017", pictured=0.9)
    assert stamped.verdict is Verdict.SPARSE
    assert stamped.is_worse_than(recognized)
    assert not stamped.is_worse_than([line("Stamped 0017 a b c")])
    garbled = layer("", codes="\x03" * 200)
    assert garbled.is_worse_than(recognized)
    formulas = layer("x^2 ~ {y|y} #1 \\a $b$ [c] @@ &d |e| ^f ~g" * 3)
    assert formulas.verdict is Verdict.GARBLED
    assert not formulas.is_worse_than([line("x? ~ fyly} #1 \\a $b$")])
