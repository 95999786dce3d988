"""Who is in the picture, where, and which of it is skin."""

from perfuse.face.adapt import adapt_detector
from perfuse.face.detector import BlazeFace, Detection, Detector
from perfuse.face.regions import region_weights, skin_likelihood
from perfuse.face.search import search
from perfuse.face.track import TrackedFace
from perfuse.face.tracker import TrackedFrame, Tracker

__all__ = [
    "BlazeFace",
    "Detection",
    "Detector",
    "TrackedFace",
    "TrackedFrame",
    "Tracker",
    "adapt_detector",
    "region_weights",
    "search",
    "skin_likelihood",
]
