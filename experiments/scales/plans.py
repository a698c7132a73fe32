"""What `sweep.py` trains: variants with preset, changed settings, seeds and measurement."""

# What all of these start from: the preset `modules` as it was before they had been run.
BEFORE = {
    "world.steps": 40,
    "world.trajectories": 80,
    "joint_steps": 0,
    "joint_trajectories": 0,
    "invariance": 0.3,
    "isometry_of": "populations",
    "steps": 3500,
    "schedule": "inverse",
}


def _lattice(name, seeds=range(20), **settings):
    """One population of 64 units alone, as in the first stage of `modules`: which lattice forms?"""
    base = {**BEFORE, "model.populations": [], "units": 64, "steps": 1000}
    look = {"arena_m": 4.0, "paths": False, "nulls": 0}
    return {
        "name": f"one: {name}",
        "preset": "modules",
        "set": base | settings,
        "seeds": seeds,
        "measure": look,
    }


def _modules(name, seeds=range(8), second=None, **settings):
    """The whole preset; `second`: settings of the second stage alone."""
    return {
        "name": name,
        "preset": "modules",
        "set": {**BEFORE, **settings},
        "second": second or {},
        "seeds": seeds,
        "measure": {"arena_m": 4.0},
    }


# Expected: an early and strong isometry favours hexagons, and so does whatever lowers the
# invariance error fast.
LATTICE = [
    _lattice("base"),
    *(_lattice(f"isometry {w}", isometry=w) for w in (0.03, 0.1, 1.0, 3.0)),
    *(
        _lattice(f"ramp {a}-{b}", isometry_ramp=[a, b])
        for a, b in ((0, 300), (100, 300), (200, 400), (300, 1000), (500, 1000))
    ),
    _lattice("ramp 500-1000, isometry 0.1", isometry_ramp=[500, 1000], isometry=0.1),
    *(_lattice(f"early raw {w}", isometry_early_raw=w) for w in (0.0, 0.003, 0.03)),
    *(_lattice(f"rate {r}", learning_rate=r) for r in (5e-4, 7e-4, 1.5e-3, 2e-3)),
    *(_lattice(f"hold {n}", hold_steps=n) for n in (200, 300, 700, 1000)),
    *(_lattice(f"range {r}", isometry_range_m=r) for r in (0.1, 0.2)),
    *(_lattice(f"invariance {w}", invariance=w) for w in (0.2, 0.4, 0.6)),
    *(_lattice(f"capacity {w}", capacity=w) for w in (0.4, 0.6)),
    *(_lattice(f"sigma_g {s}", sigma_g=s) for s in (0.35, 0.45)),
    *(_lattice(f"sigma_x {s}", sigma_x_m=s) for s in (0.04, 0.07)),
    *(_lattice(f"warm-up {n}", warmup_steps=n) for n in (50, 400)),
    *(_lattice(f"clip {c}", gradient_clip=c) for c in (0.03, 0.3)),
    _lattice("states 1600", sampled_states=1600),
    _lattice("gelu", activation="gelu"),
    _lattice("T 30", **{"world.steps": 30, "world.trajectories": 90}),
    _lattice("betas 0.9 0.95", betas=[0.9, 0.95]),
]
RECIPE = [
    _modules("base"),
    _modules("joint rate 1e-3", joint_learning_rate=1e-3),
    _modules("joint rate 2.5e-4", joint_learning_rate=2.5e-4),
    _modules("isometry 1", isometry=1.0),
    _modules("isometry 0.1", isometry=0.1),
    _modules("ramp 100-300", isometry_ramp=[100, 300]),
    _modules("invariance 0.6", invariance=0.6),
    _modules("hold 1000", hold_steps=1000),
    _modules("5000 steps", steps=6000),
    _modules("5000 steps, rate 1e-3", steps=6000, joint_learning_rate=1e-3),
    _modules("5000 steps, isometry 1", steps=6000, isometry=1.0),
    _modules("invariance 1", invariance=1.0),
    _modules("cosine", schedule="cosine"),
    _modules("8000 steps, cosine", steps=9000, schedule="cosine"),
    _modules("hidden 128", hidden_widths=[128, 128]),
    _modules("T 60, 5000 steps", steps=6000, **{"world.steps": 60, "world.trajectories": 120}),
    _modules("4 x 48", populations=[48, 48, 48, 48]),
    _modules("43 43 42", populations=[43, 43, 42]),
]
# What the second stage needs: one thing at a time.
NEEDED = [
    _modules("isometry of the whole", isometry_of="whole"),
    _modules("no capacity", second={"capacity": 0.0}),
    _modules("no separation", second={"separation": 0.0}),
    _modules("no invariance", second={"invariance": 0.0}),
    _modules("no isometry", second={"isometry": 0.0}),
    _modules("sigma_g 0.25", second={"sigma_g": 0.25}),
    _modules("identity orders", second={"world.orders": "identity"}),
    _modules("first stage alone", steps=1000),
    _modules("no first stage", separate_steps=0),
]
# Longer paths and a falling rate in the second stage, for path integration.
PRECISE = [
    _modules(
        f"T {t} later, cosine{end}",
        seeds=range(6),
        steps=6000,
        schedule="cosine",
        second={"world.steps": t, "world.trajectories": b, **more},
    )
    for t, b, end, more in (
        (60, 120, "", {}),
        (60, 120, ", invariance 0.6 later", {"invariance": 0.6}),
        (80, 80, "", {}),
    )
]
# Short paths first, then long ones: the first stage of every network hexagonal, places told apart
# over a larger area in the second.
SHORT_FIRST = [
    _modules(
        f"T 30 then 60, {name}",
        seeds=seeds,
        steps=steps,
        schedule="cosine",
        **{
            "world.steps": 30,
            "world.trajectories": 90,
            "joint_steps": 60,
            "joint_trajectories": 60,
            "invariance": w,
            "isometry_of": scope,
        },
    )
    for name, seeds, steps, w, scope in (
        ("isometry of the whole, invariance 0.6", range(2), 4000, 0.6, "whole"),
        ("isometry of the whole, invariance 0.3", range(2), 4000, 0.3, "whole"),
        (
            "isometry of populations, invariance 0.5, 4000 joint steps",
            range(2, 4),
            5000,
            0.5,
            "populations",
        ),
    )
]
# Is there a best number of populations for 192 units?
NUMBER = [
    _modules(
        f"{n} populations, T {t}",
        seeds=range(4),
        populations=[192 // n] * n,
        **{"world.steps": t, "world.trajectories": b},
    )
    for t, b in ((40, 80), (80, 80))
    for n in (1, 2, 3, 4, 6)
]


def _preset(name, **settings):
    """The preset `modules` as it is, on ten seeds that nothing was chosen on."""
    return {
        "name": name,
        "preset": "modules",
        "set": settings,
        "seeds": range(20, 30),
        "measure": {"arena_m": 6.0},
    }


# Do walkers of `modules` keep their way with isometry of the whole? Expected: half the error after
# 1,000 steps.
WHOLE = {"isometry_of": "whole"}
LOST = [
    _preset("preset"),
    _preset("isometry of the whole", **WHOLE),
    _preset("isometry of the whole, 120 trajectories later", joint_trajectories=120, **WHOLE),
]
PLANS = {
    "rehearsal": [
        _lattice("base", seeds=[0, 1], steps=12, hidden_widths=[8]),
        _modules(
            "base",
            seeds=[0, 1],
            second={"capacity": 0.0},
            steps=12,
            separate_steps=6,
            populations=[16, 17],
            hidden_widths=[8],
        ),
    ],
    "lattice": LATTICE,
    "recipe": RECIPE,
    "needed": NEEDED,
    "number": NUMBER,
    "precise": PRECISE,
    "short first": SHORT_FIRST,
    "lost": LOST,
    "third": LATTICE + PRECISE[:2] + NEEDED[:6] + [NUMBER[i] for i in (1, 3, 4)] + PRECISE[2:],
}
