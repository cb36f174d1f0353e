"""Faces over time: tracks, smoothing, interpolation, and redaction."""
