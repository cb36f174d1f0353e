"""Emoscope's pages in the browser. Values in, widgets out; the work is done by ``emotion_core``."""
