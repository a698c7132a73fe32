"""Figures of the paper from networks of this package: numbers, a paragraph and a verdict each."""

from gridcode.paper.claims import Claim, Reproduction
from gridcode.paper.reproduce.figures import FIGURES, reproduce

__all__ = ["FIGURES", "Claim", "Reproduction", "reproduce"]
