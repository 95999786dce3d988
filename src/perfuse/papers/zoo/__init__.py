"""Networks that others published, built from the publications: what ours are measured against."""
