"""A notebook in the percent format, to open in Jupyter or to run; its output: docs/notebook.md."""

# %% [markdown]
# # A trained network in a notebook
#
# A network that comes with the package is unpacked into a run folder, evaluated with small settings
# (less than a minute), and plotted. Every plot takes `ax=` and returns its axes, so that you can
# put them side by side.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt

import gridcode
from gridcode.recordings.files import load_recording

folder = Path(tempfile.mkdtemp(prefix="gridcode-"))
run = gridcode.pretrained("quick-64").unpack(folder / "quick-64")
run

# %% [markdown]
# Small settings: one arena, fewer null maps, walks of 1,000 steps, and no study of topology,
# dynamics and coding. Leave `config` out for the run's own.

# %%
small = run.config.evaluation.model_copy(
    update={
        "arenas_m": (4.0,),
        "walks": ("smooth",),
        "nulls": 200,
        "space_arenas": (2.0,),
        "space_walks": ("uniform",),
        "space_steps": (300, 1000),
        "theory": False,
    }
)
evaluation = gridcode.evaluate(run, config=small)
evaluation

# %% [markdown]
# ## Units
#
# The best units, each from 0 to its peak; a frame has the colour of the unit's module.

# %%
gridcode.plot(run).gallery(count=16)

# %% [markdown]
# One of them, and its autocorrelogram with the fitted lattice. A unit is given by its
# name, which in a network is its number.

# %%
best = evaluation.headline()["grid_score"].idxmax().item()
figure, (left, right) = plt.subplots(1, 2, figsize=(6.4, 3.4), layout="constrained")
gridcode.plot(run).rate_map(best, ax=left)
gridcode.plot(run).autocorrelogram(best, ax=right)

# %% [markdown]
# Is a score beyond chance? Each unit is compared with its own null maps.

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.2), layout="constrained")
gridcode.plot(run).scores_against_null(ax=left)
gridcode.plot(run).score_histogram(ax=right)

# %% [markdown]
# ## Modules
#
# Spacing and orientation of all units; the Fourier power of the module's maps; where its cells'
# fields lie in the unit cell.

# %%
figure, axes = plt.subplots(1, 3, figsize=(10.5, 3.4), layout="constrained")
gridcode.plot(run).spacing_orientation(ax=axes[0])
gridcode.plot(run).spectrum(0, ax=axes[1])
gridcode.plot(run).phases(0, ax=axes[2])

# %% [markdown]
# ## Space
#
# How distance between states grows with distance in space, and how long the network keeps track of
# its position.

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9.4, 3.6), layout="constrained")
gridcode.plot(evaluation).neural_distance(ax=left)
gridcode.plot(evaluation).path_error(ax=right)

# %% [markdown]
# ## State space
#
# Do the states of the module lie on a torus? For any population of cells: here its own rate maps,
# with few shuffles. The plots `ring`, `persistence` and `torus` of a run show the same after an
# evaluation with `theory=True`, which is the default.

# %%
population = gridcode.score(run.ratemaps_path, group="smooth_4m", nulls=99, significance=0.05)
population

# %%
states = gridcode.state_space(
    load_recording(run.ratemaps_path, group="smooth_4m"), population, nulls=19
)
states

# %% [markdown]
# ## Training
#
# The log of the training came with the network.

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.0), layout="constrained")
gridcode.plot(run).training("loss", ax=left)
gridcode.plot(run).training("invariance", ax=right)
