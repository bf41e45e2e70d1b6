"""How many readers ask a shop at once: as many as make it answer more in the same time, fewer when it is in trouble.

It is told of answers and decides; it knows no threads and no clock.
"""

import math

# Twice the readers are worth keeping if the shop then answers this much more in the same time. On a shop with one PHP process
# they only make each answer wait longer.
WORTH = 1.15
# After so many answers, what was found of no use is tried again; each time in vain, the next comes later.
AGAIN = 50
AGAIN_AT_MOST = 800
# After trouble, so many good answers let one more reader ask: a shop that breaks one answer in ten would else be left to a single one for ever.
RECOVERED = 5
# After it asked for fewer requests, so many: who counts them locks out those that come back at once.
RECOVERED_FROM_LIMIT = 25
# What the latest of a series of times counts in their mean.
LATEST = 0.2


class Pace:
    """Times are seconds of any clock that only goes forward.

    `readers` is how many may ask at once now, between 1 and `limit`; nobody ought to ask before `quiet_until`.
    """

    def __init__(self, limit: int):
        self.limit = max(limit, 1)
        self.readers = 1
        self.quiet_until = 0.0
        # Not above this for now; and after how many more answers it is forgotten.
        self._ceiling = self.limit
        self._patience = self._left = AGAIN
        # While not at the limit after trouble: good answers until one more reader may ask.
        self._recovery = 0
        # Seconds of answers that were given to as many readers as there are now.
        self._times: list[float] = []
        # Fewer readers that were left for more: (how many, answers a second).
        self._below: list[tuple[int, float]] = []
        # Means of how long it takes until an answer is there to be used, and of how long it is used.
        self._getting = self._using = 0.0
        self._slowed_at = float("-inf")

    def begin(self) -> None:
        """Another kind of object is asked for, and takes another time: begin to learn with one reader. A ceiling stays."""
        self.readers = 1
        self._times.clear()
        self._below.clear()
        self._getting = self._using = 0.0

    @property
    def ahead(self) -> int:
        """How many questions are asked ahead: of several readers one may decode what it has, and the shop need not wait for it.

        No more than it takes to have the next answer in time (Little's law): what waits to be used goes with a process that is killed.
        """
        most = self.readers + (self.readers > 1)
        return min(most, max(math.ceil(self._getting / self._using), 1)) if self._getting and self._using else most

    def got(self, seconds: float) -> None:
        """From the question until the answer was ready to be used it took so long."""
        self._getting = _mean(self._getting, seconds)

    def used(self, seconds: float) -> None:
        """Whoever uses the answers took so long for one."""
        self._using = _mean(self._using, seconds)

    @property
    def rate(self) -> float:
        """Answers a second, as far as measured with so many readers; 0 if not yet."""
        return self.readers * len(self._times) / max(sum(self._times), 1e-9) if self._times else 0.0

    def answered(self, seconds: float, beside: int) -> None:
        """A good answer took so long; so many requests, this one included, were under way."""
        if beside >= self.readers:
            self._times.append(seconds)
            del self._times[: -4 * self.readers]
        self._left -= 1
        if self._left <= 0:
            self._ceiling = self._ceiling + 1 if self._recovery else self.limit
            self._recovery = self._recovery if self._ceiling < self.limit else 0
            self._left = self._recovery or self._patience
        if len(self._times) >= 2 * self.readers and not self._is_worth_it():
            self._patience = min(2 * self._patience, AGAIN_AT_MOST)
            self._step_down(self._below[-1][0])

    def waited(self) -> None:
        """Whoever saves the answers has to wait for one: more readers, if they bring more."""
        if self.readers < self._ceiling and len(self._times) >= self.readers and self._is_worth_it():
            self._below.append((self.readers, self.rate))
            self.readers = min(2 * self.readers, self._ceiling)
            self._times.clear()

    def slowed(self, at: float, began: float, quiet: float = 0.0, *, has_limit: bool = False) -> None:
        """The shop could not answer a request that `began` then, or (`has_limit`) asked for fewer: half of the readers from now on.

        Those that were under way together tell of one trouble and count once. `quiet`: seconds it wants to be left alone.
        """
        self.quiet_until = max(self.quiet_until, at + quiet)
        if began > self._slowed_at:
            self._slowed_at = at
            self._step_down(max(self.readers // 2, 1))
            if self.readers < self.limit:
                self._recovery = self._left = RECOVERED_FROM_LIMIT if has_limit else RECOVERED

    def _is_worth_it(self) -> bool:
        return not self._below or self.rate >= WORTH * self._below[-1][1]

    def _step_down(self, readers: int) -> None:
        self.readers = self._ceiling = readers
        self._recovery, self._left = 0, self._patience
        self._times.clear()
        while self._below and self._below[-1][0] >= readers:
            self._below.pop()


def _mean(before: float, latest: float) -> float:
    return before + LATEST * (latest - before) if before else latest
