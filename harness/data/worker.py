"""A process of `harness.data.parallel`: a function and its arguments in, its answers out."""

import pickle
import signal
import sys


def main() -> None:
    """Answer one request from stdin on stdout."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent alone answers it
    function, arguments = pickle.load(sys.stdin.buffer)
    sys.stdout.buffer.write(pickle.dumps([function(argument) for argument in arguments]))


if __name__ == "__main__":
    main()
