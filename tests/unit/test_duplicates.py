from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.duplicates import Group, Kind, Sketched, find_groups
from rag.minhash import HASHES, jaccard, likeness, pack, shingles, unpack

WORDS = [f"word{number}" for number in range(400)]


def prose(seed: int, length: int = 600) -> str:
    chosen = random.Random(seed)
    return " ".join(chosen.choice(WORDS) for _ in range(length))


def edited(text: str, words: int, seed: int = 9) -> str:
    """The text with so many words, evenly spread, replaced by new ones."""
    pieces = text.split()
    step = len(pieces) // words
    for number in range(words):
        pieces[number * step + seed % step] = f"other{number}"
    return " ".join(pieces)


def groups(texts: list[str], threshold: float = 0.8) -> list[Group]:
    documents = [
        Sketched(id=str(n), name=f"{n}.txt", text_length=len(text), likeness=likeness(text))
        for n, text in enumerate(texts)
    ]
    return find_groups(documents, threshold, lambda name, length: texts[int(name)][:length])


def test_versions_that_differ_in_some_words_are_grouped_with_their_similarity() -> None:
    lease = prose(1)
    texts = [prose(2), lease, prose(3), edited(lease, 5), edited(lease, 3, seed=4), prose(4)]
    (group,) = groups(texts)
    assert [member.document.id for member in group.members] == ["1", "3", "4"]
    # 596 shingles; each replaced word, far from the next, changes five of them.
    first = group.members[0]
    assert (first.similar_to, first.kind, first.exact) == ("4", Kind.NEAR, True)
    assert first.similarity == pytest.approx((596 - 15) / (596 + 15))
    assert group.members[1].similarity == pytest.approx((596 - 25) / (596 + 25))


def test_the_threshold_decides() -> None:
    texts = [prose(1), edited(prose(1), 30)]
    similarity = (596 - 150) / (596 + 150)
    assert groups(texts, similarity + 0.01) == []
    assert len(groups(texts, similarity - 0.01)) == 1


def test_the_same_words_in_another_form_are_the_same_text() -> None:
    text = "The Müller lease: 1,250 euros. Office final."
    changed = "THE  mu\u0308ller lease\n1,250 euros of\u00adfice \ufb01nal"
    (group,) = groups([text, prose(1), changed, "short"])
    assert [member.kind for member in group.members] == [Kind.SAME_TEXT] * 2
    assert {member.similarity for member in group.members} == {1.0}


def test_texts_without_spaces_are_compared_by_character() -> None:
    chosen = random.Random(1)
    text = "".join(chosen.choice("东西南北春夏秋冬山水火土金木") for _ in range(300))
    assert 0.9 < jaccard(shingles(text), shingles(text[:150] + "新" + text[150:])) < 1
    assert len(groups([text, text[:150] + "新" + text[150:]])) == 1


def test_a_thousand_copies_are_one_group_without_comparing_all_pairs() -> None:
    read: list[str] = []
    known = likeness(prose(1))
    documents = [
        Sketched(id=str(n), name="", text_length=5_000_000, likeness=known) for n in range(1000)
    ]
    (group,) = find_groups(documents, 0.8, lambda name, _: read.append(name) or "")
    assert len(group.members) == 1000
    assert read == []  # equal words need no second look


def test_beyond_the_bound_on_reading_similarities_are_estimates() -> None:
    texts = [prose(1), edited(prose(1), 3)]
    documents = [
        Sketched(id=str(n), name="", text_length=10**9, likeness=likeness(text))
        for n, text in enumerate(texts)
    ]
    (group,) = find_groups(documents, 0.8, lambda *_: pytest.fail("was read"))
    assert not group.members[0].exact
    assert 0.85 < group.members[0].similarity <= 1


@given(st.integers(0, 10_000), st.integers(1, 60))
def test_sketches_estimate_the_similarity(seed: int, words: int) -> None:
    one = prose(seed)
    other = edited(one, words, seed)
    exact = jaccard(shingles(one), shingles(other))
    estimate = (likeness(one).sketch == likeness(other).sketch).mean()
    assert abs(estimate - exact) < 5 * 0.5 / HASHES**0.5


@given(st.text())
def test_any_text_has_a_likeness_of_its_words(text: str) -> None:
    known = likeness(text)
    assert (unpack(pack(known.sketch)) == known.sketch).all()
    spaced = likeness(re.sub(r"\s+", "  ", text) + "\n")
    assert spaced.words_sha256 == known.words_sha256
    assert not groups(["", "?!", text])
