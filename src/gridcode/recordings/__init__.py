"""Rate maps and recordings from files of other tools.

- `recording`: `load_recording`, and recordings from arrays of maps, or of a path with activity or
  spikes.
- `checks`: what looks odd in a binned recording.
- `readers`: arrays from .npy, .npz and .nc files that are not trusted.
"""
