"""The command line within this process."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api import cli

LEASE = (
    "Lease of the boat house.\n\nThe monthly rent is 1,250 euros, due on the third working day.\n\n"
    "Either party may end the lease with a notice of ninety days in writing.\n"
)


class Terminal:
    """Runs commands; ``out`` and ``err`` are what the last one printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.out = self.err = ""

    def run(self, *arguments: str) -> int:
        code = cli.invoke(arguments)
        self.out, self.err = self._capsys.readouterr()
        return code

    def json(self, *arguments: str, code: int = 0) -> Any:
        assert self.run(*arguments, "--json") == code, self.err
        return json.loads(self.out)
