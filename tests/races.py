"""Races of two that either may win."""


class Lead:
    """How long each of two racers waits before it begins, in seconds, so that either may win on any machine.

    The winner waits longer the next time, by twice as much each time in a row.
    """

    def __init__(self) -> None:
        self._seconds, self._step = 0.0, 0.002

    @property
    def of_first(self) -> float:
        """How long the first waits."""
        return max(0.0, -self._seconds)

    @property
    def of_second(self) -> float:
        """How long the second waits."""
        return max(0.0, self._seconds)

    def adapt(self, *, second_won: bool) -> None:
        """Let the winner wait longer the next time."""
        went_on = (self._step > 0) is second_won
        self._step = 2 * self._step if went_on else (0.002 if second_won else -0.002)
        self._seconds += self._step
