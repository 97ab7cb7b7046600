"""LangChain: HuggingFaceEmbeddings and FAISS, saved to disk."""

from __future__ import annotations

from pathlib import Path

from langchain_community.document_loaders import DirectoryLoader, TextLoader
from langchain_community.vectorstores import FAISS
from langchain_huggingface import HuggingFaceEmbeddings
from langchain_text_splitters import RecursiveCharacterTextSplitter
from transformers import AutoTokenizer

from tests.benchmarks.peers.contract import CHUNK_TOKENS, TOP_K, System, main


class LangChain(System):
    def load(self) -> None:
        self.embedding = HuggingFaceEmbeddings(model_name=str(self.model))
        self.embedding.embed_query("warm up")
        self.splitter = RecursiveCharacterTextSplitter.from_huggingface_tokenizer(
            AutoTokenizer.from_pretrained(str(self.model)), chunk_size=CHUNK_TOKENS, chunk_overlap=0
        )

    def ingest(self, files: Path) -> int:
        loader = DirectoryLoader(
            str(files), loader_cls=TextLoader, loader_kwargs={"encoding": "utf-8"}
        )
        chunks = self.splitter.split_documents(loader.load())
        self.store = FAISS.from_documents(chunks, self.embedding)
        self.store.save_local(str(self.index))
        return len(chunks)

    def open(self) -> None:
        self.embedding = HuggingFaceEmbeddings(model_name=str(self.model))
        # FAISS.load_local unpickles; the folder was written by this benchmark a moment ago.
        self.store = FAISS.load_local(
            str(self.index), self.embedding, allow_dangerous_deserialization=True
        )

    def search(self, query: str) -> list[str]:
        return [hit.page_content for hit in self.store.similarity_search(query, k=TOP_K)]


if __name__ == "__main__":
    main(LangChain)
