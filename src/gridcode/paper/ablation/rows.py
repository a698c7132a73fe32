"""The rows of an ablation's two tables: a network each, and an expectation each."""

import json
from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator

Number = float | None
Listed = Annotated[
    tuple[float, ...], BeforeValidator(lambda v: json.loads(v) if isinstance(v, str) else v)
]


@dataclass(frozen=True)
class RunRow:
    """One network: shares are of active units, lengths in metres, None where not measured.

    `status` is `ok`; `silent`, no unit is active; `unbounded`, activity grows without bound on the
    walk; `diverged`, loss or gradient were not finite; `failed`, training stopped for another
    reason, given in `note`. docs/ablations.md describes every column.
    """

    variant: str
    seed: int
    run: str = ""
    status: str = "ok"
    units: int | None = None
    active_units: int | None = None
    hexagonal_share: Number = None
    sheared_share: Number = None
    square_share: Number = None
    band_share: Number = None
    place_share: Number = None
    other_spatial_share: Number = None
    non_spatial_share: Number = None
    stable_place_share: Number = None
    lattice_share: Number = None
    spatial_share: Number = None
    stability_median: Number = None
    information_bits_median: Number = None
    n_modules: int | None = None
    n_independent: int | None = None
    spacings_m: Listed | None = None
    axis_ratio_median: Number = None
    grid_score_median: Number = None
    field_size_m: Number = None
    field_count: Number = None
    loss: Number = None
    loss_separation: Number = None
    loss_invariance: Number = None
    loss_capacity: Number = None
    loss_isometry: Number = None
    invariance_error: Number = None
    path_error_m: Number = None
    path_chance_m: Number = None
    steps: int | None = None
    cpu_seconds: Number = None
    config_hash: str = ""
    training_hash: str = ""
    weights: str = ""
    gridcode: str = ""
    note: str = ""


@dataclass(frozen=True)
class Verdict:
    """One expectation with its numbers; None where they cannot be computed.

    Attributes:
        variant: the variant, or `sigma_g` for all of its values.
        claim: what is expected.
        rule: how it is judged.
        statistic: column of the table of networks.
        n_reference: networks of the reference with this number.
        n_variant: networks of the variant with this number.
        reference_median: median of the reference.
        variant_median: median of the variant.
        difference: variant minus reference, of medians.
        cliffs_delta: effect size, -1 to 1.
        effect: what the rule is about.
        interval_low: lower end of its 95% bootstrap interval.
        interval_high: upper end.
        p_value: two-sided permutation test of the ranks, variant against reference, or of the rank
            correlation.
        p_method: `exact`, or the number of permutations.
        verdict: `reproduced`, `not reproduced`, `unclear` or `no claim`.
        reason: why.
    """

    variant: str
    claim: str
    rule: str = ""
    statistic: str = ""
    n_reference: int = 0
    n_variant: int = 0
    reference_median: Number = None
    variant_median: Number = None
    difference: Number = None
    cliffs_delta: Number = None
    effect: Number = None
    interval_low: Number = None
    interval_high: Number = None
    p_value: Number = None
    p_method: str = ""
    verdict: str = "unclear"
    reason: str = ""
