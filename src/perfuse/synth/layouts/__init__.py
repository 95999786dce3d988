"""Folders of recordings: our own layout, and those of public data sets."""
