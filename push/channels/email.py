"""E-mail by SMTP: a plain text and the same as HTML, with a one-click unsubscription (RFC 8058).

Nothing hides a second letter. So each step is taken by itself: until the letter is handed over, a failure means that it
surely was not sent; a connection lost while it is handed over means that nobody can know.
"""

from __future__ import annotations

import contextlib
import html
from collections.abc import Callable
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from urllib.parse import unquote, urlsplit

import aiosmtplib
from aiosmtplib import SMTP, SMTPException, SMTPResponseException

from core.delivery.outcome import Delivered, Outcome, Rejected, Retry, TokenDead, Unknown
from core.member_devices import DeviceChannel
from push.channels.contract import Message
from push.channels.http import CREDENTIALS_PAUSE

SECONDS = 15
_NO_SUCH_BOX = (550, 551, 553)


class Email:
    """`unsubscribe` gives the address of a page that ends the letters to a device; `brand` is the sender's name in a
    language."""

    name: DeviceChannel = "email"
    hides_repeats = False
    at_once = 8

    def __init__(self, url: str, sender: str, unsubscribe: Callable[[int], str], brand: Callable[[str], str]) -> None:
        parts = urlsplit(url)
        self._host, self._tls = parts.hostname or "", parts.scheme == "smtps"
        self._port = parts.port or (465 if self._tls else 587)
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._sender, self._unsubscribe, self._brand = sender, unsubscribe, brand

    async def send(self, message: Message) -> Outcome:
        letter = self._letter(message)
        client = SMTP(hostname=self._host, port=self._port, use_tls=self._tls, start_tls=None, timeout=SECONDS)
        try:
            if (failed := await self._up_to_data(client, message.device.token)) is not None:
                return failed
            return await _handed_over(client, letter)
        finally:
            await _bye(client)

    async def close(self) -> None:
        """A connection lasts for one letter."""

    async def _up_to_data(self, client: SMTP, to: str) -> Outcome | None:
        try:
            await client.connect()
            if self._user:
                await client.login(self._user, self._password)
            await client.mail(parseaddr(self._sender)[1])
        except aiosmtplib.SMTPAuthenticationError as error:
            return Retry(f"the mail server refuses our name: {_said(error)}", CREDENTIALS_PAUSE)
        except SMTPResponseException as error:
            return Retry(_said(error))
        except (SMTPException, OSError) as error:
            return Retry(f"{type(error).__name__}: {error}")
        try:
            await client.rcpt(to)
        except SMTPResponseException as error:
            if error.code in _NO_SUCH_BOX:
                return TokenDead(_said(error))
            return Retry(_said(error)) if error.code < 500 else Rejected(_said(error))
        except (SMTPException, OSError) as error:
            return Retry(f"{type(error).__name__}: {error}")
        return None

    def _letter(self, message: Message) -> EmailMessage:
        brand, end = self._brand(message.device.locale), self._unsubscribe(message.device.id)
        name, address = parseaddr(self._sender)
        letter = EmailMessage()
        letter["Subject"] = " ".join(message.title.split())
        letter["From"] = f'"{_plain(name or brand)}" <{address}>'
        letter["To"] = message.device.token
        letter["Date"] = format_datetime(message.sent_at)
        letter["Message-ID"] = f"<{message.reference}@{address.rpartition('@')[2] or 'chorus'}>"
        letter["List-Unsubscribe"] = f"<{end}>"
        letter["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        letter["Auto-Submitted"] = "auto-generated"
        letter["Content-Language"] = message.device.locale
        letter.set_content(f"{message.title}\n\n{message.body}\n\n{message.url}\n\n-- \n{brand}\n{end}\n")
        letter.add_alternative(_page(message, brand, end), subtype="html")
        return letter


async def _handed_over(client: SMTP, letter: EmailMessage) -> Outcome:
    try:
        code, said = await client.data(letter.as_bytes(policy=letter.policy.clone(linesep="\r\n")))
    except SMTPResponseException as error:
        return Retry(_said(error)) if error.code < 500 else Rejected(_said(error))
    except (SMTPException, OSError) as error:
        return Unknown(f"{type(error).__name__}: {error}")
    return Delivered(f"{code} {said}")


async def _bye(client: SMTP) -> None:
    if client.is_connected:
        with contextlib.suppress(SMTPException, OSError):
            await client.quit()
    client.close()


def _said(error: SMTPResponseException) -> str:
    return f"{error.code} {error.message}"


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
