"""Apple's web service, asked wrongly: with forged tokens, for others' passes, with anything at all in every place.
Nothing is written, nothing is told, and nothing breaks."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from bff.apple import _date
from tests.bff.cards import DEVICE, KIND, PUSH, Card, card, register, tables
from tests.bff.house import House
from tests.bff.problems import must_be_problem


@pytest.fixture(scope="module")
async def mine(house: House) -> Card:
    """With one device registered."""
    mine = await card(house)
    assert (await register(house, mine)).status_code == 201
    return mine


@pytest.fixture(scope="module")
async def theirs(house: House) -> Card:
    return await card(house)


@pytest.fixture
async def unchanged(house: House) -> AsyncIterator[None]:
    """Whatever is asked, the tables are as before."""
    before = await tables(house)
    yield
    assert await tables(house) == before


# -- who may ------------------------------------------------------------------------------------------------------------

FORGED = ["", "ApplePass", "ApplePass,", "Bearer {mine}", "ApplePass {theirs}", "ApplePass {mine}x", "{mine}",
          "ApplePass x{mine}", "ApplePass {upper}", "ApplePass \xe9\xff", "ApplePass " + "A" * 4000,
          "ApplePass {short}"]  # fmt: skip


def requests(mine: Card) -> list[dict[str, Any]]:
    """The three that need the pass's token."""
    return [
        {"method": "POST", "url": mine.registration("e" * 32), "content": PUSH},
        {"method": "DELETE", "url": mine.registration()},
        {"method": "GET", "url": mine.path},
    ]


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("forged", FORGED, ids=range(len(FORGED)))
async def test_a_forged_token_opens_nothing(house: House, mine: Card, theirs: Card, forged: str) -> None:
    text = forged.format(mine=mine.token, theirs=theirs.token, upper=mine.token.swapcase(), short=mine.token[:-1])
    headers = {b"Authorization": text.encode("latin-1")} if text else {}
    for request in requests(mine):
        must_be_problem(await house.http.request(**request, headers=headers), 401, "wrong_pass_token")


@pytest.mark.usefixtures("unchanged")
async def test_a_signed_in_members_token_is_no_passes(house: House, mine: Card) -> None:
    for surface in ("app", "web", "wallet"):
        token = house.token(surface, int(mine.serial))
        for scheme in ("Bearer", "ApplePass"):
            answer = await house.http.get(mine.path, headers={"Authorization": f"{scheme} {token}"})
            must_be_problem(answer, 401, "wrong_pass_token")


async def test_the_schemes_name_may_be_written_in_any_case(house: House, mine: Card) -> None:
    for scheme in ("ApplePass", "applepass", "APPLEPASS"):
        answer = await house.http.get(mine.path, headers={"Authorization": f"{scheme} {mine.token}"})
        assert answer.status_code == 200


SERIALS = ["0", "-1", "1", "01", "+1", "1.0", "1e3", str(2**63), str(2**63 - 1), str(2**64), "9" * 18, "9" * 500, "abc",
           "%E4%B8%80", "%D9%A1", "%C2%B2", "%EF%BC%91", "%00", "1%00", "%20{s}", "{s}%20", "{s}%0a", "{s}'--", "{s};",
           "%ff%fe", "null", "true", "%5B%5D"]  # fmt: skip


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("serial", SERIALS)
async def test_another_serial_opens_nothing(house: House, mine: Card, serial: str) -> None:
    for request in requests(mine):
        request["url"] = request["url"].rpartition("/")[0] + "/" + serial.format(s=mine.serial)
        must_be_problem(await house.http.request(**request, headers=mine.authorization), 401, "wrong_pass_token")


KINDS = [
    "pass.dev.chorus.other",
    "pass",
    "PASS.DEV.CHORUS.LOYALTY",
    "pass.dev.chorus.loyalty%00",
    "%20",
    "*",
    "'",
    "x" * 999,
]


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("kind", KINDS)
async def test_another_pass_type_opens_nothing(house: House, mine: Card, kind: str) -> None:
    for request in requests(mine):
        request["url"] = request["url"].replace(KIND, kind)
        must_be_problem(await house.http.request(**request, headers=mine.authorization), 401, "wrong_pass_token")
    assert (await house.http.get(f"/apple/v1/devices/{DEVICE}/registrations/{kind}")).status_code == 204


TRICKS = [
    "/apple/v1/passes/%2e%2e/{k}/{s}", "/apple/v1/passes/{k}/%2e%2e%2f{s}", "/apple/v1/passes/{k}/../{k}/{s}",
    "/apple/v1/passes/{k}/{s}/x", "/apple/v1/passes/{k}/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "/apple/v1/passes/{k}", "/apple/v1/passes", "/apple/v1", "/apple", "/apple/v2/passes/{k}/{s}",
    "/apple/%76%32/passes/{k}/{s}", "/apple/v1/passes/{k}/{s}%2f..%2f1",
    "/apple/v1/devices/{d}/registrations/{k}/{s}/..", "/apple/v1/devices/%2e%2e/registrations",
    "/apple/v1/passes/{k}/{s}%3fx", "/apple/v1/passes/{k}%2f{s}%2fx", "/apple/v1/log", "/apple/v1/devices/{d}",
]  # fmt: skip


TIDIED = ["/apple/v1/passes/{k}//{s}", "/apple/v1//passes/{k}/{s}", "/apple/v1/passes/{k}/{s}/"]


async def sent_as_it_is(house: House, path: str, headers: dict[str, str]) -> int:
    """The status of a request whose path nobody tidied: a client that does would test itself."""
    reader, writer = await asyncio.open_connection("127.0.0.1", house.services.settings.port)
    lines = [f"GET {path} HTTP/1.1", "Host: x", "Connection: close", *(f"{name}: {headers[name]}" for name in headers)]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return int(answer.split()[1])


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("trick", TRICKS)
async def test_a_path_that_plays_tricks_leads_nowhere(house: House, mine: Card, trick: str) -> None:
    path = trick.format(k=KIND, s=mine.serial, d=DEVICE)
    assert await sent_as_it_is(house, path, mine.authorization) in (401, 404, 405)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("path", TIDIED)
async def test_a_path_with_a_slash_too_many_needs_the_token_too(house: House, mine: Card, path: str) -> None:
    path = path.format(k=KIND, s=mine.serial)
    assert await sent_as_it_is(house, path, mine.authorization) == 200
    assert await sent_as_it_is(house, path, {}) == 401


# -- what is sent -------------------------------------------------------------------------------------------------------

MALFORMED = ["", "{", "null", "[]", '""', "1", "{}", '{"pushToken": null}', '{"pushToken": 1}', '{"pushToken": ["ab"]}',
             '{"pushtoken": "' + "ab" * 32 + '"}', '{"pushToken": "\\ud800"}', "[" * 100_000, "\xff", '{"pushToken": "ab',
             "NaN", '{"pushToken": {"a": ' * 5_000]  # fmt: skip
WRONG = ["", "zz", "ab", "ab" * 15, "ab" * 32 + "a", "ab" * 101, "xy" * 32, "ab" * 31 + " \\n", "\\u0000" * 64,
         "../" * 21, "\\u0661" * 64, "<" + "ab" * 32 + ">", "ab ab" * 13]  # fmt: skip
DEVICES = ["d" * 129, "a%20b", "a%2cb", "%00", "%E4%B8%80", "a'b", "a;b", "%0a", "d" * 4000]


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("body", MALFORMED, ids=range(len(MALFORMED)))
async def test_a_malformed_registration_is_refused(house: House, mine: Card, body: str) -> None:
    request = requests(mine)[0] | {"content": body.encode("latin-1")}
    must_be_problem(await house.http.request(**request, headers=mine.authorization), 400, "malformed_json")


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("token", WRONG, ids=range(len(WRONG)))
async def test_a_push_token_that_is_none_is_refused(house: House, mine: Card, token: str) -> None:
    request = requests(mine)[0] | {"content": f'{{"pushToken": "{token}"}}'}
    problem = must_be_problem(await house.http.request(**request, headers=mine.authorization), 422, "invalid_input")
    assert [error["pointer"] for error in problem["errors"]] == ["/pushToken"]


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("device", DEVICES, ids=range(len(DEVICES)))
async def test_a_device_that_is_none_is_refused(house: House, mine: Card, device: str) -> None:
    answer = await house.http.post(mine.registration(device), content=PUSH, headers=mine.authorization)
    problem = must_be_problem(answer, 422, "invalid_input")
    assert [error["pointer"] for error in problem["errors"]] == ["/deviceLibraryIdentifier"]
    assert (await house.http.get(f"/apple/v1/devices/{device}/registrations/{KIND}")).status_code == 204
    assert (await house.http.delete(mine.registration(device), headers=mine.authorization)).status_code == 200


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("path", ["{registration}", "/apple/v1/log"])
async def test_ten_megabytes_are_too_many(house: House, mine: Card, path: str) -> None:
    content = b'{"pushToken": "' + b"a" * 10_000_000 + b'", "logs": []}'
    url = path.format(registration=mine.registration("e" * 32))
    must_be_problem(await house.http.post(url, content=content, headers=mine.authorization), 413, "too_large")

    async def parts() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 65_536):
            yield content[start : start + 65_536]

    # In parts, without saying how many: refused once it is too many, by a connection that may be cut.
    try:
        answer = await house.http.post(url, content=parts(), headers=mine.authorization)
    except (httpx.WriteError, httpx.ReadError):
        return
    must_be_problem(answer, 413, "too_large")


async def test_what_a_newer_system_may_add_is_no_error(house: House, theirs: Card) -> None:
    body = json.dumps({"pushToken": "AB" * 32, "deviceModel": "iPhone", "more": {"a": [1]}})
    for status in (201, 200):
        answer = await house.http.post(theirs.registration("f" * 32), content=body, headers=theirs.authorization)
        assert (answer.status_code, answer.content) == (status, b"")
    answer = await house.http.delete(theirs.registration("f" * 32), headers=theirs.authorization)
    assert (answer.status_code, answer.content) == (200, b"")


# -- what is asked ------------------------------------------------------------------------------------------------------

TAGS = ["", "0", "1", "-1", "1-", "-", "1--1", "1-x", "99-1", "1-" + "9" * 30, "%00", "%E4%B8%80", "1-%D9%A1", "' OR 1=1",
        "a" * 4000, "1-1-1", "1.5", "2026-03-14T09:26:53Z", "Sat, 14 Mar 2026 09:26:53 GMT", "%ff"]  # fmt: skip


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("tag", TAGS)
async def test_a_tag_that_is_none_of_ours_counts_as_none(house: House, mine: Card, tag: str) -> None:
    """The device is told of everything it has: it may fetch too much, and never misses a thing."""
    url = f"/apple/v1/devices/{DEVICE}/registrations/{KIND}"
    for query in (f"?passesUpdatedSince={tag}", f"?passesUpdatedSince={tag}&passesUpdatedSince={tag}"):
        answer = await house.http.get(url + query)
        assert (answer.status_code, answer.json()["serialNumbers"]) == (200, [mine.serial])
    assert answer.json() == (await house.http.get(url)).json()


@pytest.mark.usefixtures("unchanged")
async def test_a_tag_from_the_future_is_followed_by_nothing(house: House) -> None:
    url = f"/apple/v1/devices/{DEVICE}/registrations/{KIND}?passesUpdatedSince="
    tag = (await house.http.get(url)).json()["lastUpdated"]
    epoch = tag.partition("-")[0]
    for known in (tag, f"{epoch}-999999999999999999"):
        answer = await house.http.get(url + known)
        assert (answer.status_code, answer.content) == (204, b"")


DATES = ["", "0", "1773480413", "1773480413.5", "-1", "garbage", "Sat, 14 Mar 2026", "2026-03-14T09:26:53Z", "now", "NaN",
         "Mon, 01 Jan 0001 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "Fri, 31 Dec 9999 23:59:59 -2359",
         "Mon, 01 Jan 0001 00:00:00 +2359", "Thu, 01 Jan 1970 00:00:00 GMT", "Sat, 32 Mar 2026 09:26:53 GMT",
         "Sat, 14 Mar 2026 25:61:61 GMT", "Sat, 14 Mar 99999 09:26:53 GMT", "Sat, 14 Mar 2026 09:26:53 +9999", "\xe9",
         "," * 500, "Sat, 14 Mar " + "9" * 5000 + " 09:26:53 GMT", "14 Mar 2026 " + ":" * 50,
         "Sat, 14 Mar 2036 09:26:53 GMT", "Sat, 14 Mar 2026 09:26:52 GMT", "Sat, 14 Mar 2026 09:26:54 GMT"]  # fmt: skip


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("date", DATES, ids=range(len(DATES)))
async def test_a_date_that_is_none_of_ours_gives_the_whole_pass(house: House, mine: Card, date: str) -> None:
    """A later one too: it would be of a database that was given up for an older copy."""
    headers: Any = [(name.encode(), value.encode()) for name, value in mine.authorization.items()]
    headers.append((b"If-Modified-Since", date.encode("latin-1")))
    answer = await house.http.get(mine.path, headers=headers)
    assert (answer.status_code, answer.headers["last-modified"]) == (200, mine.modified)
    assert answer.content.startswith(b"PK")


@pytest.mark.usefixtures("unchanged")
async def test_the_very_date_it_was_given_with_gives_304(house: House, mine: Card) -> None:
    for written in (mine.modified, *(mine.modified.replace("GMT", zone) for zone in ("+0000", "-0000"))):
        answer = await house.http.get(mine.path, headers={**mine.authorization, "If-Modified-Since": written})
        assert (answer.status_code, answer.content) == (304, b"")


def test_any_text_is_a_date_or_none() -> None:
    choice = random.Random(3)
    words = [
        "Sat,",
        "14",
        "Mar",
        "2026",
        "09:26:53",
        "GMT",
        "+0100",
        "-",
        ":",
        "99999999999",
        "(",
        ")",
        "\\",
        '"',
        "\0",
        "é",
    ]
    for _ in range(5_000):
        at = _date(" ".join(choice.choices(words, k=choice.randint(0, 8))))
        assert at is None or at.tzinfo is not None
