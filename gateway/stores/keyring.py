"""Owns the sealing keys: what wraps a stored secret a second time, so that a copy of the store opens nothing.

Refuses to own what is inside (`gateway.stores.seal`, `gateway.core.password`), randomness (nonces are arguments) and
where keys come from (`gateway.settings.state`).

Law: AES-256-GCM and nothing else. The cipher's key comes from the sealing key by HKDF-SHA256, and the ciphertext is
bound to its key's number, to its use and to its grant, so that none can be moved to another place.
(RFC 5869; NIST SP 800-38D, by which one key may wrap 2**32 texts with random nonces.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.core.reasons import DependencyDown
from gateway.core.sealing import NONCE_BYTES, WRAPPED_HEAD, number_of, wrapped_head

_KEY_BYTES: Final = 32
_MARK_BYTES: Final = 8
_WRAPPING: Final = b"gateway: wraps what is stored"
_MARKING: Final = b"gateway: tells sealing keys apart"


class KeyRing:
    """The sealing keys by their numbers; the first wraps, all of them unwrap."""

    def __init__(self, keys: Sequence[tuple[int, str]]) -> None:
        """There is at least one. Raises ValueError for a number that no key has."""
        self._ciphers = {number: AESGCM(_derived(text, _WRAPPING, _KEY_BYTES)) for number, text in keys}
        self.marks: Mapping[int, str] = {number: _derived(text, _MARKING, _MARK_BYTES).hex() for number, text in keys}
        self.newest = keys[0][0]
        self._heads = {number: wrapped_head(number) for number, _ in keys}

    def wrap(self, text: bytes, bound_to: str, nonce: bytes) -> bytes:
        """The text as it is stored. `bound_to` names its use and its grant."""
        if len(nonce) != NONCE_BYTES:
            raise ValueError(f"a nonce has {NONCE_BYTES} bytes")
        head = self._heads[self.newest]
        return head + nonce + self._ciphers[self.newest].encrypt(nonce, text, head + bound_to.encode())

    def unwrap(self, wrapped: bytes, bound_to: str) -> bytes:
        """The text.

        Raises:
            DependencyDown: its key is not on this ring, or is another one, or the text is damaged or was moved.
        """
        number = number_of(wrapped)
        cipher = self._ciphers.get(number)
        if cipher is None:
            raise DependencyDown("grants", f"it is sealed under key {number}, which state.sealing_keys does not hold")
        text = WRAPPED_HEAD + NONCE_BYTES
        try:
            return cipher.decrypt(wrapped[WRAPPED_HEAD:text], wrapped[text:], self._heads[number] + bound_to.encode())
        except (InvalidTag, ValueError):
            raise DependencyDown("grants", f"it does not open with key {number} of state.sealing_keys") from None


def _derived(text: str, purpose: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=purpose).derive(text.encode())
