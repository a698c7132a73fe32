"""Several networks at once: two settings with two seeds each, and a run folder for each network."""

import gridcode

# Shortened so that the example takes a minute; leave "steps" out for real lattices.
config = gridcode.load_config("quick").override(
    {"steps": 400, "arenas_m": [4.0], "adapt_arena": False}
)
configs = gridcode.variants(
    config, name="example", seeds=[0, 1], vary={"loss.invariance": [0.1, 0.3]}
)

# On a CPU one network per core; on a GPU all in one program. Called again, it resumes where it
# stopped.
for run in gridcode.train_many(configs, out="runs/many"):
    headline = gridcode.evaluate(run).summary["headline"]
    print(
        run.folder.name,
        "loss",
        round(run.metrics()[-1]["loss"], 3),
        "lattice share",
        headline["lattice_share"],
    )
