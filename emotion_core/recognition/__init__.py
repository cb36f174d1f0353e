"""Faces: alignment, emotion classification, and embeddings."""
