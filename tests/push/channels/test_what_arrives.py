"""What comes out at each channel's far end: the words, the name that a repeat hides behind, how long it lives."""

from __future__ import annotations

import json
from datetime import timedelta
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import msgspec
import pytest

from core.delivery.outcome import Delivered, Rejected, TokenDead
from core.member_devices import MemberDevice
from push.channels.apns import wake_pass
from push.channels.sms import MAX_TEXT, Sms
from tests.conftest import START
from tests.peers.apns import ACTIVITY, APP, PASS
from tests.push.channels.rigs import (
    BODY,
    END,
    TITLE,
    ApnsRig,
    EmailRig,
    FcmRig,
    LiveActivityRig,
    SmsRig,
    WebPushRig,
    message,
)

REFERENCE = UUID("123e4567-e89b-12d3-a456-42665544000a")
CARD = "https://chorus.example/card"
TOMORROW = str(int((START + timedelta(hours=12)).timestamp()))
CHINESE = {"title": "+85 點。現有 3,085 點。", "body": "3 張 CD，$35.60，海港街 2 號收銀機"}


async def test_an_alert(apns: ApnsRig) -> None:
    device = await apns.device()
    outcome = await apns.make().send(message(device, apns.clock, reference=REFERENCE))
    assert outcome == Delivered(str(REFERENCE))
    (push,) = await apns.peer.pushes()
    assert push.payload == {
        "aps": {"alert": {"title": TITLE, "body": BODY}, "sound": "default"},
        "url": CARD,
        "version": 7,
    }
    assert (push.token, push.topic, push.push_type, push.priority) == (device.token, APP, "alert", "10")
    assert (push.id, push.collapse_id, push.expiration) == (str(REFERENCE), "1000.7", TOMORROW)


async def test_a_live_activity_is_updated_and_in_the_end_ended(activity: LiveActivityRig) -> None:
    """Its timestamp is now, and its state is whole; after its time it is told to go."""
    channel, device = activity.make(), await activity.device()
    assert device.until is not None
    await channel.send(message(device, activity.clock, reference=REFERENCE))
    await channel.send(message(device, activity.clock, title=TITLE, body=BODY))
    later = activity.clock.forward(hours=2)
    await activity.peer.set_now(later)
    await channel.send(message(device, activity.clock, title=TITLE, body=BODY))
    first, told, last = await activity.peer.pushes(at_least=3)
    until = int(device.until.timestamp())
    update = {"event": "update", "content-state": {"version": 7, "points": 3085}, "stale-date": until}
    assert first.payload == {"aps": {"timestamp": int(START.timestamp()), **update}}
    assert told.payload["aps"]["alert"] == {"title": TITLE, "body": BODY}
    assert last.payload == {
        "aps": {
            "timestamp": int(later.timestamp()),
            "event": "end",
            "content-state": {"version": 7, "points": 3085},
            "dismissal-date": until,
        }
    }
    assert (first.topic, first.push_type, first.priority, first.id) == (ACTIVITY, "liveactivity", "10", str(REFERENCE))
    assert [push.status for push in (first, told, last)] == [200] * 3


async def test_a_pass_is_woken_without_a_word(apns: ApnsRig) -> None:
    client, device = apns.client(), await apns.device()
    assert await wake_pass(client, device.token, PASS, str(REFERENCE), apns.clock()) == Delivered(str(REFERENCE))
    await client.close()
    (push,) = await apns.peer.pushes()
    assert (push.payload, push.topic, push.id, push.status) == ({}, PASS, str(REFERENCE), 200)


async def test_a_payload_that_apple_would_not_take_is_not_sent(apns: ApnsRig) -> None:
    device = await apns.device()
    outcome = await apns.make().send(message(device, apns.clock, body="點" * 1_400))
    assert isinstance(outcome, Rejected)
    assert await apns.peer.pushes() == []


async def test_a_token_is_no_path(apns: ApnsRig) -> None:
    """A pass registers under whatever its device says, and that names no other resource of Apple's."""
    outcome = await apns.make().send(message(apns.of("../../evil?x=#"), apns.clock))
    assert outcome == TokenDead("400 BadDeviceToken")


async def test_a_message_by_firebase(fcm: FcmRig) -> None:
    device = await fcm.device()
    outcome = await fcm.make().send(message(device, fcm.clock))
    assert isinstance(outcome, Delivered)
    assert outcome.reference.startswith("projects/chorus-tests/messages/")
    (request,) = await fcm.peer.requests("fcm")
    assert request.body == {
        "message": {
            "token": device.token,
            "notification": {"title": TITLE, "body": BODY},
            "data": {"url": CARD, "version": "7"},
            "android": {"collapse_key": "1000.7", "ttl": "43200s", "notification": {"tag": "1000.7"}},
            "apns": {
                "headers": {"apns-collapse-id": "1000.7", "apns-expiration": TOMORROW, "apns-priority": "10"},
            },
        }
    }


@pytest.mark.parametrize("words", [{}, CHINESE], ids=["english", "chinese"])
async def test_a_browser_decrypts_what_was_meant_for_it(webpush: WebPushRig, words: dict[str, str]) -> None:
    device = in_locale(await webpush.device(), "zh-Hant" if words else "en")
    sent = message(device, webpush.clock, **words)
    outcome = await webpush.make().send(sent)
    (arrived,) = await webpush.peer.messages()
    assert outcome == Delivered(arrived.endpoint.replace("/push/", "/message/")), arrived.reason
    assert json.loads(arrived.message or "") == {
        "title": sent.title,
        "body": sent.body,
        "tag": "1000.7",
        "url": CARD,
        "lang": device.locale,
        "version": 7,
    }
    assert (arrived.ttl, arrived.urgency) == ("43200", "normal")
    assert arrived.claims == {
        "aud": webpush.peer.url,
        "exp": int((START + timedelta(hours=12)).timestamp()),
        "sub": "mailto:shop@example.com",
    }


@pytest.mark.parametrize(
    "one", ["a", "點", "😀", '"', "\n", "\x01"], ids=["ASCII", "BMP", "astral", "quote", "line", "control"]
)
async def test_words_for_a_browser_always_fit(webpush: WebPushRig, one: str) -> None:
    """Encrypted they have the 4,096 bytes that a push service takes and not one more, whatever the words weigh as JSON;
    what does not fit ends in an ellipsis, between two characters."""
    channel, device = webpush.make(), await webpush.device()
    weight = len(msgspec.json.encode(one)) - 2
    sent = message(device, webpush.clock)

    async def arrives(**words: str) -> tuple[dict[str, Any], int]:
        assert isinstance(await channel.send(msgspec.structs.replace(sent, **words)), Delivered)
        arrived = (await webpush.peer.messages())[-1]
        return json.loads(arrived.message or ""), int(arrived.headers["content-length"])

    _, empty = await arrives(title="", body="")
    fits = (4_096 - empty) // weight
    whole, size = await arrives(title="", body=one * fits)
    assert whole["body"] == one * fits
    assert 4_096 - weight < size <= 4_096
    more, size = await arrives(title="", body=one * (fits + 1))
    assert more["body"] == one * (len(more["body"]) - 1) + "…"
    assert 4_096 - weight - 3 < size <= 4_096
    both, size = await arrives(title=one * 9_000, body=one * 9_000)
    assert size <= 4_096
    for words in (both["title"], both["body"]):
        assert words == one * (len(words) - 1) + "…"
        assert len(words) * weight > 1_500
    short, _ = await arrives(title=TITLE, body=one * 9_000)
    assert short["title"] == TITLE


@pytest.mark.parametrize("words", [{}, CHINESE], ids=["english", "chinese"])
async def test_a_letter(email: EmailRig, words: dict[str, str]) -> None:
    """Plain text first, then the same as HTML; by TLS, with a login; one click ends them."""
    device = in_locale(await email.device(), "zh-Hant" if words else "en")
    sent = message(device, email.clock, reference=REFERENCE, **words)
    assert isinstance(await email.make().send(sent), Delivered)
    (mail,) = await email.peer.mails()
    letter = mail.message
    assert (mail.sender, mail.recipients, mail.user, mail.secure) == ("shop@example.com", (device.token,), "shop", True)
    assert (letter["Subject"], letter["To"], letter["Message-ID"]) == (
        sent.title,
        device.token,
        f"<{REFERENCE}@example.com>",
    )
    assert letter["From"] == (f"{'唱片店' if words else 'Cafe & Records'} <shop@example.com>")
    assert letter["Date"].datetime == START
    assert (letter["List-Unsubscribe"], letter["List-Unsubscribe-Post"]) == (f"<{END}17>", "List-Unsubscribe=One-Click")
    assert (letter["Auto-Submitted"], letter["Content-Language"]) == ("auto-generated", device.locale)
    assert letter.get_content_type() == "multipart/alternative"
    plain, rich = parts(letter)
    assert plain.get_content_type() == "text/plain"
    assert rich.get_content_type() == "text/html"
    for text in (sent.title, sent.body, CARD, f"{END}17"):
        assert text in plain.get_content()
        assert text in rich.get_content()
    assert "Cafe &amp; Records" in rich.get_content() or words
    assert mail.raw.isascii()


async def test_a_letter_says_nothing_that_is_code(email: EmailRig) -> None:
    device = await email.device()
    await email.make().send(message(device, email.clock, title='<b onload="x">', body="</body>&amp;"))
    (mail,) = await email.peer.mails()
    plain, rich = parts(mail.message)
    assert "<b " not in rich.get_content()
    assert "&lt;b onload=&quot;x&quot;&gt;" in rich.get_content()
    assert "&lt;/body&gt;&amp;amp;" in rich.get_content()
    assert '<b onload="x">' in plain.get_content()


async def test_a_short_message(sms: SmsRig) -> None:
    outcome = await sms.make().send(message(await sms.device(), sms.clock, reference=REFERENCE))
    assert isinstance(outcome, Delivered)
    (request,) = await sms.peer.requests("sms")
    assert request.body == {"to": "+85251234567", "text": f"{TITLE} {BODY}", "reference": str(REFERENCE)}
    assert request.headers["authorization"] == "Bearer s3cret"
    assert request.headers["idempotency-key"] == str(REFERENCE)


HOSTILE: list[dict[str, Any]] = [
    {"title": 'a "quote" \\ and', "body": "a\nline\ttab"},
    {"title": "{to}{text}", "body": "{id} &to=+1&x=%41+"},
    CHINESE,
    {"title": "x" * 1_000, "body": ""},
]


@pytest.mark.parametrize("template", ['{"to": "{to}", "text": "{text}"}', "to={to}&text={text}&from=Shop"])
@pytest.mark.parametrize("words", HOSTILE, ids=["quotes", "braces", "chinese", "long"])
async def test_words_stay_words_in_every_template(sms: SmsRig, template: str, words: dict[str, str]) -> None:
    channel = Sms(sms.peer.sms_url, template, "", sms.clock)
    sent = message(await sms.device(), sms.clock, **words)
    assert isinstance(await channel.send(sent), Delivered)
    await channel.close()
    (request,) = await sms.peer.requests("sms")
    text = " ".join(f"{sent.title} {sent.body}".split())[:MAX_TEXT]
    more = {} if template.startswith("{") else {"from": "Shop"}
    assert request.body == {"to": "+85251234567", "text": text, **more}
    assert "authorization" not in request.headers


def parts(letter: EmailMessage) -> list[EmailMessage]:
    found = list(letter.iter_parts())
    assert all(isinstance(part, EmailMessage) for part in found)
    return found  # type: ignore[return-value]


def in_locale(device: MemberDevice, locale: str) -> MemberDevice:
    return msgspec.structs.replace(device, locale=locale)
