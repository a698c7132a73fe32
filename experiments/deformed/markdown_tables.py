"""Markdown tables of medians and ranges over networks."""

import pandas as pd


def ranged(values: pd.Series, digits: int = 2) -> str:
    """Median, lowest and highest."""
    values = pd.to_numeric(values, errors="coerce").dropna()
    if values.empty:
        return "-"
    middle, low, high = (f"{v:.{digits}f}" for v in (values.median(), values.min(), values.max()))
    return f"{middle} ({low} to {high})" if len(values) > 1 else middle


def show(title: str, rows: list[dict]) -> None:
    """A Markdown table."""
    print(f"\n{title}\n\n| {' | '.join(rows[0])} |\n|{' --- |' * len(rows[0])}")
    for row in rows:
        print(f"| {' | '.join(map(str, row.values()))} |")
