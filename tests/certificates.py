"""Authorities, servers and clients as tests need them: made in a moment, valid for a day unless it is said otherwise."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


class Issued(NamedTuple):
    """A certificate with its key, signed by somebody or by itself."""

    certificate: x509.Certificate
    key: CertificateIssuerPrivateKeyTypes

    @property
    def chain(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def key_text(self, passphrase: str | None = None) -> str:
        how: KeySerializationEncryption = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how).decode()

    def files(self, directory: Path, name: str) -> dict[str, str]:
        """Chain and key as files; where they are, as the stack file names them."""
        directory.mkdir(exist_ok=True)
        chain, key = directory / f"{name}.crt", directory / f"{name}.key"
        chain.write_text(self.chain)
        key.write_text(self.key_text())
        return {"chain": str(chain), "key": str(key)}


def issued(
    name: str,
    by: Issued | None = None,
    *,
    host: str = "",
    starts: timedelta = -DAY,
    ends: timedelta = DAY,
    rsa_bits: int = 0,
) -> Issued:
    """A certificate for this common name, by an authority or (an authority itself) by its own key; ``host`` is an IP address."""
    key: CertificateIssuerPrivateKeyTypes = (
        rsa.generate_private_key(public_exponent=65_537, key_size=rsa_bits)
        if rsa_bits
        else ec.generate_private_key(ec.SECP256R1())
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + starts)
        .not_valid_after(now + ends)
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
    )
    if host:
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))])
        builder = builder.add_extension(names, critical=False)
    return Issued(builder.sign(by.key if by else key, hashes.SHA256()), key)
