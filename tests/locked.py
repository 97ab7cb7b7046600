"""Locked files, made by hand: the libraries at hand only open them."""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile
import zlib

from tests.pdfs import line, pdf

SECRET = b"The locked words name the Heron pump."


def locked_zip(*members: tuple[bytes, bytes], method: int = 0, password: bytes = b"tika") -> bytes:
    """An archive with members locked as PKZIP did (APPNOTE 6.1): the library only reads them."""
    table = [_crc_entry(byte) for byte in range(256)]

    def crc(value: int, byte: int) -> int:
        return (value >> 8) ^ table[(value ^ byte) & 0xFF]

    keys = [0x12345678, 0x23456789, 0x34567890]

    def update(byte: int) -> None:
        keys[0] = crc(keys[0], byte)
        keys[1] = ((keys[1] + (keys[0] & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
        keys[2] = crc(keys[2], keys[1] >> 24)

    def encrypt(data: bytes) -> bytes:
        out = bytearray()
        for byte in data:
            mixed = (keys[2] | 2) & 0xFFFF
            out.append(byte ^ ((mixed * (mixed ^ 1)) >> 8) & 0xFF)
            update(byte)
        return bytes(out)

    local = listed = b""
    for name, content in members:
        keys[:] = 0x12345678, 0x23456789, 0x34567890
        for byte in password:
            update(byte)
        checksum = zlib.crc32(content)
        data = encrypt(bytes(11) + bytes([checksum >> 24]) + content)
        fields = (20, 1, method, 0, 33, checksum, len(data), len(content), len(name))
        listed += struct.pack("<4sH5H3I5H2I", b"PK\x01\x02", 20, *fields, 0, 0, 0, 0, 0, len(local))
        listed += name
        local += struct.pack("<4s5H3I2H", b"PK\x03\x04", *fields, 0) + name + data
    n = len(members)
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, n, n, len(listed), len(local), 0)
    return local + listed + end


def _crc_entry(value: int) -> int:
    for _ in range(8):
        value = (value >> 1) ^ (0xEDB88320 if value & 1 else 0)
    return value


def partly_locked_zip(password: str) -> bytes:
    """An archive with ``open.txt`` for everybody and ``secret.txt`` behind the password."""
    whole = locked_zip((b"secret.txt", SECRET), password=password.encode())
    with io.BytesIO(whole) as file:
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr("open.txt", "These words are open to everybody.")
        return file.getvalue()


def locked_pdf(text: str, password: str) -> bytes:
    """A PDF of one page that needs a password (ISO 32000-1, 7.6.3: RC4 with 40 bits)."""
    padding = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")
    padded = (password.encode() + padding)[:32]
    file_id = b"0123456789abcdef"
    owner = _rc4(hashlib.md5(padded, usedforsecurity=False).digest()[:5], padded)
    rights = struct.pack("<i", -4)
    key = hashlib.md5(padded + owner + rights + file_id, usedforsecurity=False).digest()[:5]
    user = _rc4(key, padding)
    trailer = (
        f"/ID [<{file_id.hex()}> <{file_id.hex()}>] /Encrypt << /Filter /Standard /V 1 /R 2 "
        f"/P -4 /O <{owner.hex()}> /U <{user.hex()}> >>"
    )
    content = line(72, 720, text)
    plain = pdf(content, trailer=trailer)
    stream = 5  # the number of the object that holds the content
    object_key = key + struct.pack("<I", stream)[:3] + bytes(2)
    digest = hashlib.md5(object_key, usedforsecurity=False).digest()[:10]
    assert plain.count(content.encode()) == 1
    return plain.replace(content.encode(), _rc4(digest, content.encode()))


def _rc4(key: bytes, data: bytes) -> bytes:
    state = list(range(256))
    j = 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) & 0xFF
        state[i], state[j] = state[j], state[i]
    out = bytearray()
    i = j = 0
    for byte in data:
        i = (i + 1) & 0xFF
        j = (j + state[i]) & 0xFF
        state[i], state[j] = state[j], state[i]
        out.append(byte ^ state[(state[i] + state[j]) & 0xFF])
    return bytes(out)
