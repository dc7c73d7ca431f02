"""Searches: a matrix with ranges becomes trials, and one winner. Optuna lives here and nowhere else.

`study.run_tuning` is the order of events; `search` runs the trials, `confirm` the best few again,
`trials` is what Optuna's storage holds.
"""
