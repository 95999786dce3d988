"""Networks that others trained on real faces, in plain torch, for reading what the simulator makes.

Inference only, written from the published descriptions and the names and shapes in the checkpoints; no weights are
part of the project. ``load`` finds them beside the real recordings.
"""
