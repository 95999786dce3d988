"""BLEND, our own student: cells weighed by how they behave, averaged linearly, and only then looked at in time."""
