"""What stands in the place of a value that is wrong, so that all that does not ask for it can be checked.

A check that needs the value would either break on it, or call something else wrong because of it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")


class Unknown(Exception):
    """A check asked for a value that is wrong, and so can tell nothing."""


class Wrong:
    """A value that is wrong: it is there (`is None` says so), and whatever else is asked of it is unknown."""

    def _unknown(self, *_: object) -> NoReturn:
        raise Unknown

    __bool__ = __eq__ = __ne__ = __hash__ = _unknown
    __lt__ = __le__ = __gt__ = __ge__ = _unknown
    __iter__ = __len__ = __contains__ = __getitem__ = __truediv__ = __mod__ = __add__ = _unknown
    __str__ = __format__ = __fspath__ = __getattr__ = _unknown


WRONG: Any = Wrong()


def where_known(check: Callable[[T], T]) -> Callable[[T], T]:
    """Make a check across the keys of a model pass where it needs one that is wrong: that is told anyway."""

    @functools.wraps(check)
    def made(model: T) -> T:
        if model is WRONG:
            return model
        try:
            return check(model)
        except (Unknown, TypeError):  # the latter from functions that want the value's own type
            if not any(value is WRONG for value in vars(model).values()):
                raise
            return model

    return made


def asked(get: Callable[[], T]) -> T | None:
    """Return what `get` does; None where it is wrong, or cannot be known for what is wrong."""
    try:
        found = get()
    except Unknown:
        return None
    return None if found is WRONG else found
