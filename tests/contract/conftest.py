"""Contracts hold for every implementation: where all are to be there, none may be passed over."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In continuous integration (CI is set), a contract that is skipped has failed."""
    report = yield
    if report.skipped and os.environ.get("CI", "false").lower() not in ("", "0", "false"):
        report.outcome = "failed"
        reason = "" if call.excinfo is None else call.excinfo.value
        report.longrepr = f"Skipped, and CI is set: {reason}"
    return report
