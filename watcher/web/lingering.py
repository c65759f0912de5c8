"""An answer before the request's body came whole, so that its words arrive.

Whoever closes a connection with unread bytes on it resets it, and a reset may overtake the answer: the
browser would know of no reason (RFC 9112, 9.6). So what still comes is read and thrown away, for a while.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.types import Message, Receive, Send

LINGER_SECONDS = 5.0
END_SECONDS = 0.5  # where the agent is being stopped


def lingering(receive: Receive, send: Send, ended: asyncio.Event) -> tuple[Receive, Send]:
    """Return both as the application is to use them; `ended`: the agent is being stopped."""
    is_read = False

    async def received() -> Message:
        nonlocal is_read
        message = await receive()
        is_read = is_read or not message.get("more_body", False)  # the end of the body, or of the connection
        return message

    async def sent(message: Message) -> None:
        if message["type"] != "http.response.body" or message.get("more_body", False) or is_read:
            await send(message)
            return
        # The browser has it all by now, as its Content-Length says.
        await send({**message, "more_body": True})
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS) as limit:
                hurry = asyncio.ensure_future(_hurry(limit, ended))
                try:
                    while not is_read:
                        await received()
                finally:
                    hurry.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    return received, sent


async def _hurry(limit: asyncio.Timeout, ended: asyncio.Event) -> None:
    await ended.wait()
    soon = asyncio.get_running_loop().time() + END_SECONDS
    if not limit.expired():
        limit.reschedule(min(soon, limit.when() or soon))
