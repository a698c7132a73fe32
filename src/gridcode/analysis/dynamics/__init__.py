"""Dynamics: is the system a continuous attractor, and by which weights?

- `manifold`: where are the states, and what does one step do along and across their manifold?
- `perturbation`: are perturbations on the manifold kept, and those off it lost?
- `fixedpoints`: where do states go at velocity zero?
- `lyapunov`: how fast do small deviations grow or fade along walks?
- `attractor`: all of this in one record.
- `connectivity`: do weights depend on phase difference, and does their profile move?
- `generators`: do moves commute, and is W(v) the exponential of generators?
- `mechanism`: spectra and blocks of the weights, with the two before.
"""
