"""Decides what the préfecture answers to each reception: mails due, in one transaction with the reception itself."""

import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from tdt.simulators import prefecture_answers as answers
from tdt.simulators import prefecture_variants as variants
from tdt.simulators.journal import Journal, Stored
from tdt.simulators.letters import KINDS, letter_message, letter_pdf
from tdt.simulators.prefecture_acte import check_acte
from tdt.simulators.prefecture_answers import Anomaly, File, Party
from tdt.simulators.prefecture_archive import Archive, ArchiveError, read_archive
from tdt.simulators.prefecture_checks import MESSAGE_NAME, Message, Reading, Rules, read_envelope
from tdt.simulators.prefecture_grammar import attribute, child_text
from tdt.simulators.prefecture_mail import Mail, build_mail
from tdt.simulators.prefecture_register import Register

PARIS = ZoneInfo("Europe/Paris")
ARCHIVE_LIMIT = 150 * 1024 * 1024
DEFAULTS: dict[str, Any] = {
    "answer": "ar",
    "delay": 0.5,
    "http_status": 201,
    "outage": False,
    "closed": False,
    "hang": 0,
    "credentials": None,
    "duplicate_mail": False,
    **variants.DEFAULTS,
}
ANSWER = re.compile("ar|auto|silence|anomaly:(?:[0-9]{3}|ERREUR[0-9])|envelope-anomaly:(?:00[1-5]|100|999)")
# The letters that the préfecture acknowledges: code of the answer received → code and root of its own.
ACKNOWLEDGED = {
    "3-3": ("3-5", "ARPieceComplementaire"),
    "3-4": ("3-5", "ARPieceComplementaire"),
    "4-3": ("4-5", "ARReponseRejetLettreObservations"),
    "4-4": ("4-5", "ARReponseRejetLettreObservations"),
}


@dataclass(frozen=True, slots=True)
class Case:
    """One reception being answered. `forced`: an anomaly demanded by the behaviour, kind and nature."""

    reading: Reading
    rules: Rules
    sha256: str
    forced: tuple[str, str] | None
    now: datetime


class Desk:
    """Holds the register of collectivités and acts; its methods are synchronous (call them from a thread)."""

    def __init__(self, config: Mapping[str, Any], journal: Journal):
        self._journal = journal
        self._trigramme = str(config["trigramme"])
        self._quadrigramme = str(config["quadrigramme"])
        self._first_classification = str(config["classification_date"])
        self._registry = {entry["siren"]: _party(entry) for entry in config["registry"]}
        self.register = Register(journal, self._registry)

    # --- what the control API changes

    def classification(self) -> str:
        return str(self._journal.get("classification", self._first_classification))

    def publish(self, day: str) -> None:
        self._journal.put("classification", day)

    def behaviour(self) -> dict[str, Any]:
        return self._journal.behaviour(DEFAULTS)

    def send_raw(self, raw: bytes) -> None:
        """A mail as it is, now."""
        self._journal.add_due(time.time(), {"mail": "raw"}, raw)

    def remind(self, id_acte: str) -> None:
        """The reminder of an act sent on paper too: a mail without any XML. Raises UnknownActe."""
        addresses, _ = self.register.find(id_acte)
        rows = {"Identifiant Acte": id_acte, "Rappel": variants.MULTI_CANAL}
        self._post(Mail(addresses, "ACTES - rappel multi canal", rows, []), datetime.now(PARIS), 0)

    def release(self, last_first: bool) -> int:
        """Have every mail that is held leave now, in their order or the last one first; gives how many."""
        with self._journal.transaction():
            held = [one for one in self._journal.due(math.inf) if one.payload.get("held") and not one.started]
            for one in reversed(held) if last_first else held:
                content = self._journal.due_content(one.id) or b""
                self._journal.complete(one.id)
                self._journal.add_due(time.time(), {"mail": one.payload["mail"]}, content)
        return len(held)

    def send_letters(self, id_acte: str, codes: Sequence[str], day: date | None = None) -> list[str]:
        """One mail for each, now, dated today unless said; gives the names of the messages. Raises UnknownActe."""
        addresses, party = self.register.find(id_acte)
        now = datetime.now(PARIS)
        dated = day or now.date()
        sent = []
        with self._journal.transaction():
            for code in codes:
                document = f"{id_acte}-{code}_{self._journal.next_serial('envelope')}.pdf"
                message = letter_message(code, id_acte, dated, document)
                files = self._pack(party, code, message, id_acte)
                files.append(File(document, letter_pdf(code, id_acte, dated)))
                rows = {"Nature transaction": KINDS[code].title, "Identifiant Acte": id_acte}
                self._post(Mail(addresses, f"ACTES - {KINDS[code].title}", rows, files), now, 0)
                self.register.add_letter(id_acte, code, dated, files[1].name)
                sent.append(files[1].name)
        return sent

    # --- receptions

    def receive(self, stored: Stored, name: str, origin: Mapping[str, str]) -> None:
        """List the reception, decide, and note the mails due: all on disk when it returns."""
        archive: Archive | ArchiveError
        try:
            archive = read_archive(self._journal.body_path(stored))
        except ArchiveError as error:
            archive = error
        with self._journal.transaction():
            behaviour = self.behaviour()
            case = self._case(name, stored, archive, behaviour["answer"])
            self._journal.reception(name, {**_metadata(case.reading), **origin}, stored)
            mails = [] if behaviour["answer"] == "silence" else self._answer(case)
            for mail in mails:
                self._post(mail, case.now, behaviour["delay"])

    def _case(self, name: str, stored: Stored, archive: Archive | ArchiveError, answer: str) -> Case:
        rules = Rules(
            trigramme=self._trigramme,
            quadrigramme=self._quadrigramme,
            registry=self._registry,
            classification=self.classification(),
            archive_limit=ARCHIVE_LIMIT,
            strict=answer == "auto",
            is_registered=self.register.has,
            was_written=self.register.was_written,
        )
        kind, _, nature = answer.partition(":")
        forced = (kind, nature) if nature else None
        reading = read_envelope(name, stored.size, archive, rules)
        return Case(reading, rules, stored.sha256, forced, datetime.now(PARIS))

    def _answer(self, case: Case) -> list[Mail]:
        anomaly = case.reading.anomaly
        if case.forced and case.forced[0] == "envelope-anomaly":
            anomaly = Anomaly(case.forced[1], "Anomalie d'enveloppe demandée au simulateur")
        if anomaly:
            return [self._refuse_envelope(case, anomaly)]
        mails = (self._answer_message(case, message) for message in case.reading.messages)
        return [mail for mail in mails if mail]

    def _refuse_envelope(self, case: Case, anomaly: Anomaly) -> Mail:
        reading = case.reading
        envelope = reading.envelope
        if envelope is None:
            named = re.search("--([0-9]{9})--", reading.name)
            party = self._registry.get(named[1] if named else "") or next(iter(self._registry.values()))
            envelope = answers.unreadable_envelope(party, reading.name)
        data = answers.anomalie_enveloppe(envelope, anomaly, case.now.date())
        rows = {"Enveloppe refusée": reading.envelope_name, "Motif": f"{anomaly.nature} {anomaly.detail}"}
        return Mail(
            reading.addresses, "ACTES - anomalie sur une enveloppe", rows, [File(f"ANO_{reading.envelope_name}", data)]
        )

    def _answer_message(self, case: Case, message: Message) -> Mail | None:
        if message.code == "1-1":
            return self._answer_acte(case, message)
        if message.code == "7-1":
            return self._answer_classification(case, message)
        if message.id_acte is None:
            return None
        if message.code == "6-1":
            self.register.free(message.id_acte)  # its number may be used again
            data = answers.ar_annulation(message.id_acte, case.now.date())
            return self._mail(case, message, "6-2", data, "AR d'annulation")
        self.register.add_answer(message)
        if message.code in ACKNOWLEDGED:
            code, root = ACKNOWLEDGED[message.code]
            letter_day = attribute(message.root, "DateCourrierPref")
            data = answers.ar_reponse(root, message.id_acte, letter_day, case.now.date())
            return self._mail(case, message, code, data, "AR de réponse à un courrier")
        return None  # 2-2, 3-2, 4-2: nothing comes back for them

    def _answer_classification(self, case: Case, message: Message) -> Mail:
        current = case.rules.classification
        if child_text(message.root, "DateClassification") == current:
            data = answers.classification_unchanged(current)
            return self._mail(case, message, "7-3", data, "Classification sans changement")
        return self._mail(case, message, "7-2", answers.retour_classification(current), "Retour de classification")

    def _answer_acte(self, case: Case, message: Message) -> Mail:
        """An identical resend gets the files of its first AR again, except in `auto`, where its number is taken."""
        key = f"ar/{case.reading.name}/{case.sha256}/{message.name}"
        known = self._journal.get(key)
        if known and not case.forced and not case.rules.strict:
            files = [File(name, text.encode("latin-1")) for name, text in known]
            return Mail(case.reading.addresses, "ACTES - AR", _acte_rows(case, message), files)
        if case.forced:
            anomaly: Anomaly | None = Anomaly(case.forced[1], "Anomalie demandée au simulateur")
        else:
            anomaly = check_acte(message, case.reading, case.rules)
        if anomaly or message.id_acte is None:
            anomaly = anomaly or Anomaly("005", "Numéro ou nature de l'acte incorrects")
            echoed = variants.as_echoed(message.root, self.behaviour())
            data = answers.anomalie_acte(echoed, anomaly, case.now.date(), case.rules.classification)
            return self._mail(case, message, "1-3", data, "anomalie sur un acte")
        echoed = variants.as_echoed(message.root, self.behaviour())
        data = answers.ar_acte(echoed, message.id_acte, case.now.date(), case.rules.classification)
        mail = self._mail(case, message, "1-2", data, "AR de transmission d'acte")
        self._journal.put(key, [(file.name, file.data.decode("latin-1")) for file in mail.files])
        siren = case.reading.party.siren if case.reading.party else ""
        self.register.add_acte(message.id_acte, siren, case.reading.addresses)
        return mail

    # --- mails

    def _mail(self, case: Case, message: Message, code: str, data: bytes, title: str) -> Mail:
        party = case.reading.party
        assert party is not None
        files = self._pack(party, code, data, None if code == "1-3" else message.id_acte)
        rows = _acte_rows(case, message) if message.code == "1-1" else {"Identifiant Acte": message.id_acte or "-"}
        return Mail(case.reading.addresses, f"ACTES - {title}", {"Nature transaction": title, **rows}, files)

    def _pack(self, party: Party, code: str, data: bytes, id_acte: str | None) -> list[File]:
        """Envelope and message under their names; the documents come after them."""
        behaviour = self.behaviour()
        serial = self._journal.next_serial("envelope") + behaviour["serial_offset"]
        name = answers.message_name(party, code, serial, id_acte)
        envelope_name = answers.envelope_name(self._quadrigramme, party, datetime.now(PARIS).date(), serial)
        envelope = answers.envelope(party, [name])
        return [
            File(envelope_name, variants.as_sent(envelope, behaviour)),
            File(name, variants.as_sent(data, behaviour)),
        ]

    def _post(self, mail: Mail, now: datetime, delay: float) -> None:
        behaviour = self.behaviour()
        raw = build_mail(mail, now, behaviour["mail_shape"])
        at = variants.leaving_at(now, delay, behaviour["hold"])
        payload = {"mail": mail.subject, "held": behaviour["hold"] != "never"}
        for _ in range(2 if behaviour["duplicate_mail"] else 1):  # as when two addresses lead to one mailbox
            self._journal.add_due(at, payload, raw)


def _party(entry: Mapping[str, Any]) -> Party:
    return Party(
        siren=str(entry["siren"]),
        department=str(entry["department"]),
        district=str(entry["district"]),
        nature=f"{int(entry['nature']):02d}",
        name=str(entry["name"]),
    )


def _metadata(reading: Reading) -> dict[str, Any]:
    """Act numbers and message codes of the archive, whatever became of it."""
    numbers: dict[str, None] = {}
    codes: list[str] = []
    read = {message.name: message for message in reading.messages}
    for name in reading.archive.members:
        match = MESSAGE_NAME.fullmatch(name)
        if match is None:
            continue
        codes.append(match["code"])
        message = read.get(name)
        number = attribute(message.root, "NumeroInterne") if message and match["code"] == "1-1" else match["number"]
        if number:
            numbers[number] = None
    id_actes = [message.id_acte for message in reading.messages if message.id_acte]
    return {"acts": list(numbers), "messages": codes, "id_actes": id_actes}


def _acte_rows(case: Case, message: Message) -> dict[str, str]:
    party = case.reading.party
    annexes = len(list(message.root.iter("{*}Annexe")))
    return {
        "Date d'émission": f"{case.now:%d/%m/%Y}",
        "Nombre de pièces jointes": str(1 + annexes),
        "Nom émetteur": party.name if party else "",
        "N° de SIREN": party.siren if party else "",
        "Numéro de l'acte": attribute(message.root, "NumeroInterne"),
        "Objet": child_text(message.root, "Objet"),
        "Identifiant Acte": message.id_acte or "-",
        "Opérateur de transmission": case.rules.trigramme,
    }
