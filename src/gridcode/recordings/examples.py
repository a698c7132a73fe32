"""Cells that come with the package, to try it on."""

from pathlib import Path

from gridcode.recordings.files import load_recording
from gridcode.recordings.recording import Recording

EXAMPLE = Path(__file__).with_name("mouse_grid_cells.npz")


def example_cells() -> Recording:
    """Rate maps of 29 grid cells of mice in a 1 m box, 32 x 32 bins.

    Source: R. G. et al. 2024, eLife 13, 96627; MIT licence, see `mouse_grid_cells.LICENSE.txt`.
    """
    return load_recording(EXAMPLE)
