"""Four pump maintenance agreements from one pattern that differ in what was negotiated."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.shared import Cm, Pt

from . import programs, word

SUPPLIER = "Tarrowby Pumps plc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What was negotiated with one customer."""

    stem: str
    written: str
    number: str
    customer: str
    customer_address: str
    signed_customer: str
    signed_supplier: str
    effective: str
    background: str
    scope: str
    response: str
    fee: str
    adjustment: str
    payment: str
    interest: str
    parts: str
    warranty: str
    damages: str | None
    cap: str
    uncapped: str
    insurance: str
    term: str
    renewal: str
    convenience: str | None
    confidentiality: str
    assignment: str
    law: str
    disputes: str
    equipment: tuple[tuple[str, str, str, str], ...]
    schedule: tuple[tuple[str, str], ...]


def write(samples: Path, work: Path) -> None:
    """Writes two agreements as DOCX (one saved again by LibreOffice) and two as PDF."""
    from .contracts_terms import GREYFELL, LORONG, OUDEMEER, PELLCOMBE

    for terms, suffix in ((PELLCOMBE, "docx"), (GREYFELL, "docx-direct")):
        when = programs.at(terms.written)
        source = word.save(_agreement(terms, when), work / f"{terms.stem}.docx")
        target = samples / source.name
        if suffix == "docx":
            programs.office(source, target, when)
        else:
            target.write_bytes(source.read_bytes())
            programs.pin(target, when)
    for terms in (OUDEMEER, LORONG):
        when = programs.at(terms.written)
        source = word.save(_agreement(terms, when), work / f"{terms.stem}.docx")
        programs.office(source, samples / f"{terms.stem}.pdf", when)


def clauses(terms: Terms) -> list[tuple[str, list[str]]]:
    """The numbered clauses, each a heading and its paragraphs without numbers."""
    services = [
        f"The Supplier shall maintain the pumps listed in Schedule 1 (the \u201cEquipment\u201d). {terms.scope}",
        terms.response,
        "The Customer shall give the Supplier's personnel safe access to the Equipment, switch it off "
        "and drain it when asked, and tell them before they start work of any hazardous liquid that it "
        "has pumped.",
    ]
    fees = [terms.fee, terms.adjustment, terms.payment, terms.interest, terms.parts]
    performance = [terms.warranty]
    if terms.damages:
        performance.append(terms.damages)
    liability = [
        terms.cap,
        terms.uncapped,
        "Neither party is liable for loss of profit, loss of production or other indirect loss.",
        terms.insurance,
    ]
    term = [terms.term, terms.renewal]
    if terms.convenience:
        term.append(terms.convenience)
    term.append(
        "Either party may terminate this Agreement with immediate effect by written notice if the other "
        "commits a material breach and does not remedy it within 30 days of being asked to do so, or "
        "becomes insolvent."
    )
    return [
        (
            "Definitions and background",
            [
                terms.background,
                "\u201cWorking Day\u201d means a day other than a Saturday, a Sunday or a public holiday at the "
                "place where the Equipment stands. \u201cContract Year\u201d means a period of twelve months "
                "beginning on the Effective Date or on an anniversary of it.",
            ],
        ),
        ("Services", services),
        ("Fees and payment", fees),
        ("Performance", performance),
        ("Liability and insurance", liability),
        ("Term and termination", term),
        (
            "Confidentiality and data",
            [
                terms.confidentiality,
                "Measurements recorded by Linnet monitoring units belong to the Customer. The Supplier may "
                "use them to perform the services and, in a form that does not identify the Customer, to "
                "improve its products.",
            ],
        ),
        (
            "Force majeure",
            [
                "A party that is prevented from performing by an event beyond its reasonable control is "
                "excused for as long as the event lasts. If it lasts longer than 90 days, either party may "
                "terminate this Agreement by giving 14 days' notice. Lack of money is not such an event.",
            ],
        ),
        (
            "General",
            [
                terms.assignment,
                "This Agreement, with its schedules, is the whole agreement of the parties on its subject. "
                "Changes need a document signed by both. If a provision is invalid, the others stay in "
                "force.",
            ],
        ),
        ("Governing law and disputes", [terms.law, terms.disputes]),
    ]


def _agreement(terms: Terms, when: Any) -> Any:
    document = word.new(
        f"Pump Maintenance Agreement {terms.number}", "Legal Department", when, font="Liberation Serif"
    )
    word.furniture(document, f"Pump Maintenance Agreement No. {terms.number}", "Confidential")
    document.styles["Normal"].font.size = Pt(10.5)
    title = document.add_paragraph("Pump Maintenance Agreement", style="Title")
    title.alignment = WD_ALIGN_PARAGRAPH.CENTER
    document.add_paragraph(
        f"This agreement No. {terms.number} (the \u201cAgreement\u201d) takes effect on {terms.effective} "
        "(the \u201cEffective Date\u201d) and is made between:"
    )
    document.add_paragraph(
        f"(1) {SUPPLIER}, Millrace Works, Weir Lane, Tarrowby TB4 7QN (the \u201cSupplier\u201d); and"
    )
    document.add_paragraph(f"(2) {terms.customer}, {terms.customer_address} (the \u201cCustomer\u201d).")
    for number, (heading, texts) in enumerate(clauses(terms), start=1):
        document.add_heading(f"{number}. {heading}", 2)
        for part, text in enumerate(texts, start=1):
            paragraph = document.add_paragraph(f"{number}.{part}\t{text}")
            paragraph.paragraph_format.left_indent = Cm(1.1)
            paragraph.paragraph_format.first_line_indent = Cm(-1.1)
            paragraph.paragraph_format.tab_stops.add_tab_stop(Cm(1.1))
    _signatures(document, terms)
    document.add_heading("Schedule 1: Equipment", 2).paragraph_format.page_break_before = True
    rows = [("Tag", "Model", "Location", "In service since"), *terms.equipment]
    word.table(document, rows, (2.5, 3.5, 6.5, 3.5), left=(0, 1, 2, 3))
    document.add_heading("Schedule 2: Planned maintenance", 2)
    word.table(document, [("Work", "Interval"), *terms.schedule], (10, 6), left=(0, 1))
    return document


def _signatures(document: Any, terms: Terms) -> None:
    document.add_paragraph()
    grid = document.add_table(rows=1, cols=2)
    pairs = ((SUPPLIER, terms.signed_supplier), (terms.customer, terms.signed_customer))
    for cell, (party, person) in zip(grid.rows[0].cells, pairs, strict=True):
        cell.paragraphs[0].text = f"Signed for {party}"
        cell.add_paragraph("____________________________")
        cell.add_paragraph(person)
