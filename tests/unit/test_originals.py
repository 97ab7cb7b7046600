"""Originals: kept under their hash, healed by the same bytes sent again."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from ingest.originals import Originals

CONTENT = b"The pump moves forty litres of brine."
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def keep(originals: Originals, times: int = 1) -> Path:
    with originals.receive([CONTENT], limit=1000) as upload:
        for _ in range(times):
            originals.keep(upload)
    return originals.path(SHA256)


@pytest.mark.parametrize("damaged", [b"", CONTENT[:-1], CONTENT[:-1] + b"?"])
def test_a_damaged_original_is_healed_by_the_same_bytes(tmp_path: Path, damaged: bytes) -> None:
    originals = Originals(tmp_path / "originals")
    path = keep(originals)
    path.write_bytes(damaged)
    assert keep(originals, times=2).read_bytes() == CONTENT
    assert list(originals.all()) == [SHA256]
    assert list((tmp_path / "originals" / "incoming").iterdir()) == []


def test_every_folder_is_known_to_the_disk_before_an_upload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        synced.append(os.fstat(handle).st_ino)
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    folder = tmp_path / "originals"
    originals = Originals(folder)
    assert {tmp_path.stat().st_ino, folder.stat().st_ino} <= set(synced)
    assert (folder / SHA256[:2]).is_dir()
    synced.clear()
    path = keep(originals)
    assert set(synced) == {path.stat().st_ino, path.parent.stat().st_ino}
