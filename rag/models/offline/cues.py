"""Words by which sentences say what they do: conclude, report, give reasons, deny.

One table a purpose, one line a language; matched in any case, at word boundaries where a
script has them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

Cue: TypeAlias = re.Pattern[str]

_DENSE = re.compile("[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]")

# A phrase may begin or end with a comma, or an apostrophe.
_EDGE = (r"(?<!\w)", r"(?!\w)")


def pattern(table: Mapping[str, str]) -> Cue:
    """One expression for all of a table: phrases parted by ``|``, where ``~`` ends a stem."""
    phrases = [phrase.strip() for line in table.values() for phrase in line.split("|")]
    parts = [
        re.escape(phrase)
        if _DENSE.search(phrase)
        else rf"\b{re.escape(phrase.rstrip('~'))}" + (r"\w*" if phrase.endswith("~") else r"\b")
        for phrase in sorted(phrases, key=len, reverse=True)
    ]
    return re.compile("|".join(part.replace(r"\ ", r"\s+") for part in parts), re.IGNORECASE)


TOPIC = re.compile(
    r"\b(?:we|this (?:paper|work|article|report|study|letter|document|agreement|manual|memo))\b"
    r".{0,40}\b(?:propos|present|introduc|show|demonstrat|develop|describ|stud[yi]|investigat|"
    r"address|explor|provid|analy[sz]e|cover|summari)|"
    r"\b(?:wir|diese[rs]? (?:bericht|arbeit|studie|vertrag|beitrag|dokument))\b.{0,60}"
    r"\b(?:zeig|untersuch|beschreib|stell|behandel|regel|entwick|schlag)|"
    r"\b(?:nous|cette étude|ce (?:rapport|document|travail))\b.{0,60}"
    r"\b(?:propos|présent|montr|étudi|décri)|"
    r"\b(?:este (?:informe|documento|trabajo|estudio))\b.{0,60}"
    r"\b(?:propon|present|muestr|describ|estudi)|本文|本报告|本研究|本文件",
    re.IGNORECASE,
)
"""Sentences that say what a text is about."""

FINDING = pattern(
    {
        "en": "we show|we find|we found|we demonstrate|we observe~|results show|results suggest|"
        "results indicate|was found|were found|outperform~|increased|decreased|rose|fell|"
        "declined|improved|agreed|decided|significant~|reveal~",
        "de": "stieg~|sank~|erhöht~|gesunken|ergab~|zeigt~|beschloss~|beschlossen|signifikant~",
        "fr": "a augmenté|a diminué|montre~|révèle~|a décidé|significati~",
        "es": "aumentó|disminuyó|muestra~|revela~|acordó|significativ~",
        "zh": "结果表明|发现|增长|下降|提高|显示",
    }
)
"""Sentences that report what was found, decided or measured."""

CONCLUSION = pattern(
    {
        "en": "in conclusion|we conclude|conclude~ that|to conclude|in summary|to summarize|"
        "to sum up|concluding|overall,|taken together|we recommend|it is recommended|"
        "all in all",
        "de": "zusammenfassend|insgesamt|abschließend|im ergebnis|als fazit|wir empfehlen",
        "fr": "en conclusion|pour conclure|en résumé|en somme|nous concluons|nous recommandons",
        "es": "en conclusión|para concluir|en resumen|concluimos|en suma|recomendamos",
        "it": "in conclusione|in sintesi|concludiamo|riassumendo",
        "pt": "em conclusão|em resumo|concluímos",
        "nl": "samenvattend|concluderend|al met al",
        "ru": "таким образом|в заключение|в итоге|подводя итог",
        "zh": "总之|综上所述|综上|总而言之|结论是|由此可见",
        "ja": "結論として|以上より|要するに",
    }
)
"""Sentences that conclude."""

CONCLUDING_SECTION = pattern(
    {
        "en": "conclusion~|summary|discussion|outlook|recommendation~|decision~|next steps",
        "de": "fazit|schluss|schlussfolgerung~|zusammenfassung|ergebnis|ausblick|empfehlung~",
        "fr": "conclusion~|résumé|recommandation~",
        "es": "conclusión|conclusiones|resumen|recomendacion~",
        "zh": "结论|总结|小结|建议",
    }
)
"""Headings of sections that conclude."""

REASON = pattern(
    {
        "en": "because of|because|since|due to|owing to|on the grounds that|given that|as shown by|"
        "in view of|the reason is|is caused by|was caused by|were caused by|as a result of",
        "de": "weil|denn|da ja|aufgrund|wegen|infolge|zumal|deshalb weil|der grund",
        "fr": "parce que|parce qu'|, car|en raison de|étant donné que|puisque|à cause de",
        "es": "a causa de que|porque|ya que|puesto que|debido a|dado que|a causa de",
        "it": "perché|poiché|a causa di|dato che|in quanto",
        "pt": "porque|pois|devido a|uma vez que|já que",
        "nl": "omdat|doordat|vanwege|wegens",
        "ru": "потому что|так как|поскольку|из-за|ибо",
        "zh": "因为|由于|鉴于",
        "ja": "なぜなら|ため、|ので、",
    }
)
"""What follows gives a reason for what it is joined to."""

CONSEQUENCE = pattern(
    {
        "en": "therefore|thus|hence|consequently|as a result,|accordingly|for this reason|"
        "it follows that|which means that|this means that|this implies|this shows that|"
        "this suggests|that is why|we conclude",
        "de": "daher|deshalb|folglich|somit|demnach|darum|infolgedessen|mithin|deswegen",
        "fr": "donc|par conséquent|c'est pourquoi|ainsi|en conséquence|de ce fait",
        "es": "por lo tanto|por tanto|por consiguiente|en consecuencia|así que|por eso|de ahí que",
        "it": "quindi|pertanto|di conseguenza|perciò|dunque",
        "pt": "portanto|por isso|por conseguinte|consequentemente|logo,",
        "nl": "daarom|dus|derhalve|bijgevolg|daardoor",
        "ru": "поэтому|следовательно|таким образом|значит",
        "zh": "因此|所以|因而|从而|由此可见|故此",
        "ja": "したがって|従って|よって|そのため|だから",
    }
)
"""A claim drawn from what stands before it."""

NEGATION = pattern(
    {
        "en": "not|no|never|none|nobody|nothing|neither|nor|without|cannot|failed to|fails to|"
        "lack~",
        "de": "nicht|kein~|nie|niemals|nichts|niemand|weder|ohne",
        "fr": "ne|pas|jamais|aucun~|rien|sans|ni",
        "es": "no|nunca|jamás|ningún|ninguna|nada|tampoco",
        "it": "non|nessun~|niente|senza",
        "pt": "não|nunca|nenhum~|nada|sem",
        "nl": "niet|geen|nooit|niets|zonder",
        "ru": "не|нет|никогда|ничего|без|ни",
        "zh": "不|没有|没|未|无法|并非",
        "ja": "ない|ません|なかった",
    }
)
"""What turns a statement into its opposite."""

ANTONYMS = tuple(
    (pattern({"": one}), pattern({"": other}))
    for one, other in (
        ("increas~|rise|rises|rose|risen|grew|grow~|higher|gain~|stieg~|gestiegen|增长|上升",
         "decreas~|fall|falls|fell|fallen|declin~|lower~|drop~|shrank|sank|gesunken|下降|减少"),
        ("accept~|approv~|allow~|permit~|angenommen|genehmigt|批准|允许",
         "reject~|refus~|den~ied|denied|deny|forbid~|forbidden|prohibit~|abgelehnt|verboten|拒绝|禁止"),
        ("succeed~|success~|passed|erfolgreich~|成功",
         "fail|fails|failed|failure|unsuccessful~|gescheitert|失败"),
        ("safe|secure|harmless|sicher|安全", "unsafe|dangerous|harmful|hazardous|gefährlich~|危险"),
        ("effective|useful|wirksam", "ineffective|useless|unwirksam"),
        ("true|correct|right|richtig", "false|incorrect|wrong|falsch"),
        ("open~|opened|offen|geöffnet", "clos~|closed|geschlossen"),
        ("always|immer|总是", "never|nie|niemals|从不"),
        ("up", "down"),
        ("before", "after"),
        ("maximum", "minimum"),
        ("begin|begins|began|begun", "end|ends|ended"),
        ("win|wins|won|gewann", "lose|loses|lost|verlor"),
        ("profit|profits|gewinn", "loss|losses|verlust"),
        ("at least", "at most"),
        ("mandatory|obligatory", "optional"),
    )
)  # fmt: skip
"""Pairs of which a sentence that has one side contradicts a like one with the other."""

OPPOSED_OF: tuple[tuple[Cue, Cue], ...] = (
    # In small letters, for the month is no permission.
    (
        re.compile(r"\b(?:must|shall) (?!not\b)(?:be )?(\w+(?: \w+)?)"),
        re.compile(r"\bmay (?!not\b)(?:be )?(\w+(?: \w+)?)"),
    ),
    (
        re.compile(r"\b(?:more than|over|at least) (\S*\d\S*)", re.IGNORECASE),
        re.compile(r"\b(?:less than|fewer than|under|at most) (\S*\d\S*)", re.IGNORECASE),
    ),
    (
        re.compile(r"(\w[\w.,]*) (?:monthly|(?:a|per|each|every) month)\b", re.IGNORECASE),
        re.compile(
            r"(\w[\w.,]*) (?:annually|yearly|(?:a|per|each|every) year\b(?! (?:ago|earlier)))",
            re.IGNORECASE,
        ),
    ),
)
"""The same of what stands beside a word: what must and may be done, is paid monthly or yearly."""
