"""Folders described by a ``perfuse.yaml``: the description, the files that it names, and what is read from them."""
