"""Face detection: detectors, multi-scale search, tiling, and non-maximum suppression."""
