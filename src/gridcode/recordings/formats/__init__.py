"""One file a format: what a file holds, as a `Contents` of named arrays.

- `numpy_files`: .npy and .npz, also those of pynapple. `safe_pickle`: objects in them.
- `netcdf`: rate maps of xarray, NetCDF 3 and 4.
- `nwb`: Neurodata Without Borders. `hdf5`: reading HDF5 that is not trusted.
- `matlab`: .mat of the Moser group and CMBHOME, v5 and v7.3.
- `tables`: .csv and .tsv.
- `calcium`: traces of suite2p and CaImAn.
"""
