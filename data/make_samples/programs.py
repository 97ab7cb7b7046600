"""Runs the programs that write the files, and pins what they stamp with the clock.

Dates, document ids and archive times are set to the document's own date, so that a second
run writes the same bytes as the first. Metadata that a program writes about itself stays.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import subprocess
import tempfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path

_PDF_DATE = re.compile(rb"/(CreationDate|ModDate)\s?\((D:[^)]*)\)")
_PDF_ID = re.compile(rb"/ID\s*\[\s*<([0-9A-Fa-f]+)>\s*<([0-9A-Fa-f]+)>\s*\]")
_CHECKSUM = re.compile(rb"/DocChecksum /([0-9A-F]{32})")
_DC_DATE = re.compile(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*(<)")
_DURATION = re.compile(rb"<TotalTime>\d+</TotalTime>")


def at(text: str) -> datetime:
    """The moment that a document says it was written, e.g. ``2024-04-25 08:30``."""
    return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)


def _run(command: list[str], folder: Path, when: datetime) -> None:
    environment = dict(os.environ)
    environment |= {"SOURCE_DATE_EPOCH": str(int(when.timestamp())), "FORCE_SOURCE_DATE": "1"}
    environment |= {"TZ": "UTC", "LC_ALL": "C.UTF-8", "HOME": str(folder)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    if done.returncode:
        tail = (done.stdout + done.stderr).decode(errors="replace")[-3000:]
        raise RuntimeError(f"{command[0]} ended with {done.returncode}:\n{tail}")


def office(source: Path, target: Path, when: datetime, *, filter_options: str = "") -> None:
    """Converts with LibreOffice into the format that the target's suffix names."""
    kind = target.suffix[1:] + (f":{filter_options}" if filter_options else "")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy = folder / "in" / f"{target.stem}{source.suffix}"
        copy.parent.mkdir()
        shutil.copy(source, copy)
        profile = f"-env:UserInstallation=file://{folder}/profile"
        command = ["soffice", profile, "--headless", "--convert-to", kind]
        _run([*command, "--outdir", "out", str(copy)], folder, when)
        shutil.copy(folder / "out" / target.name, target)
    pin(target, when)


def chromium(html: Path, target: Path, when: datetime) -> None:
    """Prints a page to PDF with Chromium."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        page = folder / html.name
        shutil.copy(html, page)
        command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu"]
        command += ["--no-pdf-header-footer", f"--user-data-dir={folder}/profile"]
        _run([*command, "--print-to-pdf=out.pdf", page.as_uri()], folder, when)
        shutil.copy(folder / "out.pdf", target)
    pin(target, when)


def latex(source: str, target: Path, when: datetime) -> None:
    """Typesets with pdfLaTeX, often enough for the table of contents to settle."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "paper.tex").write_text(source, encoding="utf-8")
        for _ in range(3):
            command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
            _run(command, folder, when)
        shutil.copy(folder / "paper.pdf", target)
    pin(target, when)


def pin(path: Path, when: datetime) -> None:
    """Sets the clock-dependent parts of a PDF or an Office file."""
    if path.suffix == ".pdf":
        _pin_pdf(path, when)
    elif path.suffix in {".docx", ".pptx", ".xlsx"}:
        _pin_archive(path, when)


def _pin_pdf(path: Path, when: datetime) -> None:
    data = path.read_bytes()
    stamp = when.strftime("D:%Y%m%d%H%M%S").encode()

    def date(match: re.Match[bytes]) -> bytes:
        old = match[2]
        return match[0].replace(old, (stamp + old[len(stamp) :])[: len(old)])

    data = _PDF_DATE.sub(date, data)
    for digest in (b"0" * 32, None):
        # First blank what depends on the clock, then name the document by what is left.
        name = digest or hashlib.md5(data, usedforsecurity=False).hexdigest().upper().encode()
        for pattern in (_PDF_ID, _CHECKSUM):
            data = pattern.sub(lambda m, n=name: re.sub(rb"[0-9A-Fa-f]{32}", n, m[0]), data)
    path.write_bytes(data)


def _pin_archive(path: Path, when: datetime) -> None:
    path.write_bytes(_pinned(path.read_bytes(), when))


def _pinned(archive: bytes, when: datetime) -> bytes:
    iso = when.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(buffer, "w") as new:
        for part in old.infolist():
            data = old.read(part)
            if part.filename.endswith(".xlsx"):  # the data behind a chart
                data = _pinned(data, when)
            elif part.filename == "docProps/core.xml":
                data = _DC_DATE.sub(rb"\g<1>" + iso + rb"\g<2>", data)
            elif part.filename == "docProps/app.xml":
                data = _DURATION.sub(b"<TotalTime>0</TotalTime>", data)
            entry = zipfile.ZipInfo(part.filename, when.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(entry, data)
    return buffer.getvalue()
