"""Synthetic subjects: face videos and traces of people whose pulse and breathing are known exactly."""

from perfuse.synth.batch import Batch
from perfuse.synth.settings import Settings
from perfuse.synth.stream import stream
from perfuse.synth.subject import Subject, subject
from perfuse.synth.truth import Truth

__all__ = ["Batch", "Settings", "Subject", "Truth", "stream", "subject"]
