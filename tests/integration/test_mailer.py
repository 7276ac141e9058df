"""Mail over real SMTP: headers, TLS that is never given up, authentication, refusals and outages told apart."""

import dataclasses
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tdt.domain.errors import Permanent, Temporary, Uncertain
from tdt.remote.mailer import Attachment, Mail, Mailer
from tests.certificates import TestAuthority
from tests.ports import free_port
from tests.smtp import LOGIN, PASSWORD, mail_host, settings

NOW = datetime(2027, 1, 10, 8, 0, tzinfo=UTC)
TITLE = "Certificat à renouveler avant le 4 février 2027 : Éléonore Çelik (Communauté d'agglomération de Saint-Étienne)"
BODY = "Bonjour,\n\nUne ligne accentuée : été.\n.\nUn point seul.\n-- \nfin\n"
MAIL = Mail("tdt.notice.7.20270110080000", "jeanne@a.example", TITLE, BODY)


async def test_a_message_arrives_as_it_was_written() -> None:
    async with mail_host() as host:
        mailer = Mailer(settings(host.port))
        await mailer.send(MAIL, NOW)
        await mailer.send(MAIL, NOW)
    (recipient, first), (_, second) = host.taken
    assert recipient == "jeanne@a.example"
    assert first["Message-ID"] == second["Message-ID"] == "<tdt.notice.7.20270110080000@tdt.example>"
    headers = {name: first[name] for name in ("From", "To", "Subject", "Date", "Auto-Submitted")}
    assert headers == {
        "From": "tdt@tdt.example",
        "To": "jeanne@a.example",
        "Subject": TITLE,
        "Date": "Sun, 10 Jan 2027 08:00:00 +0000",
        "Auto-Submitted": "auto-generated",
    }
    assert first.get_content_type() == "text/plain"
    assert first.get_content().replace("\r\n", "\n") == BODY
    assert not first.defects
    assert first.as_bytes().isascii()


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_tls_and_authentication(tls: str, tmp_path: Path) -> None:
    pki, other = TestAuthority(tmp_path), TestAuthority(tmp_path, "Autre autorité")
    password = tmp_path / "password"
    password.write_text(f"{PASSWORD}\n", encoding="utf-8")
    secure = {"tls": tls, "authorities": pki.path, "login": LOGIN, "password_file": str(password)}
    async with mail_host(tls, pki) as host:  # type: ignore[arg-type]
        await Mailer(settings(host.port, **secure)).send(MAIL, NOW)
        assert (host.recipients, host.secured) == (["jeanne@a.example"], [True])
        with pytest.raises(Temporary, match="liaison impossible"):  # a certificate of nobody we know
            await Mailer(settings(host.port, **secure | {"authorities": other.path})).send(MAIL, NOW)
        password.write_text("faux")  # read at each use
        with pytest.raises(Temporary, match="demande refusée") as caught:
            await Mailer(settings(host.port, **secure)).send(MAIL, NOW)
        assert str(caught.value.details["reply"]).startswith("535")
        password.unlink()
        with pytest.raises(Temporary, match="identifiants inutilisables") as unreadable:
            await Mailer(settings(host.port, **secure)).send(MAIL, NOW)
        assert unreadable.value.code == "REGLAGE"
    assert len(host.taken) == 1


async def test_nothing_leaves_in_clear_when_tls_is_wanted() -> None:
    async with mail_host() as host:
        with pytest.raises(Temporary):
            await Mailer(settings(host.port, tls="starttls")).send(MAIL, NOW)
    assert host.taken == []


async def test_a_refusal_for_good_is_not_an_outage() -> None:
    async with mail_host() as host:
        mailer = Mailer(settings(host.port))
        host.answers["jeanne@a.example"] = "550 5.1.1 User unknown"
        with pytest.raises(Permanent, match=r"refusé \(550\)") as caught:
            await mailer.send(MAIL, NOW)
        assert caught.value.code == "DESTINATAIRE_REFUSE"
        assert "User unknown" in str(caught.value.details["reply"])
        host.answers["jeanne@a.example"] = "451 4.7.1 Greylisted"
        with pytest.raises(Temporary, match="demande refusée"):
            await mailer.send(MAIL, NOW)
        host.answers.clear()
        host.data_answer = "554 Spam"
        with pytest.raises(Permanent, match=r"refusé \(554\)"):
            await mailer.send(MAIL, NOW)
        host.data_answer = "452 Full"
        with pytest.raises(Temporary):
            await mailer.send(MAIL, NOW)
        host.data_answer, host.cut_after_data = "", True
        with pytest.raises(Uncertain, match="liaison perdue après le début de l'envoi"):
            await mailer.send(MAIL, NOW)


@pytest.mark.parametrize(
    "title",
    [
        "[Commune d'essai] acte 2027_0001 : demande de pièces complémentaires de la préfecture",
        "é " * 90,
        "word " * 40,
        "=?utf-8?q?Bcc=3A?= est un titre",
        "Œuvres n° 12 €",
    ],
)
async def test_a_title_arrives_with_every_space(title: str) -> None:
    async with mail_host() as host:
        await Mailer(settings(host.port)).send(dataclasses.replace(MAIL, title=title.strip()), NOW)
    assert str(host.taken[0][1]["Subject"]) == title.strip()


async def test_files_are_attached_under_their_names() -> None:
    files = (
        Attachment("réponse é.xml", "application/xml", b"<a/>"),
        Attachment("acte.pdf", "application/pdf", b"%PDF"),
    )
    async with mail_host() as host:
        await Mailer(settings(host.port)).send(dataclasses.replace(MAIL, attachments=files), NOW)
    [(_, message)] = host.taken
    found = [(one.get_filename(), one.get_content_type(), one.get_content()) for one in message.iter_attachments()]
    assert found == [("réponse é.xml", "application/xml", b"<a/>"), ("acte.pdf", "application/pdf", b"%PDF")]
    body = message.get_body()
    assert body is not None
    assert body.get_content().splitlines() == MAIL.body.splitlines()


@pytest.mark.parametrize(
    "address", ["", "jeanne", "a@b", "a@b.example\r\nRCPT TO:<x@y.example>", "a b@c.example", "é@a.example", "<a@b.fr>"]
)
async def test_an_address_that_is_none_is_refused_before_anything_is_said(address: str) -> None:
    mailer = Mailer(settings(free_port()))
    with pytest.raises(Permanent, match="adresse de destinataire inutilisable"):
        await mailer.send(Mail("k", address, "t", "b"), NOW)


async def test_a_header_cannot_be_added_by_a_title() -> None:
    mailer = Mailer(settings(free_port()))
    with pytest.raises(Permanent, match="impossible à composer"):
        await mailer.send(Mail("k", "a@b.example", "t\r\nBcc: x@y.example", "b"), NOW)


async def test_a_server_away_or_silent_means_wait() -> None:
    with pytest.raises(Temporary, match="aucun serveur"):
        await Mailer(settings(1, host="")).send(MAIL, NOW)
    with pytest.raises(Temporary):
        await Mailer(settings(free_port())).send(MAIL, NOW)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Temporary):
        await Mailer(settings(silent.getsockname()[1], timeout=0.2)).send(MAIL, NOW)
