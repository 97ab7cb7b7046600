"""Texts in stretches: nothing lost, nothing too long, and stable where nothing changes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from rag.analysis.stretches import Stretch, stretches
from rag.models.tokens import size
from rag.types import Block, BlockKind

TEXTS = st.text(
    st.sampled_from("ab .,\n\n#é世\U0001f600") | st.characters(exclude_categories=()), max_size=400
)


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.integers(40, 200))
def test_all_of_a_text_is_in_stretches_that_fit(text: str, room: int) -> None:
    found = stretches(text, (), room=room)
    covered = "".join(text[one.start : one.end] for one in found)
    assert "".join(covered.split()) == "".join(text.split())
    for before, one in zip([None, *found], found, strict=False):
        assert before is None or before.end <= one.start
        assert one.carried <= one.start < one.end
        assert size(text[one.carried : one.end]) <= room


def paragraph(number: int, words: int = 40) -> str:
    return " ".join(f"w{number}x{place * 7 % 13}" for place in range(words)) + f" end {number}."


def shown(text: str, found: list[Stretch]) -> list[str]:
    return [text[one.carried : one.end] for one in found]


def test_a_change_in_one_place_leaves_the_other_stretches_as_they_were() -> None:
    parts = [paragraph(number) for number in range(2_000)]
    before = "\n\n".join(parts)
    old = shown(before, stretches(before, (), room=2_000))
    assert 200 < len(old) < 600
    for place in range(100, 1_900, 180):
        changed = [*parts[:place], paragraph(9_000_000 + place, 43), *parts[place + 1 :]]
        after = "\n\n".join(changed)
        new = shown(after, stretches(after, (), room=2_000))
        # The one that changed, and the next where it is carried over into that.
        assert 1 <= len(set(new) - set(old)) <= 2


def test_headings_begin_stretches_and_tables_stay_whole() -> None:
    sections = []
    blocks = []
    text = ""
    for number in range(12):
        blocks.append(
            Block(kind=BlockKind.HEADING, start=len(text), end=len(text) + 9, level=1 + number % 2)
        )
        sections.append(len(text))
        text += f"Section {number % 10}\n" + "\n".join(paragraph(k, 8) for k in range(6)) + "\n"
        start = len(text)
        text += "\n".join(f"cell {row}\tvalue {row}" for row in range(8))
        blocks.append(Block(kind=BlockKind.TABLE, start=start, end=len(text)))
        text += "\n\n"
    found = stretches(text, blocks, room=900)
    assert len(found) > 4
    assert {one.start for one in found} <= set(sections)
    paths = [[text[first:last] for first, last in one.path] for one in found]
    assert all(path and path[-1].startswith("Section") for path in paths)
    deep = [one for one in found if sections.index(one.start) % 2]
    assert all(len(one.path) == 2 for one in deep)
