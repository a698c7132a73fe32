"""Every family of grid-cell models, by the same measures: `gridcode families`.

members.py        which models, with which settings and seeds
measure.py        a finished model to a row of the table
shortcomings.py   what the paper says of supervised networks, measured in every family
study.py          all of it, resumable
figure.py, page.py
"""
