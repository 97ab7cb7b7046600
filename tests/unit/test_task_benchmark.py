from __future__ import annotations

import pytest

from tests.benchmarks import tasks
from tests.fakes import HashingEmbedder
from tests.realdata import REAL_DATA, needs_real_data


@needs_real_data
def test_every_set_is_measured_beside_its_baseline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "MOST", dict.fromkeys(tasks.MOST, 3))
    assert REAL_DATA is not None
    rows = tasks.run_tasks(REAL_DATA, HashingEmbedder())
    sets = {row["set"].partition(",")[0] for row in rows}
    assert sets == {"banking77", "SciTLDR", "QMSum", "Kleister NDA", "PubMedQA"}
    for row in rows:
        for side in ("offline", "baseline"):
            assert 0 <= row[side]["low"] <= row[side]["mean"] <= row[side]["high"] <= 1
