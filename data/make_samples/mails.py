"""Two e-mails with attachments, as mail programs store them."""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

from . import programs, word

_VIBRATION = """\
time;tag;vibration_mm_s;temperature_drive_c;flow_m3_h
2024-10-21 06:00;OD-05;2.1;58.4;338
2024-10-21 12:00;OD-05;2.4;59.0;339
2024-10-21 18:00;OD-05;3.3;60.2;337
2024-10-22 00:00;OD-05;4.1;61.9;336
2024-10-22 06:00;OD-05;4.9;63.5;334
2024-10-22 07:15;OD-05;0.0;62.8;0
"""
_COMPLAINT = """\
Dear Pieter,

as we told you on the telephone this morning, OD-05 went over the warning limit during the night and
we stopped it at 07:15. The readings of the last 24 hours are attached as CSV. OD-06 has taken over, so
the plant keeps its output, but we have no spare left in train A until OD-05 is back.

Two questions:
1. Is the pump still within the warranty? It has run for 611 hours.
2. Your invoice 2024-12-0455 for the second half-year's fee arrived two months early. We shall pay it 45 days after
   15 December, as if it had been received on that day. Please confirm.

Kind regards,
Saskia Brouwenhorst
Maintenance planning, Oudemeer Desalination B.V.
"""
_REPLY_HTML = """\
<html><body><p>Dear Saskia,</p>
<p>Thank you for the readings. I was at the plant on 23 October; my report <b>SR-24-2061</b> is attached. In short: a
piece of a pallet, 14&nbsp;cm long, had got into the suction pipe and was stuck in the impeller. We removed it, balanced the rotor and aligned the
coupling. OD-05 has been running again since 23 October, 15:40, at 1.8&nbsp;mm/s.</p>
<p>To your questions: the pump is within the warranty, but a foreign body is not a defect, so the work falls under the maintenance
agreement and costs you nothing extra, apart from the gasket set at &euro;212 less 18&nbsp;%. Payment as you propose is fine with us.</p>
<p>We recommend a strainer with 6&nbsp;mm holes in the suction pipes of both trains; the offer follows next week.</p>
<p>Kind regards,<br>Pieter Hoekzema<br>Service centre Rotterdam</p></body></html>
"""
_REPLY_TEXT = """\
Dear Saskia,

Thank you for the readings. I was at the plant on 23 October; my report SR-24-2061 is attached. In
short: a piece of a pallet, 14 cm long, had got into the suction pipe and was stuck in the impeller. We
removed it, balanced the rotor and aligned the coupling. OD-05 has been running again since 23 October,
15:40, at 1.8 mm/s.

To your questions: the pump is within the warranty, but a foreign body is not a defect, so the work falls
under the maintenance agreement and costs you nothing extra, apart from the gasket set at €212 less 18 %.
Payment as you propose is fine with us.

We recommend a strainer with 6 mm holes in the suction pipes of both trains; the offer follows next week.

Kind regards,
Pieter Hoekzema
Service centre Rotterdam
"""
_REPORT = (
    "Customer: Oudemeer Desalination B.V., agreement PMA-2023-027",
    "Pump: OD-05, TX-200, serial number TP-24-0315, 611 running hours",
    "Call C-24-0476 of 22 October 2024, 07:20; technician on site at 02:20 on 23 October after the tide had "
    "blocked the dam road, that is after 19 hours.",
    "Finding: foreign body of wood in the impeller; unbalance 38 g·mm; coupling offset 0.21 mm (limit 0.10 mm). "
    "Wear rings within tolerance, gap 0.6 mm. Mechanical seal of batch SK-2405 without wear.",
    "Work: foreign body removed, rotor balanced to 4 g·mm, coupling aligned to 0.04 mm, gasket set renewed.",
    "Hours of work: 9.5. Vibration after the work: 1.8 mm/s at 340 m³/h.",
)


def write(samples: Path, work: Path) -> None:
    """Writes ``mail-od-05-vibration.eml`` and ``mail-od-05-reply.eml``."""
    boundaries = ("----=_Part_0411_1A2B3C4D.1729582440", "----=_Part_0719_5E6F7A8B.1729761300")
    _save(_complaint(), samples / "mail-od-05-vibration.eml", boundaries[0])
    _save(_reply(work), samples / "mail-od-05-reply.eml", boundaries[1])


def _complaint() -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = "Saskia Brouwenhorst <s.brouwenhorst@oudemeer.example>"
    mail["To"] = "Pieter Hoekzema <p.hoekzema@tarrowby.example>"
    mail["Cc"] = "control.room@oudemeer.example"
    mail["Subject"] = "OD-05: vibration above 4.5 mm/s, pump stopped"
    mail["Date"] = "Tue, 22 Oct 2024 08:14:00 +0200"
    mail["Message-ID"] = "<20241022061400.0417@oudemeer.example>"
    mail.set_content(_COMPLAINT, cte="quoted-printable")
    mail.add_attachment(_VIBRATION, subtype="csv", filename="OD-05_2024-10-21.csv", cte="base64")
    return mail


def _reply(work: Path) -> EmailMessage:
    when = programs.at("2024-10-24 08:30")
    document = word.new("Service report SR-24-2061", "Pieter Hoekzema", when)
    document.add_paragraph("Service report SR-24-2061", style="Title")
    for text in _REPORT:
        document.add_paragraph(text)
    source = word.save(document, work / "SR-24-2061.docx")
    programs.office(source, work / "SR-24-2061.pdf", when)
    mail = EmailMessage()
    mail["From"] = "Pieter Hoekzema <p.hoekzema@tarrowby.example>"
    mail["To"] = "Saskia Brouwenhorst <s.brouwenhorst@oudemeer.example>"
    mail["Subject"] = "Re: OD-05: vibration above 4.5 mm/s, pump stopped – Prüfung abgeschlossen"
    mail["Date"] = "Thu, 24 Oct 2024 11:15:00 +0200"
    mail["Message-ID"] = "<20241024091500.0988@tarrowby.example>"
    mail["In-Reply-To"] = "<20241022061400.0417@oudemeer.example>"
    mail["References"] = "<20241022061400.0417@oudemeer.example>"
    mail.set_content(_REPLY_TEXT, cte="quoted-printable")
    mail.add_alternative(_REPLY_HTML, subtype="html", cte="quoted-printable")
    data = (work / "SR-24-2061.pdf").read_bytes()
    mail.add_attachment(data, maintype="application", subtype="pdf", filename="SR-24-2061.pdf")
    return mail


def _save(mail: EmailMessage, path: Path, boundary: str) -> None:
    for index, part in enumerate(part for part in mail.walk() if part.is_multipart()):
        part.set_boundary(f"{boundary}.{index}")
    path.write_bytes(mail.as_bytes(policy=SMTP))
