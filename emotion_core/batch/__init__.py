"""Bulk analysis on Ray Data: folders and lists in, Parquet tables out."""
