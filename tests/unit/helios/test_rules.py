"""S2LOW's checks of a flow: words, order, limits."""

from dataclasses import replace

import pytest

from tdt.domain.errors import Refused
from tdt.domain.helios.encoding import ByteObserver
from tdt.domain.helios.model import PesHeader
from tdt.domain.helios.pes import PesUnreadable
from tdt.domain.helios.rules import (
    AnalysisFacts,
    Holder,
    check_naming,
    check_reading,
    check_sendable,
    check_unaltered,
    check_upload,
)
from tdt.domain.ids import AuthorityId, HeliosId
from tests.unit.helios.samples import read_pes, sample

NUMBER = HeliosId(42)
HEADER = read_pes(sample("aller_depense.xml"))
FACTS = AnalysisFacts(NUMBER, sample("aller_depense.xml")[:4096], sha1_unchanged=True)
MEBIBYTE = 1 << 20
FIRST = Holder(HeliosId(7), AuthorityId(3))


@pytest.mark.parametrize(
    ("size", "limit", "known", "text"),
    [
        (
            128 * MEBIBYTE + 1,
            128 * MEBIBYTE,
            True,
            "Taille de fichier supérieure à la limite autorisée (128 Mo maximum).",
        ),
        (600 * MEBIBYTE, 512 * MEBIBYTE, False, "Taille de fichier supérieure à la limite autorisée (512 Mo maximum)."),
        (0, MEBIBYTE, True, "Le fichier présenté est vide (0 octet)"),
        (10, MEBIBYTE, True, "doublon détecté. Ce fichier a déjà été posté."),
    ],
)
def test_upload_refused(size: int, limit: int, known: bool, text: str) -> None:
    with pytest.raises(Refused) as refused:
        check_upload(size, limit, FIRST if known else None)
    assert refused.value.message == text


def test_who_was_first_is_in_the_details_alone() -> None:
    with pytest.raises(Refused) as refused:
        check_upload(10, MEBIBYTE, FIRST)
    assert refused.value.details == {"holder": 7, "holder_authority": 3}
    with pytest.raises(Refused) as refused:
        check_naming(HEADER, FIRST, NUMBER)
    assert refused.value.details == {"holder": 7, "holder_authority": 3}


def test_upload_accepted() -> None:
    check_upload(MEBIBYTE, MEBIBYTE, None)


def test_analysis_accepted() -> None:
    assert check_reading(HEADER, FACTS) is HEADER
    check_naming(HEADER, None, NUMBER)
    without_codes = replace(HEADER, cod_col=None, cod_bud=None, id_post=None, id_coll=None)
    assert check_reading(without_codes, FACTS) is without_codes
    check_naming(without_codes, None, NUMBER)


EVERYTHING_WRONG = replace(
    HEADER, domains=(), nomfic=None, cod_col="4010", cod_bud="001", id_post="0" * 8, id_coll="1" * 15
)


def test_analysis_order_and_words() -> None:
    """Everything is wrong at first; each text appears as soon as the faults before it are repaired."""
    facts = replace(FACTS, head=b"<?xml version='1.0' encoding='UTF-8'?>", sha1_unchanged=False)
    header: PesHeader | PesUnreadable = PesUnreadable("Premature end of data")
    assert _refusal(header, facts) == "Transaction 42 : ce fichier n'est pas encodé en ISO-8859-1"
    facts = replace(facts, head=FACTS.head)
    assert _refusal(header, facts) == "Transaction 42 : ce fichier n'est pas en XML"
    header = EVERYTHING_WRONG
    assert _refusal(header, facts) == "Transaction 42 : ce fichier ne contient ni bordereau, ni PJ, ni marché"
    header = replace(header, domains=("PES_PJ",))
    missing = "Transaction 42 : La balise Enveloppe/Parametre/NomFic n'est pas présente ou est vide"
    assert _refusal(header, facts) == missing
    header = replace(header, nomfic="N" * 256)
    assert _refusal(header, facts) == "Transaction 42 : Le CodCol est trop long"
    header = replace(header, cod_col="401")
    assert _refusal(header, facts) == "Le fichier a été modifé depuis son postage sur la plateforme"
    facts = replace(facts, sha1_unchanged=True)
    assert _refusal(header, facts, taken=True) == "Transaction 42 : ce fichier existe déjà sur la plateforme"
    not_stored = "Transaction 42 : problème d'enregistrement du PES Aller en base de données."
    for repaired in ({"nomfic": "N" * 255}, {"cod_bud": "00"}, {"id_post": "0340120"}):
        assert _refusal(header, facts) == not_stored
        header = replace(header, **repaired)  # type: ignore[arg-type]
    assert _refusal(header, facts) == "Transaction 42 : La balise IdCol est trop longue"
    header = replace(header, id_coll="1" * 14)
    assert check_reading(header, facts) is header
    check_naming(header, None, NUMBER)


DECLARED = b'<?xml version="1.0" encoding="ISO-8859-1"?>'


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (DECLARED, None),
        (b"<?xml version='1.0' encoding='iso-8859-1'?>", None),
        (b'<?xml version="1.0"   encoding = "ISO-8859-1" standalone="yes"?>', None),
        # read by its name's beginning alone, as S2LOW does
        (b'<?xml version="1.0" encoding="ISO-8859-15"?>', None),
        (b'<?xml version="1.0" encoding= "ISO-8859-1"'.replace(b" e", b" " * 12 + b"e"), ""),
        (b'<?xml version="1.0" encoding="UTF-8"?>', "declared encoding: UTF-8"),
        (b'<?xml version="1.0" encoding="UTF-8"?><!--ISO-8859-1', "declared encoding: UTF-8"),
        (b'<?xml version="1.0"?><!-- ISO-8859-1 --><a/>', "declared encoding: none, so UTF-8"),
        (b" " * 40 + b"ISO-8859-1", "declared encoding: none, so UTF-8"),
        (b"\xef\xbb\xbf" + DECLARED, "byte order mark of UTF-8"),
        (DECLARED.decode().encode("utf-16"), "byte order mark of UTF-16"),
        (DECLARED.decode().encode("utf-32"), "byte order mark of UTF-32"),
        (DECLARED.decode().encode("utf-16-le"), "declared encoding: none, so UTF-8"),
        (b"", "declared encoding: none, so UTF-8"),
    ],
)
def test_encoding_is_looked_for_in_fifty_characters_and_must_not_be_contradicted(
    head: bytes, reason: str | None
) -> None:
    facts = replace(FACTS, head=head)
    if reason is None:
        assert check_reading(HEADER, facts) is HEADER
        return
    with pytest.raises(Refused) as refused:
        check_reading(HEADER, facts)
    assert refused.value.message == "Transaction 42 : ce fichier n'est pas encodé en ISO-8859-1"
    assert refused.value.details == ({"reason": reason} if reason else {})


@pytest.mark.parametrize("step", [1, 2, 1000])
@pytest.mark.parametrize(
    ("data", "seen"),
    [
        (b"", "ASCII"),
        (b"abc" * 100, "ASCII"),
        ("été à la régie".encode("iso-8859-1"), "ISO-8859-1"),
        ("été à la régie €".encode(), "UTF-8"),
        ("une dépense de 12 €".encode("cp1252"), "WINDOWS-1252"),
        (b"a\xc3", "ISO-8859-1"),
        (b"\xc3\xa9\xe9", "ISO-8859-1"),
    ],
)
def test_what_the_bytes_show(data: bytes, seen: str, step: int) -> None:
    observer = ByteObserver()
    for start in range(0, len(data), step):
        observer.feed(data[start : start + step])
    assert observer.seen == seen


def test_refusal_keeps_the_reason_of_the_reader_for_the_log() -> None:
    with pytest.raises(Refused) as refused:
        check_reading(PesUnreadable("Premature end of data"), FACTS)
    assert refused.value.details == {"reason": "Premature end of data"}


@pytest.mark.parametrize(
    ("changes", "p_dest", "text"),
    [
        ({"has_header": False, "cod_col": None}, "", "La balise EnTetePES n'est pas présente ou est vide"),
        (
            {"cod_col": None, "id_post": None},
            "",
            "La balise EnTetePES/CodCol ou EnTetePES/CodColl n'est pas présente ou est vide",
        ),
        ({"id_post": None, "cod_bud": None}, "", "La balise EnTetePES/IdPost n'est pas présente ou est vide"),
        ({"cod_bud": None}, "", "La balise EnTetePES/CodBud n'est pas présente ou est vide"),
        ({}, "", "les propriétés Helios FTP ne sont pas configurées correctement"),
        ({"id_post": "0\r\nDEL"}, "VHPCE11", "La balise EnTetePES/IdPost contient un caractère interdit"),
        ({"id_post": "../../x"}, "VHPCE11", "La balise EnTetePES/IdPost contient un caractère interdit"),
        ({"cod_bud": "%%"}, "VHPCE11", "La balise EnTetePES/CodBud contient un caractère interdit"),
    ],
)
def test_not_sendable(changes: dict[str, object], p_dest: str, text: str) -> None:
    with pytest.raises(Refused) as refused:
        check_sendable(replace(HEADER, **changes), p_dest, NUMBER)  # type: ignore[arg-type]
    assert refused.value.message == f"Transaction 42 : {text}"


def test_sendable() -> None:
    check_sendable(HEADER, "VHPCE11", NUMBER)
    check_sendable(read_pes(sample("acquit_retour.xml")), "VHPCE11", NUMBER)
    check_unaltered(True, NUMBER)


def test_altered_before_it_leaves() -> None:
    with pytest.raises(Refused) as refused:
        check_unaltered(False, NUMBER)
    text = "Transaction 42 : le fichier a été altéré depuis son postage ou sa signature sur la plateforme"
    assert refused.value.message == text


def _refusal(header: PesHeader | PesUnreadable, facts: AnalysisFacts, *, taken: bool = False) -> str:
    with pytest.raises(Refused) as refused:
        check_naming(check_reading(header, facts), FIRST if taken else None, facts.transaction_id)
    return refused.value.message
