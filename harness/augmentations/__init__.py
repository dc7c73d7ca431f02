"""Augmentations, one file each, found by file name.

Each one draws its parameters (`draw`) apart from applying them (`apply`), so that a test can
apply the same parameters image by image with another library.
"""
