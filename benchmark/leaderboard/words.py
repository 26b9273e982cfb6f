"""Words for readers in place of names from code: ``Linear probe on PTB-XL superclasses``, ``macro AUROC``.

What is not listed here (a task, dataset or metric of a plug-in) goes by its own name, without underscores.
"""

from __future__ import annotations

from typing import Any

TASKS = {
    "linear_probe": "Linear probe",
    "attention_probe": "Attention probe",
    "published_probe": "Published probe",
    "knn": "k-nearest neighbours",
    "ridge": "Ridge probe",
    "finetune": "Fine-tuning",
    "zero_shot": "Zero-shot classification",
    "few_shot": "Few-shot classification",
    "regression_probe": "Regression probe",
    "finding_probe": "Finding probe",
    "finding_zero_shot": "Zero-shot findings",
    "finding_leads": "Leads of findings",
    "retrieval": "Retrieval",
    "report_generation": "Report generation",
    "transfer": "Transfer",
}
DATASETS = {
    "ptbxl": "PTB-XL",
    "cpsc2018": "CPSC2018",
    "csn": "Chapman-Shaoxing-Ningbo",
    "mimic_iv_ecg": "MIMIC-IV-ECG",
    "ptb": "PTB",
    "georgia": "Georgia",
    "cpsc2018_extra": "CPSC-Extra",
    "sph": "SPH",
    "code15": "CODE-15 %",
    "synthetic": "synthetic",
}
LABEL_SETS = {
    "ptbxl/super": "superclasses",
    "ptbxl/sub": "subclasses",
    "ptbxl/form": "form statements",
    "ptbxl/rhythm": "rhythm statements",
    "ptbxl/all": "all statements",
    "ptbxl/diag": "diagnostic statements",
    "ptbxl/findings": "findings (silver labels)",
    "cpsc2018/rhythm": "rhythms",
    "csn/all": "conditions",
    **{f"{name}/all": "diagnoses" for name in ("ptb", "georgia", "cpsc2018_extra")},
    **{f"{name}/scored": "scored diagnoses" for name in ("ptb", "georgia", "cpsc2018_extra")},
    "sph/primary": "primary statements",
    "code15/flags": "abnormalities",
    "code15/diag": "abnormalities and normal ECGs",
    "mimic_iv_ecg/icd10_heart": "heart diagnoses",
}
METRICS = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "f1": "F1",
    "brier": "Brier score",
    "ece": "calibration error",
    "mae": "MAE",
    "rmse": "RMSE",
    "r2": "R²",
    "rouge_l": "ROUGE-L",
    "meteor": "METEOR",
    "cider": "CIDEr",
    "auroc_qrs": "AUROC, form of the QRS",
    "auroc_st_t": "AUROC, ST and T",
    **{f"auroc_{kind}": f"AUROC, {kind}" for kind in ("rhythm", "conduction", "voltage", "axis")},
    "auroc_leads": "AUROC of the leads",
    "lead_difference": "difference of leads",
    "lead_difference_absent": "difference of leads where absent",
    "embedding": "embedding score",
    **{f"bleu_{n}": f"BLEU-{n}" for n in range(1, 5)},
}
AVERAGES = {"macro": "macro", "micro": "micro"}
VALUES = {  # of a field in a heading
    ("folds", "held_out"): "folds 9 and 10",
    ("folds", "all"): "all folds",
    ("centre", "none"): "not centred",
    ("centre", "classes"): "centred",
    ("decoding", "beam"): "beam search",
    ("decoding", "greedy"): "greedy search",
}
OFF = "none"  # a further field with this value has no place in a heading


def plain(name: str) -> str:
    """Return a name from code without underscores."""
    return name.replace("_", " ")


def task_words(task: str) -> str:
    return TASKS.get(task) or capital(plain(task))


def dataset_words(dataset: str) -> str:
    return DATASETS.get(dataset) or plain(dataset)


def label_set_words(dataset: str, label_set: str) -> str:
    """Return ``PTB-XL superclasses``."""
    return f"{dataset_words(dataset)} {LABEL_SETS.get(f'{dataset}/{label_set}') or plain(label_set)}"


def metric_words(metric: str) -> str:
    """Return ``macro AUROC`` for ``auroc_macro``, ``BLEU-4, new`` for ``bleu_4_new``; other names lose underscores."""
    base, _, last = metric.rpartition("_")
    if base in METRICS and last in AVERAGES:
        return f"{AVERAGES[last]} {METRICS[base]}"
    if base in METRICS and last == "new":
        return f"{METRICS[base]}, new"
    return METRICS.get(metric) or plain(metric).replace(" f1", " F1")


def value_words(field: str, value: Any) -> str:
    """Return a value as a heading names it: ``1 %`` for a fraction, ``centred`` for ``centre = "classes"``."""
    if field == "fraction":
        return f"{100 * value:.6g} %"
    if field == "shots":
        return f"{value} per class"
    return VALUES.get((field, value)) or str(value)


def further_words(field: str, value: Any) -> str:
    """Return a further field of a heading with its name (``layer tokens``), unless its words say all; "" for none."""
    if value == OFF:
        return ""
    return VALUES.get((field, value)) or f"{plain(field)} {value_words(field, value)}"


def options_words(options: dict[str, Any]) -> str:
    """Return ``trials 16, layer tokens``."""
    return ", ".join(f"{plain(name)} {value_words(name, value)}" for name, value in options.items())


def p_text(p: float) -> str:
    """Return a p-value with four decimals: ``0.0312``, ``< 0.0001``."""
    return "< 0.0001" if p < 1e-4 else f"{p:.4f}"


def list_text(items: list[str]) -> str:
    """Return ``a``, ``a and b`` or ``a, b and c``."""
    return ", ".join(items[:-1]) + f" and {items[-1]}" if len(items) > 1 else "".join(items)


def capital(text: str) -> str:
    """Return a text with a capital letter at its beginning."""
    return text[:1].upper() + text[1:]
