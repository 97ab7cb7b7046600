"""Text files whose chunks every splitter cuts alike, so that systems can be compared.

A file is a row of paragraphs. No paragraph exceeds 250 tokens of the embedding model, no two
neighbours fit into 256 together, and none but a file's last is shorter than half of that
(some splitters rather cut a sentence than make a short chunk). So a splitter set to 256 tokens
without overlap makes exactly one chunk of each paragraph. Everything follows from the seed.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

SEPARATOR = "\n\n\n"
"""Between paragraphs: the widest break that splitters look for (others split at two)."""

_UNIFORM = 225
_LONGEST = 250
_SHORTEST = 16
_SHORTEST_INSIDE = 132
_NO_PAIR_FITS = _SHORTEST + _LONGEST
_UNIFORM_FILE = 16
_MIXED_FILES = (1, 2, 4, 8, 16)
_QUERY_WORDS = 10


def _list(words: str) -> list[str]:
    return words.split(",")


_WHO = _list(
    "the harbour office,the night shift,the supplier,the audit committee,the tenant,"
    "the laboratory,the regional court,the engineering team,the cooperative,the insurer,"
    "the municipal archive,the pilot,the maintenance crew,the buyer,the translator"
)
_DID = _list(
    "postponed,approved,measured,rejected,replaced,described,inspected,financed,"
    "underestimated,renewed,documented,questioned,delivered,cancelled,reopened"
)
_WHAT = _list(
    "cooling system,framework agreement,second instalment,sediment survey,quarterly budget,"
    "fire door,pension scheme,tunnel lining,software licence,grain contract,seating plan,"
    "warranty claim,timber delivery,ventilation report,ferry timetable,vaccination record"
)
_LIKE = _list(
    "provisional,unusually large,long awaited,badly worded,almost complete,confidential,"
    "costly,routine,disputed,carefully checked,half forgotten,seasonal,technical,revised"
)
_WHY = _list(
    "because the figures did not agree,after heavy rain,although nobody had asked for it,"
    "while prices kept rising,since the earlier version was lost,as the statute requires,"
    "before the deadline passed,in spite of several warnings,without further comment"
)
_PLACES = _list("Arnsee,Velmora,Tisbury Quay,Karlow,Ostrand,Pelham Cross,Lindau Gate,Morvik")


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Paragraphs by file, and distinct questions that repeat words of one paragraph each."""

    name: str
    source: str
    tokens: int
    files: tuple[tuple[str, ...], ...]
    queries: tuple[str, ...]

    @property
    def chunks(self) -> int:
        """Paragraphs in all: the chunks that every system should make."""
        return sum(map(len, self.files))

    def write(self, folder: Path) -> None:
        """Store the text files under ``files/`` and the queries beside them."""
        texts = folder / "files"
        texts.mkdir(parents=True)
        for number, paragraphs in enumerate(self.files):
            path = texts / f"{self.name}-{number:03}.txt"
            path.write_text(SEPARATOR.join(paragraphs) + "\n", encoding="utf-8")
        (folder / "queries.json").write_text(json.dumps(self.queries), encoding="utf-8")


def uniform(chunks: int, tokenizer: Tokenizer, *, real: Path | None = None) -> Corpus:
    """Every paragraph 225 tokens long, 16 to a file."""
    lengths = [_UNIFORM] * chunks
    grouped = [lengths[at : at + _UNIFORM_FILE] for at in range(0, chunks, _UNIFORM_FILE)]
    return _build("uniform", grouped, tokenizer, real)


def mixed(chunks: int, tokenizer: Tokenizer, *, real: Path | None = None) -> Corpus:
    """Files of 1 to 16 paragraphs of 132 to 250 tokens, their last ones down to 16."""
    rng = random.Random(20)
    grouped: list[list[int]] = []
    rest = chunks
    while rest:
        size = min(rest, _MIXED_FILES[len(grouped) % len(_MIXED_FILES)])
        grouped.append(_row(rng, size))
        rest -= size
    return _build("mixed", grouped, tokenizer, real)


def _row(rng: random.Random, size: int) -> list[int]:
    """Lengths of one file's paragraphs, drawn from the last to the first.

    The last is log-uniform: as many have 16 to 63 tokens as 63 to 250.
    """
    scale: float = (_LONGEST / _SHORTEST) ** rng.random()
    row = [round(_SHORTEST * scale)]
    while len(row) < size:
        row.append(rng.randint(max(_SHORTEST_INSIDE, _NO_PAIR_FITS - row[-1]), _LONGEST))
    return row[::-1]


def _build(
    name: str, grouped: Sequence[Sequence[int]], tokenizer: Tokenizer, real: Path | None
) -> Corpus:
    lengths = [length for group in grouped for length in group]
    sentences = _contracts(real) if real else prose(random.Random(name))
    paragraphs = list(_cut(sentences, lengths, tokenizer))
    rows = iter(paragraphs)
    rng = random.Random(7)
    return Corpus(
        name=name,
        source=f"contracts of {real.name}" if real else "generated prose",
        tokens=sum(lengths),
        files=tuple(tuple(next(rows) for _ in group) for group in grouped),
        queries=tuple(dict.fromkeys(_query(rng, rng.choice(paragraphs)) for _ in range(130))),
    )


def _query(rng: random.Random, paragraph: str) -> str:
    words = paragraph.split()
    start = rng.randrange(max(1, len(words) - _QUERY_WORDS))
    return " ".join(words[start : start + _QUERY_WORDS])


def _cut(sentences: Iterator[str], lengths: Sequence[int], tokenizer: Tokenizer) -> Iterator[str]:
    """Whole words up to each length in turn; what is left of a sentence opens the next."""
    words: Iterator[str] = (word for sentence in sentences for word in sentence.split())
    pending: str | None = None
    for length in lengths:
        taken: list[str] = []
        room = length
        while room > 0:
            word = pending or next(words)
            cost = len(tokenizer.encode(word, add_special_tokens=False).ids)
            if cost > room and taken:
                pending = word
                break
            taken.append(word)
            room -= cost
            pending = None
        yield " ".join(taken)


def prose(rng: random.Random) -> Iterator[str]:
    while True:
        number = rng.randint(2, 9_800)
        who, did, like, what = (rng.choice(words) for words in (_WHO, _DID, _LIKE, _WHAT))
        yield rng.choice(
            (
                f"{who.capitalize()} {did} the {like} {what} {rng.choice(_WHY)}.",
                f"In {rng.choice(_PLACES)}, {who} {did} a {like} {what} of {number} units.",
                f"File {number} says that {who} {did} the {what} in {rng.choice(_PLACES)}.",
                f"{rng.choice(_WHY).capitalize()}, {who} {did} {number} items: the {like} {what}.",
            )
        )


def _contracts(path: Path) -> Iterator[str]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)["text"]
