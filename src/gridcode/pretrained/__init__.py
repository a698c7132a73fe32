"""Trained networks that come with the package: NAME.safetensors (weights) and NAME.json (settings, provenance, scores) for each."""

from gridcode.pretrained.networks import Pretrained, pretrained, pretrained_names

__all__ = ["Pretrained", "pretrained", "pretrained_names"]
