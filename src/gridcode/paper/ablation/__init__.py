"""What becomes of the cells when a part of the recipe is taken out: the paper's ablations, each with a verdict."""

from gridcode.paper.ablation.study import AblationResult, ablate

__all__ = ["AblationResult", "ablate"]
