"""Through a list whose members come and go while it is read, several pages at a time.

A shop counts its pages off: when an object leaves the list, all later ones move up, and whoever asks for the next page never sees those
that moved across its edge. So pages overlap a little. As long as a page begins at or before the highest number that was read, nothing
that was there all the time can have slipped through, in whatever order the shop answered. Else what was read ahead is thrown away
and the walk steps back. `X-WP-Total` alone would not tell: one object that left and one that came leave it as it was.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain

from .client import PER_PAGE, Client, Page
from .errors import TooBig
from .walking import Walk

# Objects that each page has of the one before: fewer than that may leave between two answers before a step back is due.
OVERLAP = 3
# How often a list that is paged by its totals alone may make the walk step back.
PATIENCE = 20
# Objects of a page at least, however big they are: more than overlap.
FEWEST = 5


class Paging:
    """The pages of a list by ascending number, from where the walk is. Whoever iterates moves the walk to each page's `place`."""

    def __init__(self, walk: Walk, endpoint: str, params: dict, prepare: Callable[[list], list] | None = None):
        self.walk, self.endpoint = walk, endpoint
        # What readers do with the rows of a page; None for nothing.
        self.prepare = prepare
        self.params = {"orderby": "id", "order": "asc"} | params
        # What the shop gives at once; less than was asked for if it has a limit of its own.
        self.size = PER_PAGE
        # What is asked for where objects are so big that a whole page is too much.
        self.less: dict[str, int] = {}
        # 0 for a shop that knows no offsets: there only the totals tell.
        self.overlap = OVERLAP
        self.patience = PATIENCE
        self.before: Page | None = None
        # Where the last page that did not fit began.
        self.gap: int | None = None
        self.next = 0
        # The page to name at least when going on from a short page or back from one that did not fit.
        self.least_number = 1
        self.is_end = self.brings_news = False
        # It showed more than it counts.
        self.miscounts = False
        # The last number of the list, where that was asked for.
        self.highest: int | None = None

    @property
    def stride(self) -> int:
        return max(self.size - self.overlap, 1)

    def place(self, page: Page) -> dict:
        """Where the walk is once this page is saved."""
        state = self.walk.state
        position = max([state.position, *page.numbered])
        return {"page": state.page + 1, "offset": self.next, "total": page.total, "position": position}

    def __iter__(self) -> Iterator[Page]:
        walk, state = self.walk, self.walk.state
        while not self.is_end:
            try:
                first = self._ask(walk.client, state.offset, self.least_number)
            except TooBig:
                if self.size <= FEWEST:
                    raise
                self.size = 25 if self.size > 25 else FEWEST
                self.less = {"per_page": self.size}
                continue
            if self.before is None:
                self._learn_size(first)
            ahead = range(first.offset + self.stride, (first.total or 0) - self.overlap, self.stride)
            answers = walk.readers.each(self._ask, () if walk.is_out_of_time else ahead, walk.deadline)
            try:
                for page in chain([first], (page for _offset, page in answers)):
                    walk.dated(page)
                    back_to = self._back_to(page)
                    if back_to is not None:
                        state.offset, state.total = max(back_to, 0), page.total or None
                        break
                    self._look_ahead(page)
                    self.before = page
                    yield page
                    if self.is_end or self.next != page.offset + self.stride:
                        break
                else:
                    if self.brings_news:
                        walk.take_a_break()
            except TooBig:
                # Asked for once more as the first, it gets smaller pages.
                pass
            finally:
                answers.close()

    def _ask(self, client: Client, offset: int, least_number: int = 1) -> Page:
        number = max((offset + self.overlap) // self.size + 1 if offset else 1, least_number)
        # The page is for shops that know no offsets, and shows that they don't.
        more = {"offset": offset} if offset and self.overlap else {}
        page = client.page(self.endpoint, number, **self.params | self.less | more)
        return replace(page, offset=offset, prepared=self.prepare(page.rows) if self.prepare else None)

    def _learn_size(self, page: Page) -> None:
        if page.total and page.pages and page.pages > math.ceil(page.total / self.size):
            self.size = math.ceil(page.total / page.pages)

    def _back_to(self, page: Page) -> int | None:
        """The offset to go back to if objects may have slipped through before this page."""
        before, start = self.before, min(page.numbered, default=None)
        if not page.offset or (start is not None and start <= self.walk.state.position):
            self.gap = None
            return None
        if start is None and before and not self.brings_news:
            # Nothing new, and then nothing: the list ends here, whatever the shop counts.
            return None
        if not self.overlap:
            return page.offset - self.size if before is None or start is None else self._back_by_total(page)
        if start is not None and start == self.gap:
            # The very same from half a page before: offsets do nothing here.
            self.overlap, self.before, self.gap, self.least_number = 0, None, None, 1
            return page.offset // self.size * self.size
        self.gap, self.least_number = start, page.number
        if start is not None and before and len(before.rows) < self.size:
            # That was a short one: something was hidden at its end, or the shop gives less at once than it says.
            self.size = max(len(before.rows), self.overlap + 1)
            return before.offset + len(before.rows) - self.overlap
        return page.offset - max(self.size // 2, 1)

    def _back_by_total(self, page: Page) -> int | None:
        total = self.walk.state.total
        if self.patience and total and page.total and page.total < total:
            self.patience -= 1
            return page.offset - math.ceil((total - page.total) / self.size) * self.size
        return None

    def _look_ahead(self, page: Page) -> None:
        """Where the next page begins, and whether there is one."""
        rows, offset = len(page.rows), page.offset
        self.brings_news = any(number > self.walk.state.position for number in page.numbered)
        self.least_number = 1
        self.miscounts |= page.total is not None and offset + rows > page.total
        if self.miscounts or (page.total is not None and offset + self.size < page.total):
            self.next = offset + self.stride
            # Hidden objects make an empty page, but so does a count that is wrong for ever.
            self.is_end = not self.brings_news and self._is_beyond_the_last()
            return
        self.next = offset + (max(rows - self.overlap, 0) if self.overlap else self.size)
        # Where it counts more than it shows, something is hidden or its pages are shorter than it says; where it shows as many at once as it
        # ever does, its count may be a constant: one more look.
        is_whole = page.is_last if page.total is None else offset + rows == page.total and rows < self.size
        self.is_end = is_whole or (not self.brings_news and (rows < self.size or self._is_beyond_the_last()))
        self.least_number = page.number + 1

    def _is_beyond_the_last(self) -> bool:
        """Whether the list, looked at from its other end, has nothing above what was read. Asked once, unless it has."""
        if self.highest is None or self.highest <= self.walk.state.position:
            end = self.walk.client.page(self.endpoint, **self.params | {"order": "desc", "per_page": 1})
            self.highest = max(end.numbered, default=0)
        return self.highest <= self.walk.state.position
