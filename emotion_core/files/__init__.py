"""Temporary files, and the Ray session that keeps them out of shared folders."""
