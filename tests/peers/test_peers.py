"""A peer that cannot go on says why, and set-up gets what the peers are made of once."""

from __future__ import annotations

import json

import pytest

from tests.peers import install
from tests.peers.http import FakeHttp
from tests.peers.node import FOLDER, Peer, PeerError


async def test_a_peer_that_cannot_do_as_told_says_why() -> None:
    peer = Peer("http.mjs")
    with pytest.raises(PeerError, match=r"(?s)http\.mjs.*public_key|http\.mjs.*key"):
        await peer.start()
    gone = Peer("no-such-peer.mjs")
    with pytest.raises(PeerError, match=r"(?s)no-such-peer\.mjs ended with 1:.*Cannot find module"):
        await gone.start()


async def test_a_peer_knows_its_commands(http: FakeHttp) -> None:
    with pytest.raises(PeerError, match="no such command: fly"):
        await http.peer.call("fly")


def test_the_lock_names_no_place_to_download_from() -> None:
    lock = json.loads((FOLDER / "package-lock.json").read_text())
    assert [name for name, package in lock["packages"].items() if "resolved" in package] == []


def test_the_packages_are_got_once(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "_get_packages", lambda: pytest.fail("asked npm again"))
    assert install.main() == 0
    assert capsys.readouterr().out == f"tests' peers: {install.node()}\n"


def test_a_machine_without_node_is_told_so_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "_runtime", lambda: None)
    monkeypatch.setattr(install, "_get_node", lambda: None)
    assert install.main() == 1
    assert capsys.readouterr().err == f"chorus: {install.ADVICE}\n"
