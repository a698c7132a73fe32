"""Trained networks in the package: NAME.safetensors (weights) and NAME.json (all else)."""

from gridcode.packaged.networks import Pretrained, pretrained, pretrained_names

__all__ = ["Pretrained", "pretrained", "pretrained_names"]
