"""Photos: the pipeline from files to analyses, and their tables."""
