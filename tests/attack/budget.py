"""How long an attack lasts, and the seed that repeats it."""

import functools
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

SHORT_SEED = 14


@dataclass(frozen=True)
class Budget:
    """The minutes of all kinds of attack together, and the seed.

    Attributes:
        minutes: 0: the short form, a fixed number of attempts of each kind.
        seed: Decides, with the kind and the number of an attempt, all that the attempt does.
    """

    minutes: float
    seed: int

    def attempts(self, kind: str, share: float, short: int) -> Iterator[tuple[int, Random]]:
        """Numbered attempts, each with random numbers of its own.

        Args:
            kind: The kind of attack.
            share: Its share of the minutes.
            short: Its number of attempts in the short form.
        """
        end = time.monotonic() + 60 * self.minutes * share
        number = 0
        while number < short if not self.minutes else time.monotonic() < end:
            yield number, Random(f"{self.seed} {kind} {number}")
            number += 1


@functools.cache
def budget() -> Budget:
    """What the environment asks for: ``ATTACK_MINUTES`` and ``ATTACK_SEED``."""
    minutes = float(os.environ.get("ATTACK_MINUTES") or 0)
    seed = os.environ.get("ATTACK_SEED")
    if seed:
        return Budget(minutes, int(seed))
    return Budget(minutes, Random().randrange(10**6) if minutes else SHORT_SEED)
