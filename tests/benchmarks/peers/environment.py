"""The peers' own virtual environment: they bring torch, which Ibidem's core does without."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
_TORCH = "torch==2.13.0"


def ensure(folder: Path) -> Path:
    """The environment's interpreter; built first when missing or when its pins have changed."""
    python = folder / "bin" / "python"
    stamp = folder / "requirements.sha256"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes() + _TORCH.encode()).hexdigest()
    if stamp.is_file() and stamp.read_text("utf-8") == wanted:
        return python
    print(f"installing the peers into {folder} (once, about 2 GB)", file=sys.stderr)
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(python), "-m", "pip", "install", "--quiet"]
    # Alone and first: a later package would otherwise choose a build with CUDA. Where this
    # version is not offered, any other serves the comparison as well.
    if subprocess.run([*pip, _TORCH], check=False).returncode:
        subprocess.run([*pip, "torch"], check=True)
    subprocess.run([*pip, "-r", str(REQUIREMENTS)], check=True)
    stamp.write_text(wanted, encoding="utf-8")
    return python
