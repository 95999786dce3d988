"""What parses the files of data sets: MATLAB, HDF5, tables, XML, pickles, radar packets, pictures and films."""
