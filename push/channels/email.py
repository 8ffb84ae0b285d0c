"""E-mail by SMTP: a plain text and the same as HTML, with a one-click unsubscription (RFC 8058).

Nothing hides a second letter. So each step is taken by itself: until the letter is handed over, a failure means that it
surely was not sent; after that only a refusal does, and anything else means that nobody can know.
"""

from __future__ import annotations

import asyncio
import contextlib
import html
import re
import ssl
from collections.abc import Callable
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as WIRE
from email.utils import format_datetime, parseaddr
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

import aiosmtplib
from aiosmtplib import SMTP, SMTPException, SMTPResponseException

from core.delivery.outcome import Delivered, Outcome, Rejected, Retry, TokenDead, Unknown
from core.member_devices import DeviceChannel
from push.channels.contract import Message
from push.channels.http import CREDENTIALS_PAUSE

SECONDS = 10.0
"""How long a server may be silent. Until the letter is handed over it takes no more than twice as long, nor after."""
FAREWELL_SECONDS = 2.0
_GO_ON = 354
_ENHANCED = re.compile(r"\A(\d\.\d{1,3}\.\d{1,3})\b")
_GONE = ("5.1.1", "5.1.6", "5.1.10")
"""RFC 3463, RFC 7505: no such box, moved, a domain that takes no mail. A box of 5.2.1 exists (Gmail says so of one that
gets too much just now), and a domain that a relay does not find (5.1.2) may be the relay's fault."""
_LEADING_DOT = re.compile(rb"(?m)^\.")
_NO_TLS = "login: the server offers no TLS for the password in CHORUS_SMTP_URL: it needs STARTTLS, or smtps://"
# Seven bits, for not every server takes eight.
_POLICY = WIRE.clone(cte_type="7bit")


class Email:
    """`unsubscribe` gives the address of a page that ends the letters to a device; `brand` is the sender's name in a
    language."""

    name: DeviceChannel = "email"
    hides_repeats = False
    at_once = 8

    def __init__(
        self,
        url: str,
        sender: str,
        unsubscribe: Callable[[int], str],
        brand: Callable[[str], str],
        *,
        context: ssl.SSLContext | None = None,
        seconds: float = SECONDS,
    ) -> None:
        parts = urlsplit(url)
        self._host, self._tls = parts.hostname or "", parts.scheme == "smtps"
        self._port = parts.port or (465 if self._tls else 587)
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._sender, self._unsubscribe, self._brand = sender, unsubscribe, brand
        self._context, self._seconds = context or ssl.create_default_context(), seconds

    async def send(self, message: Message) -> Outcome:
        try:
            to = _written(message.device.token)
            letter = self._letter(message, to)
        except (ValueError, LookupError, MessageError) as error:
            return Rejected(f"no letter can be written to this address: {error}")
        client = SMTP(
            hostname=self._host,
            port=self._port,
            use_tls=self._tls,
            start_tls=None,
            tls_context=self._context,
            timeout=self._seconds,
        )
        try:
            if (failed := await self._up_to_data(client, to)) is not None:
                return failed
            return await self._handed_over(client, letter)
        finally:
            await _bye(client)

    async def close(self) -> None:
        """A connection lasts for one letter."""

    async def _up_to_data(self, client: SMTP, to: str) -> Outcome | None:
        """None when the server is ready for the letter. No password goes to another machine in plain text: whoever stands
        between can leave STARTTLS out of what the server offers."""
        stage = "greeting"
        try:
            async with asyncio.timeout(2 * self._seconds):
                await client.connect()
                if self._user:
                    stage = "login"
                    if client.get_transport_info("sslcontext") is None and not _is_here(self._host):
                        return Retry(_NO_TLS, CREDENTIALS_PAUSE)
                    await client.login(self._user, self._password)
                stage = "sender"
                await client.mail(parseaddr(self._sender)[1])
                stage = "recipient"
                await client.rcpt(to)
                stage = "letter"
                code, said = await client.execute_command(b"DATA")
                if code != _GO_ON:
                    return _refused(code, said)
        except SMTPResponseException as error:
            if stage in ("recipient", "letter"):
                return _refused(error.code, error.message, recipient=stage == "recipient")
            # It is us whom the server does not want, not this letter.
            ours = error.code >= 500 or isinstance(error, aiosmtplib.SMTPAuthenticationError)
            return Retry(f"{stage}: {error.code} {error.message}", CREDENTIALS_PAUSE if ours else None)
        except (SMTPException, OSError, ValueError, RuntimeError) as error:
            return Retry(f"{stage}: {type(error).__name__} {error}".strip())
        return None

    async def _handed_over(self, client: SMTP, letter: bytes) -> Outcome:
        """What the server says after the final dot. The library's own `data` tells that and a refusal of DATA alike."""
        if (protocol := client.protocol) is None or not protocol.is_connected:
            return Retry("letter: the connection was lost")
        protocol.write(_LEADING_DOT.sub(b"..", letter) + b".\r\n")
        try:
            async with asyncio.timeout(2 * self._seconds):
                code, said = await protocol.read_response(timeout=self._seconds)
        except (SMTPException, OSError) as error:
            client.close()
            return Unknown(f"{type(error).__name__}: {error}")
        if 200 <= code < 300:
            return Delivered(f"{code} {said}")
        return _refused(code, said) if 400 <= code < 600 else Unknown(f"{code} {said}")

    def _letter(self, message: Message, to: str) -> bytes:
        brand, end = self._brand(message.device.locale), self._unsubscribe(message.device.id)
        name, address = parseaddr(self._sender)
        letter = EmailMessage(policy=_POLICY)
        letter["Subject"] = " ".join(message.title.split())
        letter["From"] = f'"{_plain(name or brand)}" <{address}>'
        letter["To"] = Address(addr_spec=to)
        letter["Date"] = format_datetime(message.sent_at)
        letter["Message-ID"] = f"<{message.reference}@{address.rpartition('@')[2] or 'chorus'}>"
        letter["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        letter["Auto-Submitted"] = "auto-generated"
        letter.set_content(f"{message.title}\n\n{message.body}\n\n{message.url}\n\n-- \n{brand}\n{end}\n")
        letter.add_alternative(_page(message, brand, end), subtype="html")
        letter["Content-Language"] = message.device.locale
        # Written by hand: the library would fold a long address into an encoded word, which no program follows.
        return f"List-Unsubscribe: <{end}>\r\n".encode("ascii") + letter.as_bytes()


def _written(address: str) -> str:
    """`address` as SMTP takes it. Raises `ValueError`."""
    local, _, domain = address.rpartition("@")
    if not local.isascii() or not domain:
        raise ValueError("its local part is outside ASCII")
    return f"{local}@{domain if domain.isascii() else domain.encode('idna').decode()}"


def _refused(code: int, said: str, *, recipient: bool = False) -> Outcome:
    """What a refusal of the recipient or of the letter means. Only a box of which the server says that it is none is
    forgotten: a reply code alone (550, 553) also refuses a sender on somebody's list, and whoever may not relay."""
    told = f"{code} {said}"
    if not 500 <= code < 600:
        return Retry(told)
    enhanced = _ENHANCED.match(said)
    gone = recipient and enhanced is not None and enhanced[1] in _GONE
    return TokenDead(told) if gone else Rejected(told)


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _bye(client: SMTP) -> None:
    if client.is_connected:
        with contextlib.suppress(SMTPException, OSError):
            await client.quit(timeout=FAREWELL_SECONDS)
    client.close()


def _plain(name: str) -> str:
    return "".join(c for c in name if c.isprintable() and c not in '"\\')


def _page(message: Message, brand: str, end: str) -> str:
    """Light and dark by the reader's own colours; nothing is fetched from anywhere."""
    title, body, url, brand, end = (
        html.escape(text) for text in (message.title, message.body, message.url, brand, end)
    )
    return (
        f'<!doctype html><html lang="{message.device.locale}"><head><meta charset="utf-8">'
        '<meta name="color-scheme" content="light dark"><title>' + title + "</title></head>"
        '<body style="margin:0;padding:32px 16px;font:16px/1.5 system-ui,sans-serif">'
        '<div style="max-width:480px;margin:0 auto">'
        f'<p style="font-weight:700;margin:0 0 24px">{brand}</p>'
        f'<h1 style="font-size:22px;line-height:1.25;margin:0 0 8px">{title}</h1><p style="margin:0 0 24px">{body}</p>'
        f'<p style="margin:0 0 32px"><a href="{url}" style="color:inherit;font-weight:600">{url}</a></p>'
        f'<p style="font-size:13px;opacity:.7;margin:0"><a href="{end}" style="color:inherit">{end}</a></p>'
        "</div></body></html>"
    )
