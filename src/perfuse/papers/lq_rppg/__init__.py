"""LQ-rPPG: labels rounded to few bits, learnt from coarse to fine (Lee, Noh, Sung, Myung, arXiv 2605.23174, 2026)."""
