from __future__ import annotations

import pytest

from rag.redact import masked_text, masked_url, public_url


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("http://ada:secret@host/v1", "http://host/v1"),
        ("http://secret@host:8001/v1?api_key=secret#secret", "http://host:8001/v1"),
        ("http://ada:se/cr?et#@secret@host/v1", "http://host/v1"),
        ("ada:secret@host/v1", "host/v1"),
        ("http://[::1]:9/v1", "http://[::1]:9/v1"),
        ("", ""),
    ],
)
def test_a_public_address_has_no_credentials_and_no_query(url: str, public: str) -> None:
    assert public_url(url) == public


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("postgresql://ada:secret@db/x", "postgresql://ada:***@db/x"),
        ("postgresql://ada@db/x", "postgresql://ada:***@db/x"),
        (
            "postgresql://db/x?user=ada&password=secret&sslmode=require",
            "postgresql://db/x?user=ada&password=***&sslmode=require",
        ),
        ("postgresql:///x?PGPassword=secret", "postgresql:///x?PGPassword=***"),
        ("postgresql://ada:se?cr#et@db/x", "postgresql://ada:***@db/x"),
        ("sqlite:////home/ada/catalog.db", "sqlite:////home/ada/catalog.db"),
    ],
)
def test_a_masked_address_still_says_who_and_where(url: str, masked: str) -> None:
    assert masked_url(url) == masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("cannot parse 'postgresql://ada:se%40cret@db/x'", "cannot parse '***'"),
        ("invalid literal for int(): 'cret@db'", "invalid literal for int(): '***'"),
        ("input 'postgresql://ad...cret@db/x'", "input '***...***'"),  # as pydantic shortens
        ("password 'se@cret' is wrong", "password '***' is wrong"),
        ("no answer in 5 s", "no answer in 5 s"),
    ],
)
def test_a_masked_text_holds_no_piece_of_a_secret(text: str, masked: str) -> None:
    assert masked_text(text, ["postgresql://ada:se%40cret@db/x"]) == masked
