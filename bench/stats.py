# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors

"""Medians, quartiles, and the Mann-Whitney U test."""

from functools import lru_cache
from math import comb, erfc, sqrt
from statistics import median, quantiles

# With as many cases as there are, one in a hundred keeps most tables free of
# false alarms; one in twenty would raise one in every second table.
SIGNIFICANT = 0.01
EXACT = 400     # pairs; with more, counting takes long and changes nothing


def summary(values):
    """Median and quartiles, and all values."""
    if len(values) > 1:
        low, _, high = quantiles(values, n=4, method="inclusive")
    else:
        low = high = values[0]
    return {"median": median(values), "q1": low, "q3": high, "times": values}


def spread(s):
    """Half the distance between the quartiles, as a part of the median."""
    return (s["q3"] - s["q1"]) / 2 / s["median"]


def mann_whitney(a, b):
    """The probability (two-sided) of samples that lie at least this far apart,
    if both came from the same distribution."""
    u = sum((x > y) + (x == y) / 2 for x in a for y in b)
    u = min(u, len(a) * len(b) - u)
    if len(set(a + b)) == len(a) + len(b) and len(a) * len(b) <= EXACT:
        return exact(u, len(a), len(b))
    return normal(u, a, b)


def exact(u, m, n):
    """No two values are equal: count the orders that give such a u."""
    as_far = sum(orders(k, m, n) for k in range(int(u) + 1))
    return min(1.0, 2 * as_far / comb(m + n, m))


@lru_cache(maxsize=None)
def orders(u, m, n):
    """In how many orders of m and n values u pairs are the wrong way round.
    Look at the largest value: it is one of the m (then it beats all n), or not."""
    if u < 0:
        return 0
    if m == 0 or n == 0:
        return u == 0
    return orders(u - n, m - 1, n) + orders(u, m, n - 1)


def normal(u, a, b):
    """The usual approximation, corrected for ties and for continuity."""
    m, n, both = len(a), len(b), a + b
    total = m + n
    ties = sum(t ** 3 - t for t in map(both.count, set(both)))
    variance = m * n / 12 * (total + 1 - ties / (total * (total - 1)))
    if variance <= 0:
        return 1.0
    z = max(0.0, m * n / 2 - u - 0.5) / sqrt(variance)
    return erfc(z / sqrt(2))
