"""What click itself says, in French: its messages go through gettext, whose translations of click nobody ships."""

from importlib import import_module

MODULES = ("core", "decorators", "exceptions", "formatting", "parser", "termui", "types")

WORDS = {
    "Usage:": "Usage :",
    "Options": "Options",
    "Positional arguments": "Arguments",
    "Commands": "Commandes",
    "Show this message and exit.": "Afficher cette aide.",
    "Show the version and exit.": "Afficher la version.",
    "%(prog)s, version %(version)s": "%(prog)s, version %(version)s",
    "default: {default}": "par défaut : {default}",
    "env var: {var}": "variable : {var}",
    "required": "obligatoire",
    "Error: {message}": "Erreur : {message}",
    "Try '{command} {option}' for help.": "« {command} {option} » donne l'aide.",
    "Did you mean {possibility}?": "Vouliez-vous dire {possibility} ?",
    "(Did you mean one of: {possibilities}?)": "(Vouliez-vous dire : {possibilities} ?)",
    "Missing command.": "Il manque la commande.",
    "Missing argument": "Il manque l'argument",
    "Missing option": "Il manque l'option",
    "Missing parameter": "Il manque le paramètre",
    "Missing {param_type}": "Il manque : {param_type}",
    "Missing parameter: {param_name}": "Il manque le paramètre {param_name}",
    "No such option {name!r}.": "L'option {name} n'existe pas.",
    "No such command {name!r}.": "La commande {name} n'existe pas.",
    "Invalid value: {message}": "Valeur refusée : {message}",
    "Invalid value for {param_hint}: {message}": "Valeur refusée pour {param_hint} : {message}",
    "Could not open file {filename!r}: {message}": "Le fichier {filename} ne s'ouvre pas : {message}",
    "unknown error": "erreur inconnue",
    "Got unexpected extra argument ({args})": "Argument en trop ({args})",
    "Got unexpected extra arguments ({args})": "Arguments en trop ({args})",
    "Takes {nargs} values but 1 was given.": "Il faut {nargs} valeurs, une seule est donnée.",
    "Takes {nargs} values but {len} were given.": "Il faut {nargs} valeurs, {len} sont données.",
    "Argument {name!r} takes {nargs} values.": "L'argument {name} veut {nargs} valeurs.",
    "Option {name!r} does not take a value.": "L'option {name} ne prend pas de valeur.",
    "Option {name!r} requires an argument.": "L'option {name} veut une valeur.",
    "Option {name!r} requires {nargs} arguments.": "L'option {name} veut {nargs} valeurs.",
    "Choose from:\n\t{choices}": "À choisir parmi :\n\t{choices}",
    "{value!r} is not {choice}.": "« {value} » n'est pas {choice}.",
    "{value!r} is not one of {choices}.": "« {value} » n'est pas l'un de {choices}.",
    "{value!r} does not match the format {format}.": "« {value} » n'est pas de la forme {format}.",
    "{value!r} does not match the formats {formats}.": "« {value} » n'est d'aucune des formes {formats}.",
    "{value!r} is not a valid {number_type}.": "« {value} » n'est pas un nombre ({number_type}).",
    "{value} is not in the range {range}.": "{value} est hors de {range}.",
    "{value!r} is not a valid boolean. Recognized values: {states}": "« {value} » n'est pas oui ou non : {states}",
    "file": "fichier",
    "directory": "dossier",
    "path": "chemin",
    "{name} {filename!r} does not exist.": "{name} {filename} n'existe pas.",
    "{name} {filename!r} is a file.": "{name} {filename} est un fichier.",
    "{name} {filename!r} is a directory.": "{name} {filename} est un dossier.",
    "{name} {filename!r} is not readable.": "{name} {filename} ne peut pas être lu.",
    "{name} {filename!r} is not writable.": "{name} {filename} ne peut pas être écrit.",
    "Do you want to continue?": "Continuer ?",
    "Repeat for confirmation": "Encore une fois, pour confirmer",
    "Error: The two entered values do not match.": "Erreur : les deux saisies diffèrent.",
    "Error: invalid input": "Erreur : saisie refusée",
    "Aborted!": "Abandon.",
}
"""By click's own words; what is not here stays as it is."""


def speak_french() -> None:
    """From now on, click's messages are those of WORDS."""
    for name in MODULES:
        module = import_module(f"click.{name}")
        for imported, said in (("_", translate), ("ngettext", translate_plural)):
            if hasattr(module, imported):
                setattr(module, imported, said)


def translate(words: str) -> str:
    """In place of gettext.gettext."""
    return WORDS.get(words, words)


def translate_plural(one: str, several: str, count: int) -> str:
    """In place of gettext.ngettext; French has its plural from two on."""
    return translate(one if count < 2 else several)
