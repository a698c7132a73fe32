"""Codes of spaces that are not planes: periods on a line, lattices and local order in a volume.

rates.py maps any states or system, line.py and groups.py read maps of a line, waves.py, order.py
and volume.py those of a volume, evaluate.py does all of it for a system.
"""
