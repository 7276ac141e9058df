"""The project's own grammar of the messages of ACTES: nothing leaves that it refuses."""

from importlib.resources import files

from lxml import etree

from tdt.domain.xml import XmlError, parse_tree

_GRAMMAR = etree.fromstring(files(__name__).joinpath("actes.rng").read_bytes())

_FAULTS_SHOWN = 20


def check_message(data: bytes) -> list[str]:
    """The faults of a message or envelope, empty when it is valid."""
    try:
        root = parse_tree(data)
    except XmlError as error:
        return [f"XML illisible : {error}"]
    return check_tree(root)


def check_tree(root: etree._Element) -> list[str]:
    """The faults of a message already parsed, empty when it is valid."""
    # Compiled for each check (under a millisecond): a compiled grammar keeps the faults of its last check in itself,
    # so that threads could read each other's.
    grammar = etree.RelaxNG(_GRAMMAR)
    if grammar.validate(root):
        return []
    return [f"ligne {entry.line} : {entry.message}" for entry in grammar.error_log][:_FAULTS_SHOWN]
