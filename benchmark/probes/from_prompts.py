"""A classifier that begins at the prompts of its classes and learns from a few examples, in closed form.

The scores of a class are ``share * z + w x + b``: z is the method's own similarity with the class's prompts in standard
deviations over validation, x the embedding, scaled to length 1 and centred on the examples. w is a ridge regression of
the labels minus ``share * z``, so a strong penalty leaves the zero-shot classifier and a weak one lets the examples
speak; for a similarity that is linear in the embedding this is a ridge towards the prompts instead of towards 0. The
idea is that of few-shot learning on vision-language models (LP++, Huang et al., CVPR 2024; CLAP, Silva-Rodriguez et
al., CVPR 2024); the closed form is ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmark.probes.logistic import ProbeBasis, Standardiser
from benchmark.probes.ridge import ridge_scores
from benchmark.probes.search import choose_best

if TYPE_CHECKING:
    from benchmark.api import AlignedMethod

Singles = NDArray[np.float32]
# of a label that the prompts explain, per standard deviation of their similarity
SHARES = (0.03, 0.1, 0.3, 1.0)
PENALTIES = tuple(float(value) for value in np.geomspace(1e4, 1e-4, 25))  # times n; of equally good ones the strongest
CENTRES = ("none", "classes")


@dataclass(frozen=True)
class Part:
    """A split as the classifier sees it: embeddings ``(n, d)``, similarities with the prompts ``(n, C)``, and labels.

    Labels ``(n, C)`` are None for the split that is predicted.
    """

    embeddings: NDArray[Any]
    similarities: NDArray[Any]
    labels: NDArray[Any] | None = None


@dataclass(frozen=True)
class FewShotFit:
    """Scores ``(n, C)`` of validation and of the predicted split, the chosen setting and all that were tried."""

    val: Singles
    test: Singles
    choice: dict[str, Any]
    trials: list[dict[str, Any]]


def similarities(
    method: AlignedMethod, phrases: list[list[str]], centre: str, *embeddings: NDArray[Any]
) -> list[Singles]:
    """Return ``(n, class)`` for each of `embeddings` ``(n, d)``: the scores of zero-shot classification.

    A class is the mean of its phrases' normalised embeddings. With the centre "classes" the mean of all classes is
    taken off first.
    """
    import torch
    from torch.nn.functional import normalize

    with torch.inference_mode():
        text = torch.stack([normalize(method.text_embeddings(group), dim=-1).mean(dim=0) for group in phrases])
        if centre == "classes":
            text = text - text.mean(dim=0)
        pairs = (torch.from_numpy(np.array(part)).to(text.device) for part in embeddings)
        return [method.similarity(part, text).float().cpu().numpy() for part in pairs]


def learn_from_prompts(train: Part, val: Part, test: Part) -> FewShotFit:
    """Fit every share and penalty on the examples of `train`, and choose on `val` by macro AUROC.

    The zero-shot classifier itself is among the settings. Of equally good ones the first is chosen: zero-shot, then
    from strong to weak. Raises `BenchmarkError` where no class has both labels in validation.
    """
    assert train.labels is not None and val.labels is not None
    unit = [_unit(part.embeddings) for part in (train, val, test)]
    standardiser = Standardiser.fit(unit[0], each=False)
    basis = ProbeBasis(standardiser(unit[0]))
    prior = [(part.similarities - val.similarities.mean(axis=0)) / _spread(val) for part in (train, val, test)]
    penalties = [penalty * len(unit[0]) for penalty in PENALTIES]
    settings: list[dict[str, Any]] = [{"share": None, "penalty": None}]  # zero-shot
    settings += [{"share": share, "penalty": penalty} for share in SHARES for penalty in penalties]

    def scores(place: int, share: float, penalties: list[float]) -> Singles:
        rest = train.labels - share * prior[0]
        regression = ridge_scores(basis, rest, penalties, standardiser(unit[place]))
        return np.asarray(regression + share * prior[place], np.float32)

    on_val = np.concatenate([val.similarities[None], *(scores(1, share, penalties) for share in SHARES)])
    best, trials = choose_best(on_val.astype(np.float32), val.labels, settings)
    is_zero_shot = best["share"] is None
    on_test = test.similarities if is_zero_shot else scores(2, best["share"], [best["penalty"]])[0]
    return FewShotFit(on_val[best["number"]], np.asarray(on_test, np.float32), best, trials)


def _unit(embeddings: NDArray[Any]) -> NDArray[Any]:
    length = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return np.asarray(embeddings / np.where(length > 0, length, 1))


def _spread(part: Part) -> NDArray[Any]:
    deviation = part.similarities.std(axis=0)
    return np.where(deviation > 0, deviation, 1.0)
