"""The mail server keeps mail as it came, refuses what is not well formed, and answers as scripted."""

from __future__ import annotations

import asyncio
import re
import smtplib
import ssl
from email.message import EmailMessage
from typing import Any

import pytest

from tests.peers import smtp
from tests.peers.smtp import MailServer


def letter(to: str = "ada@example.com", text: str = "Your receipt", **headers: str) -> bytes:
    message = EmailMessage()
    right = {"From": "shop@example.com", "To": to, "Date": "Sat, 14 Mar 2026 09:26:53 +0000", "Message-ID": "<1@x>"}
    for name, value in {**right, **headers}.items():
        if value:
            message[name] = value
    message.set_content(text)
    return message.as_bytes().replace(b"\n", b"\r\n")


def post(
    server: MailServer, raw: bytes, *, to: str = "ada@example.com", starttls: bool = False, login: str = ""
) -> None:
    trust = ssl.create_default_context(cafile=server.ca_file)
    with smtplib.SMTP("localhost", server.port, timeout=5) as client:
        if starttls:
            client.starttls(context=trust)
        if login:
            client.login("shop", login)
        client.sendmail("shop@example.com", [to], raw)


async def test_mail_is_kept_byte_for_byte() -> None:
    raw = letter(text="Twelve points.\n.\nYours")
    async with MailServer("starttls", login=("shop", "right")) as server:
        with pytest.raises(smtplib.SMTPAuthenticationError, match="Must issue a STARTTLS command first"):
            await asyncio.to_thread(post, server, raw, login="right")
        with pytest.raises(smtplib.SMTPSenderRefused):
            await asyncio.to_thread(post, server, raw, starttls=True)
        with pytest.raises(smtplib.SMTPAuthenticationError, match=r"5\.7\.8"):
            await asyncio.to_thread(post, server, raw, starttls=True, login="wrong")
        await asyncio.to_thread(post, server, raw, starttls=True, login="right")
        (mail,) = await server.mails(at_least=1)
    assert (mail.raw, mail.sender, mail.recipients) == (raw, "shop@example.com", ("ada@example.com",))
    assert (mail.user, mail.secure, mail.status, mail.message["Date"].datetime.year) == ("shop", True, 250, 2026)


async def test_mail_over_tls_from_the_start_is_secure() -> None:
    async with MailServer("implicit") as server:

        def send() -> None:
            trust = ssl.create_default_context(cafile=server.ca_file)
            with smtplib.SMTP_SSL("localhost", server.port, timeout=5, context=trust) as client:
                client.sendmail("shop@example.com", ["ada@example.com"], letter())

        await asyncio.to_thread(send)
        assert [mail.secure for mail in await server.mails()] == [True]


async def test_mail_meets_what_was_scripted_for_it() -> None:
    async with MailServer(size=10_000) as server:

        async def outcome(raw: bytes = letter(), to: str = "ada@example.com") -> Any:
            try:
                return await asyncio.to_thread(post, server, raw, to=to)
            except smtplib.SMTPRecipientsRefused as refused:
                (reply,) = refused.recipients.values()
                return reply
            except smtplib.SMTPResponseException as refused:
                return refused.smtp_code, refused.smtp_error
            except OSError as broken:
                return type(broken)

        await server.script(smtp.reply(550, "5.1.1 No such user", "rcpt", to="gone@example.com"))
        assert await outcome() is None
        assert await outcome(to="gone@example.com") == (550, b"5.1.1 No such user")
        replies: list[tuple[smtp.Stage, int, str]] = [
            ("connect", 421, "4.3.2 Closing"),
            ("mail", 451, "4.3.0 Later"),
            ("rcpt", 450, "4.2.1 Greylisted"),
            ("data", 552, "5.2.2 Full"),
            ("data", 421, "4.3.2 Closing"),
        ]
        for at, status, reason in replies:
            await server.script(smtp.reply(status, reason, at))
            assert await outcome() == (status, reason.encode())
        for trouble in (smtp.cut("mail"), smtp.cut("data")):
            await server.script(trouble)
            assert await outcome() in (smtplib.SMTPServerDisconnected, ConnectionResetError)
        await server.script(smtp.hang("data"))
        hanging = asyncio.create_task(outcome())
        held = (await server.mails(at_least=4))[-1]
        assert (held.status, await server.unplayed()) == (None, 0)
        await server.reset()
        assert await hanging in (smtplib.SMTPServerDisconnected, ConnectionResetError)
        assert (await outcome(letter(text="x" * 11_000)))[0] == 552
        assert await server.unplayed() == 0


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (letter(Date=""), "5.6.0 Not exactly one date"),
        (letter(**{"Message-ID": ""}), "5.6.0 Not exactly one message-id"),
        (b"From: a@example.com\r\n" + letter(), "5.6.0 Not exactly one from"),
        (letter() + b"x" * 999 + b"\r\n", "5.6.0 A line is over 998 octets"),
        (letter() + "für".encode() + b"\r\n", "5.6.0 An eight-bit body without BODY=8BITMIME"),
        ("Subject: für\r\n".encode() + letter(), "5.6.0 An eight-bit header without SMTPUTF8"),
    ],
)
async def test_mail_that_is_not_well_formed_is_refused(mail_server: MailServer, raw: bytes, reason: str) -> None:
    with pytest.raises(smtplib.SMTPDataError, match=re.escape(reason)):
        await asyncio.to_thread(post, mail_server, raw)
