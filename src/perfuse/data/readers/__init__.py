"""One module per data set, each a table of where things lie plus a small parser; known.py lists them."""
