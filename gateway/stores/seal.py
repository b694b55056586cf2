"""Owns how an access key's secret is kept: AES-256-GCM under a key that HKDF-SHA256 makes from the access key id.

Refuses to own randomness (the nonce is an argument) and storage.

Law: no clear secret is ever stored, and a stolen database opens none: the access key id itself is stored only as a
hash, and it holds 168 random bits.
(RFC 5869 for HKDF; NIST SP 800-38D for GCM with 96-bit nonces.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.core.reasons import DependencyDown

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES: Final = 12
_FORM: Final = b"\x01"
_PURPOSE: Final = b"gateway: the secret of an access key"
_KEY_BYTES: Final = 32


class Sealer:
    """Seals and opens secrets; has none of its own."""

    def seal(self, access_key_id: str, secret: str, nonce: bytes) -> bytes:
        """The secret as it is stored.

        Raises:
            ValueError: the nonce has not `NONCE_BYTES` bytes.
        """
        if len(nonce) != NONCE_BYTES:
            raise ValueError(f"a nonce has {NONCE_BYTES} bytes")
        return _FORM + nonce + _cipher(access_key_id).encrypt(nonce, secret.encode(), _FORM)

    def open(self, access_key_id: str, sealed: bytes) -> str:
        """The secret.

        Raises:
            DependencyDown: it does not open, so the store is damaged: the caller named the right id, or no grant
                would have been found.
        """
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 (seven megabytes, and many serve links alone)

        nonce, text = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        if sealed[:1] != _FORM or len(nonce) != NONCE_BYTES:
            raise DependencyDown("grants", "a sealed secret has an unknown form")
        try:
            return _cipher(access_key_id).decrypt(nonce, text, _FORM).decode()
        except InvalidTag:
            raise DependencyDown("grants", "a sealed secret does not open") from None


def _cipher(access_key_id: str) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 (as above)
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415

    derivation = HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=_PURPOSE)
    return AESGCM(derivation.derive(access_key_id.encode()))
