"""The command line. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Sequence

import click

from api.commands.ask import ask, search
from api.commands.batch import batch
from api.commands.chat import chat
from api.commands.checkout import bench, eval_, run
from api.commands.chunks import chunks
from api.commands.documents import docs
from api.commands.findings import analyze
from api.commands.ingest import ingest
from api.commands.jobs import jobs
from api.commands.prompts import prompts
from api.commands.reindex import reindex, rollback
from api.commands.service import audit, config, engines, serve, worker
from api.commands.verify import verify
from rag.errors import ConfigurationError, IbidemError, InvalidRequest

_INTERRUPTED = 130
_MOST_HEAPS = -8
"""M_ARENA_MAX of glibc."""
_WRONG_USAGE = (ConfigurationError, InvalidRequest)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="ibidem")
def cli() -> None:
    """Ask your documents; every answer points to the exact place that supports it.

    Works on the folder IBIDEM_HOME by itself; while a service runs on that folder, commands go
    to the service. --url names another service. `ibidem config` lists the settings.
    """


for _command in (
    ingest,
    ask,
    chat,
    search,
    verify,
    docs,
    chunks,
    jobs,
    analyze,
    batch,
    serve,
    worker,
    run,
    audit,
    reindex,
    rollback,
    config,
    engines,
    prompts,
    eval_,
    bench,
):
    cli.add_command(_command)


def invoke(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 failed, 2 wrong usage or setting."""
    try:
        result = cli.main(arguments, prog_name="ibidem", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.UsageError as error:
        where = f" See '{error.ctx.command_path} --help'." if error.ctx else ""
        return _fail(error.format_message() + where, 2)
    except click.ClickException as error:
        return _fail(error.format_message(), 1)
    except IbidemError as error:
        return _fail(error.message, 2 if isinstance(error, _WRONG_USAGE) else 1)
    except (KeyboardInterrupt, click.Abort):
        return _INTERRUPTED
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return _fail(str(error), 1)
    return result if isinstance(result, int) else 0


def _few_heaps() -> None:
    """Have threads share two heaps of the C library, where it has many (glibc's ``mallopt``).

    By itself it keeps eight for each processor, each with room that only its threads use again:
    with 64 calls at once that came to a quarter of all memory.
    """
    if (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(_MOST_HEAPS, 2)


def main() -> None:
    """The ``ibidem`` program."""
    for stream in (sys.stdout, sys.stderr):  # documents hold what a terminal may not show
        getattr(stream, "reconfigure", lambda **_: None)(errors="replace")
    # Read when numpy is loaded. Its threads would wait for more work without sleeping after each
    # product of a query's, on the cores that other queries want.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    _few_heaps()
    try:
        code = invoke()
    except SystemExit as error:  # a signal, or click after a broken pipe
        code = error.code if isinstance(error.code, int) else 1
    if _someone_still_works():
        # Steps under way are repeated by the next process; nobody should wait for them here.
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _someone_still_works() -> bool:
    main_thread = threading.main_thread()
    return any(not one.daemon for one in threading.enumerate() if one is not main_thread)


def _fail(message: str, code: int) -> int:
    click.echo(f"error: {' '.join(message.split())}", err=True)
    return code
