"""Where jobs run: an executor a file, found by its name, `local.py` with `LocalExecutor`, imported when asked for."""
