"""The figures of the paper drawn from networks of this package, each with its numbers, a paragraph and a verdict."""

from gridcode.reproduce.figures import FIGURES, reproduce
from gridcode.reproduce.findings import Claim, Reproduction

__all__ = ["FIGURES", "Claim", "Reproduction", "reproduce"]
