"""One cell, from its data to its figures: the spine and what it is made of."""
