"""The figures of the paper drawn from networks of this package, each with its numbers, a paragraph and a verdict."""

from gridcode.paper.claims import Claim, Reproduction
from gridcode.paper.reproduce.figures import FIGURES, reproduce

__all__ = ["FIGURES", "Claim", "Reproduction", "reproduce"]
