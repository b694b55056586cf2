"""Owns what a header may be made of: names (RFC 9110, 5.6.2) and the characters that a value may not carry.

Refuses to own which headers mean something (`gateway.wire.s3.request_headers`, `gateway.wire.understood`).
"""

from __future__ import annotations

import re
from typing import Final

FIELD_NAME: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
"""The pattern of a token, as a method or a header's name is one."""

CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""No value carries these over HTTP; a tab may stand in one."""

UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""What is kept out of values that are stored or shown, since the next reader may take it for a line's end."""

META_PREFIX: Final = "x-amz-meta-"

META_NAME: Final = re.compile(META_PREFIX + FIELD_NAME.replace("A-Z", ""), re.ASCII)
"""A header of an object's own metadata, in lower case."""
