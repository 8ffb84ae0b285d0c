"""How a request's body is read: JSON, said to be JSON, and every value of the very type it must have.

Litestar converts leniently (a text "12" or a float 12.0 becomes the integer 12); money and points are integers or
refused. So a body is decoded here, strictly, into what its handler declares.
"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request

from core.errors import InvalidInput

JSON = "application/json"


class NotJson(InvalidInput):
    """The content is of another media type; 415."""

    code = "not_json"


class Malformed(InvalidInput):
    """The content is not JSON at all; 400."""

    code = "malformed_json"


class WrongBody(Exception):
    """JSON, but not what the handler declares; the text is msgspec's, with the path of the wrong value."""


class StrictRequest(Request[Any, Any, Any]):
    async def json(self) -> Any:
        """The body as its handler declares it. Raises `NotJson`, `Malformed`, `WrongBody`."""
        if self.content_type[0] != JSON:
            raise NotJson(f"send the body as {JSON}")
        declared = self.route_handler.parsed_data_field
        kind = declared.annotation if declared is not None else Any
        try:
            return msgspec.json.decode(await self.body(), type=kind)
        except msgspec.ValidationError as error:
            raise WrongBody(str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Malformed(f"the body is not JSON: {error}") from None
