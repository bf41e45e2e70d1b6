"""Text that is stored encrypted: keys of the shops, secrets of the webhooks."""

import base64

from cryptography.fernet import Fernet, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import models


def _fernet() -> MultiFernet:
    """Encrypts with SECRET_KEY; opens also what SECRET_KEY_FALLBACKS encrypted."""
    return MultiFernet([Fernet(_derive(key)) for key in [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]])


def _derive(key: str) -> bytes:
    derived = HKDF(SHA256(), length=32, salt=None, info=b"postpurchase.encrypted-field").derive(key.encode())
    return base64.urlsafe_b64encode(derived)


def encrypted(text: str) -> str:
    return _fernet().encrypt(text.encode()).decode()


def decrypted(token: str) -> str:
    """Raises cryptography.fernet.InvalidToken for what no key of ours has encrypted."""
    return _fernet().decrypt(token.encode()).decode()


class EncryptedTextField(models.TextField):
    """Plain text in Python, a Fernet token in the database. Can't be searched; empty stays empty."""

    def get_prep_value(self, value):
        value = super().get_prep_value(value)
        return encrypted(value) if value else value

    def from_db_value(self, value, expression, connection):
        return decrypted(value) if value else value

    def get_lookup(self, lookup_name):
        if lookup_name not in ("isnull", "exact"):
            return None
        return super().get_lookup(lookup_name)
