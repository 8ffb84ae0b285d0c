"""The mail server of `smtp.mjs`, as a test holds it."""

from __future__ import annotations

import email
import email.policy
from base64 import b64decode
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Literal

from tests.peers.authority import Authority
from tests.peers.node import Simulator, Trouble

Stage = Literal["connect", "auth", "mail", "rcpt", "data"]
Mode = Literal["none", "starttls", "implicit"]


@dataclass(frozen=True)
class Mail:
    """One message whose data came whole, whether or not it was then taken."""

    session: str
    """The same for all that came over one connection."""
    sender: str
    recipients: tuple[str, ...]
    """Those that were accepted."""
    user: str | None
    secure: bool
    raw: bytes
    """What stood between DATA and the final dot, unstuffed."""
    status: int | None
    """None when it was never answered."""
    reason: str

    @property
    def message(self) -> EmailMessage:
        """`raw`, parsed."""
        return email.message_from_bytes(self.raw, EmailMessage, policy=email.policy.default)


def reply(status: int, reason: str, at: Stage, to: str = "") -> Trouble:
    """Answer a command with this; 421 closes the connection too. `reason` begins with the enhanced code: "5.1.1 No such
    user". `to`: only for this address, at "mail" the sender's and at "rcpt" the recipient's."""
    return {**_trouble("answer", at, to), "status": status, "reason": reason}


def well(at: Stage, to: str = "") -> Trouble:
    """Nothing befalls this one: it is answered as if nothing were scripted."""
    return _trouble("well", at, to)


def cut(at: Stage, to: str = "") -> Trouble:
    """Reset the connection; at "data" when the message has begun to come."""
    return _trouble("cut", at, to)


def hang(at: Stage, to: str = "") -> Trouble:
    """Never answer; the connection stays open."""
    return _trouble("hang", at, to)


class MailServer(Simulator):
    """Takes mail for anyone, over `mode` of TLS. With `login`, (user, password), only after AUTH, and under "starttls"
    only after STARTTLS as well. After `async with`: `host`, `port`, and `ca_file` to trust it by."""

    SCRIPT = "smtp.mjs"
    host = "localhost"

    def __init__(self, mode: Mode = "none", *, login: tuple[str, str] | None = None, size: int = 1_000_000) -> None:
        super().__init__()
        self._mode = mode
        self._login = login
        self._size = size

    def _config(self, folder: Path) -> dict[str, Any]:
        authority = Authority(folder, "authority")
        self.ca_file = authority.file
        user, password = self._login or (None, None)
        return {"tls": authority.server(), "mode": self._mode, "user": user, "password": password, "size": self._size}

    def _started(self, ready: dict[str, Any]) -> None:
        self.port: int = ready["port"]

    async def mails(self, at_least: int = 0) -> list[Mail]:
        """All mails in the order in which they came, as soon as there are so many."""
        return [_mail(**record) for record in await self._records(at_least)]


def _mail(raw: str, recipients: list[str], **record: Any) -> Mail:
    return Mail(raw=b64decode(raw), recipients=tuple(recipients), **record)


def _trouble(kind: str, at: Stage, to: str) -> dict[str, object]:
    return {"kind": kind, "at": at, **({"to": to} if to else {})}
