"""Radar: what records a chest, what a recording of it is, and its way from chirps to movement."""
