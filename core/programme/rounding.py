"""How a programme rounds a fraction of a point; stated once in the document."""

from __future__ import annotations

from typing import Literal

Rounding = Literal["down", "half_up", "half_even", "up"]
