"""Checks of certificates and keys for TLS."""

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from domain.deployment.secrets import SecretFault

FORM = "give PEM, as -----BEGIN CERTIFICATE-----"


def find_certificate_fault(
    authorities: bytes | None, certificate: bytes | None, key: bytes | None
) -> SecretFault | None:
    """Find what is wrong with the authorities, or a client's certificate and key."""
    if authorities is not None and not _certificates(authorities):
        return SecretFault("has a server CA certificate that cannot be read", FORM)
    if (certificate is None) != (key is None):
        lacks = "no key" if key is None else "no certificate"
        return SecretFault(
            f"has {lacks} for the client", "give both TEMPORAL_TLS_CLIENT_CERT_… and TEMPORAL_TLS_CLIENT_KEY_…"
        )
    if certificate is None or key is None:
        return None
    found = _certificates(certificate)
    if not found:
        return SecretFault("has a client certificate that cannot be read", FORM)
    try:
        private = load_pem_private_key(key, None)
    except (ValueError, TypeError):
        return SecretFault("has a client key that cannot be read", "give PEM without a password")
    if private.public_key() != found[0].public_key():
        return SecretFault("has a client key of another certificate", "give the key that the certificate was made for")
    return None


def _certificates(pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        return []
