"""Callback URLs as run labels: anybody who sees the run in Prefect sees its labels, and a URL may hold a token.

So the URL is encrypted under a key that is derived from the signing key of its request. Keeping a signing key valid for
a day after its successor was added lets the callbacks that are still pending be delivered.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from metadata_api.errors import CallbackRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

_PURPOSE = b"nucleus callback url"


def seal(url: str, key_id: str, signing_keys: Mapping[str, str]) -> str:
    """The URL, readable only to those who have the signing key."""
    return _cipher(signing_keys[key_id]).encrypt(url.encode()).decode()


def unseal(label: str, signing_keys: Mapping[str, str]) -> str:
    """The URL again. A label of a version that did not encrypt is the URL itself.

    Raises:
        CallbackRefusedError: No valid signing key sealed it.
    """
    if "://" in label:
        return label
    try:
        return MultiFernet([_cipher(secret) for secret in signing_keys.values()]).decrypt(label.encode()).decode()
    except InvalidToken:
        raise CallbackRefusedError(
            "The callbackUrl cannot be read: the signing key of its request is no longer valid",
            "Keep a signing key for a day after adding the next one.",
        ) from None


def _cipher(secret: str) -> Fernet:
    # Derived, because the signing key itself is for signatures.
    return Fernet(base64.urlsafe_b64encode(hmac.digest(secret.encode(), _PURPOSE, hashlib.sha256)))
