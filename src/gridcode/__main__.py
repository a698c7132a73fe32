"""`python -m gridcode`."""

from gridcode.cli import entry

entry()
