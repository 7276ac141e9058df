"""From a trusted list to rgs.toml: which services count by the operator's table, what changes in the file."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tdt.certificates.files import MALFORMED, replace_file
from tdt.certificates.rgs import fingerprint, is_policy, normal_name, read_issuers
from tdt.certificates.trusted_list import Service, TrustedList, TrustedListError
from tdt.domain.rgs import Holder, Issuer, Level, Policy

DEFAULT_STATUSES = ("granted", "recognisedatnationallevel", "accredited", "undersupervision")
"""Last segments of the ETSI status URIs (TS 119 612 §5.5.4) under which a service is in order."""
MARK = "tdt certificates rgs import"
BEGIN, END = "# >>> {mark} : {name}", "# <<< {mark} : {name}"
BLOCK = re.compile(rf"^# >>> {MARK} : (\w+)\n(.*?)^# <<< {MARK} : \1\n", re.MULTILINE | re.DOTALL)
STRAY = re.compile(rf"^# (>>>|<<<) {MARK}", re.MULTILINE)

Mapped = Mapping[str, tuple[Level, Holder]]
"""An OID or an URI of the list → what it stands for, by the operator's word."""


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority drawn from the list, and what its policies stand for."""

    certificate: x509.Certificate
    label: str
    issuer: Issuer


@dataclass(frozen=True, slots=True)
class Selection:
    """What the list gives; `notes` says in French what was left out, and why."""

    authorities: tuple[Authority, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the report: `added`, `changed`, `removed`, `same` or `kept` (written by hand, or by another list)."""

    what: str
    issuer: Issuer


# ---------------------------------------------------------------------------------------------- selection


def select(trusted: TrustedList, mapped: Mapped, statuses: Sequence[str], now: datetime) -> Selection:
    """The authorities of the services in order that the operator's table gives a level to."""
    found: dict[str, Authority] = {}
    notes: list[str] = []
    for service in trusted.services:
        policies, left = _policies(service, mapped)
        notes += [f"{_label(service)} : {note}" for note in left]
        if not policies:
            continue
        if reason := _out_of_order(service, statuses, now):
            notes.append(f"{_label(service)} : laissé de côté, {reason}")
            continue
        for certificate in service.certificates:
            if reason := _no_authority(certificate, now):
                notes.append(f"{_label(service)} : laissé de côté, {reason}")
            else:
                _merge(found, certificate, service, policies.values())
    return Selection(tuple(found.values()), tuple(dict.fromkeys(notes)))


def _policies(service: Service, mapped: Mapped) -> tuple[dict[str, Policy], list[str]]:
    """What the service's policies stand for. An OID of the table comes before an URI."""
    found: dict[str, Policy] = {}
    notes = []
    for one in service.qualifications:
        _add(found, service, (Policy(oid, *mapped[oid]) for oid in one.named if oid in mapped))
        for uri in (*one.qualifiers, *service.informations):
            if uri not in mapped:
                continue
            alone = (oid for oid in one.enough if oid not in mapped and is_policy(oid))
            _add(found, service, (Policy(oid, *mapped[uri]) for oid in alone))
            if others := [oid for oid in one.named if oid not in one.enough and oid not in mapped]:
                notes.append(f"{uri} y dépend d'autres conditions que {', '.join(others)} : citez l'OID dans --map")
    if not service.qualifications and any(uri in mapped for uri in service.informations):
        notes.append("aucune politique n'y est nommée : déclarez-la à la main dans rgs.toml")
    return found, notes


def _add(found: dict[str, Policy], service: Service, policies: Iterable[Policy]) -> None:
    for policy in policies:
        if found.setdefault(policy.oid, policy) != policy:
            raise TrustedListError(f"{_label(service)} : {policy.oid} aurait deux niveaux, citez-le dans --map")


def _label(service: Service) -> str:
    return f"{service.provider} / {service.name}"


def _out_of_order(service: Service, statuses: Sequence[str], now: datetime) -> str:
    if service.status not in statuses:
        return f"son statut est « {service.status} »"
    if service.since is None or service.since > now:
        return "son statut n'a pas commencé"
    return service.fault


def _no_authority(certificate: x509.Certificate, now: datetime) -> str:
    subject = certificate.subject.rfc4514_string()
    if not is_authority(certificate):
        return f"« {subject} » n'est pas le certificat d'une autorité"
    if certificate.not_valid_after_utc < now:
        return f"« {subject} » est expiré"
    if normal_name(subject) != subject:
        return f"« {subject} » ne peut être écrit dans rgs.toml"
    return ""


def is_authority(certificate: x509.Certificate) -> bool:
    """May this certificate sign others (RFC 5280 §4.2.1.9)?"""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, *MALFORMED):
        return False


def _merge(
    found: dict[str, Authority], certificate: x509.Certificate, service: Service, policies: Iterable[Policy]
) -> None:
    """One entry for a certificate that several services share."""
    digest = fingerprint(certificate)
    known = found.get(digest)
    merged = {policy.oid: policy for policy in known.issuer.policies} if known else {}
    _add(merged, service, policies)
    issuer = Issuer(certificate.subject.rfc4514_string(), digest, tuple(merged[oid] for oid in sorted(merged)))
    found[digest] = Authority(certificate, known.label if known else _label(service), issuer)


# ---------------------------------------------------------------------------------------------- rgs.toml


def merge_list(text: str, trusted: TrustedList, authorities: Sequence[Authority]) -> tuple[str, list[Change]]:
    """The text of rgs.toml with this list's block renewed, the rest untouched, and what that changes.

    What is declared outside the block, by hand or by another list, stays as it is: its authority is left out here.
    Raises ConfigError when the file, or what would become of it, has a fault.
    """
    name = trusted.territory
    before, block, after = _split(text, name)
    others, old = read_issuers(before + after), {_key(one): one for one in read_issuers(block)}
    read_issuers(text)
    mine = []
    changes = []
    for authority in authorities:
        issuer = authority.issuer
        if kept := next((one for one in others if _covers(one, issuer)), None):
            changes.append(Change("kept", kept))
            continue
        known = old.pop(_key(issuer), None)
        issuer = replace(issuer, revocation=known.revocation if known else None)
        what = "added" if known is None else "same" if set(known.policies) == set(issuer.policies) else "changed"
        changes.append(Change(what, issuer))
        mine.append(replace(authority, issuer=issuer))
    changes += [Change("removed", issuer) for issuer in old.values()]
    new = before + "".join(_block(trusted, mine)) + after
    read_issuers(new)
    return new, changes


def _split(text: str, name: str) -> tuple[str, str, str]:
    """What stands before the block of this list, its content, what comes after; a new block goes to the end."""
    if text and not text.endswith("\n"):
        text += "\n"
    blocks = [found for found in BLOCK.finditer(text) if found[1] == name]
    rest = BLOCK.sub("", text)
    if len(blocks) > 1 or STRAY.search(rest):
        raise TrustedListError(f"rgs.toml : les repères « {MARK} » ne vont plus par deux, corrigez-les à la main")
    if not blocks:
        return text + ("\n" if text else ""), "", ""
    return text[: blocks[0].start()], blocks[0][2], text[blocks[0].end() :]


def _key(issuer: Issuer) -> tuple[str, str]:
    return issuer.subject, issuer.sha256


def _covers(declared: Issuer, issuer: Issuer) -> bool:
    return declared.subject == issuer.subject and declared.sha256 in ("", issuer.sha256)


def _block(trusted: TrustedList, authorities: Iterable[Authority]) -> Iterator[str]:
    yield BEGIN.format(mark=MARK, name=trusted.territory) + "\n"
    until = f", valable jusqu'au {trusted.next_update:%Y-%m-%d}" if trusted.next_update else ", close"
    yield f"# Liste de confiance {trusted.territory} no {trusted.sequence} du {trusted.issued:%Y-%m-%d}{until}.\n"
    yield "# Remplacé à chaque import ; seule la clé revocation y est gardée.\n"
    for authority in sorted(authorities, key=lambda one: (one.label, *_key(one.issuer))):
        yield "\n"
        yield from _entry(authority)
    yield END.format(mark=MARK, name=trusted.territory) + "\n"


def _entry(authority: Authority) -> Iterator[str]:
    issuer = authority.issuer
    yield f"# {''.join(one for one in authority.label if one.isprintable())}\n[[authority]]\n"
    yield f"subject = {_quoted(issuer.subject)}\nsha256 = {_quoted(issuer.sha256)}\n"
    if issuer.revocation is not None:
        yield f"revocation = {_quoted(issuer.revocation)}\n"
    for policy in issuer.policies:
        yield f"\n  [[authority.policy]]\n  oid = {_quoted(policy.oid)}\n"
        yield f"  level = {_quoted(policy.level)}\n  holder = {_quoted(policy.holder)}\n"


def _quoted(text: str) -> str:
    """A JSON string is a TOML one, but for the character DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


# ---------------------------------------------------------------------------------------------- certificates


def plan_certificates(
    directory: Path, territory: str, authorities: Sequence[Authority]
) -> tuple[dict[Path, bytes], list[Path]]:
    """The files to write in a directory of authorities, and those of this list that go: it no longer holds them."""
    wanted = {
        directory / f"tl-{territory}-{authority.issuer.sha256[:24]}.pem": authority.certificate.public_bytes(
            Encoding.PEM
        )
        for authority in authorities
    }
    ours = set(directory.glob(f"tl-{territory}-*.pem"))
    new = {path: data for path, data in wanted.items() if path not in ours or path.read_bytes() != data}
    return new, sorted(ours - set(wanted))


def write_certificates(files: Mapping[Path, bytes], gone: Iterable[Path]) -> None:
    """Apply a plan."""
    for path, data in files.items():
        replace_file(path, data)
    for path in gone:
        path.unlink()
