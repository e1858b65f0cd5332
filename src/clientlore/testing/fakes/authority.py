"""A throw-away authority, for the fakes that are asked over TLS: its certificates are trusted by who is told to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Authority:
    """Files in PEM.

    Attributes:
        trusted: The authority's own certificate, for `CLIENTLORE_CA_FILE`.
        certificate: A server's chain and key, good for loopback.
    """

    trusted: Path
    certificate: tuple[str, str]


def make_authority(folder: Path) -> Authority:
    """Makes an authority and a certificate for loopback, in a folder."""
    import trustme

    made = trustme.CA()
    server = made.issue_cert("127.0.0.1", "localhost")
    trusted, chain, key = (folder / name for name in ("authority.pem", "server.pem", "server.key"))
    made.cert_pem.write_to_path(str(trusted))
    key.touch(mode=0o600)
    server.private_key_pem.write_to_path(str(key))
    for number, part in enumerate(server.cert_chain_pems):
        part.write_to_path(str(chain), append=number > 0)
    return Authority(trusted, (str(chain), str(key)))
