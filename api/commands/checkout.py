"""Commands that need a checkout of the source: `ibidem run`, `eval` and `bench`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from api.commands.ask import show_answer
from api.commands.common import connected, note
from api.home import Home
from api.settings import load_settings
from rag.errors import ConfigurationError

if TYPE_CHECKING:
    from api.client import Client

COLLECTION = "samples"
OTHER_QUESTION = "How long is the delivery time of a TX-125 in stainless steel?"
QUESTION = "How large is the provision for replacing mechanical seals in TX-200 pumps?"
_ROOT = Path(__file__).resolve().parents[2]


@click.command()
@click.option("--once", is_flag=True, help="Stop after the answer.")
def run(once: bool) -> int:
    """Ingest the sample documents, answer a question on them, then serve."""
    samples = _in_checkout("data/samples")
    settings = load_settings()
    owner = Home(path=settings.home).owner().get("address")
    if once or owner:
        with connected(None, work=True) as client:
            code = _show_samples(client, samples)
        if owner and not once:
            note(f"\nA service on this home already listens on {owner}.")
        return code
    from api.commands.service import run_service

    def first(client: Client, address: str) -> None:
        _show_samples(client, samples)
        _show_next_steps(address)

    run_service(settings, first)
    return 0


@click.command("eval", context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def eval_(arguments: tuple[str, ...]) -> int:
    """Measure how well passages are found and questions answered.

    With FILE (also --collection NAME, --top-k N, --rerank, --url URL, --json) it asks your own
    questions, and says how often what you expect is found, and why the rest is not. FILE (.jsonl,
    or .csv with a heading) has a question to a line: `question`, and at least one of `document`
    (a name or title), `quote` and `answer`; `language`, to see each apart.

    Else, in a checkout, arguments go to tests.benchmarks.evaluate: samples and public sets.
    """
    if any(Path(one).suffix.lower() in (".jsonl", ".csv") for one in arguments[:1]):
        from api.commands.questions import own_questions

        own_questions.main(list(arguments), "ibidem eval", standalone_mode=False)
        return 0
    return _run_module("tests.benchmarks.evaluate", arguments)


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--mine", "of_mine", is_flag=True, help="Measure searches in a collection instead.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bench(of_mine: bool, arguments: tuple[str, ...]) -> int:
    """Measure speed and memory beside other tools; arguments go to tests.benchmarks.peers.

    With --mine: `ibidem bench --mine --collection NAME`, see `ibidem bench --mine -- --help`.
    """
    if of_mine:
        from api.commands.mine import mine

        context = click.get_current_context()
        return int(
            mine.main(list(arguments), f"{context.command_path} --mine", standalone_mode=False)
        )
    return _run_module("tests.benchmarks.peers", arguments)


def _show_samples(client: Client, samples: Path) -> int:
    from api.commands.ingest import ingest_files, report
    from api.commands.intake import find_files

    started = time.monotonic()
    files, hidden = find_files([os.path.relpath(samples)])
    sent = ingest_files(client, [(file, None) for file in files], COLLECTION, {})
    outcomes = [*sent, *hidden]
    report(outcomes, time.monotonic() - started, as_json=False)
    answer = client.post("/v1/ask", {"question": QUESTION, "collection": COLLECTION})
    click.secho(f"\n{QUESTION}", bold=True)
    show_answer(client, answer)
    return 0 if answer["found"] else 1


def _show_next_steps(address: str) -> None:
    note(
        f"""
Try next:
  {sys.argv[0]} ask --collection {COLLECTION} "{OTHER_QUESTION}"
  curl -s {address}/v1/ask -H 'content-type: application/json' \\
    -d '{{"question": "{QUESTION}", "collection": "{COLLECTION}"}}'
  curl -s {address}/v1/documents -F file=@YOUR.pdf
  {address}/docs
"""
    )


def _run_module(module: str, arguments: tuple[str, ...]) -> int:
    _in_checkout("tests/benchmarks")
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=_ROOT, check=False).returncode  # noqa: S603 - ours


def _in_checkout(name: str) -> Path:
    path = _ROOT / name
    if not path.is_dir():
        raise ConfigurationError(
            f"This command needs a checkout of the source, with {name} in it; {_ROOT} has none."
        )
    return path
