"""Studies: many videos of many participants, from files to group tables, figures and a project."""
