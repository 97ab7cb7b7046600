"""BM25 over passage text, on tantivy."""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Sequence
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import tantivy
from tantivy import Query

from rag.errors import StoreDamaged
from rag.figures import figures
from rag.lexical_view import View
from rag.stemming import LANGUAGES, analyzer, language_of
from rag.types import Ids
from rag.vectors import Hits, best, nothing

_ANALYZER = "stems-3"
"""Stored with an index: raise the number when the analysis changes, and old indexes refuse."""

_UNSPACED = re.compile(
    r"[\u0E00-\u0EFF\u1000-\u109F\u1780-\u17FF\u3040-\u30FF\u31F0-\u31FF\u3400-\u4DBF"
    r"\u4E00-\u9FFF\uAC00-\uD7AF\uF900-\uFAFF\U00020000-\U0003FFFF]+"
)
_STOP_WORDS = (
    "a about also am an and any are as at be been being between both but by can could d did do "
    "does during each for from had has have he her here herself him himself his how i if in into "
    "is it its itself just ll m may me might more most my no not of on only or other our re s "
    "shall she should so some such t than that the their them themselves then there these they "
    "this those to too us ve very was we were what when where which who whom whose why will with "
    "would you your"
)
_QUOTED = re.compile(
    '["\u201c\u201d\u201e\u00ab]([^"\u201c\u201d\u201e\u00ab\u00bb]+)["\u201c\u201d\u00bb]'
)
_MOST_QUERY_WORDS = 512
_MOST_PAIRS = 32
_MOST_QUOTES = 8
_BETWEEN = 1
"""More words between two than there are in the query, and they still stand together."""
_STEMS = {language: analyzer(language) for language in LANGUAGES}
_WRITER_BYTES = 32_000_000
_FEW = 1_000
_DEEPER = (1.5, 6.0)


class LexicalIndex:
    """Words of passages by chunk id, ranked by BM25 (k1 = 1.2, b = 0.75).

    Words are case-folded and stemmed by the language that a passage is in; those of a query are
    looked up by the stems of each language that passages are in. Scripts written without spaces
    are cut into overlapping pairs of characters. English stop words are indexed, and left out of
    a query unless it has nothing else. Dates, large amounts and numbers of clauses count once more
    as they are, however they are written. A query is words only: no character in it has a
    syntactic meaning.

    Statistics (how rare a word is, how long passages are) are those of the whole index,
    whatever is ``allowed``. What a query puts in quotation marks counts as words and, where a
    passage has it word for word, once more as a phrase.

    Any number of threads may search while one writes; a change is seen by every search that
    starts after it returned.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Open or create the index in the folder ``path``, or start an empty one in memory.

        Raises:
            StoreDamaged: The folder holds something else, or an index of another version.
        """
        builder = tantivy.SchemaBuilder()
        builder.add_unsigned_field("id", indexed=True, fast=True)
        builder.add_text_field("text", tokenizer_name=_ANALYZER, index_option="position")
        builder.add_text_field("language", tokenizer_name="raw", index_option="basic")
        self._schema = builder.build()
        if path is None:
            self._index = tantivy.Index(self._schema)
        else:
            self._index = self._open(path)
        self._analyzer = analyzer()
        self._index.register_tokenizer(_ANALYZER, self._analyzer)
        self._index.config_reader("manual")
        self._stop_words = frozenset(self._analyzer.analyze(_STOP_WORDS))
        self._writing = threading.Lock()
        self._view = View(self._index, self._schema)

    def add(self, ids: Ids, texts: Sequence[str]) -> None:
        """Add or replace. The last of repeated ids wins.

        Raises:
            ValueError: There are not as many texts as ids, or an id is negative.
        """
        if len(ids) != len(texts):
            raise ValueError(f"{len(ids)} ids came with {len(texts)} texts; one text per id")
        self._change(dict(zip(_listed(ids), texts, strict=True)), replacing=True)

    def remove(self, ids: Ids) -> None:
        """Forget these ids; unknown ones are ignored."""
        self._change(dict.fromkeys(_listed(ids), ""), replacing=False)

    def search(self, query: str, k: int, allowed: Ids | None = None, *, pairs: float = 0.0) -> Hits:
        """The k passages with the highest BM25 score, among ``allowed`` (sorted ids) when given.

        Passages that contain no word of the query are never hits. Equal scores are ordered by id.

        Args:
            query: Words; stop words do not count.
            k: Most hits.
            allowed: Sorted ids.
            pairs: Weight of neighbouring words of the query that stand together in a passage
                too, for the order of the k: each pair is scored by BM25 like a word, as rare
                as both its words. The ordered part of the sequential dependence model of
                Metzler and Croft, "A Markov Random Field Model for Term Dependencies", 2005.
        """
        view = self._view
        spaced = _spaced(query)
        own = language_of(query)  # comes first, where there is not room for all
        languages = sorted(view.languages, key=lambda one: one != own)
        telling = self._telling(spaced, languages, english=own is None)
        k = min(k, len(view) if allowed is None else len(allowed))
        if k <= 0 or not any(telling):
            return nothing()
        known = chain(figures(spaced), (word for _, word in chain(*telling)))
        words = list(dict.fromkeys(known))[:_MOST_QUERY_WORDS]
        quoted = self._quoted(query, languages)
        together = self._pairs(telling) if pairs else []
        if allowed is not None and k == len(allowed):  # none is cut off before its pairs count
            weighed = [Query.boost_query(one, pairs) for one in together]
            return view.among(words, [*quoted, *weighed], allowed, k)
        hits = _ranked(view, words, quoted, k, allowed)
        if not together or not len(hits.ids):
            return hits
        found = view.holding(together, hits.ids)
        order = np.argsort(hits.ids)
        scores = hits.scores.copy()
        places = order[np.searchsorted(hits.ids, found.ids, sorter=order)]
        scores[places] += np.float32(pairs) * found.scores
        return best(hits.ids, scores, k)

    def ids(self) -> Ids:
        """All ids held, sorted."""
        return self._view.ids()

    def _open(self, path: Path) -> tantivy.Index:
        path.mkdir(parents=True, exist_ok=True)
        try:
            return tantivy.Index(self._schema, path=str(path))
        except ValueError as error:
            raise StoreDamaged(
                f"{path} holds no BM25 index of this version ({error}); delete the folder to "
                "have the index rebuilt"
            ) from error

    def _change(self, texts: dict[int, str], *, replacing: bool) -> None:
        if not texts:
            return
        with self._writing:
            # A writer costs 2 ms to open and several idle threads to keep, so none is kept.
            writer = self._index.writer(_WRITER_BYTES, 1)
            if len(self._view):
                known = Query.term_set_query(self._schema, "id", list(texts))
                writer.delete_documents_by_query(known)
            for key, text in texts.items() if replacing else ():
                document = tantivy.Document()
                document.add_unsigned("id", key)
                language, spaced = language_of(text), _spaced(text)
                document.add_text("language", language or "")
                document.add_text("text", " ".join([_stemmed(spaced, language), *figures(spaced)]))
                writer.add_document(document)
            writer.commit()
            writer.wait_merging_threads()
            self._index.reload()
            self._view = View(self._index, self._schema)

    def _telling(
        self, query: str, languages: Sequence[str], *, english: bool
    ) -> list[list[tuple[int, str]]]:
        """A query's words and their places, by no language's stems and by those of each.

        They are without stop words unless there are no others. If the query may be ``english``,
        these are left out wherever they stand: the German stem of "does" is no stop word.
        """
        forms = [
            list(enumerate(self._analyzer.analyze(_stemmed(query, one))))
            for one in (None, *languages)
        ]
        small = {place for place, word in forms[0] if word in self._stop_words}
        telling = []
        for form in forms:
            left_out = small if english and len(form) == len(forms[0]) else ()
            kept = [(p, word) for p, word in form if word not in self._stop_words]
            telling.append([one for one in kept if one[0] not in left_out] or kept or form)
        return telling

    def _pairs(self, telling: Sequence[Sequence[tuple[int, str]]]) -> list[Query]:
        """Each two words that follow one another, as near in a passage as in the query."""
        pairs = dict.fromkeys(
            (word, other, place - before)
            for form in telling
            for (before, word), (place, other) in pairwise(form)
            if word != other and not _UNSPACED.match(word + other)  # these overlap anyway
        )
        return [
            Query.phrase_query(self._schema, "text", [(0, word), (apart, other)], _BETWEEN)
            for word, other, apart in list(pairs)[:_MOST_PAIRS]
        ]

    def _quoted(self, query: str, languages: Sequence[str]) -> list[Query]:
        """What stands in quotation marks, word for word."""
        quotes = dict.fromkeys(map(_spaced, _QUOTED.findall(query)))
        several = [one for one in quotes if len(self._analyzer.analyze(one)) > 1]
        phrases = dict.fromkeys(
            tuple(self._analyzer.analyze(_stemmed(one, language)))
            for one in several[:_MOST_QUOTES]
            for language in (None, *languages)
        )
        return [
            Query.phrase_query(self._schema, "text", list(words[:_MOST_QUERY_WORDS]))
            for words in phrases
        ]


def _stemmed(text: str, language: str | None) -> str:
    """The text's words as their stems in a language, if one is told."""
    return text if language is None else " ".join(_STEMS[language].analyze(text))


def _spaced(text: str) -> str:
    """The text with compatible characters made equal, and unspaced scripts cut into bigrams."""
    if text.isascii():
        return text
    valid = text.encode("utf-8", "replace").decode("utf-8")  # JSON can bring half a character
    return _UNSPACED.sub(_bigrams, unicodedata.normalize("NFKC", valid))


def _bigrams(run: re.Match[str]) -> str:
    characters = run.group()
    pairs = [characters[i : i + 2] for i in range(len(characters) - 1)]
    return f" {' '.join(pairs or [characters])} "


def _listed(ids: Ids) -> list[int]:
    listed: list[int] = np.asarray(ids, np.int64).tolist()
    if any(key < 0 for key in listed):
        raise ValueError(f"chunk ids are not negative, but one is {min(listed)}")
    return listed


def _ranked(
    view: View, words: Sequence[str], phrases: Sequence[Query], k: int, allowed: Ids | None
) -> Hits:
    if allowed is None:
        return view.best(words, phrases, k)
    # Handing over many allowed ids costs more than looking further down the ranking of all
    # passages. The first k / selectivity have k allowed ones on the average.
    for margin in _DEEPER:
        depth = int(margin * k * len(view) / len(allowed))
        if len(allowed) <= max(_FEW, depth):
            break
        hits = view.best(words, phrases, depth)
        places = np.searchsorted(allowed, hits.ids)
        kept = allowed[np.minimum(places, len(allowed) - 1)] == hits.ids
        if kept.sum() >= k or len(hits.ids) < depth:
            return Hits(hits.ids[kept][:k], hits.scores[kept][:k])
    return view.among(words, phrases, allowed, k)
