"""Topology: which shape do the states of a population make?

- `persistence`: which pieces, loops and voids live long in a cloud of states?
- `betti`: how many of them are real, against shuffled states, and is it a torus?
- `cocycles`: do two loops span a surface together?
- `circular_coordinates`: where on the torus is each state, from the shape alone?
- `embedding`: what do the states look like in three dimensions and along lattice waves?
- `known_shapes`: are known tori found, and no others?
- `state_space`: all of this, for the population and every module.
"""
