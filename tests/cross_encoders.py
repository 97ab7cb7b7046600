"""A cross-encoder of random weights, small enough to be made for a test."""

from __future__ import annotations

from pathlib import Path

from tests.bert import VOCABULARY, make_bert

WINDOW = 40
"""Tokens of a pair that it reads at once."""


def make_cross_encoder(folder: Path, *, labels: int = 1) -> Path:
    """Save a BERT that gives a pair of texts so many scores, which differ clearly."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    torch.set_num_threads(1)  # more of them only wait for each other over so little
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=48,
        num_labels=labels,
        initializer_range=0.5,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    bert = make_bert(folder / "words")
    PreTrainedTokenizerFast(
        tokenizer_file=str(bert / "tokenizer.json"),
        model_max_length=WINDOW,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
    ).save_pretrained(folder)
    return folder
