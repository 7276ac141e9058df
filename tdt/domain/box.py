"""What waits in the operator's box: whose it probably is, what speaks for it, the command that gives it to them."""

from dataclasses import dataclass

FORGED = "forged"


@dataclass(frozen=True, slots=True)
class Known:
    """What was read of a reception. `authority_id`: whose it surely is, `proposed_id`: whose it probably is."""

    id: int
    kind: str
    authority_id: int | None
    proposed_id: int | None
    authority: str
    siren: str
    act: str
    flow: int | None


@dataclass(frozen=True, slots=True)
class Proposal:
    """Whose it is, why one may think so, what to type; nothing is done by itself."""

    whose: str
    why: str
    command: str


def propose_owner(known: Known) -> Proposal:
    """The surest clue first: the flow that it answers, the act that it names, the SIREN that it bears."""
    look = f"tdt box show {known.id}"
    if known.kind == FORGED:
        return Proposal("", "rien ne prouve qu'il vient du ministère : à regarder avant tout", look)
    owner = known.authority_id or known.proposed_id
    whose = f"{known.authority} (n° {owner})" if owner is not None else ""
    give = f"tdt box assign {known.id}"
    if known.flow is not None:
        return Proposal(whose, f"il répond sans doute au flux helios:{known.flow}", f"{give} --flow {known.flow}")
    if owner is None:
        siren = f" ; il porte le SIREN {known.siren}, qu'aucune collectivité n'a ici" if known.siren else ""
        return Proposal("", f"rien ne dit à qui il est{siren}", look)
    if known.authority_id is not None:
        return Proposal(whose, "son destinataire est sûr : il attend une décision", f"tdt box retry {known.id}")
    if known.act:
        return Proposal(whose, f"il nomme l'acte {known.act}", f"{give} --authority {owner} --act {known.act}")
    clue = f"il porte le SIREN {known.siren}" if known.siren else "ce qu'il contient la désigne"
    return Proposal(whose, clue, f"{give} --authority {owner}")
