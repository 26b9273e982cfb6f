"""L2-regularised logistic regression for all labels and a batch of settings at once.

For every label and every setting this is the minimum of scikit-learn's objective (`LogisticRegression`, one-vs-rest)

    sum_i s_i log(1 + exp(-y_i (x_i w + b))) + |w|^2 / (2 C)

with ``s_i = 1``, or n / (2 n_class) where the setting is balanced; the intercept is not penalised.

The solver is L-BFGS (Nocedal and Wright, Numerical Optimization, 7.2). Every column (setting, label) has its own
memory, step and end. Its initial matrix is the inverse of ``a X'X + I/C``, a being the column's mean curvature: one
eigendecomposition per training set serves all columns, and most need 3 to 15 steps. Logits are linear in the step, so
a line search costs no matrix product, and each step costs two. Products are in float32, states and sums over features
in float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn.functional import softplus

from benchmark.errors import BenchmarkError

if TYPE_CHECKING:
    from typing import Self

Array = NDArray[Any]
CELLS = 2**23  # recordings x columns solved together: 32 MB for each of about eight float32 arrays
MEMORY = 10  # steps that L-BFGS remembers
SLOPE_SHARE = 0.5  # a line search ends where the slope is below this share of the slope at its start
ATTEMPTS = 12  # points that a line search may try; none needs a matrix product


@dataclass(frozen=True)
class Standardiser:
    """Mean and standard deviation of every feature of a training subset, ``(d,)`` float64.

    A constant feature gets std 1, so that it is 0 in the subset and finite in other data. Without `each` all features
    share one std, the root of their mean variance, so they keep their proportions.
    """

    mean: Array
    std: Array

    @classmethod
    def fit(cls, X: ArrayLike, each: bool = True) -> Self:
        """Return the standardiser of ``(n, d)``; raise `BenchmarkError` for features that are not finite."""
        values = validate_features(X)
        mean, std = values.mean(axis=0, dtype=np.float64), values.std(axis=0, dtype=np.float64)
        if not each:
            return cls(mean, np.full_like(std, np.sqrt((std**2).mean()) or 1.0))
        constant = std <= 1e-6 * np.abs(mean)  # float32's rounding of a constant's mean
        return cls(mean, np.where(constant | (std == 0), 1.0, std))

    def __call__(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return ``(n, d)`` standardised, float32; raise as `fit` does."""
        values = validate_features(X)
        if values.shape[1] != len(self.mean):
            raise BenchmarkError(f"expected {len(self.mean)} features, got {values.shape[1]}")
        return np.asarray((values - self.mean.astype(values.dtype)) / self.std.astype(values.dtype), dtype=np.float32)


@dataclass(frozen=True)
class Solution:
    """Fitted probes of P settings and C labels; `converged` tells which columns reached the tolerance.

    `loss` and `gradient_norm` belong to the objective above at the solution (the gradient with respect to weights and
    intercept, of the centred features). A label without positives or without negatives in the subset has weights 0, the
    intercept log((positives + 1/2) / (negatives + 1/2)) and no iterations.
    """

    weights: Array  # (P, d, C) float32
    intercepts: Array  # (P, C) float64
    loss: Array  # (P, C)
    gradient_norm: Array  # (P, C)
    iterations: Array  # (P, C) int
    converged: Array  # (P, C) bool

    def scores(self, X: ArrayLike) -> Array:
        """Return the logits ``(P, n, C)`` float32 of features ``(n, d)``; raise for features that are not finite."""
        settings, dim, labels = self.weights.shape
        values = validate_features(X)
        if values.shape[1] != dim:
            raise BenchmarkError(f"expected {dim} features, got {values.shape[1]}")
        flat = torch.from_numpy(np.ascontiguousarray(self.weights.transpose(1, 0, 2)).reshape(dim, -1))
        logits = torch.from_numpy(values.astype(np.float32)) @ flat
        logits = logits.reshape(len(values), settings, labels) + torch.from_numpy(self.intercepts).float()
        return np.asarray(logits.permute(1, 0, 2).contiguous().numpy())

    def pick(self, setting: int) -> Solution:
        """Return the solution of one setting (P = 1)."""
        return Solution(**{name: value[setting : setting + 1] for name, value in vars(self).items()})


class ProbeBasis:
    """One training set, decomposed once, on which any labels and settings can be solved.

    `X` ``(n, d)`` is copied to float32 and centred, which is exact because the intercept is not penalised. With n < d
    the eigenvectors come from XX', so a small subset of wide features stays cheap.
    """

    def __init__(self, X: ArrayLike) -> None:
        values = validate_features(X)
        self.mean = values.mean(axis=0, dtype=np.float64)
        self.X = torch.from_numpy(np.subtract(values, self.mean.astype(values.dtype), dtype=np.float32))
        n, dim = self.X.shape
        if n < dim:
            wide = self.X.double()
            squares, left = torch.linalg.eigh(wide @ wide.T)
            kept = squares > squares[-1].clamp(min=1e-300) * 1e-12
            self.squares, self.vectors = squares[kept], wide.T @ (left[:, kept] / squares[kept].sqrt())
        else:
            self.squares, self.vectors = torch.linalg.eigh((self.X.T @ self.X).double())
            self.squares = self.squares.clamp(min=0)

    def solve(
        self, Y: ArrayLike, cs: ArrayLike, balanced: ArrayLike, tolerance: float = 1e-8, limit: int = 300
    ) -> Solution:
        """Solve labels ``(n, C)`` under P settings: penalties `cs` ``(P,)`` and `balanced` ``(P,)`` bool.

        A column ends when its loss is within `tolerance` (relative, estimated) of the minimum, and within 100 times
        that of what the weights gain. After `limit` iterations it ends without being marked as converged. Raises
        `BenchmarkError` for labels other than 0 and 1, a penalty that is not positive and finite, and shapes that do
        not fit.
        """
        labels, penalties, balances = self._validate(Y, cs, balanced)
        solution = self._empty(labels, len(penalties))
        positives = labels.sum(axis=0)
        trainable = np.flatnonzero((positives > 0) & (positives < len(labels)))
        columns = np.array([(p, c) for p in range(len(penalties)) for c in trainable], dtype=np.int64).reshape(-1, 2)
        targets = torch.from_numpy(np.ascontiguousarray(labels.T, dtype=np.float32))
        size = max(8, CELLS // len(labels))
        for start in range(0, len(columns), size):
            at = tuple(columns[start : start + size].T)  # settings, labels
            solver = _Columns(self, targets[at[1]], torch.from_numpy(penalties[at[0]]), balances[at[0]])
            solver.run(tolerance, limit)
            weights = solver.solution[:, :-1].numpy()
            solution.weights[at[0], :, at[1]] = weights
            solution.intercepts[at] = solver.solution[:, -1].numpy() - weights @ self.mean
            for name in ("loss", "gradient_norm", "iterations", "converged"):
                getattr(solution, name)[at] = getattr(solver, name).numpy()
        return solution

    def _empty(self, labels: Array, settings: int) -> Solution:
        n, count = labels.shape
        positives, shape = labels.sum(axis=0), (settings, count)
        odds = np.log((positives + 0.5) / (n - positives + 0.5))
        return Solution(
            weights=np.zeros((settings, self.X.shape[1], count), dtype=np.float32),
            intercepts=np.tile(odds, (settings, 1)),
            loss=np.zeros(shape),
            gradient_norm=np.zeros(shape),
            iterations=np.zeros(shape, dtype=np.int64),
            converged=np.ones(shape, dtype=bool),
        )

    def _validate(self, Y: ArrayLike, cs: ArrayLike, balanced: ArrayLike) -> tuple[Array, Array, Array]:
        labels = np.asarray(Y)
        penalties, balances = np.asarray(cs, dtype=np.float64), np.asarray(balanced, dtype=bool)
        if labels.ndim != 2 or len(labels) != len(self.X) or not ((labels == 0) | (labels == 1)).all():
            raise BenchmarkError(f"labels must be (n, C), 0 or 1, with n = {len(self.X)}; got shape {labels.shape}")
        if penalties.ndim != 1 or penalties.shape != balances.shape:
            raise BenchmarkError(f"penalties {penalties.shape} and balanced {balances.shape} must both be (P,)")
        if not (np.isfinite(penalties) & (penalties > 0)).all():
            raise BenchmarkError(f"every C must be positive and finite, got {penalties.tolist()}")
        return labels.astype(np.float64), penalties, balances


def validate_features(X: ArrayLike) -> Array:
    """Return features as a floating ``(n, d)`` array; raise `BenchmarkError` naming the columns that are not finite."""
    values = np.asarray(X)
    values = values if values.dtype in (np.float32, np.float64) else values.astype(np.float64)
    if values.ndim != 2 or not values.size:
        raise BenchmarkError(f"features must be (recording, feature) and not empty, got shape {values.shape}")
    if not np.isfinite(values.sum(dtype=np.float64)):  # one cheap pass; a sum of finite float32 cannot overflow
        bad = ~np.isfinite(values)
        if bad.any():
            columns, rows = np.flatnonzero(bad.any(axis=0)), int(bad.any(axis=1).sum())
            more = f" and {columns.size - 10} more" if columns.size > 10 else ""
            raise BenchmarkError(
                f"features are not finite in {rows} of {len(values)} rows; columns {columns[:10].tolist()}{more}"
            )
    return values


class _Columns:
    """K columns being solved; those that end are written to the results and dropped, so late steps are cheap.

    A point is d weights and the intercept, ``(K, d + 1)`` float64. A margin is the logit times +-1, ``(K, n)`` float32.
    """

    STATE = ("running", "signs", "weights", "ridge", "point", "margins", "misfit", "start")

    def __init__(self, basis: ProbeBasis, targets: Tensor, penalties: Tensor, balanced: Array) -> None:
        self.basis, (count, n) = basis, targets.shape
        positives = targets.sum(dim=1, keepdim=True, dtype=torch.float64)
        even = torch.from_numpy(balanced)[:, None]
        upper, lower = (torch.where(even, n / (2 * k), 1.0).float() for k in (positives, n - positives))
        self.signs, self.weights = 2 * targets - 1, torch.where(targets > 0, upper, lower)
        self.ridge = torch.zeros(count, basis.X.shape[1] + 1, dtype=torch.float64)
        self.ridge[:, :-1] = 1 / penalties[:, None]
        self.point = torch.zeros_like(self.ridge)
        self.point[:, -1:] = (positives * upper / ((n - positives) * lower)).log()  # the optimum for weights of 0
        self.margins = self.signs * self.point[:, -1:].float()
        self.misfit = torch.sigmoid(-self.margins)
        self.start = self._loss()
        self.steps: list[tuple[Tensor, Tensor, Tensor]] = []  # (step, change of gradient, 1 / their product)
        self.running = torch.arange(count)
        self.solution, self.iterations = torch.zeros_like(self.ridge), torch.zeros(count, dtype=torch.int64)
        self.loss, self.gradient_norm = torch.zeros(2, count, dtype=torch.float64)
        self.converged = torch.zeros(count, dtype=torch.bool)

    def run(self, tolerance: float, limit: int) -> None:
        """Fill `solution`, `loss`, `gradient_norm`, `iterations` and `converged`."""
        gradient = self._gradient()
        for step in range(limit + 1):
            direction = self._direction(gradient)
            slope = (gradient * direction).sum(dim=1)
            loss = self._loss()
            reached = -slope / 2 <= tolerance * self._scale(loss)  # -slope / 2: what L-BFGS expects to gain
            keep = ~reached & (step < limit)
            if not keep.all():
                at = self.running[~keep]
                self.solution[at], self.loss[at], self.converged[at] = self.point[~keep], loss[~keep], reached[~keep]
                self.gradient_norm[at], self.iterations[at] = gradient[~keep].norm(dim=1), step
                gradient, direction, slope = gradient[keep], direction[keep], slope[keep]
                self._drop(keep)
            if not len(self.running):
                return
            change = self._search(direction, slope)[:, None] * direction
            self.point, before = self.point + change, gradient
            gradient = self._gradient()
            product = (change * (gradient - before)).sum(dim=1, keepdim=True)
            inverse = torch.where(product > 0, 1 / product, 0.0)  # 0 leaves a pair without effect
            self.steps = [*self.steps, (change, gradient - before, inverse)][-MEMORY:]

    def _loss(self) -> Tensor:
        data = (self.weights * softplus(-self.margins)).sum(dim=1).double()
        return data + (self.ridge * self.point**2).sum(dim=1) / 2

    def _scale(self, loss: Tensor) -> Tensor:
        """Return what the tolerance is relative to: the loss, or 100 times what the weights gain if that is less.

        Under a strong penalty the weights change the loss little, and yet they rank the recordings. Gains below a
        millionth of the loss are float32's noise.
        """
        return torch.minimum(loss, (100 * (self.start - loss)).clamp(min=1e-4 * loss))

    def _drop(self, keep: Tensor) -> None:
        for name in self.STATE:
            setattr(self, name, getattr(self, name)[keep])
        self.steps = [(step[keep], change[keep], inverse[keep]) for step, change, inverse in self.steps]

    def _gradient(self) -> Tensor:
        residual = -self.weights * self.signs * self.misfit
        parts = (residual @ self.basis.X, residual.sum(dim=1, keepdim=True))
        return torch.cat(parts, dim=1).double() + self.ridge * self.point

    def _direction(self, gradient: Tensor) -> Tensor:
        """Return minus the approximate inverse Hessian times the gradient, by the two-loop recursion."""
        result, shares = gradient.clone(), []
        for step, change, inverse in reversed(self.steps):
            shares.append(inverse * (step * result).sum(dim=1, keepdim=True))
            result -= shares[-1] * change
        mean_curvature = (self.weights * self.misfit * (1 - self.misfit)).mean(dim=1, keepdim=True).double()
        scale = mean_curvature * self.basis.squares + self.ridge[:, :1]  # (K, r)
        n, vectors = self.margins.shape[1], self.basis.vectors
        inner = (result[:, :-1] @ vectors / scale) @ vectors.T
        result = torch.cat([inner, result[:, -1:] / (mean_curvature * n)], dim=1)
        for (step, change, inverse), share in zip(self.steps, reversed(shares), strict=True):
            result += (share - inverse * (change * result).sum(dim=1, keepdim=True)) * step
        return -result

    def _search(self, direction: Tensor, start: Tensor) -> Tensor:
        """Search along the line: set margins and misfit to those at the end of the step, return its lengths ``(K,)``.

        The loss is convex, so the slope along the line rises: Newton steps are kept inside the bracket.
        """
        movement = self.signs * (direction.float()[:, :-1] @ self.basis.X.T + direction.float()[:, -1:])
        along, bend = ((self.ridge * direction * other).sum(dim=1) for other in (self.point, direction))
        length, low = torch.ones_like(start), torch.zeros_like(start)
        high = torch.full_like(start, torch.inf)
        for attempt in range(ATTEMPTS):
            margins = torch.addcmul(self.margins, length.float()[:, None], movement)
            misfit = torch.sigmoid(-margins)
            pull = self.weights * misfit * movement
            slope = along + length * bend - pull.sum(dim=1).double()
            steep = slope.abs() > SLOPE_SHARE * start.abs()
            if not steep.any() or attempt == ATTEMPTS - 1:
                break
            low, high = torch.where(slope < 0, length, low), torch.where(slope > 0, length, high)
            newton = length - slope / (bend + (pull * (1 - misfit) * movement).sum(dim=1).double())
            middle = torch.where(high.isinf(), 2 * length, (low + high) / 2)
            better = torch.where((newton > low) & (newton < high), newton, middle)
            length = torch.where(steep, low if attempt == ATTEMPTS - 2 else better, length)  # low: sure to descend
        self.margins, self.misfit = margins, misfit
        return length
