"""The RGS levels of the sandbox: policies of our own, under an arc of our own (ITU-T X.667: 2.25.UUID)."""

ARC = "2.25.102232454427589893674410429906756703612"
SOFTWARE_POLICY = f"{ARC}.1"
PERSON_POLICY = f"{ARC}.2"
SOFTWARE_AUTHORITY = "TDT bac à sable - serveurs RGS une étoile"
PERSON_AUTHORITY = "TDT bac à sable - personnes RGS deux étoiles"
ORGANIZATION = "Bac à sable"

RGS_TOML = f"""\
# Niveaux RGS des certificats clients : quelle politique de quelle autorité vaut RGS* ou RGS**.
#
# Ce fichier ne contient que la famille d'essai du bac à sable. Ne l'employez pas tel quel en production : dès qu'une
# autorité y figure, un certificat ne télétransmet que si son autorité ET l'une de ses politiques sont déclarées ici
# (et si l'autorité est dans transmit_authorities). Sans aucune autorité, les deux dossiers connect_authorities et
# transmit_authorities décident seuls.
#
# Pour le remplir à partir d'une liste de confiance signée (ETSI TS 119 612) : `tdt certificates rgs import --help`.
# Pour savoir ce que vaut un certificat : `tdt certificates rgs check CERTIFICAT.pem`.
# Le serveur relit ce fichier toutes les 5 secondes ; une faute laisse en vigueur ce qui l'était.
#
# Une autorité :
#   subject     son nom (RFC 4514), tel que l'écrit `tdt certificates rgs check` pour un certificat qu'elle a délivré
#   sha256      empreinte SHA-256 de son certificat ; sans elle, toute autorité acceptée qui porte ce nom compte
#   revocation  "hard" : refuser ses certificats quand leur révocation ne peut être vérifiée ; "soft" : les accepter ;
#               sans cette clé, [server] crl_required décide
# et, pour chacune de ses politiques :
#   oid         identifiant de la politique de certification, lu dans la politique publiée par l'autorité
#   level       "*" ou "**"
#   holder      "server" (la clé est celle d'un logiciel) ou "person"

[[authority]]
subject = "CN={SOFTWARE_AUTHORITY},O={ORGANIZATION},C=FR"

  [[authority.policy]]
  oid = "{SOFTWARE_POLICY}"
  level = "*"
  holder = "server"

[[authority]]
subject = "CN={PERSON_AUTHORITY},O={ORGANIZATION},C=FR"

  [[authority.policy]]
  oid = "{PERSON_POLICY}"
  level = "**"
  holder = "person"
"""
"""The text of conf/rgs.toml, and of the file that the sandbox reads."""
