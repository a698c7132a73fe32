"""Trained networks and cells in the packages that labs use, and theirs here."""
