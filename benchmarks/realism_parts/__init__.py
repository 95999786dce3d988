"""Parts of ``benchmarks/realism.py``."""
