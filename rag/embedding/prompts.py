"""The words that some models want in front of queries and passages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompts:
    """Text put before each query and each passage; empty for models trained without."""

    query: str = ""
    passage: str = ""


# Model cards of these families: the prefix belongs to the model, but is not in its folder.
_FAMILIES = (
    (re.compile(r"(^|[-_])e5[-_]"), Prompts(query="query: ", passage="passage: ")),
    (
        re.compile(r"(^|[-_])bge[-_](small|base|large)[-_]en([-_]|$)"),
        Prompts(query="Represent this sentence for searching relevant passages: "),
    ),
    (
        re.compile(r"(^|[-_])bge[-_](small|base|large)[-_]zh([-_]|$)"),
        Prompts(query="为这个句子生成表示以用于检索相关文章\uff1a"),
    ),
)


def prompts_for(names: Iterable[str], stored: Mapping[str, str | None]) -> Prompts:
    """The prompts of a model: those stored with it, else those of its family.

    Args:
        names: What the model may be known by, such as a folder name or ``BAAI/bge-small-en``;
            the first that names a known family decides.
        stored: ``prompts`` of ``config_sentence_transformers.json``. Empty ones, which
            sentence-transformers writes for every model that it saves, say nothing.
    """
    query = stored.get("query") or ""
    passage = stored.get("passage") or stored.get("document") or ""
    if query or passage:
        return Prompts(query=query, passage=passage)
    for name in names:
        for pattern, prompts in _FAMILIES:
            if pattern.search(name.rpartition("/")[2].lower()):
                return prompts
    return Prompts()
