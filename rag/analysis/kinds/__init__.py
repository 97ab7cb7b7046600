"""The kinds of analysis: a table, with a module for each."""

from __future__ import annotations

from collections.abc import Mapping

from rag.analysis.kinds.base import Body, Doubt, Finished, KindOf
from rag.analysis.kinds.classification import Classifying
from rag.analysis.kinds.extraction import Extracting
from rag.analysis.kinds.reasoning import Arguing
from rag.analysis.kinds.report import Reporting
from rag.analysis.kinds.summary import Summarizing
from rag.analysis.requests import Kind

__all__ = ["KINDS", "Body", "Doubt", "Finished", "KindOf"]

KINDS: Mapping[Kind, KindOf] = {
    Kind.SUMMARY: Summarizing(),
    Kind.EXTRACTION: Extracting(),
    Kind.REASONING: Arguing(),
    Kind.CLASSIFICATION: Classifying(),
    Kind.REPORT: Reporting(),
}
