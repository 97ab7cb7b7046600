"""`kill -9` while a batch is under way: no answer is lost or there twice, few are bought again.

All 50 kills: `python -m tests.benchmarks.kills`.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.conftest import on_sqlite
from tests.crash.batch_kills import Tally, check, kill_again_and_again, prepared, send, wait
from tests.thorough import THOROUGH

pytest.importorskip("openai", reason="needs the extra `openai`; `make test` installs it")

pytestmark = [
    pytest.mark.timeout(600),
    # Killing the service breaks connections in ways that the HTTP client does not clean up.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
ITEMS, KILLS = (60, 3) if THOROUGH else (40, 2)


@on_sqlite
def test_a_service_killed_again_and_again_answers_each_line_once(
    home: Path, database_url: str | None
) -> None:
    tally = Tally(items=ITEMS)
    with prepared(home, tally.items, delay_s=0.3) as (service, provider):
        batch = send(service, tally.items)
        killed = kill_again_and_again(service, provider, tally, random.Random(5), KILLS)
        wait(service, batch["job_id"])
        check(service, provider, batch, tally, killed)
    assert tally.kills == KILLS
    assert (tally.lost, tally.duplicated, tally.wrong, tally.bought_again) == ([], [], [], 0)
    assert tally.items <= tally.calls <= tally.allowed, tally
