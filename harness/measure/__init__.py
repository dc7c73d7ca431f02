"""How good a classifier's scores are, as numbers, tables and pictures."""
