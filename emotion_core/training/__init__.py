"""Training of emotion networks: data sets, augmentation, loop, figures, export."""
