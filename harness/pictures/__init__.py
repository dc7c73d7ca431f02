"""Images in, PNG or WebP out: galleries, sheets of errors, and what a classifier looks at."""
