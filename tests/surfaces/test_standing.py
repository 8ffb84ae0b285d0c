"""What is kept of the latest standing is never another programme's."""

from __future__ import annotations

from core.programme.document import Published
from core.programme.validation import default_document, parse
from surfaces import app
from tests.surfaces.samples import NOW, snapshot


def test_a_standing_is_of_the_programme_it_is_asked_for() -> None:
    """A revision that nobody holds any more gives its place in memory to the next."""
    shown, names = snapshot(), ("Silver Disc", "Platinum", "Shellac")
    programmes = {name: parse(default_document().replace("Silver Disc", name)) for name in names}
    for turn in range(60):
        name = names[turn % 3]
        assert name in str(app.view(shown, Published(7, programmes[name]), NOW, "en").tier)
