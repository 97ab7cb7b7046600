"""Stems of words, by the language of the text that they stand in.

Which of the languages that share the Latin letters a text is in is told by its small words. Greek,
Russian and Arabic have letters of their own, so that their stems are made of any text.
"""

# Letters of other languages than English are meant.
# ruff: noqa: RUF001
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

import tantivy

_WORD = r"\d+(?:[.,]\d+)+|[\p{L}\p{M}\p{N}]+"
_LONGEST_WORD = 100
_ANY = ("english", "russian", "greek", "arabic")
_ENGLISH = "english"
_SMALL: Mapping[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        _ENGLISH: "the of and to a in is are was were for that with what who how when where which "
        "why by from does did do has have had it its this these be been or as at not than on an",
        "danish": "og i at det en den til er som på de med af for ikke der var et har han jeg om "
        "blev ved efter eller fra hvad hvem hvor hvornår hvilken efter blive mellem også",
        "dutch": "de het een en van in is dat op te zijn met voor niet aan er was door als bij ook "
        "naar wordt werd wie wat waar hoe welke wanneer om uit tot deze heeft worden",
        "finnish": "ja on ei se että oli hän mutta joka kun myös ovat mikä kuka missä milloin "
        "miten sen tai kuin ole olivat sekä hänen mitä jonka minkä jossa mukaan kanssa",
        "french": "le la les de des du un une et est en que qui dans pour pas sur au aux par avec "
        "plus ce cette sont il elle ne se ont été quel quelle comment où quand l d qu",
        "german": "der die das und ist in den von zu mit dem des ein eine einer eines auf für im "
        "nicht sich als auch es an werden aus wird wurde bei oder wer was wie wo wann welche "
        "welcher welches sind nach dass durch zum zur vom war wurden einem einen über",
        "hungarian": "a az és hogy nem is egy volt meg ez de van azt mint csak ki mi hol mikor "
        "hogyan melyik ezt el vagy minden már lehet után között szerint voltak milyen",
        "italian": "il la le lo gli di che e è un una in per non del della dei delle degli al alla "
        "con sono si da nel nella come chi quando dove quale anche più stato suo era i l",
        "norwegian": "og i det en er som på de til med av for ikke at har den han om ble var et "
        "fra men ved hva hvem hvor når hvilken etter eller også mellom blir være ein",
        "portuguese": "o a os as de da do das dos e é um uma que em no na nos nas para com não por "
        "se foi ao à são mais como quem quando onde qual pelo pela seu sua ser ou",
        "romanian": "și de la a în este cu pe care un o nu din pentru că mai al ale lui sunt fost "
        "au ce cine când unde cum prin sau fi cât iar după între despre cel cea câte câți",
        "spanish": "el la los las de y en que es un una por con para del se no su al lo como más "
        "fue son o qué quién cuándo dónde cómo cuál cuánto entre sobre era fueron ha sus",
        "swedish": "och i att det en som är på de av för med den till ett inte har om var från han "
        "men vid vad vem var när vilken hur eller efter också mellan blev blir kan",
        "turkish": "ve bir bu da de için ile ne kim nerede nasıl hangi olan olarak çok daha gibi "
        "kadar sonra en mi mı ise ya hem ancak kaç göre tarafından olduğu onun oldu arasında var",
        "vietnamese": "của và là các có những được trong cho một không người với này ở đã để khi "
        "như từ ra vào nào gì ai bao nhiêu đâu về trên tại theo sau bị",
    }.items()
}
_LETTERS: Mapping[str, str] = {
    "å": "danish norwegian swedish",
    "æ": "danish norwegian",
    "ø": "danish norwegian",
    "ä": "finnish german swedish",
    "ß": "german",
    "ñ": "spanish",
    "¿": "spanish",
    "ő": "hungarian",
    "ű": "hungarian",
    "ã": "portuguese",
    "õ": "portuguese",
    "ă": "romanian",
    "ț": "romanian",
    "ș": "romanian",
    "ı": "turkish",
    "ğ": "turkish",
    "ş": "turkish",
}
_FEWEST, _LEAST_SHARE = 2, 0.08
"""Small words and letters that must speak for a language other than English, and of all words."""
_LOOKED_AT = 2_000
"""Characters, from the first on."""
_SPELLED = re.compile(r"[^\W\d_]+")

LANGUAGES = tuple(one for one in _SMALL if one not in (_ENGLISH, "vietnamese"))
"""Those that texts are stemmed in besides the ones with letters of their own, and English."""


def language_of(text: str) -> str | None:
    """The one of `LANGUAGES` that a text is in; ``None`` for English, others and no telling."""
    said = text[:_LOOKED_AT].lower()  # case folding would write ß as ss
    found: Counter[str] = Counter()
    words = _SPELLED.findall(said)
    for word in words:
        for language in _KNOWN.get(word, ()):
            found[language] += 1
    if not said.isascii():
        for letter, languages in _LETTERS.items():
            if times := said.count(letter):
                for language in languages.split():
                    found[language] += times
    if not found:
        return None
    (first, most), *others = found.most_common(2)
    sure = most >= max(_FEWEST, _LEAST_SHARE * len(words)) and all(
        less < most for _, less in others
    )
    return first if sure and first in LANGUAGES else None


def analyzer(*languages: str) -> tantivy.TextAnalyzer:
    """Cuts a text into words, case-folded and stemmed in languages one after the other."""
    builder = (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.regex(_WORD))
        .filter(tantivy.Filter.remove_long(_LONGEST_WORD))
        .filter(tantivy.Filter.lowercase())
    )
    for language in languages or _ANY:
        builder = builder.filter(tantivy.Filter.stemmer(language))
    return builder.build()


def _known() -> dict[str, tuple[str, ...]]:
    words = {word for small in _SMALL.values() for word in small}
    return {
        word: tuple(language for language, small in _SMALL.items() if word in small)
        for word in words
    }


_KNOWN = _known()
