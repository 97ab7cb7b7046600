"""Uploaded files and their form fields, parsed as they arrive and never held in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, MultipartState, parse_options_header

from rag.errors import InvalidRequest, PayloadTooLarge, UnsupportedType

_FIELD_BYTES = 256_000
"""Bound on all fields together; the largest allowed metadata fit several times."""
_MOST_FIELDS = 15
_HEADER_BYTES = 16_384
_END = b""  # stands behind the last piece of a file


@dataclass(frozen=True, slots=True, kw_only=True)
class FormFile:
    """One file of a form; ``parts`` are its bytes, in pieces as they come, to be read once."""

    name: str
    declared_type: str | None
    parts: Iterator[bytes]


class UploadForm:
    """A ``multipart/form-data`` body with file parts and some text fields, in any order.

    Iterate over `files` once; after that ``fields`` are complete.
    """

    def __init__(
        self,
        content_type: str,
        body: Iterable[bytes],
        *,
        file: str,
        fields: frozenset[str],
        most_files: int = 1,
    ) -> None:
        """Expect parts named ``file`` with a file name, and any of ``fields``.

        Raises:
            UnsupportedType: the content type is not multipart/form-data.
            InvalidRequest: it names no boundary.
        """
        self.fields: dict[str, str] = {}
        self._body = iter(body)
        self._file = file
        self._known = fields
        self._most_files = most_files
        self._parser = _open_parser(content_type, self)
        self._parts = 0
        self._files = 0
        self._held = 0
        self._header = b""
        self._headers: dict[str, bytes] = {}
        self._name = ""
        self._value = b""
        self._found: deque[FormFile | bytes] = deque()

    def files(self) -> Iterator[FormFile]:
        """The files one after the other; what is not read of one is passed over for the next.

        Raises:
            InvalidRequest: the form is malformed, or holds other parts than it should.
            PayloadTooLarge: its fields are too long.
        """
        while (found := self._next()) is not None:
            if isinstance(found, FormFile):
                yield found
                for _ in found.parts:
                    pass
        if not self._files:
            raise InvalidRequest(
                f"The form has no part named {self._file!r} that is a file.", param=self._file
            )

    def _next(self) -> FormFile | bytes | None:
        """What the parser has found, body read as needed; ``None`` at the end of the form."""
        while not self._found:
            piece = next(self._body, None)
            if piece is None:
                if self._parser.state is not MultipartState.END:
                    raise InvalidRequest("The form ends too early: its last boundary is missing.")
                return None
            try:
                self._parser.write(piece)
            except FormParserError as error:
                raise InvalidRequest(f"The form is malformed: {error}") from error
        return self._found.popleft()

    def _content(self) -> Iterator[bytes]:
        while (found := self._next()) not in (None, _END):
            yield found  # type: ignore[misc]  # files begin only where one has ended

    # The parser calls these as it meets the parts.

    def on_part_begin(self) -> None:
        """Another part starts."""
        self._parts += 1
        most = self._most_files + _MOST_FIELDS
        if self._parts > most:
            raise InvalidRequest(f"The form has more than {most} parts.")
        self._headers, self._value = {}, b""

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        """A piece of a header's name."""
        self._header += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        """A piece of a header's value."""
        self._value += data[start:end]

    def on_header_end(self) -> None:
        """A header is complete."""
        self._headers[self._header.decode("latin-1").lower()] = self._value
        self._header = self._value = b""

    def on_headers_finished(self) -> None:
        """A part's headers are complete; its data follow."""
        disposition, options = parse_options_header(self._headers.get("content-disposition", b""))
        if disposition != b"form-data" or b"name" not in options:
            raise InvalidRequest("A part of the form has no name.")
        self._name = options[b"name"].decode("utf-8", "replace")
        if self._name == self._file:
            self._start_file(options)
        elif self._name not in self._known:
            expected = ", ".join(sorted({self._file, *self._known}))
            raise InvalidRequest(f"Unknown part; the form has: {expected}.", param=self._name[:64])
        elif self._name in self.fields:
            raise InvalidRequest(f"{self._name}: given twice.", param=self._name)

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        """A piece of a part's content."""
        if self._name == self._file:
            if start < end:
                self._found.append(data[start:end])
            return
        self._held += end - start
        if self._held > _FIELD_BYTES:
            raise PayloadTooLarge("The form's fields are larger than 256 kB.", param=self._name)
        self._value += data[start:end]

    def on_part_end(self) -> None:
        """A part is complete."""
        if self._name == self._file:
            self._found.append(_END)
        else:
            self.fields[self._name] = _decode(self._name, self._value)

    def _start_file(self, options: dict[bytes, bytes]) -> None:
        self._files += 1
        if self._files > self._most_files:
            most = "one file" if self._most_files == 1 else f"at most {self._most_files:,} files"
            raise InvalidRequest(f"Send {most} per request.", param=self._file)
        if b"filename" not in options:
            raise InvalidRequest(
                f"{self._file}: expected a file, with a file name; got a plain field.",
                param=self._file,
            )
        declared = self._headers.get("content-type")
        file = FormFile(
            name=options[b"filename"].decode("utf-8", "replace"),
            declared_type=None if declared is None else declared.decode("latin-1")[:255],
            parts=self._content(),
        )
        self._found.append(file)


def _open_parser(content_type: str, form: UploadForm) -> MultipartParser:
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        raise UnsupportedType(
            "Send the file as multipart/form-data, for example with curl -F file=@report.pdf.",
            param="Content-Type",
        )
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise InvalidRequest("The Content-Type names no boundary.", param="Content-Type")
    try:
        return MultipartParser(
            boundary,
            {
                "on_part_begin": form.on_part_begin,
                "on_header_field": form.on_header_field,
                "on_header_value": form.on_header_value,
                "on_header_end": form.on_header_end,
                "on_headers_finished": form.on_headers_finished,
                "on_part_data": form.on_part_data,
                "on_part_end": form.on_part_end,
            },
            max_header_size=_HEADER_BYTES,
        )
    except FormParserError as error:
        raise InvalidRequest(f"The Content-Type is malformed: {error}.") from error


def _decode(name: str, value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{name}: not UTF-8.", param=name) from error
