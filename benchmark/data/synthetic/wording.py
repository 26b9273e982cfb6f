"""Short clinical reports for the synthetic recordings, with varied sentences for each finding.

The style is that of PTB-XL (Wagner et al. 2020, doi:10.1038/s41597-020-0495-6): the rhythm, the axis, the findings, a
remark; half of the reports in lower case; English, or German without full stops. Label codes never appear in a report.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmark.data.synthetic.diagnoses import CONDITIONS
from benchmark.data.synthetic.synthesis import Visit


@dataclass(frozen=True)
class Wording:
    """Names of a finding, which can be qualified ("possible ..."), and sentences that are used unchanged."""

    names: tuple[str, ...]
    sentences: tuple[str, ...] = ()


@dataclass(frozen=True)
class Language:
    """The phrases of reports in one language; {} takes a finding's name or a number."""

    findings: dict[str, Wording]
    sinus: tuple[str, ...]  # the rhythm, if no finding names one
    rates: tuple[str, ...]
    axes: dict[str, tuple[str, ...]]
    mild: tuple[str, ...]
    severe: tuple[str, ...]
    uncertain: tuple[str, ...]
    remarks: tuple[str, ...]  # for what is not normal
    separators: tuple[str, ...]


ENGLISH = Language(
    findings={
        "NORM": Wording(
            ("normal ECG", "normal tracing", "ECG within normal limits", "unremarkable ECG"),
            ("no significant abnormality", "within normal limits", "no pathological findings"),
        ),
        "STACH": Wording(("sinus tachycardia", "rapid sinus rhythm", "sinus tach", "tachycardic sinus rhythm")),
        "SBRAD": Wording(("sinus bradycardia", "slow sinus rhythm", "sinus brady", "bradycardic sinus rhythm")),
        "AFIB": Wording(
            ("atrial fibrillation", "AF", "atrial fibrillation with irregular ventricular response"),
            ("irregularly irregular rhythm without P waves: atrial fibrillation", "the rhythm is atrial fibrillation"),
        ),
        "1AVB": Wording(
            ("first degree AV block", "1st degree AV block", "first-degree atrioventricular block", "PR prolongation"),
            ("the PR interval is prolonged", "prolonged PR interval"),
        ),
        "CLBBB": Wording(
            ("left bundle branch block", "LBBB", "complete left bundle branch block", "LBBB pattern"),
            ("broad QRS with left bundle branch block morphology", "LBBB with secondary ST-T changes"),
        ),
        "CRBBB": Wording(
            ("right bundle branch block", "RBBB", "complete right bundle branch block", "RBBB pattern"),
            ("rsR' in V1 with a broad QRS, right bundle branch block", "RBBB with secondary T wave changes"),
        ),
        "ASTE": Wording(
            ("anterior ST elevation", "ST elevation in V1-V4", "anterior injury current with ST elevation"),
            ("ST segments are elevated in V1,2,3,4", "elevated ST in the anterior leads suggests acute injury"),
        ),
        "ISTE": Wording(
            ("inferior ST elevation", "ST elevation in II, III, aVF", "inferior injury current with ST elevation"),
            (
                "ST segments are elevated in II, III and aVF",
                "inferior ST elevation with reciprocal change in I and aVL",
                "elevated ST in the inferior leads suggests acute injury",
            ),
        ),
        "LSTD": Wording(
            ("lateral ST depression", "ST depression in I, aVL, V4-V6", "ST depression in the lateral leads"),
            ("ST segments are depressed in I, V4,5,6", "depressed ST laterally, this may be due to ischaemia"),
        ),
        "LVHT": Wording(
            ("left ventricular hypertrophy", "LVH", "LV hypertrophy", "left ventricular hypertrophy with strain"),
            ("voltage criteria for LVH are met", "voltages are high in chest leads suggesting LVH"),
        ),
        "PVB": Wording(
            ("ventricular ectopy", "PVCs", "ventricular extrasystoles", "premature ventricular complexes"),
            ("premature ventricular contraction(s)", "broad premature beats, ventricular extrasystoles"),
        ),
        "PAB": Wording(
            ("atrial ectopy", "PACs", "supraventricular extrasystoles", "premature atrial complexes"),
            ("premature atrial contraction(s)", "narrow premature beats, supraventricular extrasystoles"),
        ),
    },
    sinus=("sinus rhythm", "sinus rhythm", "regular sinus rhythm", "the rhythm is sinus", "SR"),
    rates=("rate {}", "{}/min", "heart rate {} bpm", "ventricular rate {}", "HR {}"),
    axes={
        "left": ("left axis deviation", "the axis is deviated to the left", "LAD"),
        "normal": ("normal axis", "axis normal", "QRS axis within the normal range"),
        "right": ("right axis deviation", "the axis is deviated to the right", "RAD"),
    },
    mild=("slight {}", "minor {}", "mild {}", "borderline {}"),
    severe=("marked {}", "pronounced {}", "clear {}"),
    uncertain=("possible {}", "probable {}", "{} cannot be excluded", "suggestive of {}", "consider {}", "?{}"),
    remarks=(
        "abnormal ECG",
        "clinical correlation advised",
        "unconfirmed report",
        "no previous tracing for comparison",
        "otherwise no definite pathology",
    ),
    separators=(". ", ". ", ", ", "; "),
)

GERMAN = Language(
    findings={
        "NORM": Wording(("normales EKG", "unauffälliges EKG", "Normalbefund"), ("keine Auffälligkeiten",)),
        "STACH": Wording(("Sinustachykardie", "tachykarder Sinusrhythmus", "schneller Sinusrhythmus")),
        "SBRAD": Wording(("Sinusbradykardie", "bradykarder Sinusrhythmus", "langsamer Sinusrhythmus")),
        "AFIB": Wording(("Vorhofflimmern", "VHF", "absolute Arrhythmie bei Vorhofflimmern")),
        "1AVB": Wording(("AV-Block 1. Grades", "AV-Block I°"), ("PQ-Zeit verlängert", "verlängerte PQ-Zeit")),
        "CLBBB": Wording(("Linksschenkelblock", "LSB", "kompletter Linksschenkelblock")),
        "CRBBB": Wording(("Rechtsschenkelblock", "RSB", "kompletter Rechtsschenkelblock")),
        "ASTE": Wording(("ST-Hebung über V1-V4", "anteriore ST-Hebung", "ST-Hebung über der Vorderwand")),
        "ISTE": Wording(("ST-Hebung über II, III, aVF", "inferiore ST-Hebung", "ST-Hebung über der Hinterwand")),
        "LSTD": Wording(("ST-Senkung über I, V4-V6", "laterale ST-Senkung", "ST-Senkung über der Seitenwand")),
        "LVHT": Wording(("linksventrikuläre Hypertrophie", "Linkshypertrophie"), ("Sokolow-Index positiv, LVH",)),
        "PVB": Wording(("ventrikuläre Extrasystole(n)", "VES", "ventrikuläre Extrasystolie")),
        "PAB": Wording(("supraventrikuläre Extrasystole(n)", "SVES", "supraventrikuläre Extrasystolie")),
    },
    sinus=("Sinusrhythmus", "Sinusrhythmus", "regelmäßiger Sinusrhythmus", "SR"),
    rates=("Frequenz {}", "{}/min", "HF {}"),
    axes={
        "left": ("Linkstyp", "überdrehter Linkstyp"),
        "normal": ("Lagetyp normal", "Indifferenztyp", "Normallagetyp"),
        "right": ("Rechtstyp", "Steil- bis Rechtstyp"),
    },
    mild=("geringe {}", "leichte {}", "diskrete {}"),
    severe=("deutliche {}", "ausgeprägte {}"),
    uncertain=("Verdacht auf {}", "{} möglich", "{} nicht auszuschließen", "V. a. {}"),
    remarks=("unbestätigter Bericht", "pathologisches EKG", "sonst kein pathologischer Befund"),
    separators=(" ", ". ", ", "),
)

RHYTHMS = frozenset(code for code, condition in CONDITIONS.items() if condition.rate)
GRADED = frozenset({"ASTE", "ISTE", "LSTD", "LVHT"})  # "mild", "marked"
DOUBTED = GRADED | {"1AVB"}  # "possible"
BLIND_TO_AXIS = frozenset({"CLBBB", "CRBBB", "LVHT"})  # they turn the QRS complex away from `Visit.axis`


def write_report(visit: Visit, language: Language, rng: np.random.Generator) -> str:
    """Describe a visit: every finding once, and sometimes rate, axis and a remark."""
    statements = [rhythm(visit, language, rng)]
    if rng.random() < 0.4 and not BLIND_TO_AXIS & set(visit.codes):
        statements.append(pick(language.axes[side_of(visit.axis)], rng))
    findings = [name(code, severity, language, rng) for code, severity in visit.findings if code not in RHYTHMS]
    statements += [findings[i] for i in rng.permutation(len(findings))]
    if rng.random() < 0.15:
        statements.append(statements.pop(0))  # some write the rhythm last
    if rng.random() < 0.25 and "NORM" not in visit.codes:
        statements.append(pick(language.remarks, rng))
    return style(statements, pick(language.separators, rng), rng)


def rhythm(visit: Visit, language: Language, rng: np.random.Generator) -> str:
    names = [name(code, severity, language, rng) for code, severity in visit.findings if code in RHYTHMS]
    statement = names[0] if names else pick(language.sinus, rng)
    if rng.random() < 0.45:
        statement += ", " + pick(language.rates, rng).format(round(visit.rate))
    return statement


def name(code: str, severity: float, language: Language, rng: np.random.Generator) -> str:
    """Name one finding; some findings are at random qualified as mild, marked or uncertain."""
    wording = language.findings[code]
    if rng.random() < 0.3 and wording.sentences:
        return pick(wording.sentences, rng)
    statement = pick(wording.names, rng)
    low, high = CONDITIONS[code].severity
    grade = (severity - low) / (high - low) if high > low else 1.0
    if code in DOUBTED and grade < 0.5 and rng.random() < 0.35:
        return pick(language.uncertain, rng).format(statement)
    if code in GRADED and not 0.3 < grade < 0.8 and rng.random() < 0.4:
        return pick(language.mild if grade < 0.5 else language.severe, rng).format(statement)
    return statement


def side_of(axis: float) -> str:
    if axis < -30:
        return "left"
    return "right" if axis > 90 else "normal"


def style(statements: list[str], separator: str, rng: np.random.Generator) -> str:
    """Join the statements, in lower case or with capitals where sentences begin."""
    if rng.random() < 0.5:
        statements = [statement.lower() for statement in statements]
    elif separator == ". ":
        statements = [statement[0].upper() + statement[1:] for statement in statements]
    else:
        statements = [statements[0][0].upper() + statements[0][1:], *statements[1:]]
    end = "." if separator == ". " or rng.random() < 0.3 else ""
    return separator.join(statements) + end


def pick(options: tuple[str, ...], rng: np.random.Generator) -> str:
    return options[int(rng.integers(len(options)))]
