"""The objective: four pure terms, their fast joint pass, and the weighted sum."""

from gridcode.losses.objective import Terms, objective
from gridcode.losses.pairwise import PairTerms, pair_terms, sample_states
from gridcode.losses.terms import capacity, conformal_isometry, invariance, separation

__all__ = [
    "PairTerms",
    "Terms",
    "capacity",
    "conformal_isometry",
    "invariance",
    "objective",
    "pair_terms",
    "sample_states",
    "separation",
]
