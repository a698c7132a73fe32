"""Logs for the tools that people have: TensorBoard and Weights and Biases, from a run's own files.

A log is a copy of metrics.jsonl, of the settings and of the evaluation's headline numbers. It is
rewritten whenever a training starts or is resumed, so that it has no gaps and no repeated lines.
"""

from gridcode.logs.follow import following, write_logs
from gridcode.logs.kinds import LOG_NAMES, log_names

__all__ = ["LOG_NAMES", "following", "log_names", "write_logs"]
