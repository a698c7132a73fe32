"""One session, for files and objects of other packages."""

import numpy as np

from gridcode.recordings.recording import recording_from_path


class Session:
    """A path in a 1 m box, the direction of the head, and two spike trains."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.time_s = 3.0 + 0.02 * np.arange(3000)
        self.positions_m = rng.uniform(0, 1, (3000, 2))
        self.head_direction_deg = rng.uniform(0, 360, 3000)
        self.trains = {n: np.sort(rng.uniform(3, 63, 50 * n)) for n in (4, 9)}
        self.activity = rng.random((3000, 3))

    def with_spikes(self, **settings):
        """The recording by the array route."""
        return recording_from_path(
            self.positions_m,
            self.time_s,
            spike_times_s=np.concatenate(list(self.trains.values())),
            spike_units=np.repeat([4, 9], [200, 450]),
            **settings,
        )

    def with_activity(self, **settings):
        """The recording by the array route."""
        return recording_from_path(
            self.positions_m, self.time_s, activity=self.activity, **settings
        )


def same(found, wanted):
    """Check that two recordings are the same to the last digit."""
    np.testing.assert_array_equal(found.maps, wanted.maps)
    np.testing.assert_array_equal(found.occupancy, wanted.occupancy)
    assert found.units == wanted.units and found.bin_size_m == wanted.bin_size_m
    assert found.kind == wanted.kind and found.centre_m == wanted.centre_m
    directions = [one.path.head_direction_deg for one in (found, wanted)]
    if directions[1] is not None:
        np.testing.assert_array_equal(*directions)
