"""A real service in a process of its own, to be killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

START_TIMEOUT_S = 180
IBIDEM = str(Path(sys.executable).with_name("ibidem"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Service:
    """`ibidem serve` on one home; every start is a new process."""

    home: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    database_url: str | None = None
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        settings = {"IBIDEM_HOME": str(self.home), "IBIDEM_PORT": str(self.port)}
        if self.database_url is not None:
            settings["IBIDEM_DATABASE_URL"] = self.database_url
        return {**os.environ, **settings, **self.settings}

    def spawn(self) -> None:
        self.process = self.start("serve")

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Run a program that goes on; its output is in the service's log."""
        with (self.home.parent / "service.log").open("ab") as log:
            return subprocess.Popen(
                [IBIDEM, *words],
                env=self.environment(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            assert self.process is not None
            if self.process.poll() is not None:
                log = (self.home.parent / "service.log").read_text()[-4000:]
                raise AssertionError(f"the service ended with {self.process.returncode}:\n{log}")
            try:
                if httpx2.get(f"{self.url}/v1/ready", timeout=1).status_code == 200:
                    return
            except httpx2.TransportError:
                time.sleep(0.02)
        raise AssertionError("the service did not become ready")

    def kill(self) -> None:
        """``kill -9`` the service with everything that it started."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def stop(self) -> None:
        """End it as an operator would."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=20)

    def command(self, *words: str) -> Any:
        """Run a command on the home and return its JSON."""
        done = subprocess.run(
            [IBIDEM, *words, "--json"],
            env=self.environment(),
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert done.stdout, done.stderr.decode()
        return json.loads(done.stdout)
