"""The figures and ablations of the paper, remade with networks of this package.

reproduce/   figures 4, 5, 6, 7 and 9: picture, tables, paragraph and verdict
ablation/    train, measure and judge networks that lack a part of the recipe
claims.py    claims, the verdict that follows from them, and the files of a figure
tables.py    tables as CSV, and numbers in words
unit_selection.py   which units are drawn
"""
