"""What `sweep.py` trains: lists of variants, each a name, a preset, settings that differ from it, seeds, and how to measure."""

# Seeds 0 to 9 choose the recipe; 10 to 19 are held back for the verdict on it.
CHOOSING = range(10)
HELD_OUT = range(10, 20)
# Selection needs no paths and fewer periods.
FAST = {"arena_m": 4.0, "paths": False}


def _lattice(name, seeds=range(20), **settings):
    """One population of 64 units alone for the first stage of `modules`: which lattice forms?"""
    base = {"model.populations": [], "units": 64, "steps": 1000, "isometry_of": "whole"}
    return {"name": f"one: {name}", "preset": "modules", "set": base | settings, "seeds": seeds, "measure": FAST}


def _modules(name, seeds=range(8), measure=None, **settings):
    return {"name": name, "preset": "modules", "set": settings, "seeds": seeds, "measure": measure or {"arena_m": 4.0}}


LATTICE = [
    _lattice("base"),
    _lattice("isometry 1", isometry=1.0),
    _lattice("isometry 3", isometry=3.0),
    _lattice("isometry 0.1", isometry=0.1),
    _lattice("ramp 100-300", isometry_ramp=[100, 300]),
    _lattice("ramp 100-300, isometry 1", isometry_ramp=[100, 300], isometry=1.0),
    _lattice("ramp 500-1000", isometry_ramp=[500, 1000]),
    _lattice("no early raw", isometry_early_raw=0.0),
    _lattice("rate 5e-4", learning_rate=5e-4),
    _lattice("rate 2e-3", learning_rate=2e-3),
    _lattice("hold 200", hold_steps=200),
    _lattice("hold 1000", hold_steps=1000),
    _lattice("range 0.1", isometry_range_m=0.1),
    _lattice("invariance 0.6", invariance=0.6),
    _lattice("invariance 0.15", invariance=0.15),
    _lattice("states 1600", sampled_states=1600),
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
    _modules("isometry of the whole", isometry_of="whole"),
]
PLANS = {
    "rehearsal": [
        _lattice("base", seeds=[0, 1], steps=12, hidden_widths=[8]),
        _modules("base", seeds=[0, 1], steps=12, separate_steps=6, populations=[16, 17], hidden_widths=[8]),
    ],
    "lattice": LATTICE,
    "recipe": RECIPE,
    "search": RECIPE + LATTICE,
}
