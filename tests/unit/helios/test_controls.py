"""What the DGFiP refuses beyond its schemas: each rule tells its fault once, where it stands, and nothing else."""

import pytest

from tdt.domain.helios.control_words import CONTROLS
from tdt.domain.helios.controls import Controls, key_of
from tdt.domain.helios.findings import MOST_FINDINGS, Finding
from tdt.domain.helios.scan import Scan
from tdt.domain.helios.schema_words import CODES
from tests.architecture.sources import ROOT
from tests.dgfip_flows import envelope

TIERS = (
    '<Tiers><InfoTiers><IdTiers V="12345678200010"/><NatIdTiers V="01"/><CatTiers V="01"/><Civilite V="Mme"/>'
    '<Nom V="DUPONT"/><Prenom V="Anne"/></InfoTiers>\n<Adresse><CP V="34000"/><Ville V="MONTPELLIER"/><CodRes V="0"/>'
    '</Adresse>\n<CpteBancaire><BIC V="BDFEFRPPCCT"/><IBAN V="FR7630001007941234567890185"/></CpteBancaire></Tiers>'
)
FLOW = (
    envelope()
    + """
<PES_DepenseAller><EnTeteDepense><IdVer V="2"/><InfoDematerialisee V="0"/></EnTeteDepense>
<Bordereau Id="B12">
<BlocBordereau><Exer V="2026"/><IdBord V="12"/><TypBord V="01"/><NbrPce V="1"/><MtCumulAnnuel V="120.00"/>
<MtBordHT V="100.00"/><MtBordTVA V="20.00"/></BlocBordereau>
<Piece><BlocPiece><InfoPce><IdPce V="345"/><TypPce V="01"/><NatPce V="01"/>
<PJRef><Support V="01"/><IdUnique V="PJ1"/></PJRef></InfoPce></BlocPiece>
<LigneDePiece><BlocLignePiece><InfoLignePce><IdLigne V="7"/><ModRegl V="03"/><MtHT V="100.00"/><MtTVA V="20.00"/>
</InfoLignePce>
<RattachPiece><NatPceOrig V="01"/><ExerRat V="2025"/><IdPceOrig V="99"/><IdLigneOrig V="1"/></RattachPiece>
</BlocLignePiece>"""
    + TIERS
    + """</LigneDePiece></Piece></Bordereau></PES_DepenseAller>
<PES_RecetteAller><EnTeteRecette><IdVer V="2"/></EnTeteRecette>
<Bordereau Id="R5"><BlocBordereau><Exer V="2026"/><IdBord V="5"/><TypBord V="01"/><NbrPce V="1"/>
<MtBordHt V="10.00"/></BlocBordereau>
<Piece><BlocPiece><IdPce V="88"/><TypPce V="06"/><NatPce V="01"/><IdRol V="3"/></BlocPiece>
<LigneDePiece><BlocLignePiece><InfoLignePiece><IdLigne V="1"/><Majo V="0"/><MtHT V="10.00"/></InfoLignePiece>
<InfoPrelevementSEPA><AncienICS V="123456"/></InfoPrelevementSEPA></BlocLignePiece>
<Tiers><InfoTiers><CatTiers V="22"/><Nom V="SOCIETE"/></InfoTiers>
<Adresse><CP V="99999"/><Ville V="B1000 BRUXELLES"/><CodRes V="1"/><CodPays V="131"/></Adresse>
<CpteBancaire><CodeEtab V="30001"/><CodeGuic V="00794"/><IdCpte V="12345678901"/><CleRib V="85"/></CpteBancaire>
</Tiers></LigneDePiece></Piece></Bordereau></PES_RecetteAller>
<PES_Facture><IdVer V="2"/><TypeFact V="09"/><Emetteur><Adresse><CP V="34000"/></Adresse><Signataire/></Emetteur>
<FactureIndiv><RefTitre><Exercice V="2026"/><NumTitre V="88"/></RefTitre><TalonOptique2Lignes/></FactureIndiv>
</PES_Facture>
<PES_PJ><EnTetePES_PJ><IdVer V="1"/></EnTetePES_PJ>
<PJ><Contenu><Fichier MIMEType="application/pdf">H4sIAAAA</Fichier></Contenu><IdUnique V="PJ1"/><NomPJ V="a.pdf"/>
<TypePJ V="003"/><Description V="x"/><RefCompta><Domaine V="01"/><Exercice V="2026"/><TypeObjet V="01"/>
<Identifiant V="345"/></RefCompta></PJ></PES_PJ>
</n:PES_Aller>"""
)
SIGNED = "</Piece><ds:Signature xmlns:ds='urn:ds'/></Bordereau></PES_DepenseAller>"
PERSON = '<CatTiers V="01"/>'
PJ = FLOW[FLOW.index("<PJ><Contenu") : FLOW.index("</PES_PJ>")]
SLIP = FLOW[FLOW.index('<Bordereau Id="R5">') : FLOW.index("</PES_RecetteAller>")]
INVOICE = FLOW[FLOW.index("<FactureIndiv>") : FLOW.index("\n</PES_Facture>")]

CASES = [
    ("GUICHET_VERSION", "flux", '<EnTeteDepense><IdVer V="2"/>', '<EnTeteDepense><IdVer V="1"/>'),
    ("GUICHET_VERSION", "flux", '<EnTeteRecette><IdVer V="2"/>', "<EnTeteRecette>"),
    ("GUICHET_VERSION", "flux", '<PES_Facture><IdVer V="2"/>', '<PES_Facture><IdVer V="3"/>'),
    ("GUICHET_CODCOL_ZERO", "flux", '<CodCol V="012"/>', '<CodCol V="000"/>'),
    ("GUICHET_SIGNATURE_ABSENTE", "flux", '<InfoDematerialisee V="0"/>', '<InfoDematerialisee V="1"/>'),
    ("GUICHET_SIGNATURE_EN_TROP", "flux", "</Piece></Bordereau></PES_DepenseAller>", SIGNED),
    ("GUICHET_ID_DOUBLE", "flux", 'Id="R5"', 'Id="B12"'),
    ("GUICHET_NBRPCE", "flux", '<NbrPce V="1"/><MtCumul', '<NbrPce V="0"/><MtCumul'),
    ("GUICHET_MONTANT_BORDEREAU", "flux", '<MtBordHt V="10.00"/>', '<MtBordHt V="0.00"/>'),
    ("GUICHET_IDPCE", "flux", '<IdPce V="88"/>', '<IdPce V="0"/>'),
    ("GUICHET_PJREF", "flux", '<Support V="01"/>', ""),
    ("GUICHET_PJREF", "flux", '<IdUnique V="PJ1"/></PJRef>', "</PJRef>"),
    ("GUICHET_COMPTE_MINUSCULES", "flux", "BDFEFRPPCCT", "BDFEfRPPCCT"),
    ("GUICHET_COMPTE_MINUSCULES", "flux", "FR76300", "fr76300"),
    ("GUICHET_MODREGL", "flux", '<ModRegl V="03"/>', '<ModRegl V="12"/>'),
    ("GUICHET_BORDEREAU_DOUBLE", "bordereau", SLIP, SLIP + SLIP.replace("R5", "R6")),
    ("GUICHET_TYPBORD", "bordereau", '<IdBord V="12"/><TypBord V="01"/>', '<IdBord V="12"/><TypBord V="04"/>'),
    ("GUICHET_TVA_SANS_LIGNE", "bordereau", '<MtTVA V="20.00"/>', ""),
    ("GUICHET_TVA_SANS_BORDEREAU", "bordereau", '<MtBordTVA V="20.00"/>', ""),
    ("GUICHET_TVA_NULLE", "bordereau", '<MtBordHt V="10.00"/>', '<MtBordHt V="10.00"/><MtBordTVA V="0.00"/>'),
    ("GUICHET_IDROL", "bordereau", '<TypPce V="06"/>', '<TypPce V="01"/>'),
    ("GUICHET_MONTANT_NUL", "bordereau", '<Majo V="0"/><MtHT V="10.00"/>', '<Majo V="0"/><MtHT V="0.00"/>'),
    ("GUICHET_MAJORATION", "bordereau", '<Majo V="0"/>', '<Majo V="0"/><TxMajo V="5"/>'),
    ("GUICHET_MAJORATION", "bordereau", '<Majo V="0"/>', '<Majo V="1"/><DteMajo V="2026-01-01"/>'),
    ("GUICHET_ICS", "bordereau", '<AncienICS V="123456"/>', '<AncienICS V="12345"/>'),
    ("GUICHET_RATTACHEMENT", "bordereau", '<ExerRat V="2025"/>', ""),
    ("GUICHET_RATTACHEMENT", "bordereau", '<IdLigneOrig V="1"/>', '<IdLigneOrig V="0"/>'),
    ("GUICHET_RATTACHEMENT", "bordereau", '<NatPceOrig V="01"/>', '<NatPceOrig V="03"/>'),
    ("GUICHET_COMPTE_ABSENT", "bordereau", FLOW[FLOW.index("<CpteBancaire>") : FLOW.index("</Tiers>")], ""),
    ("GUICHET_COMPTE_EN_TROP", "bordereau", '<ModRegl V="03"/>', '<ModRegl V="01"/>'),
    ("GUICHET_IBAN", "bordereau", "890185", "890186"),
    ("GUICHET_RIB", "bordereau", '<CleRib V="85"/>', '<CleRib V="86"/>'),
    ("GUICHET_RIB_INCOMPLET", "bordereau", '<CleRib V="85"/>', ""),
    ("GUICHET_IBAN_INCOMPLET", "bordereau", "<CpteBancaire><CodeEtab", '<CpteBancaire><IdPayInt V="FR76"/><CodeEtab'),
    (
        "GUICHET_BIC_ABSENT",
        "bordereau",
        '<BIC V="BDFEFRPPCCT"/><IBAN V="FR7630001007941234567890185"/>',
        '<IBAN V="DE89370400440532013000"/>',
    ),
    ("GUICHET_CODE_POSTAL", "bordereau", '<CP V="34000"/><Ville V="MONT', '<CP V="3400"/><Ville V="MONT'),
    ("GUICHET_PAYS", "bordereau", '<CodPays V="131"/>', ""),
    ("GUICHET_PAYS", "bordereau", '<CodRes V="1"/>', '<CodRes V="0"/>'),
    ("GUICHET_CIVILITE", "bordereau", '<Civilite V="Mme"/>', ""),
    ("GUICHET_CIVILITE", "bordereau", '<CatTiers V="01"/><Civilite V="Mme"/>', '<CatTiers V="22"/>'),
    ("GUICHET_NAISSANCE", "bordereau", '<CatTiers V="22"/>', '<CatTiers V="22"/><DteNaissance V="1980-01-01"/>'),
    ("GUICHET_TIERS_IDENTIFIANT", "bordereau", '<NatIdTiers V="01"/>', ""),
    ("GUICHET_TIERS_IDENTIFIANT", "bordereau", '<IdTiers V="12345678200010"/>', ""),
    ("GUICHET_TIERS_IDENTIFIANT", "bordereau", '<IdTiers V="12345678200010"/>', '<IdTiers V="12345678200011"/>'),
    ("GUICHET_TIERS_IDENTIFIANT", "bordereau", '<NatIdTiers V="01"/>', '<NatIdTiers V="02"/>'),
    ("GUICHET_PJ_VERSION", "PJ", '<EnTetePES_PJ><IdVer V="1"/>', '<EnTetePES_PJ><IdVer V="2"/>'),
    ("GUICHET_PJ_DOUBLE", "PJ", PJ, PJ + PJ),
    ("GUICHET_PJ_NOM", "PJ", '<NomPJ V="a.pdf"/>', '<NomPJ V="facture"/>'),
    ("GUICHET_PJ_VIDE", "PJ", "H4sIAAAA", " \n "),
    ("GUICHET_PJ_REFCOMPTA", "PJ", '<Identifiant V="345"/>', ""),
    ("GUICHET_PJ_REFCOMPTA", "PJ", '<Domaine V="01"/>', '<Domaine V="02"/>'),
    ("GUICHET_PJ_REFCOMPTA", "PJ", '<Domaine V="01"/>', '<Domaine V="03"/>'),
    ("GUICHET_PJ_REFCOMPTA", "PJ", PJ[PJ.index('<TypePJ V="003"/>') :], '<TypePJ V="012"/></PJ>'),
    ("GUICHET_FACTURE_EMETTEUR", "facture", "<Signataire/>", ""),
    ("GUICHET_FACTURE_INCOMPLETE", "facture", "<TalonOptique2Lignes/>", ""),
    ("GUICHET_FACTURE_TITRE_DOUBLE", "facture", INVOICE, INVOICE + INVOICE),
]


def judge(flow: str) -> list[Finding]:
    controls = Controls()
    scan = Scan(controls)
    scan.feed(flow.encode("latin-1"))
    scan.close()
    controls.close()
    assert controls.total == len(controls.findings)
    return controls.findings


def test_a_flow_that_breaks_no_rule() -> None:
    assert judge(FLOW) == []
    paperless = FLOW.replace('<InfoDematerialisee V="0"/>', '<InfoDematerialisee V="true"/>')
    assert judge(paperless.replace("</Piece></Bordereau></PES_DepenseAller>", SIGNED)) == []
    assert judge(paperless.replace("</n:PES_Aller>", "<Signature/></n:PES_Aller>")) == []


@pytest.mark.parametrize(("code", "level", "old", "new"), CASES)
def test_each_rule(code: str, level: str, old: str, new: str) -> None:
    assert FLOW.count(old) == 1, old
    [finding] = judge(FLOW.replace(old, new))
    assert (finding.code, finding.level) == (code, level)
    assert "{" not in finding.message + finding.expected + finding.remedy
    assert finding.message and finding.expected and finding.remedy.endswith(".")
    assert finding.element.startswith("PES_Aller/")
    # the line is that of the tag, or of the element in which one is missing
    line = FLOW.replace(old, new).split("\n")[finding.line - 1]
    names = finding.element.split("/")
    assert f"<{names[-1]}" in line or f":{names[-1]}" in line or f"<{names[-2]}" in line, (finding, line)


def test_every_rule_has_its_case() -> None:
    hidden = {"GUICHET_TYPPCE", "GUICHET_CUMUL", "GUICHET_BORDEREAU_CONNU"}  # below: they take more than one change
    assert {code for code, *_ in CASES} | hidden == set(CONTROLS)
    [kind] = judge(FLOW.replace('<TypPce V="06"/>', '<TypPce V="08"/>').replace('<IdRol V="3"/>', ""))
    assert (kind.code, kind.found) == ("GUICHET_TYPPCE", "08")
    flow = FLOW.replace('<InfoDematerialisee V="0"/>', '<InfoDematerialisee V="1"/>')
    flow = flow.replace("</Piece></Bordereau></PES_DepenseAller>", SIGNED)
    [total] = judge(flow.replace('<MtCumulAnnuel V="120.00"/>', ""))
    assert (total.code, total.where.text()) == ("GUICHET_CUMUL", "dépense, bordereau 12 de 2026")


def test_a_bordereau_that_left_before_is_told_with_its_flow() -> None:
    def known(key: str) -> list[Finding]:
        controls = Controls({key: "helios:7 (accepté par la DGFiP)"})
        scan = Scan(controls)
        scan.feed(FLOW.replace('<IdBord V="12"/>', '<IdBord V="0012"/>').encode("latin-1"))
        scan.close()
        return controls.findings

    [finding] = known(key_of("dépense", "2026", "01", "12"))
    assert (finding.code, finding.found, finding.where.bordereau) == ("GUICHET_BORDEREAU_CONNU", "0012", "0012")
    assert "helios:7 (accepté par la DGFiP)" in finding.message
    for other in (("recette", "2026", "01", "12"), ("dépense", "2025", "01", "12"), ("dépense", "2026", "02", "12")):
        assert known(key_of(*other)) == []
    assert key_of("dépense", "2026", "01", "x") == ""


def test_the_place_is_told_as_an_accountant_says_it() -> None:
    def place(old: str, new: str) -> str:
        [finding] = judge(FLOW.replace(old, new))
        return finding.where.text()

    assert place("890185", "890186") == "dépense, bordereau 12 de 2026, pièce 345, ligne 7"
    assert place('<IdPce V="88"/>', '<IdPce V="0"/>') == "recette, bordereau 5 de 2026, pièce 0"
    assert place("H4sIAAAA", "") == "PJ PJ1"
    assert place('<EnTeteRecette><IdVer V="2"/>', '<EnTeteRecette><IdVer V="9"/>') == "recette"
    slip = FLOW.replace('<IdBord V="12"/>', "").replace('<NbrPce V="1"/><MtCumul', '<NbrPce V="0"/><MtCumul')
    assert judge(slip)[0].where.text() == "dépense, bordereau sans numéro (le n° 1 du fichier) de 2026"


def test_the_first_faults_are_kept_and_all_are_counted() -> None:
    start, end = FLOW.index("<LigneDePiece>"), FLOW.index("</LigneDePiece>") + len("</LigneDePiece>")
    line = FLOW[start:end].replace("34000", "bad")
    controls = Controls()
    scan = Scan(controls)
    scan.feed((FLOW[:start] + line * 500 + FLOW[end:]).encode("latin-1"))
    scan.close()
    assert (len(controls.findings), controls.total) == (MOST_FINDINGS, 500)
    assert {one.code for one in controls.findings} == {"GUICHET_CODE_POSTAL"}


def test_a_value_without_end_is_shown_short() -> None:
    [finding] = judge(FLOW.replace('<NomPJ V="a.pdf"/>', f'<NomPJ V="{"x" * 5000}"/>'))
    assert len(finding.found) == 100
    assert len(finding.message) < 200


def test_the_page_of_errors_says_them_all() -> None:
    page = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
    for code, control in CONTROLS.items():
        level = control.level or "bordereau, facture or marché"
        assert f"| `{code}` | {level} | `{control.message}` | {control.remedy} |\n" in page
    for code in CODES:
        assert f"| `{code}` |" in page
