"""Measured claims: ``python -m benchmarks.<name> [--quick] [--json FILE]``."""
