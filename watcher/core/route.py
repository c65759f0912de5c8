"""Pure: file name to route. First match wins; the case of names is ignored, as on Windows."""

from __future__ import annotations

import fnmatch
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import product

from watcher.core.errors import TooSlow
from watcher.core.expressions import Expression, Match, expression
from watcher.core.model import Route
from watcher.core.names import folded, inner_name, is_zip, unstamped


@lru_cache(1024)
def compiled_glob(pattern: str) -> re.Pattern[str]:
    """Compile a glob (`*`, `?`, `[abc]`) for whole names; case and Unicode composition are ignored."""
    return re.compile(fnmatch.translate(folded(pattern)), re.IGNORECASE)


def compiled_regex(pattern: str) -> Expression:
    """Compile a regular expression for whole names, case ignored. Raises ValueError."""
    return expression(unicodedata.normalize("NFC", pattern), ignore_case=True, dot_all=True)


def matching_route(name: str, routes: Sequence[Route]) -> Route | None:
    """Return the first route that matches the file name, its `acd_type` filled in from the name.

    Of a compressed file the name of what is in it counts as well: `a.csv.gz` is matched by `*.csv`. A name
    that is matched by none is taken without our own stamp, which a file gets on its way back into the drop
    folder where its name is taken: `a.20261123T192439Z.csv` is matched by `a.csv`.
    Raises `TooSlow`.
    """
    bare = unstamped(name)
    if found := _first_match(name, routes):
        candidate, acd_type = found
        if acd_type is not None and bare != name and (without := _first_match(bare, [candidate])):
            acd_type = without[1]  # the stamp is no part of it
    elif bare != name and (found := _first_match(bare, routes)):
        candidate, acd_type = found
    else:
        return None
    return replace(candidate, acd_type=acd_type) if acd_type else candidate


def _first_match(name: str, routes: Sequence[Route]) -> tuple[Route, str | None] | None:
    names = list(dict.fromkeys((name, inner_name(name))))
    for candidate in routes:
        for pattern, each in product(candidate.patterns, names):
            try:
                match = _matched(pattern, each)
            except TooSlow as slow:  # it may be of this route, or of any behind it
                raise TooSlow(slow.expression, candidate.name) from None
            if match:
                acd_type = match.groupdict().get("acd_type")
                if acd_type and not acd_type.isprintable():
                    continue  # bytes that are not UTF-8, say: no ACD has such a name
                return candidate, acd_type or None
    return None


def _matched(pattern: re.Pattern[str] | Expression, name: str) -> Match | None:
    # As it is written first, so that a group keeps the case that the API compares. The patterns ignore case,
    # which is all there is to fold in ASCII: of 100,000 waiting files that is half the time of a look.
    if name.isascii():
        return pattern.fullmatch(name)
    return pattern.fullmatch(unicodedata.normalize("NFC", name)) or pattern.fullmatch(folded(name))


def marker_of(name: str, wanted: Route) -> str | None:
    """Return the name of the marker file that says that `name` is whole, or None: none is asked for."""
    if wanted.marker is None:
        return None
    if "{name}" in wanted.marker:
        return wanted.marker.replace("{name}", name)
    return wanted.marker.replace("{stem}", name.rpartition(".")[0] or name)


def _between(before: str, name: str, after: str) -> str | None:
    """Return what stands between these in a name, their case and composition ignored; None: they do not."""
    if not name.isascii():
        name, before, after = (unicodedata.normalize("NFC", text) for text in (name, before, after))
    owned = name[len(before) : len(name) - len(after)]
    return owned if owned and folded(name) == folded(before + owned + after) else None


def markers_by_name(names: Iterable[str], routes: Sequence[Route]) -> Mapping[str, Sequence[str]]:
    """Return the names in a folder by how they compare, where any route has markers to look for."""
    found: dict[str, list[str]] = {}
    if any(route.marker is not None for route in routes):
        for name in names:
            found.setdefault(folded(name), []).append(name)
    return found


def marker_for(
    name: str, wanted: Route, lying: Mapping[str, Sequence[str]], routes: Sequence[Route]
) -> str | None:
    """Return the marker file of `name` among those `lying` there (`markers_by_name`), or None.

    Its name is compared as routes compare names. Where two files differ in nothing but that, each has the
    one that is written as it is: a marker must never vouch for another file. What is a file of one of the
    `routes` itself is no marker, as `is_marker` has it: it has to be sent.
    """
    marker = marker_of(name, wanted)
    if marker is None:
        return None
    like = lying.get(folded(marker), ())
    found = marker if marker in like else None
    if found is None and like and len(lying.get(folded(name), ())) <= 1:
        found = like[0]
    return None if found is None or _is_data(found, wanted, routes) else found


def _is_data(marker: str, wanted: Route, routes: Sequence[Route]) -> bool:
    if wanted.marker is None or "{stem}" not in wanted.marker:
        return False
    try:
        return matching_route(marker, routes) is not None
    except TooSlow:
        return True


def is_marker(name: str, routes: Sequence[Route]) -> bool:
    """Say whether `name` is a marker file: of a file that is there, or of one to come. Raises `TooSlow`."""
    for wanted in routes:
        if wanted.marker is None:
            continue
        whole_name = "{name}" in wanted.marker
        before, _, after = wanted.marker.partition("{name}" if whole_name else "{stem}")
        owned = _between(before, name, after)
        if owned is None:
            continue
        owner = matching_route(owned, routes) if whole_name else None
        if whole_name and owner is None and is_zip(owned):
            return True  # of a zip that is routed by what is in it
        # Of a {stem} marker the file's extension is not known: it is one unless it is data itself.
        if (owner is not None and owner.name == wanted.name) or (
            not whole_name and matching_route(name, routes) is None
        ):
            return True
    return False


def markers_among(names: Sequence[str], routes: Sequence[Route]) -> set[str]:
    """Return those of the names in a folder that are markers by the routes' settings: of a file beside them,
    whatever its route, for its name may have a stamp; or of one that is not there."""
    lying = markers_by_name(names, routes)
    if not lying:
        return set()
    found = {
        marker for name in names for wanted in routes if (marker := marker_for(name, wanted, lying, routes))
    }
    return found | {name for name in names if name not in found and _is_marker_surely(name, routes)}


def _is_marker_surely(name: str, routes: Sequence[Route]) -> bool:
    try:
        return is_marker(name, routes)
    except TooSlow:
        return False
