"""The French texts of the mails about actes: what happened, what to do, until when, and where to look."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from tdt.domain.actes.deadlines import ANSWER_MONTHS, add_months
from tdt.domain.actes.explain import explain
from tdt.domain.actes.model import ActeStatus as S
from tdt.domain.actes.model import MessageCode as M
from tdt.domain.calendar import PARIS, paris_date
from tdt.domain.notice_text import WIDTH, Text, long_date, one_line

TITLE_LENGTH = 200
SUBJECT_LENGTH = 100
SHOWN = 200
"""Events told in one digest; the others are counted."""
SIMULATION = "[SIMULATION] "

LETTERS: Mapping[int, str] = {
    M.COURRIER_SIMPLE: "courrier de la préfecture",
    M.PIECES_COMPLEMENTAIRES: "demande de pièces complémentaires de la préfecture",
    M.LETTRE_OBSERVATIONS: "lettre d'observations de la préfecture",
    M.DEFERE_TA: "déféré de la préfecture au tribunal administratif",
}

ANSWERS: Mapping[int, str] = {
    M.COURRIER_SIMPLE: "réponse au courrier de la préfecture",
    M.PIECES_COMPLEMENTAIRES: "réponse à la demande de pièces complémentaires",
    M.LETTRE_OBSERVATIONS: "réponse à la lettre d'observations",
}

REPLY = "Répondez depuis votre logiciel ou la plateforme"
LETTERS_TO_DO: Mapping[int, str] = {
    M.COURRIER_SIMPLE: f"Lisez ce courrier ; s'il appelle une réponse : {REPLY.lower()}.",
    M.PIECES_COMPLEMENTAIRES: (
        f"{REPLY}, par les pièces demandées ou par un refus motivé, au plus tard le {{deadline}} : deux mois de "
        "silence valent refus. La réception de la réponse fait courir à nouveau le délai de deux mois du contrôle de "
        "légalité."
    ),
    M.LETTRE_OBSERVATIONS: (
        f"{REPLY} au plus tard le {{deadline}}, en acceptant de modifier ou de retirer l'acte, ou en rejetant les "
        "observations : deux mois de silence valent rejet. Le préfet peut ensuite déférer l'acte au tribunal."
    ),
    M.DEFERE_TA: (
        "Transmettez sans attendre ce recours à votre service juridique ou à votre avocat : la défense se présente "
        "devant le tribunal administratif, et le préfet peut avoir demandé la suspension de l'acte."
    ),
}


@dataclass(frozen=True, slots=True)
class Happening:
    """A transaction that reached a status at an instant, with what a reader needs to know which and why.

    `message` is what its life says of it; `test` tells a route that is not the real State.
    """

    transaction_id: int
    type: int
    type_reponse: int | None
    status: S
    at: datetime
    message: str
    authority: str
    siren: str
    number: str | None
    nature_code: int | None
    subject: str
    unique_id: str | None
    decision_date: date | None
    submitted_at: datetime
    letter_date: date | None = None
    letter_text: str = ""
    test: bool = False

    @property
    def is_letter(self) -> bool:
        """Something that the préfecture wrote."""
        return self.type in LETTERS and self.type_reponse is None


def write_event(event: Happening, platform: str, remark: str = "") -> Text:
    """The mail about one thing that happened. `remark`: of the files that it carries, or should."""
    what = headline(event)
    title = f"[{event.authority}] {what}"
    lines = ["Bonjour,", "", *_wrapped(f"{what[0].upper()}{what[1:]}."), "", *_particulars(event)]
    for paragraph in (_cause(event), _to_do(event), remark):
        if paragraph:
            lines += ["", *_wrapped(paragraph)]
    lines += ["", f"Où : {platform}", f"     transaction n° {event.transaction_id}"]
    return Text(_title(title, event.test), "\n".join([*lines, *_signature(platform)]))


def write_digest(day: date, events: Sequence[Happening], platform: str) -> Text:
    """The mail of a day about all that happened, oldest first; the events are of one collectivité."""
    authority, count = events[0].authority, len(events)
    several = "s" if count > 1 else ""
    title = f"[{authority}] {count} événement{several} au {long_date(day)}"
    lines = ["Bonjour,", "", *_wrapped(f"Ce qui est arrivé aux actes de {one_line(authority)} :")]
    for event in events[:SHOWN]:
        lines += ["", f"* {_instant(event.at)} : {headline(event)}", *_particulars(event, subject_only=True)]
        for paragraph in (_cause(event), _to_do(event)):
            lines += [f"    {line}" for line in _wrapped(paragraph, WIDTH - 4)]
        lines.append(f"    transaction n° {event.transaction_id}")
    if count > SHOWN:
        lines += ["", f"Et {count - SHOWN} autres, à voir sur la plateforme."]
    lines += ["", f"Où : {platform}"]
    return Text(_title(title, any(event.test for event in events)), "\n".join([*lines, *_signature(platform)]))


def write_refused_address(address: str, reply: str, platform: str) -> Text:
    """The notice that an address was set aside, for whoever can correct it."""
    what = f"Le serveur de courrier refuse l'adresse {address}. Sa réponse : {one_line(reply)}"
    to_do = (
        "Que faire : corrigez l'adresse (fiche du compte, ou liste de diffusion de la collectivité) ; si elle est "
        "juste, levez sa mise à l'écart depuis les préférences de notification du compte, ou demandez-le à "
        "l'exploitant. D'ici là rien ne lui est plus envoyé ; ce qu'elle aura manqué lui arrivera ensuite en une fois."
    )
    lines = ["Bonjour,", "", *_wrapped(what), "", *_wrapped(to_do), "", "-- "]
    lines += [f"Message automatique de la plateforme de télétransmission {platform}", ""]
    return Text(_title(f"Adresse électronique refusée : {address}", False), "\n".join(lines))


def too_large(size: int, limit: int) -> str:
    """Why the files are not attached."""
    return f"Les fichiers ne sont pas joints : ils pèsent {_mib(size)}, un courriel n'en porte que {_mib(limit)}."


def unstamped(names: Sequence[str]) -> str:
    """Which of the files are without their stamp."""
    return f"Joint sans tampon, qui n'a pas pu être apposé : {', '.join(one_line(name) for name in names)}."


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f} Mio".replace(".", ",")


def headline(event: Happening) -> str:
    """What happened, in a few words: the subject of the mail, without who it is for."""
    which = f"acte {one_line(event.number)}" if event.number else f"transaction {event.transaction_id}"
    if event.type == M.CLASSIFICATION:
        refused = event.status is S.ERREUR
        return "demande de classification refusée" if refused else "classification des matières à jour"
    if event.is_letter:
        return f"{which} : {_letter(event)}"
    if event.type == M.ANNULATION:
        return f"{which} : " + (
            "annulation refusée" if event.status is S.ERREUR else "annulation reçue par la préfecture"
        )
    if event.type in ANSWERS:
        end = "non transmise" if event.status is S.ERREUR else "reçue par la préfecture"
        return f"{which} : {ANSWERS[event.type]} {end}"
    return f"{which} : " + ("en erreur, non transmis" if event.status is S.ERREUR else "reçu par la préfecture")


def _letter(event: Happening) -> str:
    letter = LETTERS[event.type]
    if event.status is S.ERREUR:
        return f"{letter}, accusé de réception non transmis"
    if event.status is S.ACQUITTEMENT_ENVOYE:
        return f"{letter}, accusé de réception envoyé"
    return letter


def _particulars(event: Happening, subject_only: bool = False) -> list[str]:
    """Which transaction it is, one fact a line."""
    subject = one_line(event.subject)
    shown = subject if len(subject) <= SUBJECT_LENGTH else subject[: SUBJECT_LENGTH - 1] + "…"
    facts = [("objet", shown)]
    if not subject_only:
        facts = [
            ("collectivité", f"{one_line(event.authority)} (SIREN {event.siren})"),
            *facts,
            ("date de la décision", long_date(event.decision_date) if event.decision_date is not None else ""),
            ("identifiant", event.unique_id or ""),
            ("déposé le", "" if event.is_letter else _instant(event.submitted_at)),
            ("courrier du", long_date(event.letter_date) if event.letter_date is not None else ""),
            ("le", _instant(event.at)),
        ]
    return [f"    {name} : {value}" for name, value in facts if value]


def _cause(event: Happening) -> str:
    if event.status is S.ERREUR:
        return f"Cause : {explain(event.message).cause} Message reçu : « {one_line(event.message)} »."
    if event.is_letter and event.letter_text:
        return f"La préfecture écrit : {one_line(event.letter_text)}"
    return ""


def _to_do(event: Happening) -> str:
    if event.is_letter:
        return _letter_to_do(event)
    if event.status is S.ERREUR:
        told = explain(event.message)
        nothing = "L'acte n'existe pas pour la préfecture et n'est pas exécutoire." if event.type == M.ACTE else ""
        return f"Que faire : {told.remedy}. Qui : {told.who}. {nothing}"
    if event.type == M.ACTE:
        return (
            "Rien à faire : gardez l'accusé de réception, il prouve la transmission au représentant de l'État. L'acte "
            "est exécutoire une fois publié ou notifié."
        )
    return "Rien à faire."


def _letter_to_do(event: Happening) -> str:
    if event.status is S.ERREUR:
        return "Que faire : transmettez ce message à l'exploitant de la plateforme ; le courrier reste à traiter."
    # the deadline is counted from the day we had the letter, which is that of its own transaction
    deadline = add_months(paris_date(event.submitted_at), ANSWER_MONTHS)
    return f"Que faire : {LETTERS_TO_DO[event.type].format(deadline=long_date(deadline))}"


def _instant(at: datetime) -> str:
    from_paris = at.astimezone(PARIS)
    return f"{long_date(from_paris.date())} à {from_paris:%Hh%M}"


def _title(title: str, test: bool) -> str:
    return one_line((SIMULATION if test else "") + title)[:TITLE_LENGTH]


def _wrapped(text: str, width: int = WIDTH) -> list[str]:
    return textwrap.wrap(text, width)


def _signature(platform: str) -> list[str]:
    return [
        "",
        "-- ",
        f"Message automatique de la plateforme de télétransmission {platform}",
        "Pour en recevoir moins, un récapitulatif par jour ou aucun : votre administrateur",
        "ou votre logiciel (préférences de notification).",
        "",
    ]
