import functools
import json
import runpy
from pathlib import Path

import pytest
import torch
from conftest import untimed

import gridcode
from gridcode import InputError, Run, cli, losses
from gridcode.models.transition import VelocityTransition
from gridcode.runs import snapshots
from gridcode.training import checkpoint
from gridcode.training.loop import train_run
from gridcode.training.parts import Parts, StandardBatches, StandardObjective
from gridcode.training.step import Trainer
from gridcode.world.permutations import Batch, draw_orders, positions_of


def weights(run):
    return checkpoint.read(run.checkpoints()[0])[0]


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def pairs_only(states, batch, step, generator):
    g, x = losses.sample_states(states, batch.positions, count=50, generator=generator)
    return losses.pair_terms(g, x, sigma_x=0.05, sigma_g=0.4).weighted


def uneven_batches(step, generator):
    """More velocities than steps: every trajectory has its own."""
    velocities = 0.1 * (2 * generator.uniform(6 * 5, 2) - 1)
    orders = torch.arange(30).view(6, 5)
    return Batch(velocities, orders, positions_of(velocities, orders))


class Rotations(torch.nn.Module):
    """An own transition whose layers are initialised as usual, from PyTorch's global generator."""

    def __init__(self, units, generator):
        super().__init__()
        self.units = units
        self.layer = torch.nn.Linear(2, units * units)

    def forward(self, velocities):
        skew = self.layer(velocities).unflatten(-1, (self.units, self.units))
        return torch.linalg.matrix_exp(skew - skew.mT)


OWN = {
    "objective": pairs_only,
    "transition": Rotations,
    "batches": uneven_batches,
    "optimiser": functools.partial(torch.optim.RMSprop, momentum=0.5),
}


@pytest.fixture
def two_stages(tiny):
    return tiny.override(
        {"populations": [8, 9], "separate_steps": 12, "isometry_of": "populations"}
    )


@pytest.mark.parametrize("stages", [1, 2])
def test_built_in_parts_given_explicitly_change_nothing(tiny, two_stages, tmp_path, stages):
    config = tiny if stages == 1 else two_stages
    training = config.training
    built_in = {
        "objective": StandardObjective(config.loss, config.model.sizes),
        "transition": functools.partial(
            VelocityTransition,
            hidden_widths=config.model.hidden_widths,
            velocity_scale_m=config.model.velocity_scale_m,
        ),
        "batches": StandardBatches(config.world, training.separate_steps),
        "optimiser": functools.partial(
            torch.optim.AdamW, betas=training.betas, weight_decay=training.weight_decay, fused=True
        ),
    }
    default = gridcode.train(config, out=tmp_path / "default")
    given = gridcode.train(config, out=tmp_path / "given", **built_in)
    assert same(weights(default), weights(given))
    assert untimed(default.metrics()) == untimed(given.metrics())
    assert set(given.manifest["parts"]) == set(built_in) and "parts" not in default.manifest


@pytest.mark.parametrize("kind", OWN)
@pytest.mark.parametrize("stages", [1, 2])
def test_stopped_and_resumed_with_own_parts_equals_never_stopped(
    tiny, two_stages, tmp_path, kind, stages
):
    config = tiny if stages == 1 else two_stages
    parts = Parts(**{kind: OWN[kind]})
    whole = gridcode.train(config, out=tmp_path / "whole", **vars(parts))
    assert not same(weights(whole), weights(gridcode.train(config, out=tmp_path / "default")))
    broken = Run.create(tmp_path / "broken", config, parts=parts.names())
    train_run(broken, parts=parts, stop_at=7)
    gridcode.train(out=tmp_path / "broken", **vars(parts))
    assert same(weights(whole), weights(broken))
    assert untimed(whole.metrics()) == untimed(broken.metrics())


def test_a_run_is_not_resumed_without_its_part_or_with_another(tiny, tmp_path, capsys):
    parts = Parts(objective=pairs_only)
    run = Run.create(tmp_path / "a", tiny, parts=parts.names())
    missing = (
        r"trained with objective test_own_parts\.pairs_only: "
        r"give it again with gridcode\.train\(objective=\.\.\.\)"
    )
    with pytest.raises(InputError, match=missing):  # Before the first checkpoint.
        gridcode.train(out=run.folder)
    train_run(run, parts=parts, stop_at=7)
    with pytest.raises(InputError, match=missing):
        gridcode.train(out=run.folder)
    assert cli.main(["train", str(run.folder)]) == 2
    assert "give it again with gridcode.train(objective=...)" in capsys.readouterr().err
    (run.folder / "manifest.json").unlink()  # The checkpoint knows it, too.
    with pytest.raises(InputError, match=missing):
        gridcode.train(out=run.folder)
    with pytest.raises(InputError, match=r"not with objective test_own_parts\..*<lambda>"):
        gridcode.train(out=run.folder, objective=lambda states, *_: states.sum())
    default = Run.create(tmp_path / "b", tiny)
    train_run(default, stop_at=7)
    with pytest.raises(InputError, match="trained with gridcode's own objective, not with"):
        gridcode.train(out=default.folder, objective=pairs_only)


def test_a_part_whose_source_has_changed_is_a_warning(tiny, tmp_path):
    def own(states, batch, step, generator):
        return states.sum()

    run = Run.create(tmp_path / "a", tiny, parts=Parts(objective=own).names())
    train_run(run, parts=Parts(objective=own), stop_at=7)

    def own(states, batch, step, generator):
        return 2 * states.sum()

    with pytest.warns(UserWarning, match=r"objective .*own has changed since this run"):
        gridcode.train(out=run.folder, objective=own)


def test_an_evaluation_needs_the_transition_only(tiny, tmp_path, capsys):
    own = {"transition": Rotations, "objective": pairs_only}
    run = gridcode.train(tiny.override({"training.snapshots": 2}), out=tmp_path / "a", **own)
    for call in (gridcode.evaluate, gridcode.load_network, gridcode.map_training):
        with pytest.raises(InputError, match=rf"Rotations: .* gridcode\.{call.__name__}\(transi"):
            call(run)
    assert cli.main(["evaluate", str(run.folder)]) == 2
    assert "gridcode.evaluate(transition=...)" in capsys.readouterr().err
    evaluation = gridcode.evaluate(run, transition=Rotations)
    assert evaluation.summary.headline.units == 12
    assert run.read_history() is not None
    network = gridcode.load_network(run, transition=Rotations).double()
    step, start = network.as_system()
    v = torch.rand(5, 2, dtype=torch.float64)
    states = torch.rand(5, 12, dtype=torch.float64)
    moved = torch.einsum("bij,bj->bi", torch.as_tensor(network.as_matrices()(v.numpy())), states)
    moved = torch.nn.functional.normalize(moved.relu(), dim=1)
    torch.testing.assert_close(torch.as_tensor(step(states.numpy(), v.numpy())), moved)
    path = run.snapshots()[0][1]
    assert snapshots.load_network(path, run.config, transition=Rotations).units == len(start)


def test_an_own_transition_starts_from_the_seed_alone(two_stages):
    def start():
        network = Trainer(two_stages, parts=Parts(transition=Rotations)).network
        return [member.transition.layer.weight for member in network.members]

    first = start()
    before = torch.random.get_rng_state()
    torch.rand(3)
    again = start()
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0][:64], first[1][:64])
    torch.random.set_rng_state(before)
    start()
    assert torch.equal(before, torch.random.get_rng_state())


def test_own_terms_are_logged(tiny, tmp_path):
    def own(states, batch, step, generator):
        return {"total": states.square().sum(), "first": states[0].sum()}

    row = gridcode.train(tiny, out=tmp_path / "a", objective=own).metrics()[0]
    assert {"loss", "first", "gradient_norm"} <= row.keys() and "separation" not in row


def short_positions(step, generator):
    orders = draw_orders(8, 4, generator=generator)
    return Batch(torch.ones(4, 2), orders, torch.ones(4, 8, 2))


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"objective": lambda s, *_: {"loss": s.sum()}}, "`total` among them"),
        ({"objective": lambda s, *_: s}, "one number"),
        ({"objective": lambda s, *_: torch.ones(())}, "does not depend on the states"),
        ({"transition": lambda units, generator: torch.nn.Linear(2, units)}, r"gives \(3, 12\)"),
        ({"transition": lambda units, generator: torch.eye}, "returns a module"),
        ({"batches": short_positions}, r"positions \(5, 8, coordinates\)"),
    ],
)
def test_a_part_that_does_not_return_what_it_should_is_one_line(tiny, tmp_path, part, message):
    with pytest.raises(InputError, match=message) as caught:
        gridcode.train(tiny, out=tmp_path / "a", **part)
    assert "\n" not in str(caught.value)


def test_an_optimiser_that_could_not_be_resumed_is_refused(tiny, tmp_path):
    class Counting(torch.optim.SGD):
        def step(self):
            super().step()
            for group in self.param_groups:
                for parameter in group["params"]:
                    self.state[parameter]["count"] = 1

    with pytest.raises(InputError, match="Counting is not all in tensors"):
        gridcode.train(tiny, out=tmp_path / "a", optimiser=Counting)


def test_the_example_runs(capsys):
    runpy.run_path(
        str(Path(__file__).parents[1] / "examples" / "own_parts.py"), run_name="own_parts"
    )
    printed = capsys.readouterr().out
    assert "own_parts.without_capacity" in printed
    assert "give it again with gridcode.train(objective=...)" in printed
    assert json.dumps("momentum=0.9") in printed.replace("'", '"')
