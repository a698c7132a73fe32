"""What was recorded, in one sentence for pages and the terminal."""

from gridcode.recordings.recording import Recording


def description(recording: Recording) -> str:
    """Duration, arena, units and spikes of a recording, or the size of its maps."""
    rows, columns = recording.maps.shape[1:]
    size = recording.bin_size_m
    arena = f"arena {columns * size:.2f} x {rows * size:.2f} m"
    units = "1 unit" if len(recording.units) == 1 else f"{len(recording.units):,} units"
    path = recording.path
    if path is None:
        return f"Rate maps: {units}, {arena}, {columns} x {rows} bins of {100 * size:.3g} cm."
    spikes = path.spikes
    count = "activity along the path" if spikes is None else f"{int(spikes.sum()):,} spikes"
    direction = "" if path.head_direction_deg is None else ", head direction"
    return f"Recorded: {_duration(path.duration_s)}, {arena}, {units}, {count}{direction}."


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
