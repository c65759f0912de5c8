"""Pure: reads what a JWT (RFC 7519) says, without verifying it: for showing, not for trusting."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping


def claims(token: str) -> dict[str, object] | None:
    """Return the claims of a token, or None where it is no JWT: an opaque token is as good."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    body = parts[1]
    try:
        found = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def roles(found: Mapping[str, object]) -> dict[str, list[str]]:
    """Return Keycloak's roles by where they come from: `realm`, or `client NAME`; those with none are out.

    Source: Keycloak's default client scope `roles` (claims `realm_access` and `resource_access`).
    """
    places = {"realm": found.get("realm_access")}
    clients = found.get("resource_access")
    for name, access in clients.items() if isinstance(clients, dict) else ():
        places[f"client {name}"] = access
    named = {}
    for place, access in places.items():
        listed = access.get("roles") if isinstance(access, dict) else None
        if isinstance(listed, list) and listed:
            named[place] = [str(role) for role in listed]
    return named
