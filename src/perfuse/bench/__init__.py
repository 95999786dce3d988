"""Scores: metrics, protocols, the runner over recordings and methods, tables and reports."""
