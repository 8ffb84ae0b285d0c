"""Mail at each step of SMTP: until a letter is handed over it surely was not sent, and a box is only gone when it is."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import pytest

from core.delivery.outcome import Delivered, Outcome, Rejected, Retry, TokenDead, Unknown
from push.channels.email import Email
from push.channels.http import CREDENTIALS_PAUSE
from tests.peers import smtp
from tests.peers.node import Trouble
from tests.peers.smtp import MailServer
from tests.push.channels.rigs import LOGIN, EmailRig, free_port, message
from tests.push.channels.rough import Talk, served

STEPS: list[tuple[Trouble, type[Any], bool]] = [
    # (what befalls it, what it becomes, whether an operator must see to it)
    (smtp.reply(421, "4.3.2 Closing", "connect"), Retry, False),
    (smtp.reply(554, "5.3.2 Not you", "connect"), Retry, True),
    (smtp.reply(454, "4.7.0 Later", "auth"), Retry, True),
    (smtp.reply(535, "5.7.8 No", "auth"), Retry, True),
    (smtp.reply(451, "4.3.0 Later", "mail"), Retry, False),
    (smtp.reply(530, "5.7.0 Log in first", "mail"), Retry, True),
    (smtp.reply(553, "5.1.8 No such sender", "mail"), Retry, True),
    (smtp.reply(450, "4.2.1 Greylisted", "rcpt"), Retry, False),
    (smtp.reply(452, "4.2.2 Full", "rcpt"), Retry, False),
    (smtp.reply(550, "5.1.1 No such user", "rcpt"), TokenDead, False),
    (smtp.reply(550, "No such user here", "rcpt"), Rejected, False),
    (smtp.reply(550, "relay not permitted", "rcpt"), Rejected, False),
    (smtp.reply(553, "sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", "rcpt"), Rejected, False),
    (smtp.reply(550, "5.1.2 Host unknown", "rcpt"), Rejected, False),
    (smtp.reply(553, "5.1.3 Bad syntax", "rcpt"), Rejected, False),
    (smtp.reply(551, "5.1.6 Moved", "rcpt"), TokenDead, False),
    (smtp.reply(556, "5.1.10 Takes no mail", "rcpt"), TokenDead, False),
    (smtp.reply(550, "5.2.1 Receives mail at too high a rate", "rcpt"), Rejected, False),
    (smtp.reply(550, "5.7.1 You are on a list", "rcpt"), Rejected, False),
    (smtp.reply(554, "5.7.1 You are on a list", "rcpt"), Rejected, False),
    (smtp.reply(550, "5.1.8 Bad sender", "rcpt"), Rejected, False),
    (smtp.reply(552, "5.2.2 Full", "rcpt"), Rejected, False),
    (smtp.reply(451, "4.7.1 Try again", "data"), Retry, False),
    (smtp.reply(421, "4.3.2 Closing", "data"), Retry, False),
    (smtp.reply(552, "5.3.4 Too big", "data"), Rejected, False),
    (smtp.reply(550, "5.7.1 Looks like spam", "data"), Rejected, False),
    (smtp.reply(550, "You are blocked", "data"), Rejected, False),
    (smtp.reply(550, "5.1.1 No such user", "data"), Rejected, False),
    (smtp.cut("mail"), Retry, False),
    (smtp.cut("rcpt"), Retry, False),
    (smtp.cut("data"), Unknown, False),
]


@pytest.mark.parametrize(
    ("trouble", "becomes", "operator"),
    STEPS,
    ids=[f"{trouble['kind']} {trouble.get('reason', '')} at {trouble['at']}" for trouble, _, _ in STEPS],
)
async def test_each_step_of_a_letter(email: EmailRig, trouble: Trouble, becomes: type[Any], operator: bool) -> None:
    # A login is tried in each way that the server knows.
    await email.script(*[trouble] * (2 if trouble["at"] == "auth" else 1))
    outcome = await email.make().send(message(await email.device(), email.clock))
    assert type(outcome) is becomes, outcome
    assert await email.peer.unplayed() == 0
    if isinstance(outcome, Retry):
        assert outcome.after == (CREDENTIALS_PAUSE if operator else None)
    if "reason" in trouble:
        assert str(trouble["reason"]) in getattr(outcome, "reason", "")
    taken = [mail for mail in await email.peer.mails() if mail.status == 250]
    assert taken == []


def relay(data: bytes = b"354 Go on", end: bytes = b"250 Ok", offers: bytes = b"HELP") -> tuple[Talk, list[bytes]]:
    """A server that answers DATA and what follows the final dot so, and the lines that it was sent."""
    heard: list[bytes] = []
    answers = {b"EHLO": b"250-relay\r\n250 " + offers, b"AUTH": b"235 Ok", b"QUIT": b"221 Bye", b"DATA": data}

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 Hello\r\n")
        while line := await reader.readline():
            heard.append(line)
            if heard[-2:-1] == [b"DATA\r\n"] and data.startswith(b"354"):
                await reader.readuntil(b"\r\n.\r\n")
                writer.write(end + b"\r\n")
            else:
                writer.write(answers.get(line[:4].upper(), b"250 Ok") + b"\r\n")

    return talk, heard


ENDS: list[tuple[bytes, type[Any]]] = [
    (b"250 Queued", Delivered),
    (b"251 Forwarded", Delivered),
    (b"200 Queued", Delivered),
    (b"421 Closing", Retry),
    (b"554 No", Rejected),
    (b"354 Go on", Unknown),
    (b"150 Wait", Unknown),
    (b"999 What", Unknown),
    (b"2x0 Queued", Unknown),
    (b"Thank you", Unknown),
    (b"250 " + b"x" * 100_000, Unknown),
]


@pytest.mark.parametrize(("end", "becomes"), ENDS, ids=lambda value: repr(value)[:20])
async def test_what_follows_the_final_dot(email: EmailRig, end: bytes, becomes: type[Any]) -> None:
    """The letter is handed over: only a refusal says that it was not taken."""
    talk, _ = relay(end=end)
    async with served(talk) as origin:
        outcome = await email.make(url=origin.replace("http", "smtp")).send(
            message(email.of("ada@x.example"), email.clock)
        )
    assert type(outcome) is becomes, outcome


@pytest.mark.parametrize("data", [b"250 Ok", b"451 Later", b"Thank you"])
async def test_a_letter_that_was_not_asked_for_was_not_handed_over(email: EmailRig, data: bytes) -> None:
    talk, heard = relay(data=data)
    async with served(talk) as origin:
        outcome = await email.make(url=origin.replace("http", "smtp")).send(
            message(email.of("ada@x.example"), email.clock)
        )
    assert isinstance(outcome, Retry), outcome
    assert [line[:4] for line in heard][-2:] == [b"DATA", b"QUIT"]


@pytest.mark.parametrize(
    ("host", "becomes"),
    [("mail.example", Retry), ("localhost", Delivered), ("127.0.0.1", Delivered)],
)
async def test_a_password_goes_to_no_other_machine_in_plain_text(
    email: EmailRig, host: str, becomes: type[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever stands between us and the server can leave STARTTLS out of what it offers."""
    talk, heard = relay(offers=b"AUTH PLAIN LOGIN")
    async with served(talk) as origin:
        port = int(origin.rpartition(":")[2])

        async def here(*_: object, **__: object) -> list[Any]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", here)
        channel = email.email(f"smtp://shop:s3cret@{host}:{port}")
        outcome = await channel.send(message(await email.device(), email.clock))
    assert type(outcome) is becomes, outcome
    assert any(line.startswith(b"AUTH") for line in heard) is (becomes is Delivered)
    if isinstance(outcome, Retry):
        assert outcome.after == CREDENTIALS_PAUSE
        assert "CHORUS_SMTP_URL" in outcome.reason
        assert "s3cret" not in outcome.reason


async def test_a_machine_with_no_thread_left_for_a_name_sent_nothing(
    email: EmailRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    letter = message(await email.device(), email.clock)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none_left)
        patch.setattr(asyncio.get_running_loop(), "_default_executor", None)
        outcome = await email.make().send(letter)
    assert isinstance(outcome, Retry)
    assert "can't start new thread" in outcome.reason


@pytest.mark.parametrize("at", ["connect", "auth", "mail", "rcpt"])
async def test_a_server_that_is_silent_before_the_letter_was_sent_nothing(email: EmailRig, at: smtp.Stage) -> None:
    await email.script(smtp.hang(at))
    outcome = await email.make(seconds=0.3).send(message(await email.device(), email.clock))
    assert isinstance(outcome, Retry), outcome
    assert outcome.after is None


@pytest.mark.parametrize(
    "reply",
    [b"", b"\xff\xfe\r\n", b"999\r\n", b"220", b"220 " + b"x" * 100_000, b"HTTP/1.1 400 Bad Request\r\n\r\n"],
    ids=["nothing", "no text", "no code", "no end", "no end ever", "HTTP"],
)
async def test_a_server_that_speaks_no_smtp(email: EmailRig, reply: bytes) -> None:
    async def talk(reader: Any, writer: Any) -> None:
        writer.write(reply)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with served(talk) as origin:
        url = origin.replace("http://", "smtp://")
        outcome = await email.make(url=url, seconds=0.5).send(message(await email.device(), email.clock))
    assert isinstance(outcome, Retry), outcome


async def test_words_that_are_no_text_can_be_told(email: EmailRig) -> None:
    """An answer in Latin-1 comes as what UTF-8 has no word for; `core.delivery.store` makes of it what it can keep."""

    async def talk(reader: Any, writer: Any) -> None:
        writer.write(b"554 gar\xe7on\x00\r\n")
        await writer.drain()
        await reader.read()

    async with served(talk) as origin:
        url = origin.replace("http://", "smtp://")
        outcome = await email.make(url=url, seconds=0.5).send(message(await email.device(), email.clock))
    assert isinstance(outcome, Retry)
    assert "554 gar" in outcome.reason


async def to(email: EmailRig, address: str) -> Outcome:
    return await email.make().send(message(email.of(address), email.clock))


@pytest.mark.parametrize(
    "address",
    [
        "jürgen@example.com",
        "a,b@example.com",
        "a..b@example.com",
        "<ada>@example.com",
        "ada@example.com>",
        "ada@example.com\r\nBcc: eve@example.com",
        "ada",
        "@example.com",
        "ada@",
        "ada@ü" + "x" * 70 + ".example",
        "",
    ],
)
async def test_an_address_that_is_none_gets_no_letter(email: EmailRig, address: str) -> None:
    assert not isinstance(await to(email, address), Delivered | Unknown)
    assert await email.peer.mails() == []


async def test_a_domain_of_another_alphabet_is_written_as_dns_knows_it(email: EmailRig) -> None:
    assert isinstance(await to(email, "ada@bücher.example"), Delivered)
    (mail,) = await email.peer.mails()
    assert b"\r\nTo: ada@xn--bcher-kva.example\r\n" in mail.raw


async def test_a_long_link_to_unsubscribe_stays_a_link(email: EmailRig) -> None:
    """The library would have folded it into an encoded word, which no mail program follows."""
    host = "https://" + ".".join(["long"] * 30) + ".example"
    url = f"smtp://shop:right@localhost:{email.peer.port}"
    channel = Email(
        url, "Shop <shop@example.com>", lambda device: f"{host}/u/{device}", str, context=email.email("")._context
    )
    assert isinstance(await channel.send(message(await email.device(), email.clock)), Delivered)
    (mail,) = await email.peer.mails()
    assert f"List-Unsubscribe: <{host}/u/17>\r\n".encode() in mail.raw
    assert mail.message["List-Unsubscribe"] == f"<{host}/u/17>"
    assert mail.message["From"] == "Shop <shop@example.com>"


async def test_a_line_that_begins_with_a_dot_ends_no_letter(email: EmailRig) -> None:
    body = "one\n.\n..two\n.three"
    assert isinstance(await email.make().send(message(await email.device(), email.clock, body=body)), Delivered)
    (mail,) = await email.peer.mails()
    plain = next(mail.message.iter_parts())
    assert f"\n{body}\n" in plain.get_content().replace("\r\n", "\n")


async def test_the_same_letter_again_has_the_same_name_and_one_connection_each(email: EmailRig) -> None:
    channel, letter = email.make(), message(await email.device(), email.clock)
    for _ in range(2):
        await channel.send(letter)
    one, two = await email.peer.mails()
    assert one.message["Message-ID"] == two.message["Message-ID"]
    assert one.session != two.session


async def test_mail_by_tls_from_the_start_to_a_server_we_trust(email: EmailRig) -> None:
    async with MailServer("implicit", login=LOGIN) as inside:
        email.peers.mail.ca_file, kept = inside.ca_file, email.peers.mail.ca_file
        channel = email.email(f"smtps://shop:right@localhost:{inside.port}")
        assert isinstance(await channel.send(message(await email.device(), email.clock)), Delivered)
        assert [mail.secure for mail in await inside.mails()] == [True]
        email.peers.mail.ca_file = kept
        stranger = email.email(f"smtps://shop:right@localhost:{inside.port}")
        assert isinstance(await stranger.send(message(await email.device(), email.clock)), Retry)
        assert len(await inside.mails()) == 1


def test_the_ports_that_mail_is_known_by() -> None:
    """587 where STARTTLS is offered, 465 where all is TLS; letters of the alphabet in a password are not the URL's."""
    one = Email("smtp://a%40b:p%3Aw%2F@mail.example.com", "x@example.com", str, str)
    two = Email("smtps://mail.example.com", "x@example.com", str, str)
    three = Email(f"smtp://mail.example.com:{free_port()}", "x@example.com", str, str)
    assert (one._port, one._user, one._password, one._tls) == (587, "a@b", "p:w/", False)
    assert (two._port, two._user, two._tls) == (465, "", True)
    assert three._port not in (587, 465)
