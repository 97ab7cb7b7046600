"""How well quotes support what is said, which is another matter than whether they stand there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from rag.types import Citation, Sentence


class Judge(Protocol):
    """Judges statements by what is quoted for them. Thread-safe."""

    def support(self, pairs: Sequence[tuple[str, str]]) -> Sequence[float | None]:
        """For each statement and the text quoted for it, how well that supports it, 0 to 1.

        ``None`` for what this judge knows nothing of.
        """
        ...


def judged(sentences: Sequence[Sentence], judge: Judge | None) -> tuple[Sentence, ...]:
    """Sentences with the support that each of their citations gives them, and all together.

    What an engine has judged itself stays. Without a judge nothing is known and nothing claimed.
    All is asked at once.
    """
    if judge is None or not sentences:
        return tuple(sentences)
    pairs = dict.fromkeys(pair for sentence in sentences for pair in _pairs(sentence))
    known = dict(zip(pairs, judge.support(list(pairs)), strict=True))
    return tuple(_with_support(sentence, known) for sentence in sentences)


def _pairs(sentence: Sentence) -> Iterator[tuple[str, str]]:
    for citation in sentence.citations:
        if citation.support is None:
            yield sentence.text, citation.cited_text
    if sentence.support is None:
        yield sentence.text, _together(sentence)


def _with_support(sentence: Sentence, known: dict[tuple[str, str], float | None]) -> Sentence:
    def supported(citation: Citation) -> Citation:
        if citation.support is not None:
            return citation
        return replace(citation, support=known[sentence.text, citation.cited_text])

    whole = sentence.support
    return replace(
        sentence,
        citations=tuple(map(supported, sentence.citations)),
        support=known[sentence.text, _together(sentence)] if whole is None else whole,
    )


def _together(sentence: Sentence) -> str:
    return "\n".join(citation.cited_text for citation in sentence.citations)
