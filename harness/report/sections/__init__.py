"""The sections of the report: a file each, made of blocks."""
