"""Position: where was the animal, as read from its cells?

- `windows`: a recording cut into short windows and folds.
- `places`: what is decoded: bins of the arena, or phases in a module's unit cell.
- `readout`: the most probable place in each window, learnt from the other folds.
- `decoding`: the error against chance.
"""
