"""KDPhys-style teaching, reconstructed from the paper's abstract: a 3-D network's attention for a small 2-D one."""
