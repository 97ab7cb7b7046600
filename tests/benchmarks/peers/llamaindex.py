"""LlamaIndex: IngestionPipeline, HuggingFaceEmbedding, its own in-memory store, persisted."""

from __future__ import annotations

from pathlib import Path

from llama_index.core import Document, StorageContext, VectorStoreIndex, load_index_from_storage
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from transformers import AutoTokenizer

from tests.benchmarks.peers.contract import CHUNK_TOKENS, TOP_K, System, main


class LlamaIndex(System):
    def load(self) -> None:
        self.embedding = HuggingFaceEmbedding(model_name=str(self.model))
        self.embedding.get_text_embedding("warm up")
        self.tokenizer = AutoTokenizer.from_pretrained(str(self.model))

    def ingest(self, files: Path) -> int:
        documents = [Document(text=path.read_text("utf-8")) for path in sorted(files.iterdir())]
        splitter = SentenceSplitter(
            chunk_size=CHUNK_TOKENS, chunk_overlap=0, tokenizer=self.tokenizer.encode
        )
        pipeline = IngestionPipeline(transformations=[splitter, self.embedding])
        nodes = pipeline.run(documents=documents)
        index = VectorStoreIndex(nodes, embed_model=self.embedding)
        index.storage_context.persist(persist_dir=str(self.index))
        self.retriever = index.as_retriever(similarity_top_k=TOP_K)
        return len(nodes)

    def open(self) -> None:
        self.embedding = HuggingFaceEmbedding(model_name=str(self.model))
        storage = StorageContext.from_defaults(persist_dir=str(self.index))
        index = load_index_from_storage(storage, embed_model=self.embedding)
        self.retriever = index.as_retriever(similarity_top_k=TOP_K)

    def search(self, query: str) -> list[str]:
        return [hit.node.get_content() for hit in self.retriever.retrieve(query)]


if __name__ == "__main__":
    main(LlamaIndex)
