"""What both trainings share: run folders, checkpoints, optimisers, and distributed set-up."""
