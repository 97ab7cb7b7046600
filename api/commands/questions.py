"""A person's own questions, asked of a service: how often retrieval finds what they expect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from api.client import Client, Json
from api.commands.ask import by_reading, in_collections
from api.commands.common import connected, note, plain, show_json, show_table, target
from rag.errors import InvalidRequest
from rag.evaluate import estimate
from rag.questions import Found, Question, contains, is_named, ranks, read_questions

DEPTH = 50
"""Passages that are looked through for what is not among the first."""
_FEW = 5
_LONGEST = 1_000
"""Characters of expected words that a search for them begins with."""
_ADVICE = {
    "no_such_document": "The expected document is in none of these collections: ingest it, or "
    "correct its name in the file (`ibidem docs list`).",
    "not_in_text": "The expected words are in the text of no document that could be meant: compare "
    "`ibidem docs show`; the file may be read badly, not be there, or put it in other words.",
    "cut": "The expected words are cut apart by the borders of chunks: a collection with longer "
    "chunks, or more overlap, keeps them together.",
    "deeper": "The passage is found, but further down: ask for more passages (--top-k), or "
    "have the first ones read again (--rerank), if this service can.",
    "by_words": "Found by its words alone and not by meaning: the embedding model may not know "
    "the language or the field; choose one that does (IBIDEM_EMBEDDER).",
    "by_meaning": "Found by meaning alone and not by words: the question uses other words than the "
    "document; `--mode dense` finds it, or words of the document in the question.",
    "not_found": "Neither words nor meaning lead to it: the question may need what stands around "
    "the passage (a heading, a name); longer chunks carry more of it.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Where and how every question is asked."""

    collections: tuple[str, ...]
    top_k: int
    rerank: bool | None

    def passages(self, client: Client, text: str, most: int, mode: str = "hybrid") -> list[Found]:
        """What is found for a question."""
        body = {
            "query": text,
            "collections": list(self.collections) or None,
            "mode": mode,
            "top_k": most,
            "rerank": self.rerank if mode == "hybrid" else None,
        }
        return [
            Found(
                names=(one["document_name"], one["document_title"], one["document_id"]),
                text=one["text"],
            )
            for one in client.post("/v1/search", body)["passages"]
        ]


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@in_collections
@click.option("--top-k", type=click.IntRange(1, DEPTH), default=10, help="First so many count.")
@by_reading
@target
def own_questions(
    file: Path, collection: tuple[str, ...], top_k: int, rerank: bool | None, **options: Any
) -> None:
    """Ask the questions in FILE, and say how often what they expect is found, and why not."""
    questions = read_file(file)
    search = Search(collections=collection, top_k=top_k, rerank=rerank)
    with connected(options["url"]) as client:
        told = evaluated(client, questions, search)
    if options["as_json"]:
        show_json(told)
    else:
        show_evaluated(told)


def read_file(path: Path) -> list[Question]:
    """The questions in a file: CSV by its name, else JSON lines.

    Raises:
        InvalidRequest: A line is no question, or it is no text.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return read_questions(file, as_csv=path.suffix.lower() == ".csv")
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{path} is not UTF-8 text.") from error


def evaluated(client: Client, questions: Sequence[Question], search: Search) -> Json:
    """Ask every question, and say of those whose passage was not found why not."""
    documents = _Documents(client, search.collections)
    told: list[Json] = []
    for number, question in enumerate(questions, start=1):
        found = ranks(question, search.passages(client, question.text, search.top_k))
        missed = any(rank is None for rank in found.values())
        told.append(
            {
                "question": question.text,
                "language": question.language,
                "ranks": found,
                "cause": _cause(client, question, search, documents) if missed else None,
            }
        )
        if number % 20 == 0:
            note(f"{number} of {len(questions)}")
    groups = {"all": told}
    languages = sorted({one["language"] for one in told})
    if len(languages) > 1:
        groups |= {name: [one for one in told if one["language"] == name] for name in languages}
    causes = Counter(one["cause"] for one in told if one["cause"])
    return {
        "object": "evaluation",
        "top_k": search.top_k,
        "groups": {name: _measured(rows, search.top_k) for name, rows in groups.items()},
        "suggestions": [
            {"cause": cause, "questions": count, "advice": _ADVICE[cause]}
            for cause, count in causes.most_common()
        ],
        "questions": told,
    }


def show_evaluated(told: Json) -> None:
    """A row for each language and measure, then what to change, with the questions it is for."""
    rows = [
        (name, group["questions"], measure, f"{one['mean']:.3f}", _interval(one))
        for name, group in told["groups"].items()
        for measure, one in group["measures"].items()
    ]
    show_table(("LANGUAGE", "QUESTIONS", "MEASURE", "MEAN", "95 %"), rows)
    for one in told["suggestions"]:
        share = f"{one['questions']} of {len(told['questions'])}"
        click.secho(f"\n{share} {one['cause'].replace('_', ' ')}", bold=True)
        click.echo(f"  {one['advice']}")
        missed = [row["question"] for row in told["questions"] if row["cause"] == one["cause"]]
        for text in missed[:_FEW]:
            click.echo(f"  - {plain(text)}")
        if len(missed) > _FEW:
            click.echo(f"  and {len(missed) - _FEW} more; --json lists them")


class _Documents:
    """The documents that questions can mean, and their words; read once each."""

    def __init__(self, client: Client, collections: Sequence[str]) -> None:
        self._client = client
        self._chunks: dict[str, list[str]] = {}
        self._listed = [
            one
            for name in collections or ("default",)
            for one in client.all("/v1/documents", collection=name)
        ]

    def named(self, names: Iterable[str]) -> list[str]:
        """Ids of the documents with one of these names."""
        return [
            one["id"]
            for one in self._listed
            if any(is_named(name, (one["name"], one["title"] or "", one["id"])) for name in names)
        ]

    def chunks(self, document_id: str) -> list[str]:
        """The texts of its chunks."""
        if document_id not in self._chunks:
            chunks = self._client.all(f"/v1/documents/{document_id}/chunks")
            self._chunks[document_id] = [one["text"] for one in chunks]
        return self._chunks[document_id]

    def has(self, document_id: str, words: Sequence[str]) -> bool:
        """Whether one of these stands in its text."""
        start, length, before = 0, 1, ""
        while start < length:
            part = self._client.get(f"/v1/documents/{document_id}/text", start=start)
            if any(contains(before + part["text"], one) for one in words):
                return True
            before = part["text"][-max(map(len, words)) * 2 :]
            start, length = part["end"], part["text_length"]
        return False


def _cause(client: Client, question: Question, search: Search, documents: _Documents) -> str:
    """Why what is expected is not among the first passages, as far as can be told."""
    meant = documents.named(question.documents)
    if question.documents and not meant:
        return "no_such_document"
    if question.words:
        meant = meant or _having_most(client, question, search, documents)
        if not any(documents.has(one, question.words) for one in meant):
            return "not_in_text"
        chunks = (chunk for one in meant for chunk in documents.chunks(one))
        if not any(contains(chunk, words) for chunk in chunks for words in question.words):
            return "cut"
    for cause, mode, most in (
        ("deeper", "hybrid", DEPTH),
        ("by_words", "lexical", search.top_k),
        ("by_meaning", "dense", search.top_k),
    ):
        found = ranks(question, search.passages(client, question.text, most, mode))
        if all(rank is not None for rank in found.values()):
            return cause
    return "not_found"


def _having_most(
    client: Client, question: Question, search: Search, documents: _Documents
) -> list[str]:
    """Documents that the expected words may be from, of a question that names none."""
    found = [
        one.names[-1]
        for words in question.words
        for one in search.passages(client, words[:_LONGEST], DEPTH, "lexical")
    ]
    return documents.named(dict.fromkeys(found))


def _measured(rows: Sequence[Json], top_k: int) -> Json:
    """Recall and mean reciprocal rank of each kind of what is expected, over those who do."""
    measures: dict[str, Any] = {}
    for kind in ("document", "quote", "answer"):
        places = [one["ranks"][kind] for one in rows if kind in one["ranks"]]
        if places:
            recalled = [float(place is not None) for place in places]
            measures[f"{kind}@{top_k}"] = asdict(estimate(recalled))
            reciprocal = [1 / place if place else 0.0 for place in places]
            measures[f"{kind} MRR@{top_k}"] = asdict(estimate(reciprocal))
    return {"questions": len(rows), "measures": measures}


def _interval(one: Mapping[str, float]) -> str:
    return f"{one['low']:.3f}-{one['high']:.3f}"
