"""The plain losses refuse what the fast pass and a configuration refuse, in the same words."""

import math

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError

from gridcode import InputError
from gridcode.config import LossConfig
from gridcode.losses import capacity, conformal_isometry, invariance, pair_terms, separation

G, X = torch.rand(6, 3), torch.rand(6, 2)
PLAIN = {
    "separation": lambda x=X, g=G, sigma_x=0.05, sigma_g=0.4: separation(
        g, x, sigma_x=sigma_x, sigma_g=sigma_g
    ),
    "invariance": lambda x=X, g=G, sigma_x=0.05, **_: invariance(g, x, sigma_x=sigma_x),
    "pair_terms": lambda x=X, g=G, sigma_x=0.05, sigma_g=0.4: pair_terms(
        g, x, sigma_x=sigma_x, sigma_g=sigma_g
    ),
    "isometry": lambda x=X, g=G, sigma_x=0.05, **_: conformal_isometry(
        g, g + 1, x, sigma_x=sigma_x
    ),
}
BAD = [0.0, -1.0, math.nan, math.inf, -math.inf]


@pytest.mark.parametrize("term", PLAIN)
@pytest.mark.parametrize("value", BAD)
def test_scales_have_the_limits_of_a_configuration(term, value):
    scales = {"sigma_x": "sigma_x_m"} | (
        {"sigma_g": "sigma_g"} if term in ("separation", "pair_terms") else {}
    )
    for name, field in scales.items():
        with pytest.raises(InputError) as raised:
            PLAIN[term](**{name: value})
        with pytest.raises(ValueError) as configured:
            LossConfig(**{field: value})
        assert configured.value.errors()[0]["msg"] in str(raised.value)
        assert str(raised.value).startswith(f"{name}: ")


@pytest.mark.parametrize("name", ["separation_weight", "invariance_weight"])
@pytest.mark.parametrize("value", BAD[1:])
def test_so_have_weights(name, value):
    with pytest.raises(InputError):
        pair_terms(G, X, sigma_x=0.05, sigma_g=0.4, **{name: value})


@pytest.mark.parametrize("term", PLAIN)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_places_must_be_finite(term, value):
    places = X.clone()
    places[2, 1] = value
    with pytest.raises(InputError, match="NaN or infinite"):
        PLAIN[term](x=places)


@pytest.mark.parametrize("term", PLAIN)
@pytest.mark.parametrize("bad", [G.to(torch.complex64), G.long(), G > 0, np.ones((6, 3))])
def test_states_must_be_real_tensors(term, bad):
    # The annotations are checked first where the suite checks them.
    with pytest.raises((InputError, TypeCheckError)):
        PLAIN[term](g=bad)
    with pytest.raises((InputError, TypeCheckError)):
        capacity(bad)
