"""Synthetic subjects: face videos and traces of people whose pulse and breathing are known exactly."""

from perfuse.synth.subject import Settings, Subject, Truth, subject

__all__ = ["Settings", "Subject", "Truth", "subject"]
