"""The paper's ablations: train without a part of the recipe, measure the cells, and judge."""

from gridcode.paper.ablation.study import AblationResult, ablate

__all__ = ["AblationResult", "ablate"]
