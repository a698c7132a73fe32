import numpy as np
import pytest
import torch

from gridcode import InputError
from gridcode.losses.pairwise import choose_states
from gridcode.world.permutations import draw_batch
from gridcode.world.streams import GeneratorSource, Stream, as_source, philox

# Known answers published with the generator (Random123, kat_vectors, philox4x32 10).
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "wanted"), KNOWN)
def test_philox_gives_the_published_answers(counter, key, wanted):
    assert tuple(philox(counter, key).tolist()) == wanted
    many = philox((np.full(3, counter[0]), *counter[1:]), key)
    assert many.shape == (3, 4) and (many == wanted).all()


def test_a_stream_is_a_function_of_seed_batch_and_position():
    whole = Stream(7, 3).uniform(8000)
    pieces = Stream(7, 3)
    assert torch.equal(torch.cat([pieces.uniform(n) for n in (4, 400, 4096, 3500)]), whole)
    odd = Stream(7, 3)
    assert torch.equal(odd.uniform(2, 3), whole[:6].view(2, 3))
    assert torch.equal(odd.uniform(5), whole[8:13])  # each call starts a block of four
    for other in (Stream(8, 3), Stream(7, 4), Stream(7 + 2**32, 3), Stream(7, 3 + 2**32)):
        assert not torch.equal(other.uniform(8000), whole)


def test_numbers_are_uniform_and_unrelated():
    u = torch.stack([Stream(1, batch).uniform(4000) for batch in range(50)]).double()
    assert u.min() >= 0 and u.max() < 1
    counts = torch.histc(u, 20, 0, 1)
    assert (
        (counts - 10_000) ** 2 / 10_000
    ).sum() < 43.8  # chi-squared, 19 degrees of freedom, p = 0.001
    limit = 4 / u.numel() ** 0.5
    for a, b in ((u[:, 1:], u[:, :-1]), (u[1:], u[:-1]), (u[:, 4:], u[:, :-4])):
        assert abs(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1]) < limit


def test_states_to_compare_are_a_random_subset():
    counts = torch.zeros(200)
    for batch in range(2000):
        pick = choose_states(50, of=200, generator=Stream(0, batch))
        assert pick.unique().numel() == 50
        counts[pick] += 1
    assert ((counts - 500) ** 2 / (500 * 0.75)).sum() < 267.5  # 199 degrees of freedom, p = 0.001
    assert choose_states(50, of=20, generator=Stream(0)).sort().values.equal(torch.arange(20))


def test_a_batch_has_its_networks_in_front():
    class Several:
        """Two networks' numbers, as the batched program draws them."""

        def __init__(self):
            self.streams = [Stream(seed, 5) for seed in (3, 4)]

        def uniform(self, *shape):
            return torch.stack([s.uniform(*shape) for s in self.streams])

    for kind in ("latin", "permutation", "identity"):
        settings = {"steps": 6, "trajectories": 12, "kind": kind, "distribution": "disc"}
        both = draw_batch(
            **settings, max_velocity_m=torch.tensor([0.15, 0.3]).view(2, 1, 1), generator=Several()
        )
        for e, (seed, speed) in enumerate(((3, 0.15), (4, 0.3))):
            one = draw_batch(**settings, max_velocity_m=speed, generator=Stream(seed, 5))
            assert torch.equal(both.orders[e], one.orders)
            torch.testing.assert_close(both.velocities[e], one.velocities)
            torch.testing.assert_close(both.positions[e], one.positions)


def test_pytorch_generators_are_sources(generator):
    source = as_source(generator)
    assert isinstance(source, GeneratorSource) and source.uniform(2, 3).shape == (2, 3)
    stream = Stream(0)
    assert as_source(stream) is stream


@pytest.mark.parametrize("numbers", [(-1, 0), (2**63, 0), (0, -1)])
def test_numbers_out_of_range_are_refused(numbers):
    with pytest.raises(InputError, match="must be from 0"):
        Stream(*numbers)
