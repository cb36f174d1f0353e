"""Evaluation: metrics, calibration, bootstrap intervals, plots, and reports."""
