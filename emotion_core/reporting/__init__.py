"""Altair charts, HTML reports, and folders of results."""
