"""Coding: what is the population code good for?

- `codes`: functions from places to population vectors.
- `capacity`: how many places are distinguished under noise, and by how many modules?
- `capacity_scaling`: does capacity grow exponentially, as a power, or no longer?
- `geometry`: how far apart, alike, long and high-dimensional are states?
- `update_operators`: is a displacement one linear operator, and do phases add?
- `decoding_error`: how often is a noisy state decoded far off?
- `properties`: all of this in one record.
"""
