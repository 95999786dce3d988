"""Pipeline: from a source to a measurement, as a file (:func:`measure`) or as a stream (:class:`Session`)."""

from perfuse.pipeline.measure import describe, measure
from perfuse.pipeline.session import Session

__all__ = ["Session", "describe", "measure"]
