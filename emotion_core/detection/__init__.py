"""Where faces are: detectors, multi-scale search, tiling, and non-maximum suppression."""
