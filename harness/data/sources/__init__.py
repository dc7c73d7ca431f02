"""Sources: one file each. Found by file name; files that start with _ are shared parts."""
