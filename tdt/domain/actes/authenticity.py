"""Whether a mail comes from the ministry, as far as our own mail server can tell: its relay, and what it verified."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from tdt.domain.actes.headers import Headers
from tdt.domain.actes.trace import Address, Hop, Result, read_received, read_results

Network = IPv4Network | IPv6Network

NOT_OURS = "aucun en-tête Received de nos serveurs de courrier en tête du courriel"
RELAY = "remis par {}, qui n'est pas un relais attendu"
NO_RESULT = "notre serveur de courrier n'a rien vérifié (Authentication-Results de {} absent)"
FAILED = "ni DKIM, ni SPF, ni DMARC ne prouvent un des domaines attendus ({})"
DMARC = "DMARC en échec ({})"


@dataclass(frozen=True, slots=True)
class MailRules:
    """How the ministry's mails reach us. Without `relays` nor `authority` (our authserv-id) nothing is asked."""

    servers: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()
    relays: tuple[str, ...] = ()
    authority: str = ""
    domains: tuple[str, ...] = ()
    below_received: bool = False

    @property
    def ask_something(self) -> bool:
        """Whether a mail may be found wanting."""
        return bool(self.relays or self.authority)


def find_doubt(headers: Headers, rules: MailRules) -> str:
    """Why a mail does not prove where it comes from, in French; empty when it does, or when nothing is asked."""
    if not rules.ask_something:
        return ""
    border = _find_border(headers, rules)
    if border is None:
        return NOT_OURS
    place, hop = border
    if rules.relays and not _is_expected(hop, rules.relays):
        return RELAY.format(f"{hop.name} [{hop.peer}]" if hop.name else hop.peer)
    return _doubt_of_results(headers, rules, place) if rules.authority else ""


def _find_border(headers: Headers, rules: MailRules) -> tuple[int, Hop] | None:
    """The `Received` by which the mail came in from outside: below it, everything may be its author's."""
    for place, (name, value) in enumerate(headers.fields):
        if name != "received":
            continue
        hop = read_received(value)
        if hop is None or hop.by not in rules.servers:
            return None
        if hop.peer is not None and not _is_inside(hop.peer, rules.networks):
            return place, hop
    return None


def _is_inside(peer: Address, networks: Sequence[Network]) -> bool:
    return peer.is_loopback or any(peer in network for network in networks)


def _is_expected(hop: Hop, relays: Sequence[str]) -> bool:
    return any(_matches(hop, relay) for relay in relays)


def _matches(hop: Hop, relay: str) -> bool:
    try:
        network = ip_network(relay, strict=False)
    except ValueError:
        return _is_of(hop.name, relay)
    return hop.peer in network


def _is_of(name: str, domain: str) -> bool:
    """A domain and what is under it."""
    domain = domain.lower().lstrip(".")
    return bool(domain) and (name == domain or name.endswith(f".{domain}"))


def _doubt_of_results(headers: Headers, rules: MailRules, border: int) -> str:
    results = list(_ours(headers, rules, border))
    if not results:
        return NO_RESULT.format(rules.authority)
    refused = next((one for one in results if one.method == "dmarc" and one.result == "fail"), None)
    if refused is not None:
        return DMARC.format(next((value for key, value in refused.properties if key == "header.from"), "?"))
    if any(_proves(one, domain) for one in results for domain in rules.domains):
        return ""
    return FAILED.format(", ".join(rules.domains))


def _ours(headers: Headers, rules: MailRules, border: int) -> Iterator[Result]:
    """What our own server verified: noted above the `Received` of the way in (RFC 8601 §4.1), or, where it is told so,
    in the first such header right below it."""
    for place, (name, value) in enumerate(headers.fields):
        if place > border and not (rules.below_received and name != "received"):
            return
        if name != "authentication-results":
            continue
        authority, results = read_results(value)
        if authority == rules.authority.lower():
            yield from results
            if place > border:
                return


PROOFS = {"dkim": ("header.d", "header.i"), "spf": ("smtp.mailfrom",), "dmarc": ("header.from",)}
"""The properties that name the domain which a method proves."""


def _proves(result: Result, domain: str) -> bool:
    keys = PROOFS.get(result.method, ())
    return result.result == "pass" and any(
        _is_of(value.rpartition("@")[2], domain) for key, value in result.properties if key in keys
    )
