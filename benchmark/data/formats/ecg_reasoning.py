"""Reader of the PTB-XL part of ECG-Reasoning-Benchmark: findings below the diagnosis, asked in chains of reasoning.

Oh et al., "ECG-Reasoning-Benchmark", 2026, arXiv 2603.14326 (MIT licence); one JSON object per line, compressed by xz.
A chain belongs to a diagnosis, and each of its steps asks whether a finding is there, and in which leads. The answers
come from an automatic delineator, so they are silver labels: no cardiologist has seen them. A finding is asked only
where it matters to a diagnosis, so its prevalence is not natural, and one that was not asked is unknown.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator
from typing import Any

from benchmark.api import LEADS, Answer, SparseLabelSet
from benchmark.errors import DataError

RHYTHM, CONDUCTION, QRS, ST_T, VOLTAGE, AXIS = "rhythm", "conduction", "qrs", "st_t", "voltage", "axis"
# asked from both sides, of an ectopic ventricular beat and of an atrial one, in the same words: one finding
BROAD = ("broad premature beat", RHYTHM)
FINDINGS = {  # criterion as the file words it -> our name of the finding, and its kind
    "Presence of premature beats": ("premature beats", RHYTHM),
    "Presence of significant QRS prolongation in the premature beat compared to normal beats": BROAD,
    "Absence of significant QRS prolongation in the premature beat compared to normal beats": BROAD,
    "Regularity of the RR intervals": ("regular RR intervals", RHYTHM),
    "Presence of bradycardia (slow ventricular rate)": ("slow ventricular rate", RHYTHM),
    "Presence of atrial fibrillation": ("atrial fibrillation", RHYTHM),
    "Occurrence of intermittent dropped beats": ("dropped beats", RHYTHM),
    "Evidence of consistent 1:1 atrioventricular conduction": ("1:1 AV conduction", CONDUCTION),
    "Presence of AV dissociation": ("AV dissociation", CONDUCTION),
    "Presence of a non-conducted P wave within the dropped interval": ("non-conducted P wave", CONDUCTION),
    "Prolongation of the PR interval": ("long PR interval", CONDUCTION),
    "Prolongation of the QRS duration": ("long QRS duration", CONDUCTION),
    "Presence of left bundle branch block": ("left bundle branch block", CONDUCTION),
    "Presence of right bundle branch block": ("right bundle branch block", CONDUCTION),
    "Presence of a dominant S wave in leads V1 and V2": ("dominant S in V1/V2", QRS),
    "Presence of a dominant R wave in V1": ("dominant R in V1", QRS),
    "Presence of an RSR' pattern in leads V1 and V2": ("RSR' in V1/V2", QRS),
    "Presence of a broad monophasic R wave or qR pattern in lead V1": ("broad R or qR in V1", QRS),
    "Presence of a slurred S wave in lateral leads": ("slurred S lateral", QRS),
    "Presence of a notched R wave in lateral leads": ("notched R lateral", QRS),
    "Presence of a positive monophasic QRS complex without a Q wave in lateral leads": (
        "monophasic R without Q lateral",
        QRS,
    ),
    "Presence of a broad monophasic R wave with a prolonged R wave peak time in leads V5 and V6": (
        "broad R with late peak in V5/V6",
        QRS,
    ),
    "Presence of a qR pattern in leads I and aVL": ("qR in I/aVL", QRS),
    "Presence of a qR pattern in leads II, III, and aVF": ("qR in II/III/aVF", QRS),
    "Presence of an rS pattern in leads I and aVL": ("rS in I/aVL", QRS),
    "Presence of an rS pattern in leads II, III, and aVF": ("rS in II/III/aVF", QRS),
    **{
        f"Presence of {form} in {region} leads": (f"{name} {region}", kind)
        for form, name, kind in (
            ("pathological Q waves", "Q waves", QRS),
            ("ST-segment elevation", "ST elevation", ST_T),
            ("ST-segment depression", "ST depression", ST_T),
            ("inverted T waves", "inverted T", ST_T),
        )
        for region in ("anterior", "inferior", "lateral")
    },
    "Presence of an LV strain pattern in lateral leads": ("LV strain lateral", ST_T),
    "Sum of S amplitude in V1 and R amplitude in V5/V6 > 3.5mV": ("S in V1 + R in V5/V6 > 3.5 mV", VOLTAGE),
    "R wave amplitude in lead aVL > 1.1mV": ("R in aVL > 1.1 mV", VOLTAGE),
    "R wave amplitude in V1 > 1.5mV": ("R in V1 > 1.5 mV", VOLTAGE),
    "Cornell Product ((R amplitude in aVL + S amplitude in V3) x QRS duration) > 0.244mV*s": (
        "Cornell product > 0.244 mV s",
        VOLTAGE,
    ),
    "Presence of left axis deviation": ("left axis deviation", AXIS),
    "Presence of right axis deviation": ("right axis deviation", AXIS),
    "QRS axis > +60 degrees": ("QRS axis > 60°", AXIS),
}
KINDS = dict(FINDINGS.values())
PTBXL_FINDINGS = SparseLabelSet(
    kinds=KINDS,
    file="ecg-reasoning/ptbxl.jsonl.xz",
    sha256="6562671208265fc262eabdd0b03ef6616b719891c01b443c6fbfae9ac84c5d3a",
    remedy="take the PTB-XL part of ECG-Reasoning-Benchmark (arXiv 2603.14326), as docs/findings.md says",
    note="silver labels: findings come from an automatic delineator, no cardiologist has seen them",
)


def read_answers(content: bytes) -> Iterator[Answer]:
    """Yield what the file says of each recording and finding; raise `DataError` where it cannot be read.

    Leads are those that show a finding which is there. The sum of two amplitudes has none: of it the file names the
    taller of V5 and V6, which says nothing about where the finding is.
    """
    try:
        for line in lzma.decompress(content).decode("utf-8").splitlines():
            chain = json.loads(line)
            for step in chain["steps"]:
                label, kind = FINDINGS[step["criterion"]]
                is_present = {"Yes": True, "No": False}[step["answer"]]
                leads = _leads(step) if is_present and kind != VOLTAGE else ()
                yield Answer(str(chain["ecg_id"]), label, is_present, leads)
    except (lzma.LZMAError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{PTBXL_FINDINGS.file} cannot be read: {error!r}; {PTBXL_FINDINGS.remedy}") from None


def _leads(step: dict[str, Any]) -> tuple[str, ...]:
    """Return the leads in which a step's finding is, in the order of `LEADS`."""
    answers = [part["answer"] for part in step.get("grounding", ()) if part["question_type"] == "lead_grounding"]
    names = {name.removeprefix("Lead ") for answer in answers for name in answer}
    return tuple(lead for lead in LEADS if lead in names)
