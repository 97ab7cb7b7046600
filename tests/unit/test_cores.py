"""How many cores there are to use, by affinity and by a container's quota."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rag.ahead import Ahead
from rag.cores import cores

QUOTAS = {
    "none": ({}, 4),
    "no limit": ({"cpu.max": "max 100000\n"}, 4),
    "two cores": ({"cpu.max": "200000 100000\n"}, 2),
    "half a core": ({"cpu.max": "50000 100000\n"}, 1),
    "more than there are": ({"cpu.max": "800000 100000\n"}, 4),
    "older Linux": ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
    "older, no limit": ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 4),
}


@pytest.mark.parametrize(("files", "expected"), QUOTAS.values(), ids=QUOTAS)
def test_cores_are_those_that_the_process_may_use(
    files: dict[str, str], expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    monkeypatch.setattr("rag.cores._CGROUP", tmp_path)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 5}, raising=False)
    assert cores() == expected
    assert Ahead()._threads._max_workers == expected
