"""The endpoints of HELIOS."""

from tdt.domain.authorities import Module
from tdt.web import helios, helios_files
from tdt.web.call import Access, Route
from tdt.web.helios_files import INDEX
from tdt.web.s2low import Shape

HELIOS_ROUTES = (
    Route(
        "/modules/helios/api/helios_importer_fichier.php",
        helios.importer_fichier,
        Access.PREPARE,
        Shape.IMPORT,
        Module.HELIOS,
        door=Shape.PRINTED,
        admins=True,
        takes_body=True,
        changes=True,
    ),
    Route(
        "/modules/helios/api/helios_transac_get_status.php",
        helios.get_status,
        Access.EDIT,
        Shape.STATUS,
        Module.HELIOS,
        first=helios.check_number_given,
    ),
    Route(
        "/modules/helios/helios_download_acquit.php",
        helios_files.download_acquit,
        Access.VIEW,
        Shape.BROWSER,
        Module.HELIOS,
        page=INDEX,
        admins=True,
    ),
    Route(
        "/modules/helios/helios_download_file.php",
        helios_files.download_file,
        Access.VIEW,
        Shape.BROWSER,
        Module.HELIOS,
        page=INDEX,
        admins=True,
    ),
)
