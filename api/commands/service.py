"""`ibidem serve`, `worker`, `audit`, `config` and `engines`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from api.commands.common import (
    announce_first_start,
    connected,
    note,
    show_json,
    show_table,
    target,
)
from api.home import Home
from api.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from api.client import Client

_STATS = (
    *("ENGINE", "PROMPT", "VERSION", "CALLS", "FAILED", "REFUSED", "REPAIRS"),
    *("TOKENS IN", "OUT", "SECONDS", "P95", "LOCATED", "SUPPORT"),
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command()
@click.option("--host", help="Address to listen on; default IBIDEM_HOST, else 127.0.0.1.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Default IBIDEM_PORT, else 8000; 0 takes any free one.",
)
def serve(host: str | None, port: int | None) -> None:
    """Serve REST until stopped with Ctrl-C or SIGTERM, and read the documents that wait."""
    run_service(_settings(host, port))


@click.command()
def worker() -> None:
    """Help a service with batches and analyses, until Ctrl-C or SIGTERM.

    For any number of processes on machines that reach the service's PostgreSQL. What a worker
    that dies was at is taken over by others within half a minute. Documents are read by the
    service alone.
    """
    from api.composition import open_services
    from api.running import log_to_stderr, work_until_stopped

    settings = load_settings()
    announce_first_start(settings)
    with open_services(settings, shared=True) as services:
        log_to_stderr()
        note("Working; Ctrl-C ends it.")
        work_until_stopped(services)


def run_service(settings: Settings, first: Callable[[Client, str], None] | None = None) -> None:
    """Listen, do what shall be done ``first`` (with a client and the address), then serve."""
    from contextlib import ExitStack

    from api.client import in_process
    from api.commands.patience import when_free
    from api.running import (
        address_of,
        leave_on_sigterm,
        listening,
        log_to_stderr,
        opened,
        serve_until_stopped,
    )

    leave_on_sigterm()
    home = Home(path=settings.home)
    with ExitStack() as stack:
        listener = stack.enter_context(listening(settings))
        address = address_of(listener)
        announce_first_start(settings)
        app = when_free(
            lambda: stack.enter_context(opened(settings, work=True, address=address)),
            lambda: None if home.owner().get("address") else home.user(),
        )
        if first is not None:
            key = settings.api_keys[0] if settings.api_keys else None
            with in_process(app, key=key) as client:
                first(client, address)
        log_to_stderr()
        serve_until_stopped(
            app, listener, lambda: click.echo(f"Ibidem listens on {address}", err=True)
        )


@click.command()
@click.option("--repair", is_flag=True, help="Mend what can be mended.")
@target
def audit(repair: bool, url: str | None, as_json: bool) -> int:
    """Check the store against its promises; the exit code is 1 when something stays wrong.

    Every ready document's chunks are in the indexes and only those, no vector is zero, every
    span resolves, every original is there, nothing is left of what was deleted. While a
    service runs, it checks itself.
    """
    with connected(url) as client:
        told = client.post("/v1/audit", {"repair": repair}, patient=True)
    findings = told["findings"]
    if as_json:
        show_json(told)
    elif findings:
        rows = [
            (one["kind"], one["subject"], "yes" if one["repaired"] else "no", one["message"])
            for one in findings
        ]
        show_table(("KIND", "SUBJECT", "REPAIRED", "WHAT"), rows)
    else:
        click.echo("Nothing found: the store keeps its promises.")
    return 1 if any(not one["repaired"] for one in findings) else 0


@click.command()
@_json
def config(as_json: bool) -> None:
    """Show the settings in effect, secrets masked."""
    from ingest.parse.sandbox import protection

    shown = load_settings().masked()
    if as_json:
        show_json(dict(shown))
        return
    for name, value in shown.items():
        click.echo(f"{name}={'' if value is None else value}")
    click.echo(f"# parsers: {protection()}")


@click.command()
@click.option("--check", is_flag=True, help="Ask each model for one word, to see that it can be.")
@click.option("--stats", is_flag=True, help="How each did since the service started.")
@target
def engines(url: str | None, as_json: bool, check: bool, stats: bool) -> None:
    """List what can read passages and answer."""
    with connected(url) as client:
        if stats:
            _show_stats(client.get("/v1/engines/stats"), as_json=as_json)
            return
        if check:
            checked = client.post("/v1/engines/check", {}, patient=True)
            _show_checks(checked, as_json=as_json)
            return
        found = client.get("/v1/engines")
    if as_json:
        show_json(found)
        return
    rows = [
        (one["id"], "yes" if one["default"] else "", ", ".join(one["supports"]))
        for one in found["data"]
    ]
    show_table(("ENGINE", "DEFAULT", "SUPPORTS"), rows)


def _show_stats(found: Any, *, as_json: bool) -> None:
    """Each engine's counts by prompt; without a service there are none to show."""
    if as_json:
        show_json(found)
        return
    rows = [
        (
            one["engine"],
            one["prompt"] or "-",
            one["version"] or "-",
            one["calls"],
            sum(one["failures"].values()),
            one["refusals"],
            one["repairs"],
            _number(one["input_tokens"]["mean"]),
            _number(one["output_tokens"]["mean"]),
            _number(one["seconds"]["mean"]),
            _number(one["seconds"]["p95"]),
            _number(one["locate_rate"]),
            _number(one["support"]),
        )
        for one in found["data"]
    ]
    if rows:
        show_table(_STATS, rows)
    else:
        note("Nothing was asked yet; counts are those of a service since it started.")


def _number(value: float | None) -> str:
    """Three digits; nothing stands for unknown."""
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _show_checks(checked: Any, *, as_json: bool) -> None:
    """Each engine and what it said; the exit status is 1 when one cannot be asked."""
    if as_json:
        show_json(checked)
    else:
        rows = [(one["id"], one["status"]) for one in checked["data"]]
        show_table(("ENGINE", "STATUS"), rows)
    if any(one["status"] != "ok" for one in checked["data"]):
        raise SystemExit(1)


def _settings(host: str | None, port: int | None) -> Settings:
    settings = load_settings()
    if host is not None:
        settings = replace(settings, host=host)
    return settings if port is None else replace(settings, port=port)
