"""One moment of a BM25 index: its words, what holds them, and the best of them.

Most of a long query's work goes into its frequent words, although they decide little. Where
passages without any rarer word cannot be among the best, only passages that hold one are looked
at (MaxScore: Turtle and Flood, "Query Evaluation: Strategies and Optimizations", 1995). That they
cannot is proved by what was found: the last of the best has a higher score than the frequent
words together can give to any passage.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import numpy as np
import tantivy
from tantivy import Occur, Query

from rag.stemming import LANGUAGES
from rag.types import Ids
from rag.vectors import Hits, nothing

_LOOKED_UP = 200
"""Up to so many ids are faster looked up one by one than as a set."""
_MOST_NESTED = 16
"""Beyond so many words a query is asked as a whole: each nested one is a call within a call."""
_SEEK = 7
"""Finding a word's place for a passage takes as long as reading so many places in order."""
_ROOM = 1.6
"""A word gives its best passage so much more than the idf, which it gives to an ordinary one."""
_SURE = 1.0001
"""Sums of scores are rounded, in whatever order."""
_MOST_KNOWN = 10_000


class View:
    """An index as it was when this was made; any number of threads may ask."""

    def __init__(self, index: tantivy.Index, schema: tantivy.Schema) -> None:
        self._searcher = index.searcher()
        self._schema = schema
        self._highest: dict[str, float] = {}
        self.languages = tuple(one for one in LANGUAGES if self._searcher.doc_freq("language", one))
        """By which passages are stemmed, some of them gone perhaps."""

    def __len__(self) -> int:
        """Number of passages."""
        return int(self._searcher.num_docs)

    def ids(self) -> Ids:
        """All ids held, sorted."""
        return (
            np.sort(self._found(Query.all_query(), len(self)).ids) if len(self) else nothing().ids
        )

    def best(self, words: Sequence[str], phrases: Sequence[Query], k: int) -> Hits:
        """The k passages with the highest scores; what holds no word is none."""
        terms = {word: self._term(word) for word in words}
        rarer = None if phrases else self._deciding(words, k)
        if rarer is not None:
            others = [word for word in words if word not in rarer]
            rare = _either([terms[word] for word in rarer])
            hits = self._found(_and_also(rare, [terms[word] for word in others]), k)
            most = _SURE * sum(self._most(word) for word in others)
            if len(hits.ids) == k and hits.scores[-1] > most:
                return hits
        return self._found(_either([*terms.values(), *phrases]), k)

    def among(self, words: Sequence[str], phrases: Sequence[Query], ids: Ids, k: int) -> Hits:
        """The same of some sorted ids."""
        terms = [self._term(word) for word in words]
        if len(words) > _MOST_NESTED:
            return self._found(self._each([_either(terms), *phrases], ids), k)
        only = self._only(ids)
        hits = self._found(_either([_and_also(only, terms), *self._with(phrases, only)]), k)
        held = hits.scores > 0
        return Hits(hits.ids[held], hits.scores[held])

    def holding(self, phrases: Sequence[Query], ids: Ids) -> Hits:
        """Those of some ids that hold a phrase."""
        return self._found(self._each(phrases, ids), len(ids))

    def _deciding(self, words: Sequence[str], k: int) -> Sequence[str] | None:
        """The words of which the best k presumably hold one, if it is worth to look at these."""
        if not 1 < len(words) <= _MOST_NESTED:
            return None
        holders = {word: self._searcher.doc_freq("text", word) for word in words}
        order = sorted((word for word in words if holders[word]), key=holders.__getitem__)
        total = sum(holders.values())
        held, sure = 0, 0.0
        for count, word in enumerate(order[:-1], start=1):
            others = order[count:]
            held += holders[word]
            if _SEEK * held * len(others) > total:
                return None
            if held >= k:
                sure = sure or self._rarity(holders[word])
                usual = sum(self._rarity(holders[w]) for w in others if 2 * holders[w] > len(self))
                if sure + usual > _ROOM * sum(self._rarity(holders[w]) for w in others):
                    return order[:count]
        return None

    def _rarity(self, holders: int) -> float:
        return log(1 + max(0.0, len(self) - holders + 0.5) / (holders + 0.5))

    def _most(self, word: str) -> float:
        """The highest score that the word gives to any passage."""
        most = self._highest.get(word)
        if most is None:
            found = self._searcher.search(self._term(word), 1, count=False).hits
            most = float(found[0][0]) if found else 0.0
            if len(self._highest) >= _MOST_KNOWN:
                self._highest.clear()
            self._highest[word] = most
        return most

    def _term(self, word: str) -> Query:
        return Query.term_query(self._schema, "text", word, "freq")

    def _each(self, queries: Sequence[Query], ids: Ids) -> Query:
        # Each by itself: of a union, every hit is scored before it is seen whether it is wanted.
        return _either(self._with(queries, self._only(ids)))

    def _with(self, queries: Sequence[Query], only: Query) -> list[Query]:
        return [Query.boolean_query([(Occur.Must, one), (Occur.Must, only)]) for one in queries]

    def _only(self, ids: Ids) -> Query:
        """Passages by their ids, without a score."""
        listed = ids.tolist()
        if len(listed) <= _LOOKED_UP:  # a set looks through all ids that there are
            one_by_one = [Query.term_query(self._schema, "id", one, "basic") for one in listed]
            return Query.const_score_query(_either(one_by_one), 0.0)
        return Query.const_score_query(Query.term_set_query(self._schema, "id", listed), 0.0)

    def _found(self, query: Query, k: int) -> Hits:
        found = self._searcher.search(query, k, count=False).hits
        addresses = [address for _, address in found]
        ids = np.array(self._searcher.fast_field_values("id", addresses), np.int64)
        scores = np.array([score for score, _ in found], np.float32)
        order = np.lexsort((ids, -scores))
        return Hits(ids[order], scores[order])


def _either(queries: Sequence[Query]) -> Query:
    return Query.boolean_query([(Occur.Should, query) for query in queries])


def _and_also(wanted: Query, others: Sequence[Query]) -> Query:
    """What is wanted, with the scores that others add; nested, as each is looked up by itself."""
    for other in others:
        wanted = Query.boolean_query([(Occur.Must, wanted), (Occur.Should, other)])
    return wanted
