"""What people look at: Altair charts, HTML reports, and result folders."""
