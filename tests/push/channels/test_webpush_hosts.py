"""An endpoint comes from a browser, so from anybody: only push services are sent to, whatever an address looks like."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from pathlib import Path

import httpx
import msgspec
import pytest

from core.delivery.outcome import Delivered, Rejected, Retry, TokenDead
from core.providers import WEBPUSH_HOSTS
from core.settings import OperatorError
from push.channels.webpush import VapidKey, WebPush, allowed
from tests.push.channels.rigs import WebPushRig, message
from tests.push.channels.rough import Http1, served

GOOD = [
    "https://fcm.googleapis.com/fcm/send/cN8:APA91b-x_y",
    "https://FCM.googleapis.com/fcm/send/x",
    "https://fcm.googleapis.com:443/wp/x",
    "https://updates.push.services.mozilla.com/wpush/v2/gAAAA",
    "https://web.push.apple.com/QGuQyavXutnMH8/abc%20def",
    "https://wns2-par02p.notify.windows.com/w/?token=BQYAAAC%2b%2f",
]
EVIL = [
    # of other people
    "https://example.com/push",
    "https://evil-fcm.googleapis.com.attacker.example/x",
    "https://fcm.googleapis.com.attacker.example/x",
    "https://evilfcm.googleapis.com/x",
    "https://googleapis.com/x",
    "https://storage.googleapis.com/x",
    "https://attacker.example/fcm.googleapis.com",
    "https://attacker.example/?x=.fcm.googleapis.com",
    "https://attacker.example#.fcm.googleapis.com",
    "https://attacker.example#@fcm.googleapis.com",
    # of this machine and its neighbours
    "https://127.0.0.1/x",
    "https://localhost/x",
    "https://10.0.0.1/x",
    "https://192.168.1.1:443/x",
    "https://169.254.169.254/latest/meta-data",
    "https://[::1]/x",
    "https://[::ffff:169.254.169.254]/x",
    "https://2130706433/x",
    "https://0x7f000001/x",
    "https://0177.0.0.1/x",
    "https://metadata.google.internal/x",
    # another scheme, another port
    "http://fcm.googleapis.com/x",
    "ftp://fcm.googleapis.com/x",
    "file:///etc/passwd",
    "gopher://fcm.googleapis.com/x",
    "javascript:alert(1)//fcm.googleapis.com",
    "//fcm.googleapis.com/x",
    "fcm.googleapis.com/x",
    "https:fcm.googleapis.com/x",
    "https:/fcm.googleapis.com/x",
    "https:///fcm.googleapis.com/x",
    "https://fcm.googleapis.com:22/x",
    "https://fcm.googleapis.com:8443/x",
    "https://fcm.googleapis.com:0/x",
    "https://fcm.googleapis.com:99999/x",
    "https://fcm.googleapis.com:-443/x",
    "https://fcm.googleapis.com:4 43/x",
    "https://fcm.googleapis.com:443:443/x",
    "https://fcm.googleapis.com:٤٤٣/x",
    # somebody before an @
    "https://fcm.googleapis.com@attacker.example/x",
    "https://fcm.googleapis.com:443@attacker.example/x",
    "https://user:secret@fcm.googleapis.com/x",
    "https://user@fcm.googleapis.com/x",
    "https://@fcm.googleapis.com/x",
    "https://:@fcm.googleapis.com/x",
    "https://attacker.example@@fcm.googleapis.com/x",
    # what two readers read differently
    "https://attacker.example\\@fcm.googleapis.com/x",
    "https://attacker.example\\.fcm.googleapis.com/x",
    "https:\\\\fcm.googleapis.com\\x",
    "https://fcm.googleapis.com\\@attacker.example/x",
    "https://attacker.example%2f.fcm.googleapis.com/x",
    "https://attacker.example%23.fcm.googleapis.com/x",
    "https://attacker.example%00.fcm.googleapis.com/x",
    "https://attacker.example;.fcm.googleapis.com/x",
    "https://attacker.example\t.fcm.googleapis.com/x",
    "https://fcm.googleapis.com\n.attacker.example/x",
    "https://fcm.googleapis.com\r\nHost: attacker.example/x",
    " https://fcm.googleapis.com/x",
    "https://fcm.googleapis.com/x y",
    "https://fcm.googleapis.com/\x00",
    "https://fcm.googleapis.com/\x7f",
    # a dot too many, or none
    "https://fcm.googleapis.com./x",
    "https://.fcm.googleapis.com/x",
    "https://a..fcm.googleapis.com/x",
    "https://-.fcm.googleapis.com/x",
    "https://[fcm.googleapis.com]/x",
    "https://*.fcm.googleapis.com/x",
    # letters of other alphabets
    "https://ｆｃｍ.googleapis.com/x",
    "https://fcm。googleapis。com/x",
    "https://fcm.googleapis.com／.attacker.example/x",
    "https://attacker.example／.fcm.googleapis.com/x",
    "https://attacker.example⁄.fcm.googleapis.com/x",
    "https://attacker.example℀.fcm.googleapis.com/x",
    "https://bücher.fcm.googleapis.com/x",
    "https://fcm.googleapis.com/ü",
    "https://fсm.googleapis.com/x",  # the c is Cyrillic
    # nothing
    "",
    "https://",
    "https:///x",
    "https://?x",
    "https://fcm.googleapis.com/" + "x" * 5_000,
]


@pytest.mark.parametrize("endpoint", GOOD)
def test_the_addresses_of_browsers_are_allowed(endpoint: str) -> None:
    assert allowed(endpoint, WEBPUSH_HOSTS)


@pytest.mark.parametrize("endpoint", EVIL)
def test_no_other_address_is(endpoint: str) -> None:
    assert not allowed(endpoint, WEBPUSH_HOSTS)
    assert not allowed(endpoint, f" {WEBPUSH_HOSTS} ,, ")


@pytest.mark.parametrize("endpoint", GOOD)
def test_two_readers_find_one_host_in_what_is_allowed(endpoint: str) -> None:
    """The client that sends goes where the check looked."""
    host = httpx.URL(endpoint).host
    assert any(host == one or host.endswith(f".{one}") for one in WEBPUSH_HOSTS.split(","))


def test_an_address_with_a_port_is_that_very_one() -> None:
    """For a simulator, or a push service of one's own behind another port; it opens nothing beside it."""
    hosts = "127.0.0.1:8081,fcm.googleapis.com"
    assert allowed("http://127.0.0.1:8081/push/x", hosts)
    assert allowed("https://127.0.0.1:8081/push/x", hosts)
    for near in (
        "http://127.0.0.1/x",
        "http://127.0.0.1:8082/x",
        "http://127.0.0.1:80810/x",
        "http://x.127.0.0.1:8081/x",
        "ftp://127.0.0.1:8081/x",
        "http://a@127.0.0.1:8081/x",
        "http://fcm.googleapis.com:8081/x",
    ):
        assert not allowed(near, hosts), near
    assert not allowed("https://fcm.googleapis.com/x", "")


async def test_to_an_address_that_is_not_allowed_nothing_is_sent(webpush: WebPushRig) -> None:
    """Nor to where an allowed one sends us on."""
    inner, outer = Http1(), Http1()
    inner.answer = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
    keys = (await webpush.device()).keys
    async with served(counted(inner)) as secret, served(outer) as service:
        channel = WebPush(webpush.key, service.partition("://")[2], webpush.clock)
        to_secret = message(webpush.of(f"{secret}/admin", keys=keys), webpush.clock)
        assert isinstance(await channel.send(to_secret), Rejected)
        for status in (301, 302, 303, 307, 308):
            outer.answer = f"HTTP/1.1 {status} X\r\nLocation: {secret}/admin\r\nContent-Length: 0\r\n\r\n".encode()
            outcome = await channel.send(message(webpush.of(f"{service}/push/1", keys=keys), webpush.clock))
            assert isinstance(outcome, Rejected), status
        assert asked == []
        allowed_now = WebPush(webpush.key, secret.partition("://")[2], webpush.clock)
        assert isinstance(await allowed_now.send(to_secret), Delivered)
        assert len(asked) == 1
        await channel.close()
        await allowed_now.close()
    asked.clear()


asked: list[int] = []


def counted(talk: Http1) -> Http1:
    class Counted(Http1):
        async def __call__(self, reader, writer):  # type: ignore[no-untyped-def]
            asked.append(1)
            await talk(reader, writer)

    return Counted()


def point(first: bytes, size: int = 65) -> str:
    return base64.urlsafe_b64encode(first + bytes(size - len(first))).decode().rstrip("=")


KEYS = {
    "none": {},
    "no auth": {"p256dh": point(b"\x04")},
    "not on the curve": {"p256dh": point(b"\x04\x01"), "auth": point(b"a", 16)},
    "compressed": {"p256dh": point(b"\x02", 33), "auth": point(b"a", 16)},
    "short": {"p256dh": "BA", "auth": "AA"},
    "empty": {"p256dh": "", "auth": ""},
    "no base64": {"p256dh": "\x00ü", "auth": "****"},
}


@pytest.mark.parametrize("name", list(KEYS))
async def test_a_browser_whose_keys_are_of_no_use_is_forgotten(webpush: WebPushRig, name: str) -> None:
    device = msgspec.structs.replace(await webpush.device(), keys=KEYS[name])
    outcome = await webpush.make().send(message(device, webpush.clock))
    assert isinstance(outcome, TokenDead), outcome
    assert await webpush.peer.messages() == []


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), MemoryError(), OSError("no file left")])
async def test_a_machine_out_of_breath_forgets_no_browser(
    webpush: WebPushRig, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is encrypted in a thread, and there may be none left: nothing was sent, and the browser's keys are good."""
    channel, device = webpush.make(), await webpush.device()

    def out_of_breath(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        if isinstance(error, RuntimeError):
            patch.setattr(threading.Thread, "start", out_of_breath)
            patch.setattr(asyncio.get_running_loop(), "_default_executor", None)
        else:
            patch.setattr("pywebpush.http_ece.encrypt", out_of_breath)
        outcome = await channel.send(message(device, webpush.clock))
    assert isinstance(outcome, Retry), outcome
    assert str(error) in outcome.reason
    assert outcome.after is None
    assert isinstance(await channel.send(message(device, webpush.clock)), Delivered)


async def test_another_key_each_time_and_the_same_after_a_restart(webpush: WebPushRig, tmp_path: Path) -> None:
    """Browsers subscribe to our key: the data folder's own is made once. The message's own key is new each time."""
    first, again = (VapidKey.of("", tmp_path, "mailto:a@b.example") for _ in range(2))
    assert first.public == again.public != webpush.key.public
    assert (tmp_path / "webpush.pem").stat().st_mode & 0o077 == 0
    channel, device = webpush.make(), await webpush.device()
    sent = message(device, webpush.clock)
    for _ in range(2):
        assert isinstance(await channel.send(sent), Delivered)
    one, two = await webpush.peer.messages()
    assert json.loads(one.message or "") == json.loads(two.message or "")
    (tmp_path / "bad.pem").write_text("no key")
    with pytest.raises(OperatorError, match=r"bad\.pem"):
        VapidKey(tmp_path / "bad.pem", "mailto:a@b.example")
