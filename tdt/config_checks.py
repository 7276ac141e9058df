"""What the values of a configuration must be, and be together."""

import re
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

from msgspec.structs import fields

from tdt.config import Actes, Antivirus, Config, Mail, Server, Stamp
from tdt.domain.text import is_email


def find_inconsistencies(config: Config) -> Iterator[str]:
    """Values that are good each and do not go together, or are out of their bounds."""
    if not config.database.dsn:
        yield "[database] dsn or dsn_file: missing"
    yield from _server_inconsistencies(config.server)
    for key in ("refresh_seconds", "timeout"):
        if getattr(config.revocation, key) <= 0:
            yield f"[revocation] {key}: must be positive"
    for url in config.revocation.urls:
        if not url.startswith(("http://", "https://")):
            yield f"[revocation] urls: {url!r} is not an http address"
    if config.worker.dead_after_seconds < 2 * config.worker.heartbeat_seconds:
        yield "[worker] dead_after_seconds: must be at least twice heartbeat_seconds"
    for key in ("takeovers", "large_bytes", "large_concurrency"):
        if getattr(config.worker, key) < 1:
            yield f"[worker] {key}: must be at least 1"
    yield from _balance_inconsistencies(config)
    for key in ("failures", "window_seconds"):
        if getattr(config.login, key) <= 0:
            yield f"[login] {key}: must be positive"
    for key in ("concurrency", "memory_bytes", "seconds"):
        if getattr(config.documents, key) <= 0:
            yield f"[documents] {key}: must be positive"
    yield from _stamp_inconsistencies(config.stamp)
    yield from _state_inconsistencies(config)
    yield from _authenticity_inconsistencies(config.actes)
    yield from _mail_inconsistencies(config.mail)


def _balance_inconsistencies(config: Config) -> Iterator[str]:
    if bool(config.signing.certificate) != bool(config.signing.key):
        yield "[signing] certificate, key: both or none"
    # at midnight itself what ends the day may not be committed yet
    if not 1 <= config.balances.from_hour <= 23:
        yield "[balances] from_hour: must be between 1 and 23"
    if not 0 <= config.balances.spread_hours <= 24 - config.balances.from_hour:
        yield "[balances] spread_hours: must end with the day"


def _state_inconsistencies(config: Config) -> Iterator[str]:
    for field in fields(config.watchdog):
        if not 0 <= getattr(config.watchdog, field.name) <= LONGEST_ALERT:
            yield f"[watchdog] {field.name}: must be between 0 (never) and {LONGEST_ALERT}"
    for key in ("posted_alert_minutes", "waiting_alert_hours", "acquit_alert_hours", "silence_alert_hours"):
        if not 0 <= getattr(config.helios, key) <= LONGEST_ALERT:
            yield f"[helios] {key}: must be between 0 (never) and {LONGEST_ALERT}"
    if config.breaker.failures < 1:
        yield "[breaker] failures: must be at least 1"
    if not 0 < config.breaker.probe_seconds <= config.breaker.longest_seconds:
        yield "[breaker] probe_seconds: must be positive, and at most longest_seconds"
    if not 0 <= config.breaker.alert_minutes <= LONGEST_ALERT:
        yield f"[breaker] alert_minutes: must be between 0 (never) and {LONGEST_ALERT}"
    if config.helios.silence_alert_flows < 1:
        yield "[helios] silence_alert_flows: must be at least 1"
    for section in ("actes", "helios"):
        if getattr(config, section).poll_seconds <= 0:
            yield f"[{section}] poll_seconds: must be positive"
    if not -1 <= config.actes.daily_classification_hour <= 23:
        yield "[actes] daily_classification_hour: an hour from 0 to 23, or -1 for never"
    yield from _antivirus_inconsistencies(config.antivirus)


LONGEST_ALERT = 10_000
"""More is a mistake: 0 says never."""


def _stamp_inconsistencies(stamp: Stamp) -> Iterator[str]:
    for key in ("x", "y"):
        if not 0 <= getattr(stamp, key) <= FARTHEST:
            yield f"[stamp] {key}: must be between 0 and {FARTHEST} points"
    if not 0 < stamp.opacity <= 1:
        yield "[stamp] opacity: must be above 0 and at most 1"
    if stamp.logo and not Path(stamp.logo).is_file():
        yield f"[stamp] logo: no file {stamp.logo}"


FARTHEST = 200
"""Points from an edge: farther in, a stamp lies on the text of any page."""


def _server_inconsistencies(server: Server) -> Iterator[str]:
    unix = server.listen.startswith("unix:")
    if server.client_certificate == "nginx" and not unix and not server.trusted_proxies:
        yield '[server] client_certificate = "nginx" is believed on a unix socket, or from trusted_proxies, only'
    for proxy in server.trusted_proxies:
        if not _is_network(proxy):
            yield f"[server] trusted_proxies: {proxy!r} is not an address nor a network"
    if server.tls_minimum > server.tls_maximum:
        yield "[server] tls_minimum: above tls_maximum"
    for key in ("connections", "backlog", "idle_seconds", "handshake_seconds", "stall_seconds"):
        if getattr(server, key) <= 0:
            yield f"[server] {key}: must be positive"
    if server.slowest_bytes < 0:
        yield "[server] slowest_bytes: must be positive, or 0 for no lower bound"
    if bool(server.second_certificate) != bool(server.second_key):
        yield "[server] second_certificate, second_key: both or neither"
    if server.client_certificate == "tls" and unix:
        yield '[server] listen = "unix:…" needs client_certificate = "nginx"'
    if unix and server.processes > 1:
        yield "[server] processes: only one can serve a unix socket; start several, each with its own socket"


CLAMD = re.compile(r"unix:/.+|([^:\s]+|\[[0-9a-fA-F:]+\]):[0-9]{1,5}")


def _antivirus_inconsistencies(antivirus: Antivirus) -> Iterator[str]:
    if antivirus.address and not CLAMD.fullmatch(antivirus.address):
        yield f'[antivirus] address: {antivirus.address!r} is neither "unix:/path" nor "host:port"'
    if antivirus.timeout <= 0:
        yield "[antivirus] timeout: must be positive"


def _is_network(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _authenticity_inconsistencies(actes: Actes) -> Iterator[str]:
    for network in actes.mail_networks:
        if not _is_network(network):
            yield f"[actes] mail_networks: {network!r} is not an address nor a network"
    for relay in actes.mail_relays:
        # something like an address that is none would be a name that nothing bears
        if not _is_network(relay) and not re.fullmatch(r"\.?([A-Za-z0-9_-]+\.)+[A-Za-z][A-Za-z0-9-]*", relay):
            yield f"[actes] mail_relays: {relay!r} is not an address, a network nor a domain"
    if (actes.mail_relays or actes.authentication_results) and not actes.mail_servers:
        yield "[actes] mail_servers: missing; without the names of our own mail servers no trace header can be believed"
    if actes.authentication_results and not actes.authentication_domains:
        yield "[actes] authentication_domains: missing, as there is authentication_results"
    if actes.authentication_domains and not actes.authentication_results:
        yield "[actes] authentication_results: missing, as there are authentication_domains"


def _mail_inconsistencies(mail: Mail) -> Iterator[str]:
    for address in (*mail.operators, *([mail.sender] if mail.sender else [])):
        if not is_email(address):
            yield f"[mail] {address!r}: not an e-mail address"
    if not mail.host:
        return
    if not mail.sender:
        yield "[mail] sender: missing"
    if not mail.operators:
        yield "[mail] operators: missing; nobody else is told of the end of the server's own certificates"
    if mail.login and mail.tls == "none":
        yield '[mail] tls = "none" would send the password in clear'
    if mail.login and not mail.password_file:
        yield "[mail] password_file: missing, as there is a login"
    if mail.timeout <= 0:
        yield "[mail] timeout: must be positive"
    if mail.attachment_bytes < 0:
        yield "[mail] attachment_bytes: must not be negative"
    if not 0 <= mail.digest_hour <= 23:
        yield "[mail] digest_hour: an hour of the day, 0 to 23"
