"""Recordings with references: readers of data sets, checks, cached views, subject-disjoint splits."""
