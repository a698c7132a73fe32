"""Entropy of states and information about the place, of a codebook of states with equal chances.

A codebook is (place, unit): the state at each of M places that are equally likely. Noise is
Gaussian, independent, of standard deviation sigma in every unit: y = g(x) + sigma e.
"""

import math

import numpy as np
from scipy.spatial.distance import pdist
from scipy.special import digamma, gammaln, ive, logsumexp

BLOCK = 1024
LN2 = math.log(2)


def log_posterior(codebook, seen, own, sigma):
    """Log of q(own place | seen state) of the reader that takes noise for Gaussian of sigma."""
    half_square = (codebook**2).sum(axis=1) / 2
    found = np.empty(len(seen))
    for i in range(0, len(seen), BLOCK):
        rows = slice(i, i + BLOCK)
        score = (seen[rows] @ codebook.T - half_square) / sigma**2
        found[rows] = score[np.arange(len(score)), own[rows]] - logsumexp(score, axis=1)
    return found


def shannon_bits(codebook, sigma, generator):
    """I(x; g(x) + noise), bits, by Monte Carlo with one noisy state a place, and its error.

    The expectation is exact for these M places. It is at most log2 M, and a lower bound of the
    information about a continuous place that rises with M. Entropy of the noisy states is the same
    number: h(y) = I(x; y) + N/2 log2(2 pi e sigma^2).
    """
    own = np.arange(len(codebook))
    seen = codebook + sigma * generator.standard_normal(codebook.shape)
    found = (math.log(len(codebook)) + log_posterior(codebook, seen, own, sigma)) / LN2
    return float(found.mean()), float(found.std() / math.sqrt(len(found)))


def read_bits(codebook, states, own, sigma, generator):
    """Lower bound of I(x; state after a walk + noise), bits (Barber and Agakov 2003).

    log2 M + E log2 q(x | y) for equally likely x. The reader's sigma is chosen on one half of the
    walks and the bound is taken on the other, both ways round.
    """
    seen = states + sigma * generator.standard_normal(states.shape)
    widths = sigma * np.array([1.0, 1.2, 1.5, 2.0, 3.0, 5.0])
    table = np.stack([log_posterior(codebook, seen, own, width) for width in widths])
    halves = table[:, ::2], table[:, 1::2]
    bounds = [test[fit.mean(axis=1).argmax()].mean() for fit, test in (halves, halves[::-1])]
    return float((math.log(len(codebook)) + np.mean(bounds)) / LN2)


def renyi_bits(codebook, sigma):
    """Renyi's entropy of order 2 of the noisy states less that of the noise, bits.

    -log2 E exp(-|g - g'|^2 / 4 sigma^2) over pairs of different places. At sigma = sigma_g /
    sqrt(2) the mean is that of the separation loss.
    """
    return float(-math.log2(np.exp(-pdist(codebook, "sqeuclidean") / (4 * sigma**2)).mean()))


def power(codebook):
    """1 - |E g|^2 for states of length 1: total variance, half the mean squared distance."""
    return float(codebook.var(axis=0).sum())


def power_bound_bits(codebook, sigma):
    """Largest information of any code of N units with this total variance (Shannon 1949)."""
    units = codebook.shape[1]
    return units / 2 * math.log2(1 + power(codebook) / (units * sigma**2))


def covariance_bound_bits(codebook, sigma):
    """Largest information of any code with this covariance."""
    values = np.maximum(np.linalg.eigvalsh(np.cov(codebook.T, bias=True)), 0)
    return float(np.log2(1 + values / sigma**2).sum() / 2)


def von_mises_fisher_bits(codebook):
    """Entropy of the von Mises-Fisher distribution of the same |E g|, less the uniform one's.

    No distribution on the sphere with this mean has a higher entropy.
    """
    units, length = codebook.shape[1], float(np.linalg.norm(codebook.mean(axis=0)))
    order, low, high = units / 2 - 1, 1e-6, 1e6
    for _ in range(200):  # bisection of the mean length, which rises with kappa
        kappa = math.sqrt(low * high)
        bessel = ive(order, kappa)
        ratio = ive(order + 1, kappa) / bessel if bessel > 0 else kappa / units
        low, high = (kappa, high) if ratio < length else (low, kappa)
    log_bessel = math.log(ive(order, kappa)) + kappa
    log_constant = order * math.log(kappa) - units / 2 * math.log(2 * math.pi) - log_bessel
    log_area = LN2 + units / 2 * math.log(math.pi) - gammaln(units / 2)
    return float((-log_constant - kappa * length - log_area) / LN2)


def kozachenko_leonenko_bits(states, *, dimension=2, nearest=16):
    """Differential entropy of states on a manifold of this dimension, bits, by nearest neighbours.

    With it the dimension by the same neighbours (Levina and Bickel 2004): where it is above the
    one assumed, errors of the states count as room. Source: Kozachenko and Leonenko 1987.
    """
    from sklearn.neighbors import NearestNeighbors

    radius = NearestNeighbors(n_neighbors=nearest + 1).fit(states).kneighbors()[0][:, :nearest]
    logs = np.log(np.maximum(radius, 1e-12))
    ball = dimension / 2 * math.log(math.pi) - gammaln(dimension / 2 + 1)
    entropy = digamma(len(states)) - digamma(nearest) + ball + dimension * logs[:, -1].mean()
    local = (nearest - 2) / (logs[:, -1:] - logs[:, :-1]).sum(axis=1).mean()
    return float(entropy / LN2), float(local)


def packing_number(codebook, delta, generator):
    """Size of a set of states delta apart or more, found greedily in random order."""
    left, count = codebook[generator.permutation(len(codebook))].astype(np.float32), 0
    while len(left):
        count += 1
        left = left[((left - left[0]) ** 2).sum(axis=1) >= delta**2]
    return count
