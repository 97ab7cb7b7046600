"""chromadb: persistent client with its SentenceTransformer function.

It has no splitter of its own, so LangChain's, the one most used with it, cuts the text.
"""

from __future__ import annotations

from pathlib import Path

import chromadb
from chromadb.utils.embedding_functions import SentenceTransformerEmbeddingFunction

from tests.benchmarks.peers.contract import CHUNK_TOKENS, TOP_K, System, main


class Chroma(System):
    def load(self) -> None:
        from langchain_text_splitters import RecursiveCharacterTextSplitter
        from transformers import AutoTokenizer

        self.open()
        self.embedding(["warm up"])
        self.splitter = RecursiveCharacterTextSplitter.from_huggingface_tokenizer(
            AutoTokenizer.from_pretrained(str(self.model)), chunk_size=CHUNK_TOKENS, chunk_overlap=0
        )

    def ingest(self, files: Path) -> int:
        ids, texts = [], []
        for path in sorted(files.iterdir()):
            for number, text in enumerate(self.splitter.split_text(path.read_text("utf-8"))):
                ids.append(f"{path.name}-{number}")
                texts.append(text)
        self.collection.add(ids=ids, documents=texts)
        return len(texts)

    def open(self) -> None:
        self.embedding = SentenceTransformerEmbeddingFunction(model_name=str(self.model))
        client = chromadb.PersistentClient(path=str(self.index))
        self.collection = client.get_or_create_collection(
            "benchmark", embedding_function=self.embedding
        )

    def search(self, query: str) -> list[str]:
        return list(self.collection.query(query_texts=[query], n_results=TOP_K)["documents"][0])


if __name__ == "__main__":
    main(Chroma)
