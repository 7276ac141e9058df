"""The fields of the administration forms: S2LOW's rules and words."""

from tdt.domain.fields import Field, Kind, break_lines, check_fields


def test_nothing_is_said_of_what_complies() -> None:
    fields = [
        Field("Nom", "Dupont", mandatory=True, length=6),
        Field("Téléphone", "", length=1),
        Field("Adresse électronique", "a.b@exemple.fr", mandatory=True, kind=Kind.EMAIL),
        Field("Groupe", "-12", kind=Kind.INTEGER),
        Field("Groupe", "0", kind=Kind.EMAIL),
    ]
    assert check_fields(fields) == ""


def test_each_fault_is_a_line_in_the_order_of_the_fields() -> None:
    fields = [
        Field("Nom", "", mandatory=True, length=3),
        Field("Groupe", "1a", kind=Kind.INTEGER),
        Field("Adresse électronique", "a b", kind=Kind.EMAIL, length=2),
        Field("Prénom", "éèàç", length=3),
    ]
    assert check_fields(fields) == (
        "Nom doit être présent.\n"
        "Groupe doit être un entier.\n"
        "Adresse électronique doit être une adresse électronique valide.\n"
        "Le champ Adresse électronique est trop long (2 caractères maxi autorisés).\n"
        "Le champ Prénom est trop long (3 caractères maxi autorisés).\n"
    )


def test_lines_are_broken_as_php_does() -> None:
    assert break_lines("a :\nb.\n") == "a :<br />\nb.<br />\n"
