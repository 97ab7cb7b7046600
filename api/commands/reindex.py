"""`ibidem reindex` and `ibidem rollback`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from api.commands.common import collection_id, connected, note, show_json, target
from api.commands.working import watch

if TYPE_CHECKING:
    from api.client import Client, Json

_watching = click.option("--watch", "wait", is_flag=True, help="Wait until it is done.")


@click.command()
@click.argument("collection")
@click.option(
    "--model",
    metavar="NAME",
    help="The embedding model, as IBIDEM_EMBEDDER and IBIDEM_EMBEDDERS name it; the service's.",
)
@click.option(
    "--chunking",
    metavar="STRATEGY",
    help="recursive, sentence, structure, semantic, fixed, or llama_index:DOTTED.NAME; as before.",
)
@click.option("--size", type=int, help="Most tokens in a chunk.")
@click.option("--overlap", type=int, help="What neighbours share: tokens, or whole sentences.")
@_watching
@target
def reindex(
    collection: str,
    model: str | None,
    chunking: str | None,
    size: int | None,
    overlap: int | None,
    wait: bool,
    url: str | None,
    as_json: bool,
) -> int:
    """Cut or embed a collection anew, beside the index that is searched until this one is complete.

    Without a service the command itself does the work, and waits for it.
    """
    with connected(url, work=True) as client:
        one = client.get(f"/v1/collections/{collection_id(client, collection)}")
        body: Json = {"embedder": model} if model else {}
        changes = {"strategy": chunking, "size": size, "overlap": overlap}
        given = {name: value for name, value in changes.items() if value is not None}
        if given:
            body["chunking"] = {"strategy": one["chunking"]["strategy"], **given}
        job = client.post(f"/v1/collections/{one['id']}/reindex", body)
        return _see_through(client, job, wait=wait, as_json=as_json)


@click.command()
@click.argument("collection")
@_watching
@target
def rollback(collection: str, wait: bool, url: str | None, as_json: bool) -> int:
    """Go back to the index that a collection had before it was cut or embedded anew."""
    with connected(url, work=True) as client:
        path = f"/v1/collections/{collection_id(client, collection)}/rollback"
        return _see_through(client, client.post(path, {}), wait=wait, as_json=as_json)


def _see_through(client: Client, job: Json, *, wait: bool, as_json: bool) -> int:
    from api.client import IN_PROCESS

    if not wait and client.address != IN_PROCESS:
        if as_json:
            show_json(job)
        else:
            click.echo(f"{job['id']} is {job['status']}; `ibidem jobs watch {job['id']}`.")
        return 0
    job = watch(client, job)
    if as_json:
        show_json(job)
    elif job["status"] == "completed":
        now = client.get(f"/v1/collections/{job['collection_id']}")
        click.echo(
            f"{now['name']!r} is searched by index {now['generation']} now: {now['embedder']}, "
            f"{now['chunking']['strategy']} {now['chunking']['size']}, {now['chunk_count']} chunks."
        )
        if now["previous"]:
            note(
                f"`ibidem rollback {now['name']}` goes back to index "
                f"{now['previous']['generation']}."
            )
    else:
        why = f": {job['error']['message']}" if job["error"] else ""
        note(f"{job['id']} is {job['status']}{why}")
    return 0 if job["status"] == "completed" else 1
