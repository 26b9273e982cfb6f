"""The score of DERI's code: a method's own text encoder judges generated reports against true ones.

Each report counts as an instance of the class whose prompt is nearest to it in the method's own space, and precision,
recall and F1 compare these single labels. Every method thus judges its own output by its own measure: an encoder for
which all reports are alike gets a perfect score. These metrics stand beside published numbers and never compare
methods. DERI uses 131 prompts written by a language model; any prompt set with the label sets of the dataset will do.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmark.api import AlignedMethod
from benchmark.data.labels.prompts import load_prompts

METRICS = ("self_f1", "self_precision", "self_recall")
WARNING = (
    "the self_ metrics ask each method's own text encoder, as DERI's code does: they are not comparable between methods"
)
BATCH = 256


def class_prompts(name: str, dataset: str, classes: Sequence[str]) -> list[str]:
    """Return one text per class such as "rhythm/AFIB": its phrases, one after the other."""
    prompts, texts = load_prompts(name), []
    for label_set in dict.fromkeys(entry.partition("/")[0] for entry in classes):
        own = [entry.partition("/")[2] for entry in classes if entry.partition("/")[0] == label_set]
        texts += [", ".join(phrases) for phrases in prompts.phrases(dataset, label_set, own)]
    return texts


def nearest_prompts(method: AlignedMethod, texts: Sequence[str], prompts: Sequence[str]) -> np.ndarray:
    """Return for each text the number of the prompt with the largest cosine: ``(text,)``."""
    import torch
    from torch.nn.functional import normalize

    with torch.inference_mode():
        targets = normalize(method.text_embeddings(list(prompts)), dim=-1)
        parts = [
            (normalize(method.text_embeddings(list(texts[start : start + BATCH])), dim=-1) @ targets.T).argmax(1)
            for start in range(0, len(texts), BATCH)
        ]
    return torch.cat(parts).cpu().numpy()


def score_agreement(generated: np.ndarray, references: np.ndarray) -> dict[str, float]:
    """Return macro F1, precision and recall over all classes that occur on either side; 0 / 0 is 0."""
    from sklearn.metrics import precision_recall_fscore_support

    precision, recall, f1, _ = precision_recall_fscore_support(references, generated, average="macro", zero_division=0)
    return dict(zip(METRICS, map(float, (f1, precision, recall)), strict=True))
