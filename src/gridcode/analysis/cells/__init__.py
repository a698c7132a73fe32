"""From activity along a path to what each cell is: maps, scores, lattices, p-values, cell types.

- `ratemaps`, `binning`: rate maps from samples, from a path with activity or spikes.
- `autocorrelogram`, `lattice`, `gridness`: at which lags does a map repeat, on which lattice, and
  how regularly?
- `definitions`: the grid scores of other tools, to compare with published numbers.
- `fields`, `information`: how many firing fields, and how much does activity depend on place?
- `phases`, `spectrum`: where on its module's lattice does a cell fire, and which waves make it?
- `nulls`, `significance`: would maps without a lattice score as high?
- `direction`, `speed`, `border`: is it tuned to head direction, running speed or walls?
- `shift_tests`: circular shifts of activity against behaviour, all at once.
- `celltypes`: one name for each cell, with the evidence.
"""
