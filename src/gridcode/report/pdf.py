"""Figures as PDF: lines and letters stay such, and the same numbers give the same bytes."""

import io

import matplotlib as mpl
import numpy as np
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from gridcode.report.style import STYLE

# Clouds of more points are put in as an image: as vectors they take megabytes and seconds.
MOST_POINTS = 600


def to_pdf(figure: Figure, *, source: str = "") -> bytes:
    """A figure as PDF bytes; draw its PNG first, which lays it out.

    Args:
        figure: the figure.
        source: where it comes from; written into the file as its subject.
    """
    out = io.BytesIO()
    for collection in figure.findobj(PathCollection):
        # Points in three dimensions cannot be put in as an image.
        if isinstance(collection, PathCollection) and not hasattr(collection, "do_3d_projection"):
            collection.set_rasterized(len(np.asarray(collection.get_offsets())) > MOST_POINTS)
    for image in figure.findobj(AxesImage):
        assert isinstance(image, AxesImage)
        image.set_interpolation(
            "none"
        )  # else a map would be blown up to the resolution of the page
    with mpl.rc_context(STYLE):
        if figure.get_layout_engine() is not None:
            figure.set_layout_engine("none")
        about: dict[str, str | None] = {"CreationDate": None, "ModDate": None}
        if source:
            about["Subject"] = source
        figure.savefig(out, format="pdf", metadata=about)
    return out.getvalue()
