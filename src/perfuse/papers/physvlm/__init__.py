"""PhysVLM-style, reconstructed from the paper's abstract: a language model's sense of rates, taught."""
