"""Modules: groups of cells that share one lattice, and how modules are related.

- `strain`: how far apart are two lattices, in any bases, and what is the mean of several?
- `lattice_clustering`, `detection`: which cells form modules that chance would not give?
- `commensurability`: are two modules sub-lattices of one another?
- `stability`: do the same cells form the same modules elsewhere?
"""
