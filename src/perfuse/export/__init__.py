"""What leaves training: a network with its normalisation in the graph, its card, and its weights."""
