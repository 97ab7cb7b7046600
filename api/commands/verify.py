"""`ibidem verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TextIO

import click

from api.commands.ask import (
    by_engine,
    by_reading,
    in_collections,
    most_passages,
    say_where_nothing_is,
    source,
    way_to,
    what_to_know,
    with_filter,
    within_budget,
)
from api.commands.common import connected, plain, show_json, target

if TYPE_CHECKING:
    from api.client import Client, Json

_COLOURS = {"supported": "green", "contradicted": "red", "not_found": "yellow"}


@click.command()
@click.argument("claims", metavar="CLAIM...", nargs=-1, required=True)
@in_collections
@with_filter
@click.option(
    "--text",
    "texts",
    type=click.File("r", encoding="utf-8", errors="replace"),
    multiple=True,
    metavar="FILE",
    help="Judge by this text, in place of documents; - is standard input.",
)
@most_passages
@by_reading
@within_budget
@by_engine
@target
def verify(
    claims: tuple[str, ...],
    collection: tuple[str, ...],
    filter: Any,
    texts: tuple[TextIO, ...],
    **options: Any,
) -> None:
    """Say whether the documents support or contradict claims, and where they do."""
    given = [{"text": file.read(), "title": file.name} for file in texts]
    with connected(options["url"]) as client:
        found = client.post(
            "/v1/verify",
            {
                "claims": list(claims),
                "collections": list(collection) or None,
                "filter": filter,
                "passages": given or None,
                "top_k": options["top_k"],
                "rerank": options["rerank"],
                "budget_usd": options["budget_usd"],
                "engine": options["engine"],
            },
        )
        if options["as_json"]:
            show_json(found)
            return
        for one in found["data"]:
            _show(client, one)
        nowhere = all(not one["passages"] for one in found["data"])
        if nowhere and not given:
            say_where_nothing_is(client, collection)


def _show(client: Client, found: Json) -> None:
    """The verdict on a claim, and what it rests on."""
    verdict = found["verdict"]
    score = "" if found["score"] is None else f" ({found['score']:.2f})"
    said = click.style(f"{verdict.replace('_', ' ')}{score}", fg=_COLOURS[verdict], bold=True)
    click.echo(f"{said}: {plain(found['claim'])}")
    for citation in found["evidence"]:
        click.secho(f"  {source(citation)}", bold=True)
        click.echo(f'    "{plain(citation["cited_text"])}"')
        if not citation["document_id"].startswith("passages/"):
            click.echo(f"    {way_to(client, citation)}")
    for line in what_to_know(found):
        click.echo(line, err=True)
