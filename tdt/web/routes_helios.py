"""The endpoints of HELIOS."""

from tdt.domain.authorities import Module
from tdt.web import helios, helios_files, helios_retours
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
    Route(
        "/modules/helios/api/helios_get_list.php",
        helios_retours.get_list,
        Access.VIEW,
        Shape.LISTE,
        Module.HELIOS,
        admins=True,
    ),
    Route(
        "/modules/helios/api/helios_get_retour.php",
        helios_retours.get_retour,
        Access.VIEW,
        Shape.GET_RETOUR,
        Module.HELIOS,
        admins=True,
    ),
    Route(
        "/modules/helios/helios_download_response.php",
        helios_retours.download_response,
        Access.VIEW,
        Shape.PRINTED,
        Module.HELIOS,
        admins=True,
    ),
    Route(
        "/modules/helios/api/helios_change_status.php",
        helios_retours.change_status,
        Access.VIEW,
        Shape.READ,
        Module.HELIOS,
    ),
    Route(
        "/modules/helios/helios_change_status_retour.php",
        helios_retours.change_status_retour,
        Access.VIEW,
        Shape.REPLY,
        Module.HELIOS,
        door=Shape.BROWSER,
    ),
    Route(
        "/helios-retour/update/status",
        helios_retours.update_status,
        Access.VIEW,
        Shape.REPLY,
        Module.HELIOS,
        door=Shape.BROWSER,
    ),
)
