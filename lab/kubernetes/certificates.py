"""The authority of one cluster and what it signs, and the kubeconfig of somebody.

The rule: everything is made anew for each cluster and is good for a day; keys are files that only their owner reads.
"""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID = dt.timedelta(days=1)
USES = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]


class Authority:
    """Signs for one cluster, in a directory that has ``ca.crt``, ``NAME.crt`` and ``NAME.key``."""

    def __init__(self, directory: Path) -> None:
        """A new one."""
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("lab")
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        signed = _begun(self._name, self._name, self._key).add_extension(constraints, critical=True)
        self.file = directory / "ca.crt"
        self.file.write_bytes(_pem(signed.sign(self._key, hashes.SHA256())))

    def issue(self, name: str, subject: str, group: str = "", addresses: Sequence[str] = ()) -> Path:
        """A certificate for a user of a group, or for a server at names and addresses; the path without ``.crt`` and ``.key``."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _begun(_name(subject, group), self._name, key)
        certificate = certificate.add_extension(x509.ExtendedKeyUsage(USES), critical=False)
        if addresses:
            certificate = certificate.add_extension(x509.SubjectAlternativeName(list(map(_san, addresses))), False)
        place = self.directory / name
        place.with_suffix(".crt").write_bytes(_pem(certificate.sign(self._key, hashes.SHA256())))
        _write_key(place.with_suffix(".key"), key)
        return place

    def account_key(self) -> Path:
        """What tokens of service accounts are signed with."""
        path = self.directory / "accounts.key"
        _write_key(path, ec.generate_private_key(ec.SECP256R1()))
        return path

    def kubeconfig(self, user: Path, server: str, to: Path, namespace: str = "default") -> Path:
        """A file that holds everything that ``kubectl`` needs as this user."""
        cluster = {"server": server, "certificate-authority-data": _base64(self.file)}
        credentials = {
            "client-certificate-data": _base64(user.with_suffix(".crt")),
            "client-key-data": _base64(user.with_suffix(".key")),
        }
        context = {"cluster": "lab", "user": user.name, "namespace": namespace}
        config: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "lab", "cluster": cluster}],
            "users": [{"name": user.name, "user": credentials}],
            "contexts": [{"name": "lab", "context": context}],
            "current-context": "lab",
        }
        to.touch(mode=0o600)
        to.write_text(yaml.safe_dump(config), encoding="utf-8")
        return to


def _begun(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + VALID)
    )


def _name(common: str, group: str = "") -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common)]
    if group:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
    return x509.Name(parts)


def _san(address: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        return x509.DNSName(address)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
