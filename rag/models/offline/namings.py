"""What fields that are only named are about: words that stand where such values are stated.

A name like ``governing_law`` shares few words with "shall be construed under the laws of". A field
that comes with a description is asked for in the caller's words alone.
"""

from __future__ import annotations

import re

_NAMINGS = tuple(
    (re.compile(rf"(?:{expression})", re.IGNORECASE), told)
    for expression, told in (
        (r"effective date|commencement|start date|date of agreement|agreement date|dated?",
         "date on which the agreement is made, dated, entered into as of, or takes effect"),
        (r"governing law|applicable law|choice of law|jurisdiction|law",
         "state or country under whose laws the agreement is governed by and construed"),
        (r"parties|party|contracting parties",
         "parties by and between whom the agreement is made and entered into"),
        (r"payment terms?|terms of payment|payment conditions?",
         "invoices shall be paid within days after receipt, payable in advance, when due"),
        (r"term|duration|initial term|contract term|period",
         "initial term of years or months for which it remains in effect, or after which "
         "obligations expire"),
        (r"expir\w+(?: date)?|end date|termination date",
         "date or time at which the term expires or ends"),
        (r"renewal(?: term)?|auto\w*[ -]renewal",
         "shall automatically renew or be extended for successive periods unless notice is given"),
        (r"notice period(?: to terminate renewal)?|termination notice|period of notice",
         "prior written notice of so many days before the end of the term, of termination or "
         "non-renewal"),
        (r"termination|termination for convenience",
         "may terminate this agreement at any time, without cause, upon written notice"),
        (r"liability|cap on liability|liability cap|limitation of liability",
         "liability shall not exceed, in no event be liable for indirect or consequential damages"),
        (r"confidentiality|non.?disclosure",
         "shall keep confidential and not disclose information"),
        (r"warrant(?:y|ies)(?: duration)?",
         "warrants for a period after delivery that goods are free from defects"),
        (r"insurance", "shall maintain insurance, policies and coverage at its expense"),
        (r"audit rights?|inspection", "may inspect and audit books and records upon notice"),
        (r"anti.?assignment|assignment", "may not assign or transfer this agreement without prior "
         "written consent"),
        (r"exclusivity|exclusive rights?", "exclusive, sole right, shall not offer to others"),
        (r"non.?compete", "shall not compete, directly or indirectly engage in a business"),
    )
)  # fmt: skip


def told_by(called: str) -> str:
    """What a field is about that is called so and says no more; empty where that is not known."""
    return next((told for form, told in _NAMINGS if form.fullmatch(called.strip())), "")
