"""`tdt certificates rgs`: import of a trusted list and of two directories, list, check; what each tells and writes."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.serialization import Encoding

from tdt.certificates.rgs import fingerprint, load_issuers
from tdt.cli import main
from tdt.domain.rgs import Holder, Level, Policy, RevocationPolicy
from tests.trusted_lists import (
    KEY_USAGE,
    Recipe,
    criteria,
    extension,
    information,
    list_body,
    policy_set,
    qualification,
    service,
    sign,
)
from tests.unit.certificates.test_rgs_levels import Signer
from tests.unit.certificates.test_rgs_levels import issue as made

LONG_AGO, FAR = datetime(2000, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)
"""The commands read the clock."""
SOFTWARE, PERSON = "2.999.1", "2.999.2"
QUALIFIER = "http://example.test/qualifier/QCForESig"
ECDSA = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
HAND_MADE = '[[authority]]\nsubject = "CN=A"\npolicy = [{oid = "1.2.3", level = "*", holder = "server"}]'
MAPS = ("--map", f"{SOFTWARE}=*:server", "--map", f"urn:oid:{PERSON}=**:person")


def issue(name: str, issuer: Signer | None = None, ca: bool = True, end: datetime = FAR, policy: str = "") -> Signer:
    return made(name, issuer, ca, (policy,) if policy else (), life=(LONG_AGO, end))


SIGNER = issue("list operator", ca=False)
ROOT = issue("Racine é")
AGENTS = issue("Agents", ROOT)
SERVERS = issue("Serveurs", ROOT)
OLD = issue("Ancienne", ROOT, end=LONG_AGO + timedelta(days=1))


def pem(signer: Signer) -> bytes:
    return signer.certificate.public_bytes(Encoding.PEM)


class Desk:
    """A folder with a configuration, a list, its signer; runs the command."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.output = directory / "rgs.toml"
        self.connect, self.transmit = directory / "connect", directory / "transmit"
        self.connect.mkdir()
        self.transmit.mkdir()
        self.config = directory / "tdt.toml"
        self.config.write_text(
            f'[server]\nconnect_authorities = "{self.connect}"\ntransmit_authorities = "{self.transmit}"\n'
            f'rgs = "{self.output}"\n[database]\ndsn = "x"\n'
        )
        (directory / "signer.pem").write_bytes(pem(SIGNER))

    def run(self, *arguments: str | Path) -> Result:
        texts = [str(one) for one in arguments]
        return CliRunner().invoke(main, ["certificates", "rgs", *texts], env={"TDT_CONFIG": str(self.config)})

    def load(self, *services: str, signer: Signer = SIGNER, maps: tuple[str, ...] = MAPS, **changes: str) -> Result:
        """Import a list of these services; `changes`: its next_update, its territory."""
        return self.load_text(sign(list_body(*services, **changes), Recipe(signer.key, ECDSA)), *maps)

    def load_text(self, data: bytes, *options: str | Path) -> Result:
        (self.directory / "list.xml").write_bytes(data)
        signer = self.directory / "signer.pem"
        return self.run("import", "--trusted-list", self.directory / "list.xml", "--signer", signer, *options)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def person(authority: Signer = AGENTS, **changes: str) -> str:
    return service(
        authority.certificate, qualification(QUALIFIER, criteria("all", KEY_USAGE, policy_set(PERSON))), **changes
    )


def software(authority: Signer = SERVERS, **changes: str) -> str:
    found = qualification(QUALIFIER, criteria("atLeastOne", policy_set("1.2.3.4"), policy_set(f"urn:oid:{SOFTWARE}")))
    return service(authority.certificate, found, **changes)


# ---------------------------------------------------------------------------------------------- the list


def test_a_list_fills_the_file_and_the_directory_and_certificates_get_their_level(desk: Desk) -> None:
    result = desk.load(person(), software(), maps=(*MAPS, "--authorities", str(desk.transmit), "--json"))
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)
    assert [(row["change"], row["subject"], row["policies"]) for row in rows] == [
        ("added", "CN=Agents", [f"{PERSON} = ** person"]),
        ("added", "CN=Serveurs", [f"{SOFTWARE} = * server"]),
    ]
    assert "« CN=Racine é »" in result.stderr
    assert len(list(desk.transmit.iterdir())) == 2
    assert {one.sha256: one.policies for one in load_issuers(str(desk.output))} == {
        fingerprint(AGENTS.certificate): (Policy(PERSON, Level.TWO, Holder.PERSON),),
        fingerprint(SERVERS.certificate): (Policy(SOFTWARE, Level.ONE, Holder.SERVER),),
    }
    (desk.transmit / "root.pem").write_bytes(pem(ROOT))
    for leaf, code, level, told in (
        (issue("agent", AGENTS, ca=False, policy=PERSON), 0, "**", ""),
        (issue("logiciel", SERVERS, ca=False, policy=SOFTWARE), 0, "*", ""),
        (issue("agent", SERVERS, ca=False, policy=PERSON), 1, "", "pas pour cette sorte de certificats"),
        (issue("other", ROOT, ca=False, policy=PERSON), 1, "", "n'est pas une autorité RGS déclarée"),
        (issue("self", ca=False, policy=PERSON), 1, "", "ne mène à aucune"),
    ):
        (desk.directory / "leaf.pem").write_bytes(pem(leaf))
        checked = desk.run("check", desk.directory / "leaf.pem", "--json")
        row = json.loads(checked.stdout)
        assert (checked.exit_code, row["level"], row["transmit"]) == (code, level, not code)
        assert told in row["reason"] and row["policies"] and row["issuer"]
    listed = json.loads(desk.run("list", "--json").stdout)
    assert [(row["subject"], row["oid"], row["accepted"]) for row in listed] == [
        ("CN=Agents", PERSON, True),
        ("CN=Serveurs", SOFTWARE, True),
    ]
    assert "CN=Agents" in desk.run("list").stdout


def test_a_second_import_replaces_its_own_block_only(desk: Desk) -> None:
    hand = f"# à la main\n{HAND_MADE.replace('CN=A', 'CN=Serveurs')}"
    desk.output.write_text(hand)
    desk.output.chmod(0o640)
    authorities = ("--authorities", str(desk.transmit))
    first = desk.load(person(), software(), person(ROOT), maps=(*MAPS, *authorities))
    assert "gardée : déclarée hors de cette liste" in first.stdout
    text = desk.output.read_text()
    assert text.startswith(hand) and text.count("CN=Serveurs") == 1
    desk.output.write_text(
        text.replace("\n\n  [[authority.policy]]", '\nrevocation = "hard"\n\n  [[authority.policy]]', 1)
    )
    with desk.output.open("a") as file:
        file.write("# après\n")
    more = qualification(QUALIFIER, criteria("atLeastOne", policy_set(SOFTWARE)))
    again = desk.load(service(AGENTS.certificate, more), person(), maps=(*MAPS, *authorities, "--json"))
    assert again.exit_code == 0, again.output
    assert {row["subject"]: row["change"] for row in json.loads(again.stdout)} == {
        "CN=Agents": "changed",
        "CN=Racine é": "removed",
    }
    assert [path.name.split("-")[1] for path in desk.transmit.iterdir()] == ["FR"]
    renewed = desk.output.read_text()
    assert renewed.startswith(hand) and renewed.endswith("# après\n") and "Racine" not in renewed
    agents = next(one for one in load_issuers(str(desk.output)) if one.subject == "CN=Agents")
    assert {policy.oid for policy in agents.policies} == {SOFTWARE, PERSON}
    assert agents.revocation is RevocationPolicy.HARD
    assert desk.output.stat().st_mode & 0o777 == 0o640
    other = desk.load(software(SERVERS), person(issue("Autre")), territory="BE")
    assert "gardée" in other.stdout and desk.output.read_text().startswith(renewed)
    same = desk.load(service(AGENTS.certificate, more), person(), maps=(*MAPS, "--json"))
    assert [row["change"] for row in json.loads(same.stdout)] == ["same"]


def test_a_dry_run_writes_nothing(desk: Desk) -> None:
    result = desk.load(person(), maps=(*MAPS, "--authorities", str(desk.transmit), "--dry-run"))
    assert (result.exit_code, desk.output.exists(), list(desk.transmit.iterdir())) == (0, False, [])
    assert "ajoutée" in result.stdout and "Rien n'a été écrit" in result.stderr


def test_services_that_do_not_count(desk: Desk) -> None:
    unknown = extension("<Unheard></Unheard>")
    excluded = qualification(QUALIFIER, criteria("none", policy_set(PERSON)))
    result = desk.load(
        person(),
        person(SERVERS, status="withdrawn", name="Retirée"),
        person(SERVERS, since="2999-01-01T00:00:00Z", name="Future"),
        person(OLD, name="Vieille"),
        person(issue("leaf", ROOT, ca=False), name="Feuille"),
        service(SERVERS.certificate, excluded, name="Sauf"),
        service(
            SERVERS.certificate, unknown, qualification(QUALIFIER, criteria("all", policy_set(PERSON))), name="Critique"
        ),
        service("<X509SKI>AAAA</X509SKI>", qualification(QUALIFIER, criteria("all", policy_set(PERSON))), name="Sans"),
        service(
            "<X509Certificate>AAAA</X509Certificate>", qualification(QUALIFIER, criteria("all", policy_set(PERSON)))
        ),
    )
    assert [one.subject for one in load_issuers(str(desk.output))] == ["CN=Agents"]
    for told in (
        "Retirée : laissé de côté, son statut est « withdrawn »",
        "Future : laissé de côté, son statut n'a pas commencé",
        "« CN=Ancienne » est expiré",
        "« CN=leaf » n'est pas le certificat d'une autorité",
        "Critique : laissé de côté, une extension critique est inconnue",
        "Sans : laissé de côté, aucun certificat n'est donné",
        "son certificat est illisible",
    ):
        assert told in result.stderr
    assert "Sauf" not in result.stderr
    withdrawn = desk.load(person(SERVERS, status="withdrawn"), maps=(*MAPS, "--status", "withdrawn"))
    assert withdrawn.exit_code == 0
    assert [one.subject for one in load_issuers(str(desk.output))] == ["CN=Serveurs"]


def test_an_uri_stands_for_the_policies_that_are_enough_to_meet_its_criteria(desk: Desk) -> None:
    alternatives = (policy_set("1.1.1"), policy_set("1.1.2", "1.1.3"), policy_set("2.5.29.32.0"), KEY_USAGE)
    nested = criteria("all", criteria("atLeastOne", *alternatives))
    conjunction = criteria("all", KEY_USAGE, policy_set("1.1.4"))
    maps: tuple[str, ...] = ("--map", f"{QUALIFIER}=**:person", "--map", "1.1.3=*:server")
    result = desk.load(
        service(AGENTS.certificate, qualification(QUALIFIER, nested), qualification(QUALIFIER, conjunction)), maps=maps
    )
    assert load_issuers(str(desk.output))[0].policies == (
        Policy("1.1.1", Level.TWO, Holder.PERSON),
        Policy("1.1.3", Level.ONE, Holder.SERVER),
    )
    assert "d'autres conditions que 1.1.2" in result.stderr and "d'autres conditions que 1.1.4" in result.stderr
    uri = "http://example.test/forAuthentication"
    maps = ("--map", f"{uri}=*:server")
    found = service(
        AGENTS.certificate, information(uri), qualification(QUALIFIER, criteria("all", policy_set("1.1.5")))
    )
    assert desk.load(found, service(SERVERS.certificate, information(uri)), maps=maps).exit_code == 0
    assert load_issuers(str(desk.output))[0].policies == (Policy("1.1.5", Level.ONE, Holder.SERVER),)
    twice = desk.load(found, maps=(*maps, "--map", f"{QUALIFIER}=**:person"))
    assert twice.exit_code == 1 and "1.1.5 aurait deux niveaux" in twice.stderr


def test_refusals_leave_the_file_as_it_was(desk: Desk) -> None:
    desk.output.write_text("# mien\n")
    good = sign(list_body(person()), Recipe(SIGNER.key, ECDSA))
    other = sign("<Other></Other>", Recipe(SIGNER.key, ECDSA))
    for result, told in (
        (desk.load(person(), signer=AGENTS), "d'aucun des certificats donnés"),
        (desk.load(person(), next_update="2020-01-01T00:00:00Z"), "périmée depuis le 01/01/2020"),
        (desk.load(person(), next_update=""), "close"),
        (desk.load(person(), territory="F\nR"), "ni territoire"),
        (desk.load(person(), sequence="x"), "ni territoire"),
        (desk.load(service(AGENTS.certificate)), "aucun service en règle"),
        (desk.load_text(good.replace(b"Prestataire", b"Autre"), *MAPS), "modifié"),
        (desk.load_text(other, *MAPS), "n'est pas une liste de confiance"),
        (desk.load_text(b'<!DOCTYPE x [<!ENTITY a "b">]>' + good.partition(b"\n")[2], *MAPS), "XML est illisible"),
        (desk.load_text(b"nonsense", *MAPS), "XML est illisible"),
    ):
        assert (result.exit_code, result.stdout) == (1, ""), result.output
        assert told in result.stderr
    assert desk.output.read_text() == "# mien\n"
    old = desk.load(person(), next_update="2020-01-01T00:00:00Z", maps=(*MAPS, "--allow-expired"))
    assert old.exit_code == 0 and load_issuers(str(desk.output))
    for broken in ("nonsense", "# >>> tdt certificates rgs import : FR\n", desk.output.read_text() * 2):
        desk.output.write_text(broken)
        result = desk.load(person())
        assert result.exit_code in (1, 2) and "rgs.toml" in result.stderr
        assert desk.output.read_text() == broken


def test_texts_of_the_list_cannot_leave_their_comment(desk: Desk) -> None:
    assert desk.load(person(name="A\n[[authority]]\u2028\x7fB")).exit_code == 0
    assert [one.subject for one in load_issuers(str(desk.output))] == ["CN=Agents"]


def test_wrong_options(desk: Desk) -> None:
    list_file = desk.directory / "signer.pem"
    for options, told in (
        ((), "--trusted-list, ou bien"),
        (("--trusted-list", list_file), "au moins un --signer"),
        (("--trusted-list", list_file, "--connect", desk.connect), "ou bien"),
        (("--map", "1.2.3=***:server"), "attendu"),
        (("--map", "1.2.3=*:dog"), "attendu"),
        (("--map", "2.5.29.32.0=*:server"), "ni l'OID"),
        (("--map", "word=*:server"), "ni l'OID d'une politique ni une URI"),
        (("--map", "1.2.3=*:server", "--map", "urn:oid:1.2.3=**:person"), "deux fois"),
    ):
        result = desk.run("import", *options)
        assert result.exit_code == 2 and told in result.stderr
    desk.config.write_text('[database]\ndsn = "x"\n')
    unnamed = desk.load(person())
    assert unnamed.exit_code == 1 and "donnez --output" in unnamed.stderr
    assert desk.load(person(), maps=(*MAPS, "--output", str(desk.output))).exit_code == 0
    assert load_issuers(str(desk.output))


# ---------------------------------------------------------------------------------------------- directories


def test_two_directories_as_s2low_has(desk: Desk) -> None:
    """Hashed links, PEM, DER, several in a file, and all that lies about."""
    source = desk.directory / "validca"
    source.mkdir()
    (source / "bundle.pem").write_bytes(pem(ROOT) + pem(AGENTS))
    (source / "0a1b2c3d.0").symlink_to("bundle.pem")
    (source / "servers.cer").write_bytes(SERVERS.der)
    (source / "leaf.pem").write_bytes(pem(issue("leaf", ROOT, ca=False)))
    (source / "old.pem").write_bytes(pem(OLD))
    (source / "README").write_text("lisez-moi")
    (source / "0a1b2c3d.r0").write_bytes(b"\x30")
    (source / "ffffffff.0").symlink_to("gone.pem")
    dry = desk.run("import", "--connect", source, "--transmit", source, "--dry-run")
    assert dry.exit_code == 0 and not list(desk.connect.iterdir())
    result = desk.run("import", "--connect", source, "--transmit", source, "--json")
    rows = [row for row in json.loads(result.stdout) if row["directory"] == "connect_authorities"]
    assert {row["subject"] for row in rows if row["result"] == "ajoutée"} == {"CN=Agents", "CN=Racine é", "CN=Serveurs"}
    left = {row["file"]: row["result"] for row in rows if row["result"] != "ajoutée"}
    assert set(left) == {"leaf.pem", "old.pem", "README", "0a1b2c3d.r0", "ffffffff.0"}
    assert "liste de révocation" in left["0a1b2c3d.r0"] and "illisible" in left["ffffffff.0"]
    assert len(list(desk.connect.iterdir())) == len(list(desk.transmit.iterdir())) == 3
    assert load_issuers(str(desk.output)) == () and "Aucun niveau" in desk.run("list").stdout
    again = json.loads(desk.run("import", "--connect", source, "--json").stdout)
    assert {row["result"] for row in again if row["subject"]} == {"déjà là"}
    desk.output.write_text(HAND_MADE)
    assert "Attention" in desk.run("import", "--transmit", source).stderr
    (desk.connect / "zzz").write_text("nonsense")
    assert desk.run("import", "--connect", source).exit_code == 2
    desk.config.write_text('[database]\ndsn = "x"\n')
    assert "doit nommer un dossier" in desk.run("import", "--connect", source).stderr


def test_check_and_list_tell_what_cannot_be_read(desk: Desk) -> None:
    (desk.directory / "no.pem").write_text("nonsense")
    assert "n'est pas un certificat" in desk.run("check", desk.directory / "no.pem").stderr
    assert (desk.run("list").exit_code, "rgs.toml" in desk.run("list").stderr) == (2, True)
    desk.output.write_text("colour = 1")
    assert "colour: unknown key" in desk.run("list").stderr
    desk.config.write_text("nonsense")
    assert desk.run("list").exit_code == 2
    leaf = issue("leaf", ROOT, ca=False)
    (desk.directory / "leaf.der").write_bytes(leaf.der)
    (desk.transmit / "root.pem").write_bytes(pem(ROOT))
    desk.config.write_text(f'[server]\ntransmit_authorities = "{desk.transmit}"\n[database]\ndsn = "x"\n')
    result = desk.run("check", desk.directory / "leaf.der")
    assert result.exit_code == 0 and "aucun niveau n'est déclaré" in result.stdout
