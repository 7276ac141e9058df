"""A mail is the ministry's when our own mail server says so: nothing that its author can write counts."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdt.domain.actes.authenticity import DMARC, NOT_OURS, MailRules, find_doubt
from tdt.domain.actes.headers import read_headers
from tdt.domain.actes.trace import Hop, Result, read_received, read_results

MINISTRY = (
    "Received: from smtp.etat.test (smtp.etat.test [192.0.2.10])\r\n\tby mx.tdt.test (Postfix) with ESMTPS id 4A; d"
)
STRANGER = "Received: from smtp.etat.test (unknown [203.0.113.66])\r\n\tby mx.tdt.test (Postfix) with ESMTPS id 4A; d"
LMTP = "Received: from mx.tdt.test\r\n\tby imap.tdt.test with LMTP id x; d"
INNER = "Received: from mx.tdt.test (mx.tdt.test [10.0.0.2]) by imap.tdt.test (Postfix) with ESMTP id 5; d"
OURS = "Authentication-Results: mx.tdt.test; dkim=pass (2048-bit key) header.d=etat.test header.s=s; spf=none"
RELAYS = MailRules(
    servers=frozenset({"mx.tdt.test", "imap.tdt.test"}),
    networks=(ip_network("10.0.0.0/24"),),
    relays=("192.0.2.0/28", "2001:db8::/64", "etat.test"),
)
RESULTS = replace(RELAYS, relays=(), authority="mx.tdt.test", domains=("etat.test",))
BOTH = replace(RESULTS, relays=RELAYS.relays)


def doubt(rules: MailRules, *lines: str) -> str:
    return find_doubt(read_headers("\r\n".join([*lines, "From: a@etat.test", "", "x"]).encode()), rules)


@pytest.mark.parametrize(
    ("value", "hop"),
    [
        ("from a.test (b.test [192.0.2.1]) by mx (Postfix) with SMTP id 1; d", ("192.0.2.1", "b.test")),
        ("from a.test (unknown [192.0.2.1]) by MX. (Postfix); d", ("192.0.2.1", "")),
        ("from [198.51.100.9] (b.test [192.0.2.1]) by mx; d", ("192.0.2.1", "b.test")),
        ("from a (b.test [IPv6:2001:db8::1]) by mx; d", ("2001:db8::1", "b.test")),
        ("from a (b.test [::ffff:192.0.2.1]) by mx; d", ("192.0.2.1", "b.test")),
        ("from a.test (b.test [192.0.2.1] (may be forged)) by mx; d", ("192.0.2.1", "")),
        (
            "from b.test ([192.0.2.1] helo=a.test) by mx with esmtp (Exim 4.97) (envelope-from <x>) id 1; d",
            ("192.0.2.1", ""),
        ),
        ("from [192.0.2.1] (helo=a.test) by mx with esmtp; d", ("192.0.2.1", "")),
        ("from b ([192.0.2.1] helo=[198.51.100.9]) by mx; d", ("192.0.2.1", "")),
        ("from a (HELO b) (192.0.2.1) by mx with SMTP; d", ("192.0.2.1", "")),
        (
            'from a (b.test [192.0.2.1]) (using TLSv1.3 with cipher X (256/256 bits)) (Client CN "c [198.51.100.9]",'
            ' Issuer "d" (not verified)) by mx (Postfix) with ESMTPS id 1 for <r@t>; d',
            ("192.0.2.1", "b.test"),
        ),
        ("from a (client [192.0.2.1]) by mx; d", ("192.0.2.1", "client")),
        ("from mx.test by mx with LMTP id x; d", (None, "")),
        ("by mx (Postfix, from userid 0) id 1; d", (None, "")),
    ],
)
def test_what_servers_write(value: str, hop: tuple[str | None, str]) -> None:
    assert read_received(value) == Hop("mx", ip_address(hop[0]) if hop[0] else None, hop[1])


@pytest.mark.parametrize(
    "value",
    [
        "",
        "from a",
        "from a by",
        "from x by mx.tdt.test (b [203.0.113.66]) by mx; d",  # a greeting of several words
        "from a b (c [203.0.113.66]) by mx; d",
        "from x (y [192.0.2.10]) (b [203.0.113.66]) by mx; d",  # one that plays the comment
        "from ( (b [203.0.113.66]) by mx; d",
        "from ) (b [203.0.113.66]) by mx; d",
        "from (y [192.0.2.10]) (b [203.0.113.66]) by mx; d",
        "with a by mx; d",
        'from a (Client CN "c [192.0.2.10]", Issuer "d") by mx; d',
        "from [192.0.2.10] by mx; d",
    ],
)
def test_what_could_be_read_in_two_ways_is_not_read(value: str) -> None:
    assert read_received(value) is None


def test_a_relay_is_told_by_the_header_of_our_own_server() -> None:
    assert doubt(RELAYS, MINISTRY) == ""
    assert doubt(RELAYS, MINISTRY.replace("192.0.2.10", "198.51.100.1")) == ""  # by its name in the DNS
    assert doubt(RELAYS, MINISTRY.replace("smtp.etat.test [", "x.test [")) == ""  # by its address
    assert "203.0.113.66, qui n'est pas" in doubt(RELAYS, STRANGER)
    assert "203.0.113.66" in doubt(RELAYS, STRANGER.replace("unknown", "xetat.test"))
    assert doubt(RELAYS, LMTP, MINISTRY) == doubt(RELAYS, LMTP, INNER, MINISTRY) == ""
    assert "203.0.113.66" in doubt(RELAYS, LMTP, INNER, STRANGER)
    assert doubt(MailRules(), STRANGER) == ""


def test_what_the_author_adds_below_does_not_count() -> None:
    assert "203.0.113.66" in doubt(RELAYS, STRANGER, MINISTRY)
    assert "203.0.113.66" in doubt(RELAYS, "Return-Path: <a@etat.test>", STRANGER, LMTP, MINISTRY)
    for lines in ([], [LMTP], ["Received: from x (y [192.0.2.10]) by ailleurs.test; d", MINISTRY]):
        assert doubt(RELAYS, *lines) == NOT_OURS
    # the header of our server, made unreadable by the name that its client greets with, is no way through
    assert doubt(RELAYS, STRANGER.replace("smtp.etat.test (", "x by mx.tdt.test ("), MINISTRY) == NOT_OURS


def test_results_of_our_own_server_above_the_way_in() -> None:
    assert doubt(RESULTS, OURS, MINISTRY) == doubt(RESULTS, LMTP, OURS, MINISTRY) == ""
    assert "absent" in doubt(RESULTS, MINISTRY)
    assert "absent" in doubt(RESULTS, MINISTRY, OURS)  # the author's, or a server's that adds it below
    assert "absent" in doubt(RESULTS, OURS.replace("mx.tdt", "mx.ailleurs"), MINISTRY)
    assert "192.0.2.10" not in doubt(BOTH, OURS, MINISTRY)
    assert "203.0.113.66" in doubt(BOTH, OURS, STRANGER)
    assert "absent" in doubt(BOTH, MINISTRY)


def test_results_right_below_the_way_in_where_the_server_puts_them_there() -> None:
    below = replace(RESULTS, below_received=True)
    failed = OURS.replace("dkim=pass", "dkim=fail")
    assert doubt(below, MINISTRY, OURS) == ""
    assert doubt(below, OURS, MINISTRY) == ""
    assert "DKIM" in doubt(below, MINISTRY, failed, OURS)  # only the first is our server's
    assert "absent" in doubt(below, MINISTRY, "Received: from z (z [192.0.2.9]) by z; d", OURS)


@pytest.mark.parametrize(
    ("results", "trusted"),
    [
        ("dkim=pass header.d=etat.test", True),
        ("dkim=pass header.i=@mail.etat.test", True),
        ("spf=pass smtp.mailfrom=noreply@etat.test", True),
        ('spf=pass smtp.mailfrom="a; b"@etat.test', False),  # not what a server writes
        ("dmarc=pass (p=reject) header.from=etat.test", True),
        ("spf=fail smtp.mailfrom=etat.test; dkim=pass header.d=etat.test", True),
        ("dkim=fail header.d=etat.test", False),
        ("dkim=pass header.d=ailleurs.test", False),
        ("dkim=pass header.d=xetat.test", False),
        ("dkim=pass header.d=etat.test.ailleurs.test", False),
        ("spf=pass smtp.helo=etat.test", False),
        ("dkim=none", False),
        ("none", False),
        ("spf=pass (dkim=pass header.d=etat.test) smtp.mailfrom=x@ailleurs.test", False),
        ('dkim=fail reason="; dkim=pass header.d=etat.test" header.d=ailleurs.test', False),
        ("x-dkim=pass header.d=etat.test", False),
    ],
)
def test_what_proves_a_domain(results: str, trusted: bool) -> None:
    assert (doubt(RESULTS, f"Authentication-Results: mx.tdt.test; {results}", MINISTRY) == "") is trusted


def test_a_failed_dmarc_refuses_whatever_else_passes() -> None:
    line = "Authentication-Results: mx.tdt.test 1; dmarc=fail header.from=etat.test; dkim=pass header.d=etat.test"
    assert doubt(RESULTS, line, MINISTRY) == DMARC.format("etat.test")
    several = ["Authentication-Results: mx.tdt.test; dmarc=pass header.from=etat.test", line]
    assert doubt(RESULTS, *several, MINISTRY) == DMARC.format("etat.test")


def test_results_are_read_as_the_rfc_writes_them() -> None:
    value = '"MX.Tdt.Test" 1; spf = pass (a ; b (c)) smtp . mailfrom = "x@y" ; dkim/1=fail reason="z;" header.d=q'
    assert read_results(value) == (
        "mx.tdt.test",
        (
            Result("spf", "pass", (("smtp.mailfrom", "x@y"),)),
            Result("dkim", "fail", (("header.d", "q"),)),
        ),
    )
    assert read_results("") == ("", ())
    assert read_results("mx; none") == ("mx", ())


@given(st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    read_received(text)
    read_results(text)


@given(st.text(alphabet='ab by()[];=."192023', max_size=40))
def test_no_greeting_lets_a_stranger_through(greeting: str) -> None:
    lines = (STRANGER.replace("from smtp.etat.test", f"from {greeting}"), MINISTRY, OURS)
    assert doubt(RELAYS, *lines) != ""
