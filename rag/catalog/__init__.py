"""The SQL truth about documents, and the one way to it."""

from __future__ import annotations

from collections.abc import Sequence

from rag.catalog.attachments import Attachments
from rag.catalog.batches import BatchStore
from rag.catalog.claims import Claims
from rag.catalog.collections import Collections
from rag.catalog.conversations import Conversations
from rag.catalog.database import Database
from rag.catalog.documents import Documents
from rag.catalog.editions import Editions
from rag.catalog.garbage import Garbage
from rag.catalog.indexed import Indexed
from rag.catalog.inspect import Inspection
from rag.catalog.jobs import Jobs
from rag.catalog.matching import Matching
from rag.catalog.migrating import migrate
from rag.catalog.places import SharedPlaces
from rag.catalog.prompts import Prompts
from rag.catalog.records import Answers, Requests
from rag.catalog.replies import Replies
from rag.catalog.reviews import Reviews
from rag.catalog.sources import Sources
from rag.catalog.staging import Staging
from rag.catalog.surroundings import SurroundingTexts
from rag.catalog.texts import Texts
from rag.catalog.usage import UsageLedger
from rag.catalog.vectors import VectorStore
from rag.catalog.versions import Versions
from rag.catalog.work import WorkStore
from rag.catalog.workers import Workers
from rag.types import Page, Span

__all__ = ["Catalog"]

_PLACES_LOCK = 3


class Catalog:
    """Everything SQL knows, by subject. It also is the ``Source`` that citations are read from."""

    def __init__(self, database: Database, vectors: VectorStore) -> None:
        migrate(database)
        # A process that died may have left deleted rows in the logs.
        database.scrub()
        vectors.scrub()
        self._database = database
        self.vectors = vectors
        self.collections = Collections(database)
        self.documents = Documents(database)
        self.versions = Versions(database)
        self.garbage = Garbage(database, vectors)
        self.attachments = Attachments(database, self.versions)
        self.staging = Staging(database, self.versions)
        self.editions = Editions(database)
        self.texts = Texts(database)
        self.matching = Matching(database)
        self.surroundings = SurroundingTexts(database)
        self.sources = Sources(database, self.versions)
        self.indexed = Indexed(database)
        self.jobs = Jobs(database)
        self.answers = Answers(database)
        self.conversations = Conversations(database)
        self.replies = Replies(database)
        self.prompts = Prompts(database)
        self.requests = Requests(database)
        self.usage = UsageLedger(database)
        self.batches = BatchStore(database)
        self.work = WorkStore(database)
        self.reviews = Reviews(database)
        self.claims = Claims(database)
        self.workers = Workers(database)
        self.inspection = Inspection(database)
        self.places = _places(database)

    def read(self, document_id: str, start: int, end: int) -> str:
        """The visible text of a document between two offsets."""
        return self.texts.read(document_id, start, end)

    def pages(self, document_id: str, span: Span) -> Sequence[Page]:
        """The pages that share text with the span."""
        return self.texts.pages(document_id, span)

    def close(self) -> None:
        """Close the databases' connections."""
        if self.places is not None:
            self.places.close()
        self._database.close()
        self.vectors.close()


def _places(database: Database) -> SharedPlaces | None:
    """Where calls of several processes are counted; a database with one owner needs none."""
    return SharedPlaces(database.beside(_PLACES_LOCK)) if database.is_shared else None
