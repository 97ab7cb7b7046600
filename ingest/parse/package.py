"""Office files are zip archives of XML parts: how they are opened without trusting them.

Sizes are looked at before anything is unpacked, and counted again while it is: no part is
read beyond a fixed size, whatever the archive says of it. Entities are never resolved and no
DTD is loaded. Names of parts differ in case and slashes between programs; here they do not.
"""

from __future__ import annotations

import posixpath
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote

from lxml import etree

from ingest.parse.encoding import storable
from rag.errors import CorruptDocument, EncryptedDocument, ParserLimit

_MOST_MEMBERS = 50_000
_LARGEST_PART = 96 << 20
_LARGEST_STREAM = 1 << 30
_LARGEST_TOTAL = 4 << 30
# Deflate reaches 1,032; a sheet with the same cell a million times stays under 100.
_HIGHEST_RATIO = 250
_SMALL = 64 << 20
_LONGEST_TITLE = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A relationship to another part: the last word of its type, and the part's name."""

    type: str
    target: str


@contextmanager
def opened(path: Path, kind: str) -> Iterator[Package]:
    """The parts of a file; ``kind`` is what messages call it: "Word document".

    Raises:
        CorruptDocument: The archive or a part of it is damaged.
        EncryptedDocument: A part is locked with a password.
        ParserLimit: It has too many parts, or they expand beyond what is read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            yield Package(archive, kind)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise CorruptDocument(f"the {kind} is damaged: its archive is broken") from error


class Package:
    """Named parts, read one at a time."""

    def __init__(self, archive: zipfile.ZipFile, kind: str) -> None:
        self.kind = kind
        self._archive = archive
        members = archive.infolist()
        if len(members) > _MOST_MEMBERS:
            raise ParserLimit(f"its archive has more than {_MOST_MEMBERS:,} members")
        if sum(member.file_size for member in members) > _LARGEST_TOTAL:
            raise ParserLimit(f"it expands to more than {_LARGEST_TOTAL >> 30} GB")
        self._members = {_plain(member.filename): member for member in members}

    def __contains__(self, name: str) -> bool:
        """Whether there is such a part."""
        return _plain(name) in self._members

    def read(self, name: str) -> bytes | None:
        """A part's bytes, or ``None`` when there is no such part."""
        with self._open(name, _LARGEST_PART) as file:
            if file is None:
                return None
            data = file.read(_LARGEST_PART + 1)
        if len(data) > _LARGEST_PART:
            raise ParserLimit(_too_large(_LARGEST_PART))
        return data

    def xml(self, name: str) -> Any | None:
        """Root element of a part, or ``None`` when there is no such part."""
        data = self.read(name)
        if data is None:
            return None
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
        with self._read_as_xml(name):
            return etree.fromstring(data, parser)

    def elements(self, name: str, *tags: str) -> Iterator[Any]:
        """Elements of these local names as they end, each forgotten after its turn.

        For parts of any length: only one element at a time is in memory, with what it holds.
        """
        with self._open(name, _LARGEST_STREAM) as file:
            if file is None:
                return
            walk = etree.iterparse(
                _Counted(file),
                events=("end",),
                tag=[f"{{*}}{tag}" for tag in tags],
                resolve_entities=False,
                no_network=True,
                load_dtd=False,
            )
            with self._read_as_xml(name):
                for _, element in walk:
                    yield element
                    _forget(element)

    def links(self, name: str) -> Mapping[str, Link]:
        """What a part refers to, by id; parts outside the archive are left out."""
        folder, _, file = name.rpartition("/")
        root = self.xml(posixpath.join(folder, "_rels", f"{file}.rels"))
        found: dict[str, Link] = {}
        for node in each(root, "Relationship"):
            if node.get("TargetMode") != "External":
                target = posixpath.join("/", folder, unquote(node.get("Target", "")))
                link = Link(
                    type=node.get("Type", "").rpartition("/")[2],
                    target=posixpath.normpath(target).lstrip("/"),
                )
                found[node.get("Id", "")] = link
        return found

    def linked(self, name: str, type_: str) -> list[str]:
        """Names of the parts that a part refers to by relationships of this type."""
        return [link.target for link in self.links(name).values() if link.type == type_]

    def main(self, default: str) -> str:
        """Name of the part that the others hang on."""
        return next(iter(self.linked("", "officeDocument")), default)

    def title(self) -> str | None:
        """The title in the document's properties."""
        for name in self.linked("", "core-properties") or ["docProps/core.xml"]:
            node = first(self.xml(name), "title")
            if node is not None and node.text and node.text.strip():
                return storable(" ".join(node.text.split())[:_LONGEST_TITLE])
        return None

    @contextmanager
    def _open(self, name: str, most: int) -> Iterator[IO[bytes] | None]:
        member = self._members.get(_plain(name))
        if member is None:
            yield None
            return
        if member.file_size > most:
            raise ParserLimit(_too_large(most))
        if member.file_size > max(_SMALL, _HIGHEST_RATIO * member.compress_size):
            raise ParserLimit(
                f"a part of it expands {_HIGHEST_RATIO}-fold and more, as only a file made to "
                "exhaust memory does"
            )
        if member.flag_bits & 1:
            raise locked(self.kind)
        with self._archive.open(member) as file:
            yield file

    @contextmanager
    def _read_as_xml(self, name: str) -> Iterator[None]:
        try:
            yield
        except etree.XMLSyntaxError as error:
            if error.code == etree.ErrorTypes.ERR_NO_MEMORY:
                raise MemoryError from error
            if error.code == etree.ErrorTypes.ERR_RESOURCE_LIMIT:
                raise ParserLimit("it is nested too deeply or has too long a text") from error
            raise CorruptDocument(f"the {self.kind} is damaged: {name} is not XML") from error


def locked(kind: str) -> EncryptedDocument:
    """What is said of an Office file with a password: none of them is opened, unlike a PDF."""
    return EncryptedDocument(
        f"the {kind} is locked with a password, which cannot be opened here; open it in its "
        "program, save it without the password and upload that"
    )


def each(root: Any | None, *names: str) -> Iterator[Any]:
    """All elements below one, itself included, of these local names."""
    if root is not None:
        yield from root.iter(*(f"{{*}}{name}" for name in names))


def first(root: Any | None, *names: str) -> Any | None:
    """The first of ``each``."""
    return next(each(root, *names), None)


def own(root: Any | None, *names: str) -> Iterator[Any]:
    """Children of these local names."""
    if root is not None:
        yield from root.iterchildren(*(f"{{*}}{name}" for name in names))


def local(node: Any) -> str:
    """Local name; that of comments and instructions is empty."""
    tag = node.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def attribute(node: Any, name: str) -> str | None:
    """An attribute, whichever namespace it is in: there are two of each, old and strict."""
    for key, value in node.attrib.items():
        if key.rpartition("}")[2] == name:
            return str(value)
    return None


class _Counted:
    """A stream that ends in an error where it exceeds what is read of a part."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._left = _LARGEST_STREAM

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise ParserLimit(_too_large(_LARGEST_STREAM))
        return data


def _forget(element: Any) -> None:
    element.clear()
    parent = element.getparent()
    if parent is not None:
        while element.getprevious() is not None:
            del parent[0]


def _plain(name: str) -> str:
    return name.replace("\\", "/").lstrip("/").lower()


def _too_large(size: int) -> str:
    return f"it expands to more than {size >> 20} MB of text"
