"""Independent random streams from one seed."""

from hashlib import sha256


def seed_for(seed: int, purpose: str) -> int:
    """Return a 63-bit seed for one purpose ("weights", "order", "augment", "split" ...).

    Streams of different purposes are independent, so drawing one more number for augmentation
    leaves the data order and the initial weights as they were.
    """
    digest = sha256(f"{seed}:{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
