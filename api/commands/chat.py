"""`ibidem chat`: questions in a row, each of which may lean on those before it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from api.commands.ask import (
    by_engine,
    by_imagining,
    by_parts,
    by_reading,
    in_collections,
    most_passages,
    say_where_nothing_is,
    show_answer,
    tell_queries,
    what_to_know,
    with_filter,
    with_instructions,
    within_budget,
)
from api.commands.common import connected, note, plain, show_json, target
from rag.errors import IbidemError

if TYPE_CHECKING:
    from api.client import Client, Json

_PROMPT = "> "


@click.command()
@in_collections
@with_filter
@click.option("--continue", "conversation_id", metavar="ID", help="Go on with a conversation.")
@most_passages
@by_reading
@by_parts
@by_imagining
@within_budget
@by_engine
@with_instructions
@target
def chat(
    collection: tuple[str, ...], filter: Any, conversation_id: str | None, **options: Any
) -> int:
    """Ask questions in a row: "Who signed it?", "And in 2023?".

    On a terminal, Ctrl-C gives a line up and Ctrl-D ends the conversation. Otherwise each line of
    standard input is a question. `--budget-usd` is for each question.
    """
    if conversation_id is not None and (collection or filter is not None):
        raise click.UsageError("A conversation that goes on looks where it did; leave out where.")
    with connected(options["url"]) as client:
        talk = _Talk(client, collection, filter, options)
        if conversation_id is not None:
            talk.go_on(conversation_id)
        interactive = sys.stdin.isatty()
        try:
            answered = [talk.ask(line) for line in (_typed() if interactive else _piped())]
        finally:  # also when an answer is not waited for
            talk.say_goodbye()
    return 0 if interactive or all(answered) else 1


class _Talk:
    """A conversation with a service; it is made when its first question comes."""

    def __init__(
        self, client: Client, collection: tuple[str, ...], filter: Any, options: dict[str, Any]
    ) -> None:
        self._client = client
        self._collection = collection
        self._filter = filter
        self._options = options
        self._id: str | None = None

    def go_on(self, conversation_id: str) -> None:
        """Go on with a conversation, and say where it stands."""
        found = self._client.get(f"/v1/conversations/{conversation_id}")
        self._id = str(found["id"])
        if found["messages"]:
            last = plain(found["messages"][-1]["question"])
            note(f"{found['message_count']} questions so far; the last was: {last}")

    def ask(self, question: str) -> bool:
        """Ask one question and print its answer; false when that failed, which is told."""
        try:
            answer = self._answer(question)
        except IbidemError as error:
            note(f"error: {' '.join(error.message.split())}")
            return False
        if self._options["as_json"]:
            show_json(answer)
            return True
        tell_queries(answer["queries"], answer["question"])
        show_answer(self._client, answer)
        for line in what_to_know(answer):
            note(line)
        if not answer["found"]:
            say_where_nothing_is(self._client, self._collection)
        click.echo()
        return True

    def say_goodbye(self) -> None:
        """Say how to go on."""
        if self._id is not None:
            note(f"Go on with: ibidem chat --continue {self._id}")

    def _answer(self, question: str) -> Json:
        if self._id is None:
            where = {
                "title": question[:200],
                "collections": list(self._collection) or None,
                "filter": self._filter,
                "engine": self._options["engine"],
            }
            self._id = str(self._client.post("/v1/conversations", where)["id"])
        names = ("top_k", "rerank", "decompose", "expand", "budget_usd", "engine", "instructions")
        asked = {"question": question, **{name: self._options[name] for name in names}}
        return self._client.post(f"/v1/conversations/{self._id}/messages", asked)


def _typed() -> Iterator[str]:
    """What somebody types, line by line, with a history of lines where there is a library."""
    with suppress(ImportError):
        import readline  # noqa: F401 - from here on, the arrow keys work
    while True:
        try:
            line = input(_PROMPT).strip()
        except KeyboardInterrupt:
            note("\n(Ctrl-D ends the conversation.)")
            continue
        except EOFError:
            note("")
            return
        if line:
            yield line


def _piped() -> Iterator[str]:
    """The lines of standard input that say something."""
    yield from filter(None, map(str.strip, sys.stdin))
