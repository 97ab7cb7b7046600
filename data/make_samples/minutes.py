"""Minutes of a committee meeting after the fire, as a DOCX."""

from __future__ import annotations

from pathlib import Path

from . import programs, word

_ITEMS = (
    (
        "1. Minutes of the last meeting",
        (
            "The minutes of 18 July 2024 were approved without changes. Of the seven open actions, five are done; "
            "A-112 (crane inspection at Suzhou) and A-115 (noise at test bay 2) were carried over.",
        ),
    ),
    (
        "2. Fire at the Ellerhude foundry",
        (
            "Ms Moorbeck reported. On 14 August at about 23:40 hydraulic oil sprayed from a leaking hose onto the "
            "hot door of heat-treatment furnace No. 2 and caught fire. The four people on the night shift left the "
            "hall at once; nobody was injured. The fire brigade of Ellerhude arrived after eleven minutes. The hose "
            "was five years old; the rule in force allowed six.",
            "Furnaces 1 and 4 can be used again from 29 August, furnace 3 from 3 September. Full operation is expected "
            "on 11 September. Furnace 2 has to be rebuilt and will be missing until the end of the year.",
            "The committee discussed whether to buy castings for the TX-125 from outside. Mr Brennecke pointed out that "
            "Brandel Castings could deliver from 26 August, but at a price 34% above our own cost. Iverleigh Foundry would "
            "be cheaper (+19%) but needs six weeks for the patterns.",
            "Decision D-48: 640 casting sets are ordered from Brandel Castings. Carried with six votes to one; Mr Adeyemi "
            "voted against because he considers two hundred sets sufficient.",
        ),
    ),
    (
        "3. Insurance",
        (
            "Ms Lindqvist-Boateng said that Fernhill Mutual Assurance had been informed on 15 August. Its surveyor will visit "
            "on 27 August. Penalties for late delivery are not covered, and interruption of business is covered only after "
            "thirty days. The deductible is €250,000. Decision D-49: nothing is cleared away before the surveyor's visit.",
        ),
    ),
    (
        "4. Replacement of seals in TX-200 pumps",
        (
            "Mr Adeyemi reported that 74 of the 212 pumps had been done by 21 August. At the present pace the last will "
            "be finished in December. Oudemeer's fourteen pumps were fitted with new seals before they left our store.",
            "Decision D-50: a third fitter is assigned to the programme until the end of October.",
        ),
    ),
    (
        "5. Any other business",
        (
            "The meeting in September takes place at Ellerhude, on the 19th, beginning at 10:00. Ms Farquhar's proposal to "
            "visit the foundry with the whole Board was welcomed.",
        ),
    ),
)
_PRESENT = (
    ("Ingrid Halloran", "Chief Executive, chair", "present"),
    ("Amara Lindqvist-Boateng", "Chief Financial Officer", "present"),
    ("Priya Raghunathan", "Chief Technology Officer", "excused"),
    ("Katrin Moorbeck", "Head of foundry, Ellerhude", "present by video"),
    ("Babatunde Adeyemi", "Head of service", "present"),
    ("Ulf Brennecke", "Safety engineer, Ellerhude", "present by video"),
    ("Mei-Ling Farquhar", "Non-executive director", "present as guest, without vote"),
    ("Rosalind Tewkes", "Head of purchasing", "present"),
    ("Owen Starbeck", "Head of works, Tarrowby", "present, taking minutes"),
)
_ACTIONS = (
    ("No.", "Action", "Who", "Until"),
    ("A-112", "Crane inspection at Suzhou", "Zhou Wenlan", "30 September 2024"),
    ("A-115", "Measure noise at test bay 2", "Owen Starbeck", "12 September 2024"),
    ("A-118", "Draft new rule for hydraulic hoses", "Ulf Brennecke", "15 October 2024"),
    ("A-119", "Order casting sets from Brandel Castings", "Rosalind Tewkes", "23 August 2024"),
    ("A-120", "List of customers with penalty clauses", "Babatunde Adeyemi", "30 August 2024"),
    ("A-121", "Offer for a fixed extinguishing system", "Katrin Moorbeck", "31 October 2024"),
)


def write(samples: Path, work: Path) -> None:
    """Writes ``minutes-operations-2024-08-22.docx``, saved by LibreOffice."""
    when = programs.at("2024-08-26 13:05")
    document = word.new("Minutes of the Operations Committee, 22 August 2024", "Owen Starbeck", when)
    word.furniture(document, "Operations Committee", "Internal")
    document.add_paragraph("Minutes of the Operations Committee", style="Title")
    document.add_paragraph(
        "Thursday, 22 August 2024, 14:00 to 16:25, Weir Room, Millrace Works, and by video"
    )
    document.add_heading("Attendance", 2)
    word.table(document, [("Name", "Function", "Attendance"), *_PRESENT], (5, 6, 5), left=(0, 1, 2))
    for heading, texts in _ITEMS:
        document.add_heading(heading, 2)
        for text in texts:
            document.add_paragraph(text)
    document.add_heading("Open actions", 2)
    word.table(document, _ACTIONS, (1.6, 7.2, 4, 3.6), left=(0, 1, 2, 3))
    document.add_paragraph("Minutes taken by Owen Starbeck. Approved by Ingrid Halloran on 26 August 2024.")
    name = "minutes-operations-2024-08-22.docx"
    programs.office(word.save(document, work / name), samples / name, when)
