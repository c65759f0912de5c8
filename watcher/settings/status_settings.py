"""The settings of the status page: where it listens, and who may look."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from watcher.settings.setting_types import Model, Secret, Size
from watcher.settings.wrong import where_known

_WORDS = "must be an address and a port such as 127.0.0.1:8787 or '[::1]:8787'"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    host: str  # localhost or an IP address, without brackets
    port: int  # 0: any free one

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback

    @property
    def url(self) -> str:
        """For people."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}/"


def address(value: str) -> Address:
    """Return the address that `HOST:PORT` stands for; raises ValueError with the remedy."""
    match = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^\[\]:]+)):([0-9]{1,5})", value)
    if match is None or int(match[3]) > 65535:
        raise ValueError(_WORDS)
    host = match[1] or match[2]
    if host != "localhost":
        try:
            ipaddress.ip_address(host)
        except ValueError:
            raise ValueError(f"{_WORDS}; 0.0.0.0 stands for all addresses of this machine") from None
    return Address(host, int(match[3]))


def _listen(value: str) -> str:
    address(value)
    return value


LONGEST_TITLE = 60  # characters: it stands before the subject of a mail


def _title(value: str) -> str:
    if not value.strip() or not value.isprintable() or len(value) > LONGEST_TITLE:
        raise ValueError(f"must be a name on one line, of at most {LONGEST_TITLE} characters")
    return value.strip()


Action = Literal["retry", "withdraw", "upload"]


class Status(Model):
    """The status page; it is off where the settings have no `status`."""

    listen: Annotated[str, AfterValidator(_listen)] = "127.0.0.1:8787"
    title: Annotated[str, AfterValidator(_title)] | None = None
    password: Secret | None = None
    token: Secret | None = None
    actions: tuple[Action, ...] = ()  # what may be done on it; nothing by default
    upload_limit: Annotated[Size, Field(gt=0)] = 100_000_000  # bytes of a file that is dropped onto it

    @property
    def address(self) -> Address:
        """`listen`, in its parts."""
        return address(self.listen)

    @model_validator(mode="after")
    @where_known
    def _closed_to_others(self) -> Self:
        if not self.address.is_loopback and self.password is None and self.token is None:
            raise ValueError(
                f"others can reach {self.listen}, so it needs a password or a token: add status.password or"
                " status.token, or listen on 127.0.0.1"
            )
        return self

    @model_validator(mode="after")
    @where_known
    def _no_acts_of_others(self) -> Self:
        if self.actions and self.password is None and self.token is None:
            raise ValueError(
                "actions let whoever sees the page move files, so it needs a password or a token: add"
                " status.password or status.token"
            )
        return self
