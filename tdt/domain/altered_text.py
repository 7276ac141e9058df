"""The mail to the operators about stored bytes that changed: what did not leave because of it, and what to do."""

from collections.abc import Sequence

from tdt.domain.notice_text import Text

BODY = """\
Bonjour,

Les octets gardés par la plateforme ne sont plus ceux qu'elle a reçus ou
préparés. Rien n'en est parti, et ces transactions sont en erreur : {}.
{}

Que faire : examiner le stockage (« tdt verify » dit tout ce qui y diffère) et
le restaurer. L'envoi repart alors tel quel (« {} ») ;
sinon la collectivité le dépose à nouveau.
"""


def write_altered(subjects: Sequence[str], message: str, command: str) -> Text:
    """`subjects`: actes:12, helios:7…; `message`: the refusal; `command`: what sends them once restored."""
    return Text("Octets altérés : rien n'est transmis", BODY.format(", ".join(subjects), message, command))
