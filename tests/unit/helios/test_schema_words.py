"""What the validator says becomes French: the code, what was found, what was expected."""

import os
from pathlib import Path

import pytest
from lxml import etree

from tdt.documents.schema_archive import pack
from tdt.documents.schema_check import check_flow
from tdt.documents.schema_set import compile_set
from tdt.documents.schemas import ActiveSet, Checked, CheckOrder, SetOrder
from tdt.domain.errors import Refused
from tdt.domain.helios.findings import Where
from tdt.domain.helios.schema_words import say
from tests.dgfip_flows import Slip, blocks, flow, sample
from tests.schema_sets import ALLER, small_set

GOOD = (
    sample()
    .replace(b"<Piece>", b"\n<Piece>\n")
    .replace(b"<PES_PJ>", b"\n<PES_PJ>\n")
    .replace(b"<EnTetePES>", b"\n<EnTetePES>")
)


def opened(data: bytes) -> int:
    file = os.memfd_create("file")
    os.write(file, data)
    return file


def compiled(files: dict[str, bytes]) -> dict[str, str]:
    return compile_set(SetOrder(), [opened(pack(files))]).roots


def check(data: bytes, **sets: dict[str, bytes]) -> Checked:
    """In this process, against these sets, or the small one."""
    chosen = sets or {"essai": small_set()}
    order = CheckOrder([ActiveSet(name, compiled(files)) for name, files in chosen.items()])
    files = [opened(data), *(opened(pack(files)) for files in chosen.values())]
    try:
        return check_flow(order, files)
    finally:
        for file in files:
            os.close(file)


CASES = [
    ("XSD_VALEUR", '<NatPce V="01"/>', '<NatPce V="99"/>', "une valeur parmi 01", "pièce 345"),
    ("XSD_INATTENDU", '<TypPce V="01"/>', '<Autre V="1"/><TypPce V="01"/>', "TypPce", "pièce 345"),
    ("XSD_MANQUANT", '<CodBud V="00"/>', "", "CodBud", ""),
    ("XSD_LONGUEUR", '<CodCol V="012"/>', '<CodCol V="0123"/>', "exactement 3 caractères", ""),
    ("XSD_FORMAT", '<CodCol V="012"/>', '<CodCol V="01A"/>', "3 chiffres", ""),
    ("XSD_FORMAT", '<DteStr V="2026-01-15"/>', '<DteStr V="15/01/2026"/>', "une date : AAAA-MM-JJ", ""),
    ("XSD_FORMAT", "H4sIAAAA", "H4sIAAA", "du base64", "PJ "),
    ("XSD_NOMBRE", '<IdBord V="12"/>', '<IdBord V="12345678"/>', "au plus 7 chiffres", "bordereau 12345678"),
    ("XSD_NOMBRE", '<IdBord V="12"/>', '<IdBord V="0"/>', "plus que 0", "bordereau 0"),
    ("XSD_ATTRIBUT", ' MIMEType="application/pdf"', "", "MIMEType", "PJ "),
    ("XSD_ATTRIBUT", '<IdPost V="034001"/>', '<IdPost V="034001" W="1"/>', "", ""),
    ("XSD_ATTRIBUT", '<IdPost V="034001"/>', "<IdPost/>", "V", ""),
    ("XSD_CONTENU", "<EnTetePES>", "<EnTetePES>034001", "la valeur dans l'attribut V, pas de texte", ""),
    ("XSD_IDENTIFIANT", "<Bordereau>", '<Bordereau Id="12">', "un identifiant qui commence par une lettre, sans espace",
     ""),
]  # fmt: skip


@pytest.mark.parametrize(("code", "old", "new", "expected", "where"), CASES)
def test_each_fault(code: str, old: str, new: str, expected: str, where: str) -> None:
    before = GOOD.decode("latin-1")
    assert old in before
    after = before.replace(old, new, 1)
    checked = check(after.encode("latin-1"))
    [finding] = checked.findings
    assert (finding["code"], finding["source"], finding["level"]) == (code, "schema", "flux")
    assert finding["expected"] == expected
    assert where in str(finding["where"])
    assert str(finding["message"]).endswith(".") and str(finding["remedy"]).endswith(".")
    # where it stands: the line of the tag that does not fit
    line = after.split("\n")[int(str(finding["line"])) - 1]
    assert str(finding["element"]).rpartition("/")[2].lstrip("@") in line
    assert checked.sets[0].faults >= 1


def test_a_flow_without_fault() -> None:
    checked = check(GOOD)
    assert (checked.findings, checked.sets[0].faults, checked.sets[0].known) == ([], 0, True)
    assert checked.root == f"{{{ALLER}}}PES_Aller"


def test_several_sets_and_several_faults() -> None:
    old, new = small_set("01", "02"), small_set("01", "02", "03")
    kept = GOOD.replace(b'<NatPce V="01"/>', b'<NatPce V="03"/>')
    checked = check(kept, new=new, old=old)
    assert [(one.name, one.faults) for one in checked.sets] == [("new", 0), ("old", 1)]
    assert checked.findings == []
    both = kept.replace(b'"03"/>', b'"77"/>').replace(b'V="012"', b'V="000"')
    checked = check(both, new=new, old=old)
    assert [one.faults for one in checked.sets] == [1, 1]
    # the newest is told where both are as far; the rules beside it, by line
    assert [(one["code"], one["expected"]) for one in checked.findings] == [
        ("GUICHET_CODCOL_ZERO", "les trois chiffres du code dans Hélios"),
        ("XSD_VALEUR", "une valeur parmi 01, 02, 03"),
    ]
    assert checked.controls == 1


def test_what_no_set_describes() -> None:
    foreign = GOOD.replace(ALLER.encode(), b"urn:other")
    assert [one["code"] for one in check(foreign).findings] == ["XSD_RACINE"]
    returned = GOOD.replace(b"n:PES_Aller", b"n:PES_ACQUIT_RETOUR").replace(b"Rev0/aller", b"Rev0/aller/ack")
    checked = check(returned)
    assert (checked.findings, [one.known for one in checked.sets]) == ([], [False])


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (GOOD[:-40], "coupé"),
        (GOOD.replace(b"</EnTetePES>", b"</EnTete>"), "balise fermante"),
        (b"", "incomplet"),
        (b"no xml", "ce n'en est pas"),
        (GOOD.replace(b"<n:PES_Aller", b"<!DOCTYPE x><n:PES_Aller"), "DTD"),
        (GOOD.replace(b"<NomFic", b"<a>" * 200 + b"<NomFic"), "imbriquées"),
        (GOOD + GOOD, "suit la fin"),
        (GOOD.replace(b'V="2"', b'V="&x;"', 1), "entité"),
    ],
)
def test_what_is_not_xml(data: bytes, cause: str) -> None:
    checked = check(data)
    [finding] = [one for one in checked.findings if one["source"] == "schema"]
    assert finding["code"] == "XSD_XML"
    assert cause in str(finding["message"])
    assert isinstance(finding["line"], int) and finding["line"] >= 1


def test_faults_far_into_a_large_flow_keep_their_lines() -> None:
    """Tags cut by the chunks, texts that are shortened, thousands of tags: the line is still the right one."""
    text = flow(
        blocks([Slip(number=str(number)) for number in range(1, 3000)]).replace("<Bordereau>", "\n<Bordereau>\n"),
        '<PES_PJ><EnTetePES_PJ><IdVer V="1"/></EnTetePES_PJ>\n',
        "<PJ><Contenu><Fichier MIMEType='a>b'>" + ("QUJD" * 19 + "\n") * 20_000 + "</Fichier></Contenu>\n",
        '<IdUnique V="LONG"/><NomPJ V="a.pdf"/></PJ>\n<PJ><Contenu><Fichier>QUJD</Fichier></Contenu>'
        '<IdUnique V="X"/><NomPJ V="a.pdf"/></PJ></PES_PJ>',
    )
    for number in (b"1234", b"2998"):
        at = text.index(b'<IdBord V="%s"/>' % number)
        text = text[:at] + text[at:].replace(b'<NatPce V="01"/>', b'<NatPce V="98"/>', 1)
    checked = check(text)
    lines = text.split(b"\n")
    assert [one["code"] for one in checked.findings] == ["XSD_VALEUR", "XSD_VALEUR", "XSD_ATTRIBUT"]
    assert [one["bordereau"] for one in checked.findings] == ["1234", "2998", ""]
    assert all(b'"98"' in lines[int(str(one["line"])) - 1] for one in checked.findings[:2])
    assert b"<Fichier>QUJD" in lines[int(str(checked.findings[2]["line"])) - 1]
    assert "PJ" in str(checked.findings[2]["where"])


def test_faults_without_end_are_counted_to_a_limit() -> None:
    text = flow(blocks([Slip(number=str(number)) for number in range(1, 4000)]))
    checked = check(text.replace(b'<NatPce V="01"/>', b'<NatPce V="98"/>'))
    assert checked.sets[0].more
    assert len(checked.findings) == 100


def test_an_unknown_message_is_shown_as_it_is() -> None:
    told = say("Something else.", 3, "PES_Aller", Where())
    assert (told.code, told.message) == ("XSD_AUTRE", "Something else.")
    told = say("Element 'A': Something else.", 3, "PES_Aller", Where())
    assert (told.code, told.message) == ("XSD_AUTRE", "A : Something else.")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"essai/commun/types.xsd": None}, "'essai/commun/types.xsd', qui n'y est pas"),
        ({"essai/commun/types.xsd": b"<a"}, "essai/commun/types.xsd n'est pas du XML"),
        ({"essai/commun/types.xsd": b"<html/>"}, "essai/commun/types.xsd n'est pas un schéma XML"),
        ({"essai/Rev0/PES_Aller.xsd": b"PES_Aller_"}, "aucun de ses schémas ne décrit PES_Aller"),
        ({"essai/Rev0/PES_Aller.xsd": b"t:Inconnu"}, "essai/Rev0/PES_Aller.xsd ne peut pas être utilisé"),
        (
            {"essai/Rev0/PES_Aller.xsd": b"http://localhost/types.xsd"},
            "va chercher 'http://localhost/types.xsd' hors du jeu",
        ),
        ({"essai/Rev0/PES_Aller.xsd": b"file:///etc/passwd"}, "va chercher 'file:///etc/passwd' hors du jeu"),
        ({"essai/Rev0/PES_Aller.xsd": b"/etc/passwd"}, "va chercher '/etc/passwd' hors du jeu"),
        ({"essai/Rev0/PES_Aller.xsd": b"../../../../types.xsd"}, "types.xsd', qui n'y est pas"),
    ],
)
def test_a_set_that_is_of_no_use_is_refused(change: dict[str, bytes | None], reason: str) -> None:
    files = small_set()
    for name, content in change.items():
        if content is None:
            del files[name]
        elif b"<" in content:
            files[name] = content
        else:
            old = {b"PES_Aller_": b'"PES_Aller"', b"t:Inconnu": b'"t:Code3"'}.get(content, b'"../commun/types.xsd"')
            files[name] = files[name].replace(old, b'"%s"' % content)
    with pytest.raises(Refused) as caught:
        compiled(files)
    assert reason in caught.value.message
    assert caught.value.code == "SCHEMAS_REFUSES"


def test_a_schema_may_declare_entities_of_its_own_but_fetches_nothing() -> None:
    files = small_set()
    root = files["essai/Rev0/PES_Aller.xsd"]
    declared = b'?>\n<!DOCTYPE xs:schema SYSTEM "http://localhost:1/x.dtd" [<!ENTITY three "t:Code3">]>'
    files["essai/Rev0/PES_Aller.xsd"] = root.replace(b'"t:Code3"', b'"&three;"').replace(b"?>", declared, 1)
    assert check(GOOD, essai=files).findings == []
    files["essai/Rev0/PES_Aller.xsd"] = root.replace(
        b"?>", b'?>\n<!DOCTYPE xs:schema [<!ENTITY three SYSTEM "file:///etc/hostname">]>', 1
    ).replace(
        b"<xs:import", b"<xs:annotation><xs:documentation>&three;</xs:documentation></xs:annotation><xs:import", 1
    )
    try:
        assert check(GOOD, essai=files).findings == []
    except Refused as refused:
        assert "essai/Rev0/PES_Aller.xsd" in refused.message


@pytest.mark.parametrize(
    "shape", ["<!ENTITY % more SYSTEM 'file://{0}'> %more;", "<!ENTITY three SYSTEM 'file://{0}'>"]
)
def test_an_entity_reads_no_file_of_this_machine(shape: str, tmp_path: Path) -> None:
    """In any of the schemas, also one that describes no root: each is read to know."""
    secret = tmp_path / "secret"
    secret.write_text('<!ENTITY three "t:Code3">' if "%" in shape else "t:Code3")
    other = "<!DOCTYPE xs:schema [{0}]>\n<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'><!-- -->{1}</xs:schema>"
    files = {**small_set(), "autre.xsd": other.format(shape.format(secret), "&three;").encode()}
    with pytest.raises(Refused) as caught:
        compiled(files)
    assert f"autre.xsd demande 'file://{secret}', qui n'y est pas" in caught.value.message


def test_the_library_still_speaks_as_we_read_it() -> None:
    """A new libxml2 may change its words: the faults would become XSD_AUTRE, and `test_each_fault` would tell."""
    assert etree.LIBXML_VERSION >= (2, 9)
