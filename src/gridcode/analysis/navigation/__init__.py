"""Navigation: how well do states tell places apart, and for how long do they know the place?

- `neural_distance`: how does the distance of states grow with that of their places?
- `reference`: which population vector belongs to which place?
- `decoding`: how far is the decoded position from the true one after many steps?
- `invariance`: how much do states at one place differ by the path taken to it?
- `out_of_distribution`: does this hold in larger arenas and on other walks?
- `robustness`: what do noise, lesions and wrong velocities cost?
"""
