"""Learning-rate schedules, one file each, found by file name."""
