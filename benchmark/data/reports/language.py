"""Detection of a report's language by its words: PTB-XL mixes German, English and Swedish without marking them.

Words of only one of the languages vote; medical Latin and abbreviations, which all of them share, do not.
"""

from __future__ import annotations

import re

ENGLISH = """
    rhythm rate ecg wave waves segments segment leads lead axis left right atrial ventricular fibrillation flutter
    branch bundle premature contraction consistent with due and are is be may this otherwise deviation low limb high
    flat inverted prolonged heart findings effect likely probable possible depressed changes tracing complexes
    strain suggesting ischaemic ischemic borderline pathology infarction hypertrophy trace only requested
    bradycardia tachycardia arrhythmia the of to old age indeterminate uncertain incomplete
"""
GERMAN = """
    sinusrhythmus lagetyp normales linkstyp rechtstyp steiltyp indifferenztyp ueberdrehter infarkt wahrscheinlich
    unbestätigter bericht abnorm abnormes ableitungen oder und ischämie sonst linksbelastung extrasystole alt alter
    rechtsschenkelblock linksschenkelblock vorhofflimmern vorhofflattern linkshypertrophie myokardschaden verdacht
    auf nicht auszuschliessen auszuschließen niederspannung unspezifisches unspezifische periphere unvollständiger
    sinustachykardie sinusbradykardie schrittmacher mit für möglich mögl grades inferiorer anteroseptaler hebung
    senkung leitungsstörung verlängerung pathologisch schlechte keine der die das bei ist im von herzschrittmacher
    sinusarrhythmie arrhythmie knotenrhythmus leitungsstoerung verbreiterung veraenderung veraenderungen
    tachyarrhythmie tachykardie bradykardie bradyarrhythmie schenkelblock moeglich belastung zur überdrehter
    atypische ekgmodus rhythmus grenzbefund hinweis vorderwandinfarkt hinterwandinfarkt
"""
SWEDISH = """
    sinusrytm sinusbradykardi sinustachykardi arytmi eljest skada myokardskada genomgången för vänster höger axel
    normalt avvikande förlopp förändring förändringar vid såsom eller och ischemi skänkelblock misstänkt förmak
    hypertrofi patologiskt ospecifik ospecifika pacemakerrytm förmaksflimmer rytm svårbedömt kammar kammare lågt
    takykardi bradykardi sannolik sannolikt med låg föreligger hjärtinfarkt
"""
_VOTES = {
    word: language for language, words in {"en": ENGLISH, "de": GERMAN, "sv": SWEDISH}.items() for word in words.split()
}
_WORD = re.compile(r"[^\W\d_]+")


def report_language(report: str) -> str | None:
    """Return ``"de"``, ``"en"`` or ``"sv"``; None if no word votes or two languages tie for most votes."""
    votes: dict[str, int] = {}
    for word in _WORD.findall(report.lower()):
        if language := _VOTES.get(word):
            votes[language] = votes.get(language, 0) + 1
    ranked = sorted(votes.items(), key=lambda vote: -vote[1])
    if not ranked or (len(ranked) > 1 and ranked[0][1] == ranked[1][1]):
        return None
    return ranked[0][0]
