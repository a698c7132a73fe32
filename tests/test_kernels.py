"""The Triton kernels against their plain definitions, on a GPU or in Triton's interpreter.

What the interpreter cannot tell is whether a kernel compiles, and for which machine: `compile_all`,
at the end, compiles exactly what the functions launch for GPUs that need not be there, in a process
that does not interpret.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gridcode import InputError
from gridcode.gpu import MOST_UNITS, adamw, pairs, rollout, uniform, unsupported_reason
from gridcode.losses import invariance, separation
from gridcode.losses.terms import near_pairs
from gridcode.models.recurrence import rollout_reference
from gridcode.world.permutations import draw_orders

UNITS = [2, 3, 5, 8, 16, 17, 33]


@pytest.fixture(scope="module")
def device():
    return "cuda" if torch.cuda.is_available() else "cpu"


def assert_near(got, wanted, tolerance, scale=1e-30):
    """Equal within `tolerance` of the largest number, or of `scale` where that is larger."""
    assert got.shape == wanted.shape
    assert torch.isfinite(got).all()
    if got.is_cuda:
        tolerance *= 4  # Tensor cores cut off in their sums what a processor rounds.
    error = float((got.double().cpu() - wanted.double().cpu()).abs().max())
    assert error <= tolerance * max(float(wanted.abs().max()), scale), error


def same(got, wanted, device):
    """Equal bits from our kernels; on a GPU libraries may sum in another order."""
    torch.testing.assert_close(
        got, wanted, **({"rtol": 0, "atol": 0} if device == "cpu" else {"rtol": 1e-5, "atol": 1e-7})
    )


def guarded(a):
    """The same numbers in memory between NaNs, so that reading next to them is seen."""
    memory = torch.full((a.numel() + 2048,), float("nan"), device=a.device, dtype=a.dtype)
    memory[1024:-1024] = a.reshape(-1)
    return memory[1024:-1024].view(a.shape)


@pytest.fixture
def poison(monkeypatch):
    """New memory holds NaN, or large integers, until it is written."""

    def poisoned(new):
        def allocate(*args, **kwargs):
            a = new(*args, **kwargs)
            return a.fill_(float("nan") if a.is_floating_point() else 0x7BADBAD)

        return allocate

    for place, name in ((torch, "empty"), (torch, "empty_like"), (torch.Tensor, "new_empty")):
        monkeypatch.setattr(place, name, poisoned(getattr(place, name)))


# ---------------------------------------------------------------- rollout


def rollout_problem(units, networks, steps, trajectories, seed, device):
    generator = torch.Generator().manual_seed(seed)
    # Around the identity: the norm would blow up the rounding errors of states that come out small.
    matrices = (
        torch.eye(units)
        + 0.5 * torch.randn(networks, steps, units, units, generator=generator) / units**0.5
    )
    start = torch.rand(networks, units, generator=generator)
    squares = -(-trajectories // steps)
    orders = torch.stack(
        [
            draw_orders(squares * steps, steps, kind="permutation", generator=generator)[
                :trajectories
            ]
            for _ in range(networks)
        ]
    )
    weight = torch.randn(networks, steps + 1, trajectories, units, generator=generator)
    return (
        guarded(matrices.to(device)),
        guarded(start.to(device)),
        orders.to(device),
        weight.to(device),
    )


def run_rollout(matrices, start, orders, weight, norm=True):
    matrices, start = (a.detach().requires_grad_() for a in (matrices, start))
    states = rollout.fused_rollout(matrices, start, orders, norm=norm)
    return states.detach(), *torch.autograd.grad((states * weight).sum(), (matrices, start))


def wanted_rollout(matrices, start, orders, weight, norm=True, dtype=torch.float64):
    """The plain loop, in double precision: a velocity's first component carries its index."""
    matrices, start = (a.detach().cpu().to(dtype).requires_grad_() for a in (matrices, start))
    states = torch.stack(
        [
            rollout_reference(
                lambda v, w=w: w[v[:, 0].long()],
                g,
                o.double().unsqueeze(-1).expand(-1, -1, 2),
                norm=norm,
            )
            for w, g, o in zip(matrices, start, orders.cpu(), strict=True)
        ]
    )
    return states.detach(), *torch.autograd.grad(
        (states * weight.cpu().to(dtype)).sum(), (matrices, start)
    )


def check_rollout(problem, norm=True):
    own, wanted = run_rollout(*problem, norm=norm), wanted_rollout(*problem, norm=norm)
    # Where states nearly die or gradients cancel, float32 loses digits whoever computes: the plain
    # loop shows how many.
    plain = wanted_rollout(*problem, norm=norm, dtype=torch.float32)
    for got, exact, single in zip(own, wanted, plain, strict=True):
        lost = float((single.double() - exact).abs().max())
        assert_near(got, exact, 1e-5, scale=0.1 + 1e6 * lost)


@settings(deadline=None, max_examples=15)
@given(
    units=st.sampled_from(UNITS),
    networks=st.integers(1, 3),
    steps=st.integers(1, 4),
    trajectories=st.integers(1, 4),
    norm=st.booleans(),
    seed=st.integers(0, 10_000),
)
def test_rollout_equals_the_loop_with_gradients(
    device, units, networks, steps, trajectories, norm, seed
):
    check_rollout(rollout_problem(units, networks, steps, trajectories, seed, device), norm)


@pytest.mark.parametrize("units", [96, 128, 160, 300])
def test_rollout_of_many_units(device, units):
    # From 129 on a matrix does not fit a program, and parts of the state go through memory.
    check_rollout(rollout_problem(units, 2, 3, 2, 0, device))


def test_rollout_of_networks_together_is_that_of_each_alone(device):
    problem = rollout_problem(17, 3, 3, 4, 1, device)
    together = run_rollout(*problem)
    for network in range(3):
        alone = run_rollout(*(a[network : network + 1] for a in problem))
        for got, wanted in zip(together, alone, strict=True):
            same(got[network : network + 1], wanted, device)


@pytest.mark.parametrize("units", [33, 160])
@pytest.mark.usefixtures("poison")
def test_rollout_depends_on_its_arguments_only(device, units):
    problem, other = (rollout_problem(units, 2, 3, 2, seed, device) for seed in (2, 3))
    first = run_rollout(*problem)
    run_rollout(*other)
    for one, two in zip(first, run_rollout(*problem), strict=True):
        assert torch.isfinite(one).all()
        assert torch.equal(one, two)


@pytest.mark.parametrize("units", [5, 160])
@pytest.mark.usefixtures("poison")
def test_a_dead_state_stays_zero_with_zero_gradient(device, units):
    matrices, start, orders, weight = rollout_problem(units, 1, 3, 2, 4, device)
    states, d_matrices, d_start = run_rollout(-matrices.abs(), start, orders, weight)
    assert (states[:, 1:] == 0).all()
    assert (d_matrices == 0).all()
    assert_near(d_start, weight[:, 0].sum(dim=1), 1e-6)


def test_nan_in_a_matrix_is_seen_in_the_states(device):
    matrices, start, orders, _ = rollout_problem(5, 1, 2, 2, 5, device)
    matrices[0, 1, 2, 3] = float("nan")
    states = rollout.fused_rollout(matrices, start, orders)
    assert torch.isnan(states[0, -1]).any(dim=1).all()


@pytest.mark.parametrize("which", [0, 1])
def test_rollout_gradient_of_what_needs_one(device, which):
    problem = [*rollout_problem(5, 2, 3, 2, 6, device)]
    wanted = run_rollout(*problem)[1 + which]
    problem[which] = problem[which].detach().requires_grad_()
    (rollout.fused_rollout(*problem[:3]) * problem[3]).sum().backward()
    assert torch.equal(problem[which].grad, wanted)
    assert problem[1 - which].grad is None


# ---------------------------------------------------------------- pairs


def pair_problem(units, networks, count, seed, device, spread=0.1):
    generator = torch.Generator().manual_seed(seed)
    g = torch.rand(networks, count, units, generator=generator)
    g /= torch.linalg.vector_norm(g, dim=2, keepdim=True)
    x = spread * torch.randn(networks, count, 2, generator=generator)
    which = torch.arange(networks, dtype=torch.float32)
    scales = {
        "sigma_x": 0.05 + 0.01 * which,
        "sigma_g": 0.4 + 0.1 * which,
        "separation_weight": 1.3 - 0.2 * which,
        "invariance_weight": 0.7 + 0.1 * which,
    }
    weight = torch.randn(networks, generator=generator)
    return (
        guarded(g.to(device)),
        guarded(x.to(device)),
        {name: a.to(device) for name, a in scales.items()},
        weight.to(device),
    )


def run_pairs(g, x, scales, weight, **settings):
    g = g.detach().requires_grad_()
    terms = pairs.fused_pair_terms(g, x, **scales, **settings)
    assert [t.requires_grad for t in terms] == [True, False, False]
    return *(t.detach() for t in terms), *torch.autograd.grad((terms[0] * weight).sum(), g)


def wanted_pairs(g, x, scales, weight, reduction="mean"):
    g = g.detach().cpu().double().requires_grad_()
    x, weight = x.cpu().double(), weight.cpu().double()
    scales = {name: a.cpu().tolist() for name, a in scales.items()}
    s = torch.stack(
        [
            separation(
                g[e],
                x[e],
                sigma_x=scales["sigma_x"][e],
                sigma_g=scales["sigma_g"][e],
                reduction=reduction,
            )
            for e in range(len(g))
        ]
    )
    i = torch.stack(
        [
            invariance(g[e], x[e], sigma_x=scales["sigma_x"][e], reduction=reduction)
            for e in range(len(g))
        ]
    )
    total = (
        torch.tensor(scales["separation_weight"]) * s
        + torch.tensor(scales["invariance_weight"]) * i
    )
    return total.detach(), s.detach(), i.detach(), *torch.autograd.grad((total * weight).sum(), g)


def check_pairs(problem, reduction="mean"):
    got, wanted = (
        run_pairs(*problem, reduction=reduction),
        wanted_pairs(*problem, reduction=reduction),
    )
    # Squared distances are differences of numbers near 1, with float32's error of those, however
    # small they are themselves. A sum over pairs has the errors of as many; a state's gradient is
    # its share of the mean, or a sum over its pairs.
    g, x, scales, _ = problem
    count = g.shape[1]
    near = (
        max(
            int(near_pairs(y, y, float(r)).sum()) - count
            for y, r in zip(x, scales["sigma_x"], strict=True)
        )
        if reduction == "sum"
        else 1
    )
    far, share = (count * (count - 1), count) if reduction == "sum" else (1, 1 / count)
    for one, two, scale in zip(got, wanted, (near + far, far, near, share), strict=True):
        assert_near(one, two, 5e-6, scale)


@settings(deadline=None, max_examples=12)
@given(
    units=st.sampled_from(UNITS),
    networks=st.integers(1, 3),
    count=st.integers(1, 100),
    spread=st.sampled_from([0.0, 0.05, 0.3, 3.0]),
    reduction=st.sampled_from(["mean", "sum"]),
    seed=st.integers(0, 1000),
)
def test_pairs_equal_the_naive_terms_with_gradients(
    device, units, networks, count, spread, reduction, seed
):
    check_pairs(pair_problem(units, networks, count, seed, device, spread), reduction)


@pytest.mark.parametrize("units", [96, 128, 160])
def test_pairs_of_many_units(device, units):
    # From 129 on a program sums up the gradient of a part of the units.
    check_pairs(pair_problem(units, 1, 90, 0, device))


@pytest.mark.parametrize("count", [1, 63, 64, 65, 128])
@pytest.mark.usefixtures("poison")
def test_pairs_at_the_edges_of_tiles(device, count):
    check_pairs(pair_problem(5, 2, count, 1, device))


@pytest.mark.parametrize(("spread", "near"), [(0.0, True), (1e3, False)])
def test_one_kind_of_pairs_only(device, spread, near):
    problem = pair_problem(8, 1, 40, 2, device, spread)
    check_pairs(problem)
    _, far_term, near_term, _ = run_pairs(*problem)
    assert (far_term == 0).all() == near
    assert (near_term == 0).all() != near


def test_pairs_of_networks_together_are_those_of_each_alone(device):
    g, x, scales, weight = pair_problem(17, 3, 70, 3, device)
    together = run_pairs(g, x, scales, weight)
    for network in range(3):
        at = slice(network, network + 1)
        for got, wanted in zip(
            together,
            run_pairs(g[at], x[at], {name: a[at] for name, a in scales.items()}, weight[at]),
            strict=True,
        ):
            same(got[at], wanted, device)


@pytest.mark.parametrize("products", ["float32", "tf32", "bf16"])
@pytest.mark.usefixtures("poison")
def test_pairs_depend_on_their_arguments_only(device, products):
    problem, other = (pair_problem(33, 2, 70, seed, device) for seed in (4, 5))
    first = run_pairs(*problem, products=products)
    run_pairs(*other, products=products)
    for one, two in zip(first, run_pairs(*problem, products=products), strict=True):
        assert torch.isfinite(one).all()
        assert torch.equal(one, two)


@pytest.mark.parametrize(
    ("products", "digits", "units"), [("tf32", 11, 33), ("bf16", 8, 33), ("bf16", 8, 160)]
)
def test_rounded_products_round_the_states_and_nothing_else(device, products, digits, units):
    problem = pair_problem(units, 2, 90, 6, device)
    g, *rest = problem
    # As far from the exact terms as rounding the operands explains.
    for got, wanted in zip(
        run_pairs(*problem, products=products), wanted_pairs(*problem), strict=True
    ):
        assert_near(got, wanted, 4 * 2.0**-digits)
    # And as exact as float32 for states that need no rounding: only the weights A are rounded, in
    # the gradient.
    mantissa, exponent = torch.frexp(g)
    rounded = torch.ldexp(torch.round(mantissa * 2**digits) / 2**digits, exponent)
    got, wanted = run_pairs(rounded, *rest, products=products), wanted_pairs(rounded, *rest)
    for one, two in zip(got[:3], wanted[:3], strict=True):
        assert_near(one, two, 5e-6)
    assert_near(got[3], wanted[3], 2.0**-digits)


def test_equal_states_have_no_distance_however_rounded(device):
    g, x, scales, weight = pair_problem(33, 3, 40, 7, device, spread=0.0)
    g = g[:, :1].expand(-1, 40, -1).contiguous()
    for products in ("float32", "tf32", "bf16"):
        _, _, distance, gradient = run_pairs(g, x, scales, weight, products=products)
        # Rounding states and lengths, or A and its sums, differently would show as 1e-3 and 1e-5.
        assert distance.abs().max() < 1e-5
        assert gradient.abs().max() < 1e-6


def test_values_without_gradient(device):
    g, x, scales, weight = pair_problem(8, 2, 70, 8, device)
    wanted = run_pairs(g, x, scales, weight)[:3]
    for enabled in (True, False):
        with torch.set_grad_enabled(enabled):
            got = pairs.fused_pair_terms(g.detach().requires_grad_(not enabled), x, **scales)
        assert not any(t.requires_grad for t in got)
        for one, two in zip(got, wanted, strict=True):
            assert torch.equal(one, two)


def test_nan_in_a_state_is_seen_in_the_sum(device):
    g, x, scales, _ = pair_problem(5, 1, 20, 9, device, spread=3.0)
    g[0, 3, 2] = float("nan")
    for products in ("float32", "tf32", "bf16"):
        assert pairs.fused_pair_terms(g, x, **scales, products=products)[0].isnan().all()


# ---------------------------------------------------------------- uniform


def philox(counter, key):
    """Philox4x32-10 as published, in Python's integers."""
    a, b, c, d = counter
    low, high = key
    for _ in range(10):
        first, second = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = (
            (second >> 32) ^ b ^ low,
            second & 0xFFFFFFFF,
            (first >> 32) ^ d ^ high,
            first & 0xFFFFFFFF,
        )
        low, high = (low + 0x9E3779B9) & 0xFFFFFFFF, (high + 0xBB67AE85) & 0xFFFFFFFF
    return a, b, c, d


def test_philox_gives_the_published_numbers(device):
    zeros, ones = 0, 0xFFFFFFFF
    known = (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)
    assert philox((zeros,) * 4, (zeros,) * 2) == known
    assert philox((ones,) * 4, (ones,) * 2) == (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)
    nothing = torch.zeros(1, dtype=torch.int64, device=device)
    assert uniform.philox_uniform(nothing, nothing, 4).tolist() == [
        [(word >> 8) * 2.0**-24 for word in known]
    ]


@settings(deadline=None, max_examples=15)
@given(
    networks=st.lists(
        st.tuples(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1)), min_size=1, max_size=3
    ),
    count=st.integers(0, 1100),
    first_block=st.integers(0, 10**6),
)
def test_uniform_numbers_are_those_of_philox(device, networks, count, first_block):
    seeds, batches = (
        torch.tensor(numbers, device=device) for numbers in zip(*networks, strict=True)
    )
    wanted = [
        [
            (word >> 8) * 2.0**-24
            for block in range(-(-count // 4))
            for word in philox(
                (first_block + block, 0, batch & 0xFFFFFFFF, batch >> 32),
                (seed & 0xFFFFFFFF, seed >> 32),
            )
        ][:count]
        for seed, batch in networks
    ]
    assert uniform.philox_uniform(seeds, batches, count, first_block=first_block).tolist() == wanted


# ---------------------------------------------------------------- AdamW


@pytest.mark.parametrize("size", [1, 1000, 1024, 2500])
@pytest.mark.parametrize(
    ("betas", "decay"), [((0.9, 0.98), 0.0), ((0.9, 0.999), 0.1), ((0.0, 0.5), 0.01)]
)
def test_adamw_is_pytorchs_for_each_network(device, size, betas, decay):
    generator = torch.Generator().manual_seed(size)
    weights = torch.randn(3, size, generator=generator)
    rates = torch.tensor([1e-3, 0.1, 1e-5])
    plain = [torch.nn.Parameter(w.double().clone()) for w in weights]
    optimisers = [
        torch.optim.AdamW([w], lr=float(r), betas=betas, weight_decay=decay)
        for w, r in zip(plain, rates, strict=True)
    ]
    own = [
        guarded(a.to(device))
        for a in (weights, torch.zeros(3, size), torch.zeros(3, size), torch.zeros(3))
    ]
    failed = torch.zeros(3, device=device)
    for step in range(5):
        gradients = torch.randn(3, size, generator=generator)
        scales = 1 + torch.rand(3, generator=generator)
        if step == 3:  # the second network fails here, with a gradient that is no number
            failed[1] = 1.0
            gradients[1], scales[1] = float("nan"), float("nan")
        for e, (w, optimiser) in enumerate(zip(plain, optimisers, strict=True)):
            if not failed[e]:
                w.grad = gradients[e].double() / scales[e].double()
                optimiser.step()
        options = {"rates": rates.to(device), "scales": scales.to(device), "failed": failed}
        adamw.adamw_step(
            own[0],
            guarded(gradients.to(device)),
            *own[1:],
            **options,
            betas=betas,
            weight_decay=decay,
        )
    assert own[3].tolist() == [5, 3, 5]
    for e, (w, optimiser) in enumerate(zip(plain, optimisers, strict=True)):
        state = optimiser.state[w]
        for got, wanted in zip(
            (a[e] for a in own[:3]),
            (w.detach(), state["exp_avg"], state["exp_avg_sq"]),
            strict=True,
        ):
            assert_near(got, wanted, 1e-6, scale=0.1)


# ---------------------------------------------------------------- unsupported input, compilation


def test_why_not():
    assert unsupported_reason(MOST_UNITS, torch.float32) is None
    assert unsupported_reason(600, torch.float32) == "512 units at most, not 600"
    assert unsupported_reason(64, torch.float64) == "float64 states"


def test_bad_input(device):
    matrices, start, orders, _ = rollout_problem(3, 1, 2, 2, 0, device)
    with pytest.raises(InputError, match="float64 states"):
        rollout.fused_rollout(matrices.double(), start.double(), orders)
    g, x, scales, _ = pair_problem(3, 1, 5, 0, device)
    for wrong, message in (({"reduction": "median"}, "median"), ({"products": "fp8"}, "fp8")):
        with pytest.raises(Exception, match=message):  # beartype's error comes before ours
            pairs.fused_pair_terms(g, x, **scales, **wrong)
    with pytest.raises(InputError, match="512 units at most, not 513"):
        pairs.fused_pair_terms(torch.rand(1, 2, 513, device=device), x[:, :2], **scales)


def compile_all(capability, kinds):
    """Compile all launched kernels and report on each.

    The report has name, units, kind, bytes of shared memory and of spilled registers, and explicit
    barriers. Triton takes the target of compilation from a device; here it is given. `kinds` are
    the products of the pair terms, for each number of units.
    """
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.runtime import JITFunction, driver

    class NoDevice:
        get_current_device = staticmethod(lambda: capability)
        get_current_stream = staticmethod(lambda _device=None: 0)
        get_current_target = staticmethod(lambda: GPUTarget("cuda", capability, 32))
        get_active_torch_device = staticmethod(lambda: torch.device("cpu"))

    compiled = []
    launch = JITFunction.run

    def compile_only(self, *args, **kwargs):
        compiled.append(launch(self, *args, **{**kwargs, "warmup": True}))

    JITFunction.run = compile_only
    driver.set_active(NoDevice())

    def report(units, kind):
        for kernel in compiled:
            with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
                file.write(kernel.asm["cubin"])
                file.flush()
                usage = subprocess.run(
                    [triton.knobs.nvidia.cuobjdump.path, "-res-usage", file.name],
                    capture_output=True,
                    text=True,
                    check=True,
                ).stdout
            stack = re.search(r"STACK:(\d+)", usage).group(1)
            barriers = len(re.findall(r"\b(?:gpu|ttg)\.barrier\b", kernel.asm["ttgir"]))
            print(
                "compiled",
                kernel.metadata.name,
                units,
                kind,
                kernel.metadata.shared,
                stack,
                barriers,
            )
        compiled.clear()

    for units, names in kinds.items():
        for norm in (True, False):
            matrices, start, orders, weight = rollout_problem(units, 2, 3, 4, 0, "cpu")
            run_rollout(matrices, start, orders, weight, norm=norm)
            report(units, f"norm={norm}")
        for products in names:
            g, x, scales, weight = pair_problem(units, 2, 200, 0, "cpu")
            run_pairs(g, x, scales, weight, products=products)
            report(units, products)
    uniform.philox_uniform(torch.zeros(2, dtype=torch.int64), torch.zeros(2, dtype=torch.int64), 9)
    one = torch.ones(2)
    options = {
        "rates": one,
        "scales": one,
        "failed": one,
        "betas": (0.9, 0.999),
        "weight_decay": 0.01,
    }
    adamw.adamw_step(*(torch.zeros(2, 1500) for _ in range(4)), torch.zeros(2), **options)
    report(0, "any")


def compile_elsewhere(tmp_path, capability, kinds):
    environment = {
        name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"
    } | {"TRITON_CACHE_DIR": str(tmp_path)}
    call = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); "
        f"import test_kernels as t; t.compile_all({capability}, {kinds})"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", call], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("compiled ")]


# Bytes of shared memory that a program of each kind of machine may have.
SHARED_MEMORY = {80: 163 * 1024, 90: 227 * 1024}


def check_compiled(tmp_path, capability, kinds):
    kernels = compile_elsewhere(tmp_path, capability, kinds)
    assert len(kernels) == sum(4 + 2 * len(names) for names in kinds.values()) + 2
    for name, units, kind, shared, stack, barriers in kernels:
        assert int(shared) <= SHARED_MEMORY[capability], (name, units, kind, shared)
        # Some registers spilled hardly show; kilobytes of them do.
        assert int(stack) <= 512, (name, units, kind, stack)
        # Parts of the state that go through memory must be written before they are read; the
        # interpreter has one thread.
        if name in ("_forward", "_backward"):
            assert (int(barriers) > 0) == (int(units) > 128), (name, units, kind, barriers)


def test_kernels_compile_for_an_h100(tmp_path):
    check_compiled(tmp_path, 90, {96: ["float32"], 160: []})


@pytest.mark.slow
@pytest.mark.parametrize("capability", [80, 90])
def test_kernels_compile_for_gpus_at_all_sizes(tmp_path, capability):
    check_compiled(
        tmp_path,
        capability,
        {units: ["float32", "tf32", "bf16"] for units in (2, 16, 64, 96, 128, 160, 256, 512)},
    )
