"""Form fields of a PDF: what they are called and what is in them. Child processes only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pypdfium2.raw as pdfium

from ingest.parse.pdf_lines import Line
from ingest.parse.pdfium import displayed, form, size, utf16

_MOST_FIELDS = 2_000
_LONGEST = 20_000
_BUTTONS = (pdfium.FPDF_FORMFIELD_CHECKBOX, pdfium.FPDF_FORMFIELD_RADIOBUTTON)
_FILLED = (
    pdfium.FPDF_FORMFIELD_TEXTFIELD,
    pdfium.FPDF_FORMFIELD_COMBOBOX,
    pdfium.FPDF_FORMFIELD_LISTBOX,
)
_LAST_NAME = re.compile(r"([^.\[\]]+)(?:\[\d+\])?$")
_READABLE = re.compile(r"[^\W\d_]{3}")
_SAYS_NO_MORE = frozenset(("yes", "on", "1", "true", "ja", "oui", "x"))
_SIZE = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A form field of a page: what it is called, what is in it, and where.

    ``box`` is x0, y0, x1, y1 in points on the page as displayed.
    """

    name: str
    value: str
    box: tuple[float, float, float, float]


def fields(document: Any, index: int) -> list[Field]:
    """The fields of a page that say something: filled in, checked, or with a name to check."""
    if pdfium.FPDF_GetFormType(document) == pdfium.FORMTYPE_NONE:
        return []
    page = pdfium.FPDF_LoadPage(document, index)
    if not page:
        return []
    try:
        with form(document) as handle:
            pdfium.FORM_OnAfterLoadPage(page, handle)
            count = min(pdfium.FPDFPage_GetAnnotCount(page), _MOST_FIELDS)
            read = (_field(handle, page, number) for number in range(count))
            found = [field for field in read if field is not None]
            pdfium.FORM_OnBeforeClosePage(page, handle)
            return found
    finally:
        pdfium.FPDF_ClosePage(page)


def field_lines(found: list[Field]) -> list[Line]:
    """A line "name: value" for each field; all of it stands where the field is."""
    lines = []
    for field in found:
        text = f"{field.name}: {field.value}" if field.name else field.value
        boxes = np.tile(np.array(field.box, np.float64), (len(text), 1))
        boxes[[char.isspace() for char in text]] = 0.0
        x0, y0, x1, y1 = field.box
        lines.append(
            Line(
                text=text,
                boxes=boxes,
                x0=x0,
                y0=y0,
                x1=x1,
                y1=y1,
                size=_SIZE,
                bold=False,
                upright=True,
            )
        )
    return lines


def _field(handle: Any, page: Any, number: int) -> Field | None:
    annotation = pdfium.FPDFPage_GetAnnot(page, number)
    try:
        if pdfium.FPDFAnnot_GetSubtype(annotation) != pdfium.FPDF_ANNOT_WIDGET:
            return None
        kind = pdfium.FPDFAnnot_GetFormFieldType(handle, annotation)
        full = utf16(pdfium.FPDFAnnot_GetFormFieldName, handle, annotation)
        last = _LAST_NAME.search(full)
        name = utf16(pdfium.FPDFAnnot_GetFormFieldAlternateName, handle, annotation).strip()
        name = name or (last[1] if last else full).strip()
        value = _value(handle, annotation, kind, readable=_READABLE.search(name) is not None)
        if not value:
            return None
        rect = pdfium.FS_RECTF()
        pdfium.FPDFAnnot_GetRect(annotation, rect)
        quad = np.array([[rect.left, rect.top, rect.right, rect.bottom]], np.float32)
        x0, y0, x1, y1 = displayed(page, quad, *size(page))[0].tolist()
        return Field(name=" ".join(name.split()), value=value, box=(x0, y0, x1, y1))
    finally:
        pdfium.FPDFPage_CloseAnnot(annotation)


def _value(handle: Any, annotation: Any, kind: int, *, readable: bool) -> str:
    """What is in a field; of buttons that are not checked only if their name says for what."""
    if kind in _BUTTONS:
        if not pdfium.FPDFAnnot_IsChecked(handle, annotation):
            return "unchecked" if readable and kind == pdfium.FPDF_FORMFIELD_CHECKBOX else ""
        choice = utf16(pdfium.FPDFAnnot_GetFormFieldExportValue, handle, annotation).strip()
        told = choice and choice.casefold() not in _SAYS_NO_MORE
        return f"{choice} checked" if told else "checked"
    if kind in _FILLED:
        text = utf16(pdfium.FPDFAnnot_GetFormFieldValue, handle, annotation)
        return " ".join(text.split())[:_LONGEST]
    return ""
