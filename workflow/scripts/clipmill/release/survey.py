"""Totals of a corpus from a stratified sample of its files, with 95 % margins.

A file is the unit that is drawn, so sums per file go in: the clips of one film resemble each other, and counting them
one by one would give margins that are far too narrow. Formulas: W. G. Cochran, Sampling Techniques (3rd edition, 1977):
the total and its variance by strata 5.3-5.5, the degrees of freedom (Satterthwaite's) 5.4, ratios 6.3-6.5 and 6.11,
ratios with a first, larger sample 12.9.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import stdtrit

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A value and its 95 % margin; the margin is None where the sample holds none of it, so that none can be told."""

    value: float
    margin: float | None


class Survey:
    """The files that were drawn, and how many files each of them stands for."""

    def __init__(self, sample: pd.DataFrame):
        """`sample`: tables/sample.csv as text: `kind`, `seconds`, `stratum` (empty: not opened) and `drawn` of every
        file."""
        opened, drawn = sample[sample["stratum"] != ""], sample[sample["drawn"] == "1"]
        self.ids = drawn["id"].to_numpy()
        kinds, self.kind = np.unique(drawn["kind"], return_inverse=True)
        names, self.stratum = np.unique(drawn["stratum"], return_inverse=True)
        self.files = sample["kind"].value_counts().reindex(kinds).to_numpy(float)
        self.opened = opened["kind"].value_counts().reindex(kinds).to_numpy(float)
        self.in_stratum = opened["stratum"].value_counts().reindex(names).to_numpy(float)
        self.drawn = np.bincount(self.stratum).astype(float)
        self.of_kind = np.zeros(len(names), int)
        self.of_kind[self.stratum] = self.kind
        self.scale = self.files / self.opened
        self.weight = (self.in_stratum / self.drawn * self.scale[self.of_kind])[self.stratum]
        self.seconds = drawn["seconds"].astype(float).to_numpy()
        self.all_seconds = opened["seconds"].astype(float).groupby(opened["kind"]).sum().reindex(kinds) * self.scale

    def total(self, values: np.ndarray, by_length: bool = True) -> Estimate:
        """The sum over the corpus, from a value per drawn file in the order of `ids`.

        It is told in proportion to the length that the headers promise, which is known of all opened files, or, for
        numbers of files, to their number: a ratio estimator for each kind.
        """
        if not values.any():
            return Estimate(0.0, self.margin_of_none())
        size, whole = np.ones(len(values)), self.files
        if by_length:
            timed = self.sums(self.seconds) > 0
            size, whole = np.where(timed[self.kind], self.seconds, 1), np.where(timed, self.all_seconds, self.files)
        share, adjusted = self.sums(values) / self.sums(size), whole / self.sums(size)
        residual = (values - share[self.kind] * size) * adjusted[self.kind]
        return self.estimate(float(share @ whole), self.margin(residual, values))

    def ratio(self, above: np.ndarray, below: np.ndarray) -> Estimate:
        """The sum of `above` over the corpus, divided by that of `below`."""
        whole = self.weight @ below
        if not whole or not above.any():
            return Estimate(0.0, self.margin_of_none())
        share = self.weight @ above / whole
        residual = (above - share * below) / whole
        return self.estimate(float(share), self.margin(residual, residual))

    def sums(self, values: np.ndarray) -> np.ndarray:
        """The plain estimate of the sum over the corpus, by kind."""
        return np.bincount(self.kind, self.weight * values)

    def estimate(self, value: float, margin: float) -> Estimate:
        """A value with its margin, which is not less than 3 / n of the value for n drawn files: where all of these are
        alike, so many of the others may still differ. The rule of three (Hanley and Lippman-Hand, JAMA 249, 1983)."""
        unseen = 1 - len(self.ids) / self.files.sum()
        return Estimate(value, max(margin, 3 / len(self.ids) * unseen * value))

    def margin_of_none(self) -> float | None:
        """The margin of what no drawn file has: 0 where every file was drawn, otherwise it is not known."""
        return 0.0 if len(self.ids) == self.files.sum() else None

    def margin(self, residual: np.ndarray, values: np.ndarray) -> float:
        """Half of the 95 % interval of a sum: of `residual` by the drawn files, of `values` by the opened ones."""
        within = self.in_stratum**2 * (1 - self.drawn / self.in_stratum) * self.scatter(residual) / self.drawn
        between = self.files**2 * (1 / self.opened - 1 / self.files) * self.spread(values)
        parts = np.append(self.scale[self.of_kind] ** 2 * within, between)
        free = np.append(self.drawn - 1, np.bincount(self.kind) - 1)
        parts, free = parts[free > 0], free[free > 0]
        variance = parts.sum()
        if not variance:
            return 0.0
        freedom = variance**2 / (parts**2 / free).sum()
        return float(stdtrit(freedom, (1 + CONFIDENCE) / 2) * np.sqrt(variance))

    def scatter(self, values: np.ndarray) -> np.ndarray:
        """The variance within each stratum."""
        mean = np.bincount(self.stratum, values) / self.drawn
        return np.bincount(self.stratum, (values - mean[self.stratum]) ** 2) / np.maximum(1, self.drawn - 1)

    def spread(self, values: np.ndarray) -> np.ndarray:
        """The variance within each kind, as far as the sample tells."""
        whole = np.bincount(self.kind, self.weight)
        mean = np.bincount(self.kind, self.weight * values) / whole
        return np.bincount(self.kind, self.weight * (values - mean[self.kind]) ** 2) / whole
