"""The rows of a table by key: which are shown, in what order. Knows nothing of a screen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from screens.widgets.table_columns import Cells, sort_key

Key = TypeVar("Key")


class TableRows(Generic[Key]):
    """Rows, filtered and ordered.

    Args:
        natural: what rows are ordered by where nothing else is; None keeps the order in which they came.
    """

    def __init__(self, natural: Callable[[Key], Any] | None = None) -> None:
        self.cells: dict[Key, Cells] = {}
        self.shown: list[Key] = []
        self.place: dict[Key, int] = {}
        self.sorting: tuple[int, bool] | None = None
        """(place of the column, whether descending)."""
        self._natural = natural
        self._words: tuple[str, ...] = ()

    def replace(self, rows: Mapping[Key, Cells]) -> None:
        """Make these all rows. `arrange` must follow."""
        self.cells = dict(rows)

    def merge(self, changed: Mapping[Key, Cells], gone: Iterable[Key]) -> tuple[list[Key], bool]:
        """Take in changed rows, drop others.

        Returns:
            The rows that are not what they were, the dropped ones among them; and whether `arrange` must follow.
        """
        dirty = [key for key in gone if self.cells.pop(key, None) is not None]
        rearrange = bool(dirty)
        for key, cells in changed.items():
            old = self.cells.get(key)
            if old == cells:
                continue
            rearrange = rearrange or old is None or self._moves(old, cells)
            self.cells[key] = cells
            dirty.append(key)
        return dirty, rearrange

    def narrow(self, text: str) -> bool:
        """Show only rows with every word of the text; returns whether that is something new."""
        words = tuple(text.lower().split())
        changed, self._words = words != self._words, words
        return changed

    def arrange(self) -> None:
        """Filter and order. Equal rows keep their natural order; what is missing comes last either way."""
        keys = [key for key, cells in self.cells.items() if not self._words or self._matches(cells)]
        if self._natural is not None:
            keys.sort(key=self._natural)
        if self.sorting is not None:
            keys = self._sorted(keys, *self.sorting)
        self.shown = keys
        self.place = {key: place for place, key in enumerate(keys)}

    def _sorted(self, keys: Sequence[Key], column: int, descending: bool) -> list[Key]:
        orders = {key: sort_key(self.cells[key][column]) for key in keys}
        present = sorted((key for key in keys if orders[key][0] != 2), key=orders.__getitem__, reverse=descending)
        return present + [key for key in keys if orders[key][0] == 2]

    def _moves(self, old: Cells, new: Cells) -> bool:
        """Whether the change may put the row elsewhere, or show or hide it."""
        if self.sorting is not None and sort_key(old[self.sorting[0]]) != sort_key(new[self.sorting[0]]):
            return True
        return bool(self._words) and self._matches(old) != self._matches(new)

    def _matches(self, cells: Cells) -> bool:
        texts = [cell.text.lower() for cell in cells]
        return all(any(word in text for text in texts) for word in self._words)
