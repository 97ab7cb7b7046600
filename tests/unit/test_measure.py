# ruff: noqa: RUF001
from __future__ import annotations

import unicodedata
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.chunk import open_chunker, packing, units
from ingest.chunk.measure import measured
from ingest.chunk.recursive import RecursiveChunker
from rag.types import Ids, ParsedDocument
from tests.tokenizers import TokenEmbedder, Tokens, byte_level, minilm, wordpiece

SAMPLES = Path(__file__).parents[2] / "data" / "samples"
ENGLISH = (
    "The pump must be serviced once a year by a trained technician, who checks the seals, "
    "replaces the oil and writes down the pressure that was measured."
)
OTHERS = {
    "Greek": "Η αντλία πρέπει να συντηρείται μία φορά τον χρόνο από εκπαιδευμένο τεχνικό, ο οποίος "
    "ελέγχει τις τσιμούχες, αλλάζει το λάδι και σημειώνει την πίεση που μετρήθηκε.",
    "Russian": "Насос должен раз в год обслуживаться обученным техником, который проверяет "
    "уплотнения, меняет масло и записывает измеренное давление.",
    "Hindi": "पंप की सेवा साल में एक बार प्रशिक्षित तकनीशियन द्वारा की जानी चाहिए, "
    "जो सील की जाँच करता है, तेल बदलता है और मापा गया दबाव लिखता है।",
    "Arabic": "يجب أن يقوم فني مدرب بصيانة المضخة مرة واحدة في السنة، وهو يفحص موانع التسرب "
    "ويستبدل الزيت ويسجل الضغط الذي تم قياسه.",
    "Thai": "ปั๊มต้องได้รับการบำรุงรักษาปีละครั้ง"
    "โดยช่างเทคนิคที่ผ่านการฝึกอบรม ซึ่งจะตรวจสอบซีล เปลี่ยนน้ำมัน และบันทึกความดันที่วัดได้",
    "Korean": "펌프는 숙련된 기술자가 일 년에 한 번 정비해야 하며, "
    "기술자는 씰을 점검하고 오일을 교체하고 측정한 압력을 기록한다.",
    "Japanese": "ポンプは年に一度、訓練を受けた技術者が整備しなければならず、"
    "技術者はシールを点検し、"
    "オイルを交換し、測定した圧力を記録する。",
    "Chinese": "水泵必须每年由受过培训的技术人员维护一次，检查密封件，更换机油，并记录测得的压力。",
}


def size(text: str, tokens: Tokens) -> int:
    return len(measured(text, tokens(text)))


@pytest.mark.parametrize("language", OTHERS)
def test_the_same_has_about_the_same_size_in_every_language(language: str) -> None:
    english = size(ENGLISH, minilm())
    assert 0.7 * english <= size(OTHERS[language], minilm()) <= 1.7 * english


@pytest.mark.parametrize("language", OTHERS)
def test_a_chunk_holds_about_as_much_in_every_language(language: str) -> None:
    def chunks(sentence: str) -> int:
        text = f"{sentence} " * 40
        parsed = ParsedDocument(text=text, media_type="text/plain")
        return len(RecursiveChunker(overlap=0).chunk(parsed, TokenEmbedder(minilm())))

    assert 0.7 * chunks(ENGLISH) <= chunks(OTHERS[language]) <= 1.8 * chunks(ENGLISH)


@pytest.mark.parametrize("strategy", ["recursive", "fixed", "sentence", "structure"])
@pytest.mark.parametrize("name", ["tx-125-maintenance-manual.md", "product-tx-125.html"])
def test_english_is_cut_as_its_tokens_are_counted(
    name: str, strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (SAMPLES / name).read_text("utf-8")
    parsed = ParsedDocument(text=text, media_type="text/plain")
    embedder = TokenEmbedder(minilm())
    found = open_chunker({"strategy": strategy}).chunk(parsed, embedder)
    assert len(found) > 3
    for module in (units, packing):
        monkeypatch.setattr(module, "measured", lambda _, spans: spans)
    assert found == open_chunker({"strategy": strategy}).chunk(parsed, embedder)


@given(st.text(st.characters(max_codepoint=0x24F)) | st.text(st.characters(max_codepoint=0x7F)))
def test_latin_letters_are_not_grouped(text: str) -> None:
    for tokens in (wordpiece(), byte_level()):
        assert np.array_equal(measured(text, tokens(text)), tokens(text))


@given(st.text("ab αβγд漢한글かなกัा़😀.7 ", max_size=80))
def test_spans_ascend_and_lose_no_text(text: str) -> None:
    for tokens in (wordpiece(), byte_level()):
        spans = measured(text, tokens(text))
        starts = spans[:, 0].tolist()
        assert starts == sorted(starts)
        assert _covered(spans, len(text)) == _covered(tokens(text), len(text))


def test_a_stretch_without_spaces_is_divided_between_letters() -> None:
    text = "น้ำมันที่เปลี่ยน" * 4
    spans = measured(text, np.array([[0, len(text)]]))
    assert len(text) // 8 <= len(spans) <= len(text) // 4
    assert all(before[1] == after[0] for before, after in pairwise(spans.tolist()))
    assert not any(unicodedata.category(text[start]) == "Mn" for start in spans[:, 0].tolist())


def _covered(spans: Ids, length: int) -> set[int]:
    return {k for start, end in spans.tolist() for k in range(start, min(end, length))}
