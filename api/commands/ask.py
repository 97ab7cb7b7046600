"""`ibidem ask` and `ibidem search`."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import click

from api.commands.common import connected, plain, show_json, target

if TYPE_CHECKING:
    from api.client import Client, Json


def parse_filter(_context: click.Context, _option: click.Parameter, value: str | None) -> Any:
    """A filter as given on the command line."""
    if value is None:
        return None
    try:
        return json.loads(value)
    except ValueError as error:
        raise click.BadParameter(f"not valid JSON: {error}") from error


in_collections = click.option(
    "--collection", multiple=True, metavar="NAME", help="Look here; may be given several times."
)
with_filter = click.option(
    "--filter",
    callback=parse_filter,
    metavar="JSON",
    help='Only documents whose metadata fits, such as \'{"year": {"$gte": 2024}}\'.',
)
by_engine = click.option(
    "--engine", metavar="NAME", help="What answers and rewrites; see `ibidem engines`."
)
within_budget = click.option(
    "--budget-usd",
    type=click.FloatRange(0, min_open=True),
    help="Most that language models may cost.",
)
with_instructions = click.option(
    "--instructions", metavar="TEXT", help="How to answer: length, tone, language."
)
by_reading = click.option(
    "--rerank/--no-rerank", default=None, help="Read the first passages and order them anew."
)
by_parts = click.option(
    "--decompose",
    type=click.Choice(["rules", "engine", "none"]),
    help="Who takes a question of several parts apart; by rules unless given.",
)
by_imagining = click.option(
    "--expand",
    type=click.Choice(["hyde"]),
    help="hyde: find passages like one that a language model makes up, too.",
)
most_passages = click.option("--top-k", type=click.IntRange(1, 50), help="Most passages to read.")


@click.command()
@click.argument("question")
@in_collections
@with_filter
@most_passages
@by_reading
@by_parts
@by_imagining
@within_budget
@by_engine
@with_instructions
@target
def ask(question: str, collection: tuple[str, ...], filter: Any, **options: Any) -> None:
    """Answer a question from the documents, with the places that say so."""
    with connected(options["url"]) as client:
        answer = client.post(
            "/v1/ask",
            {
                "question": question,
                "collections": list(collection) or None,
                "filter": filter,
                "top_k": options["top_k"],
                "rerank": options["rerank"],
                "decompose": options["decompose"],
                "expand": options["expand"],
                "budget_usd": options["budget_usd"],
                "engine": options["engine"],
                "instructions": options["instructions"],
            },
        )
        if options["as_json"]:
            show_json(answer)
        else:
            tell_queries(answer["queries"], answer["question"])
            show_answer(client, answer)
            for line in what_to_know(answer):
                click.echo(line, err=True)
            if not answer["found"]:
                say_where_nothing_is(client, collection)


@click.command()
@click.argument("query")
@in_collections
@click.option(
    "--mode", type=click.Choice(["hybrid", "dense", "lexical"]), help="Which rankings to ask."
)
@with_filter
@most_passages
@by_reading
@click.option(
    "--diversity",
    type=click.FloatRange(0, 1),
    help="How much it counts that passages say different things.",
)
@click.option(
    "--context",
    type=click.Choice(["neighbours", "section"]),
    help="Show what stands around passages, too.",
)
@by_parts
@by_imagining
@within_budget
@by_engine
@target
def search(
    query: str,
    collection: tuple[str, ...],
    mode: str | None,
    filter: Any,
    **options: Any,
) -> None:
    """Find the passages nearest to a query, best first."""
    with connected(options["url"]) as client:
        found = client.post(
            "/v1/search",
            {
                "query": query,
                "collections": list(collection) or None,
                "mode": mode,
                "filter": filter,
                "top_k": options["top_k"],
                "rerank": options["rerank"],
                "diversity": options["diversity"],
                "context": options["context"],
                "decompose": options["decompose"],
                "expand": options["expand"],
                "budget_usd": options["budget_usd"],
                "engine": options["engine"],
            },
        )
        if options["as_json"]:
            show_json(found)
            return
        tell_queries(found["queries"], found["query"])
        for number, passage in enumerate(found["passages"], start=1):
            click.secho(f"{number}. {source(passage)}  ({passage['score']:.3f})", bold=True)
            click.echo(f"   {_read(passage)}")
        if not found["passages"]:
            click.echo("Nothing found.")
            say_where_nothing_is(client, collection)


def _read(passage: Json) -> str:
    """A passage in a few lines, or all that it stands in with the passage to be seen at once."""
    context = passage["context"]
    if context is None:
        return _shortened(plain(passage["text"]), 400)
    return _marked(
        context["text"],
        passage["start_char_index"] - context["start_char_index"],
        passage["end_char_index"] - context["start_char_index"],
        bold=True,
    )


def say_where_nothing_is(client: Client, asked: tuple[str, ...]) -> None:
    """Tell somebody who asked where there are no documents, and name where there are some."""
    counts = {
        one["name"]: sum(one["documents"].values())
        for one in client.get("/v1/collections", limit=100)["data"]
    }
    names = asked or ("default",)
    if any(counts.get(name, 1 if asked else 0) for name in names):
        return
    filled = [f"{name} ({count})" for name, count in counts.items() if count]
    click.echo(
        f"There are no documents in {' or '.join(repr(name) for name in names)}."
        + (f" Name another --collection: {', '.join(filled)}." if filled else ""),
        err=True,
    )


def tell_queries(queries: Json, asked: str) -> None:
    """Say what was looked up, where that is not what was asked."""
    lines = []
    if queries["standalone_question"] != asked:
        lines.append(f"understood as: {plain(queries['standalone_question'])}")
    if queries["subqueries"]:
        lines.append(f"looked up: {' | '.join(map(plain, queries['subqueries']))}")
    if queries["hypothetical_passage"]:
        lines.append(f"made up to search with: {plain(queries['hypothetical_passage'])}")
    for line in lines:
        click.secho(line, err=True, dim=True)


def show_answer(client: Client, answer: Json) -> None:
    """Print the answer, its sentences numbered to the quotes below."""
    places: dict[tuple[str, int, int], tuple[int, Json]] = {}
    said = []
    for sentence in answer["sentences"]:
        numbers = []
        for citation in sentence["citations"]:
            place = (
                citation["document_id"],
                citation["start_char_index"],
                citation["end_char_index"],
            )
            number, _ = places.setdefault(place, (len(places) + 1, citation))
            numbers.append(f"[{number}]")
        said.append(f"{plain(sentence['text'])} {''.join(dict.fromkeys(numbers))}")
    click.echo(" ".join(said) or plain(answer["text"]))
    for number, citation in places.values():
        click.echo()
        click.secho(f"[{number}] {source(citation)}", bold=True)
        click.echo(f'    "{_quoted(citation)}"')
        click.echo(f"    {way_to(client, citation)}")


def _quoted(citation: Json) -> str:
    """The quote in one line, and the words in it that are the answer to be seen at once."""
    text, at = citation["cited_text"], citation["start_char_index"]
    first, last = citation["answer_start_char_index"], citation["answer_end_char_index"]
    if first is None:
        return plain(text)
    return _marked(text, first - at, last - at, bold=True, underline=True)


def _marked(text: str, first: int, last: int, **style: bool) -> str:
    """A text in one line, a part of it to be seen at once."""
    before, marked, after = (
        plain(f"|{part}|")[1:-1]  # white space at the edges of a part is inside of the whole
        for part in (text[:first], text[first:last], text[last:])
    )
    return f"{before}{click.style(marked, **style)}{after}".strip()


def what_to_know(answer: Json) -> list[str]:
    """What a reader of the answer should know of how it came about, a line each."""
    lines = [f"note: {plain(note)}" for note in answer["notes"]]
    if dropped := answer["dropped_citations"]:
        count = "A quote was" if dropped == 1 else f"{dropped} quotes were"
        lines.append(f"note: {count} dropped: not in the documents.")
    return lines


def source(place: Json) -> str:
    """The document of a passage or a citation, and where in it."""
    title, name = plain(place["document_title"]), plain(place["document_name"])
    if name not in ("", title):  # filings of one company are all called alike
        title = f"{title} ({name})"
    first, last = place["start_page_number"], place["end_page_number"]
    if first is None:
        return title
    word = _page_word(name)
    several = last not in (None, first)
    return f"{title}, {word}s {first}-{last}" if several else f"{title}, {word} {first}"


def _page_word(name: str) -> str:
    """What a page of a file is called: slides and sheets are pages, too."""
    from ingest.parse.formats import BY_EXTENSION

    format_ = BY_EXTENSION.get(PurePosixPath(name).suffix.lower())
    return "page" if format_ is None else format_.page


def way_to(client: Client, citation: Json) -> str:
    """How to see the quote in its place: a picture of the page, else the text around it."""
    from api.client import IN_PROCESS

    start, end = citation["start_char_index"], citation["end_char_index"]
    document = citation["document_id"]
    page = citation["start_page_number"]
    drawn = page is not None and citation["boxes"]
    if client.address == IN_PROCESS:
        command = f"ibidem docs show {document} --span {start}-{end}"
        return f"{command} --page {page} --png page.png" if drawn else command
    if not drawn:
        return f"{client.address}/v1/documents/{document}/text?start={start}&end={end}"
    return f"{client.address}/v1/documents/{document}/pages/{page}.png?highlight={start}-{end}"


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else text[:length].rsplit(" ", 1)[0] + " ..."
