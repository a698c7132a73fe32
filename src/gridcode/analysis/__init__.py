"""Every measure, on plain arrays: of networks, other models and recordings.

cells/        does a unit fire on a lattice, beyond what its null maps show?
modules/      which units share a lattice, and are two modules commensurate?
topology/     do the states of a module lie on a torus?
navigation/   neural distance, path invariance, decoded position
dynamics/     is it a continuous attractor, and what do the weights do?
coding/       how many places does the code distinguish, and how well?
position/     where was the animal, as read from its cells?

population.py evaluates rate maps, evaluate.py a system, deep_analysis.py topology, dynamics and
coding together. records/ holds what was found, text.py says it in words.
"""
