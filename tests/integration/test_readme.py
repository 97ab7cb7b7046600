"""The README's examples are executed, so that they cannot go stale."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.integration.test_cli_service import PROGRAM, ROOT, environment, serving

README = (ROOT / "README.md").read_text()


def blocks(mark: str) -> list[str]:
    return re.findall(rf"<!-- {mark} -->\n```sh\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A folder with an ``ibidem`` that is this checkout's."""
    script = tmp_path / "bin" / "ibidem"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec {shlex.join(PROGRAM)} "$@"\n')
    script.chmod(0o755)
    return script.parent


def run(script: str, home: Path, program: Path) -> str:
    env = environment(home)
    env["PATH"] = f"{program}{os.pathsep}{env['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env=env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_commands_run_as_shown(tmp_path: Path, program: Path) -> None:
    script = "".join(blocks("executed"))
    script = re.sub(r"(batch\.jsonl|report\.html)", rf"{tmp_path}/\1", script)
    told = run(script, tmp_path / "home", program)
    assert "4 ingested (" in told
    assert "liquidated damages of " in told
    assert "[1] Pump Maintenance Agreement" in told
    assert "Nothing found: the store keeps its promises." in told
    assert "completed: 2/2" in told
    assert "data:image/png;base64," in (tmp_path / "report.html").read_text()


def test_the_requests_run_as_shown(home: Path, program: Path) -> None:
    (script,) = blocks("executed with a service")
    with serving(home) as (_, address):
        told = run(script.replace("http://127.0.0.1:8000", address), home, program)
    assert '"object":"upload"' in told
    assert "stainless steel within seven" in told


def test_every_setting_is_explained() -> None:
    from api.settings import Settings

    for name in Settings().masked():
        assert f"`{name}`" in README, name
