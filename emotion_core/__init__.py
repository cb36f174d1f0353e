"""Emoscope's core: emotions, valence and arousal from faces, without any user interface."""
