"""The reader as it is trained: a BERT encoder and four small heads.

Span and null follow Devlin et al. (2019): an answer's score is that of its first and last
token, and the first token of the window stands for none. Of several occurrences of an answer
nobody says which is meant, so that their probabilities are added (Clark and Gardner, 2018).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from rag.models.offline.training.windows import Batch

RELEVANCE_WEIGHT = 0.5
SUPPORT_WEIGHT = 1.0


@dataclass(frozen=True, slots=True)
class Scores:
    """Logits: ``starts`` and ``ends`` by token, ``relevant`` and ``supported`` by window."""

    starts: Tensor
    ends: Tensor
    relevant: Tensor
    supported: Tensor


class Reader(nn.Module):  # type: ignore[misc]
    """Encoder and heads."""

    def __init__(self, encoder: BertModel) -> None:
        super().__init__()
        self.encoder = encoder
        width = encoder.config.hidden_size
        self.span = nn.Linear(width, 2)
        self.relevance = nn.Linear(width, 1)
        self.support = nn.Linear(width, 1)
        self.dropout = nn.Dropout(0.1)

    def forward(self, ids: Tensor, types: Tensor, mask: Tensor, allowed: Tensor) -> Scores:
        """Scores of a batch; tokens that are not allowed can neither begin nor end an answer."""
        hidden = self.encoder(
            input_ids=ids, token_type_ids=types, attention_mask=mask
        ).last_hidden_state
        hidden = self.dropout(hidden)
        starts, ends = self.span(hidden).masked_fill(~allowed[..., None], -1e4).unbind(-1)
        first = hidden[:, 0]
        return Scores(
            starts, ends, self.relevance(first).squeeze(-1), self.support(first).squeeze(-1)
        )


def from_folder(folder: Path) -> Reader:
    """A reader on the weights of a sentence encoder; the heads start at random."""
    config = BertConfig.from_pretrained(folder)
    return Reader(BertModel.from_pretrained(folder, config=config, add_pooling_layer=False))


def scores(reader: Reader, batch: Batch) -> Scores:
    """Run a reader on a batch."""
    tensors = (torch.from_numpy(one) for one in (batch.ids, batch.types, batch.mask, batch.allowed))
    device = reader.span.weight.device
    result: Scores = reader(*(one.to(device) for one in tensors))
    return result


def loss(found: Scores, batch: Batch) -> Tensor:
    """Mean over the batch of what each window's truth costs."""
    starts = found.starts.log_softmax(-1)
    ends = found.ends.log_softmax(-1)
    costs = []
    for row, window in enumerate(batch.windows):
        if window.supported is not None:
            truth = found.supported.new_tensor(float(window.supported))
            cost = nn.functional.binary_cross_entropy_with_logits(found.supported[row], truth)
            costs.append(SUPPORT_WEIGHT * cost)
            continue
        spans = window.spans or ((0, 0),)
        first = [span[0] for span in spans]
        last = [span[1] for span in spans]
        costs.append(-torch.logsumexp(starts[row, first] + ends[row, last], 0) / 2)
        truth = found.relevant.new_tensor(float(bool(window.spans)))
        cost = nn.functional.binary_cross_entropy_with_logits(found.relevant[row], truth)
        costs.append(RELEVANCE_WEIGHT * cost)
    return torch.stack(costs).sum() / len(batch.windows)
