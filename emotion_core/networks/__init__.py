"""Torch modules: emotion networks, their backbones, and face detectors."""
