"""The one table of the S2LOW endpoints: path, handler, right, answer shape. Any method, as S2LOW."""

from tdt.domain.authorities import Module
from tdt.web import (
    account,
    actes,
    admin_authorities,
    admin_groups,
    admin_services,
    admin_sirets,
    admin_users,
    connection_pages,
    helios,
)
from tdt.web.auth import LOGIN_PAGE, STATUS_PAGE
from tdt.web.call import Access, Route
from tdt.web.s2low import Shape

ACTES_HOME = "/modules/actes/"
ACTES_INDEX = "/modules/actes/index.php"
HELIOS_INDEX = "/modules/helios/index.php"
USER_LIST = "/admin/users/admin_users.php"
USER_EDIT = "/admin/users/admin_user_edit.php"
SERVICES = "/admin/services/admin_services.php"
AUTHORITIES = "/admin/authorities/admin_authorities.php"
AUTHORITY_EDIT = "/admin/authorities/admin_authority_edit.php"
GROUPS = "/admin/groups/admin_groups.php"
ADD_ACTE = "/modules/actes/actes_transac_add.php"

ROUTES = (
    Route(STATUS_PAGE, connection_pages.connexion_status, Access.ANYONE, Shape.BROWSER),
    Route(LOGIN_PAGE, connection_pages.login, Access.ANYONE, Shape.BROWSER),
    Route(
        "/api/test-connexion.php", account.test_connexion, Access.ACCOUNT, Shape.BROWSER, admins=True, force_api=True
    ),
    Route("/api/test-rgs.php", account.test_rgs, Access.ACCOUNT, Shape.BROWSER, admins=True),
    Route(
        "/api/info-connexion.php", account.info_connexion, Access.ACCOUNT, Shape.BROWSER, admins=True, force_api=True
    ),
    Route(
        "/api/get-nounce.php",
        account.get_nounce,
        Access.ACCOUNT,
        Shape.REPLY,
        admins=True,
        force_api=True,
        basic=True,
    ),
    Route("/admin/users/api-list-login.php", account.api_list_login, Access.CERTIFICATE, Shape.PRINTED),
    Route(
        "/modules/actes/actes_classification_request.php",
        actes.classification_request,
        Access.TRANSMIT,
        Shape.REPLY,
        Module.ACTES,
        page=ACTES_HOME,
    ),
    Route(
        "/modules/actes/actes_classification_fetch.php",
        actes.classification_fetch,
        Access.PREPARE,
        Shape.REPLY,
        Module.ACTES,
        page=ACTES_HOME,
    ),
    Route(
        "/modules/actes/actes_transac_create.php",
        actes.transac_create,
        Access.PREPARE,
        Shape.REPLY,
        Module.ACTES,
        page=ADD_ACTE,
        takes_body=True,
    ),
    Route("/modules/actes/actes_transac_get_status.php", actes.get_status, Access.EDIT, Shape.PRINTED, Module.ACTES),
    Route(
        "/modules/actes/actes_transac_get_files_list.php",
        actes.get_files_list,
        Access.VIEW,
        Shape.PRINTED,
        Module.ACTES,
    ),
    Route(
        "/modules/actes/actes_download_file.php",
        actes.download_file,
        Access.VIEW,
        Shape.BROWSER,
        Module.ACTES,
        page=ACTES_INDEX,
        admins=True,
    ),
    Route(
        "/modules/actes/actes_transac_get_ARActe.php",
        actes.get_ar_acte,
        Access.VIEW,
        Shape.BROWSER,
        Module.ACTES,
        page=ACTES_INDEX,
        admins=True,
    ),
    Route("/modules/actes/api/actes_status.php", actes.actes_status, Access.ACCOUNT, Shape.JSON, admins=True),
    Route(
        "/modules/helios/api/helios_importer_fichier.php",
        helios.importer_fichier,
        Access.PREPARE,
        Shape.IMPORT,
        Module.HELIOS,
        door=Shape.PRINTED,
        admins=True,
        takes_body=True,
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
        helios.download_acquit,
        Access.VIEW,
        Shape.BROWSER,
        Module.HELIOS,
        page=HELIOS_INDEX,
        admins=True,
    ),
    Route(
        "/modules/helios/helios_download_file.php",
        helios.download_file,
        Access.VIEW,
        Shape.BROWSER,
        Module.HELIOS,
        page=HELIOS_INDEX,
        admins=True,
    ),
    Route(
        "/admin/users/admin_user_edit_handler.php",
        admin_users.user_edit,
        Access.ADMINISTER,
        Shape.JSON,
        page=USER_LIST,
        takes_body=True,
    ),
    Route(
        "/admin/users/admin_user_detail.php",
        admin_users.user_detail,
        Access.ADMINISTER,
        Shape.JSON,
        force_api=True,
        denied="Accés refusé",
    ),
    Route("/admin/users/admin_users.php", admin_users.users, Access.ADMINISTER, Shape.BROWSER),
    Route("/admin/users/admin_users_role.php", admin_users.users_role, Access.ADMINISTER, Shape.JSON, force_api=True),
    Route(
        "/admin/users/admin_user_download_cert.php", admin_users.user_download_cert, Access.ADMINISTER, Shape.BROWSER
    ),
    Route(
        "/admin/users/do_modif_bulk_certif.php",
        admin_users.bulk_certificate,
        Access.ADMINISTER,
        Shape.JSON,
        page=USER_LIST,
        takes_body=True,
    ),
    Route(
        "/admin/users/add-user-to-service.php",
        admin_users.add_user_to_service,
        Access.ADMINISTER,
        Shape.JSON,
        page=USER_EDIT,
    ),
    Route(
        "/admin/services/add-service-user.php", admin_services.add_service, Access.ADMINISTER, Shape.JSON, page=SERVICES
    ),
    Route("/admin/services/list-service.php", admin_services.list_service, Access.ADMINISTER, Shape.JSON),
    Route("/admin/modules/admin_modules.php", admin_services.modules, Access.ADMINISTER_GROUP, Shape.JSON),
    Route(
        "/admin/authorities/admin_authority_edit_handler.php",
        admin_authorities.authority_edit,
        Access.ADMINISTER,
        Shape.JSON,
        page=AUTHORITIES,
        takes_body=True,
    ),
    Route(
        "/admin/authorities/admin_authority_detail.php",
        admin_authorities.authority_detail,
        Access.ADMINISTER,
        Shape.JSON,
        force_api=True,
    ),
    Route(
        "/admin/authorities/admin_authorities.php", admin_authorities.authority_list, Access.ADMINISTER, Shape.BROWSER
    ),
    Route(
        "/admin/authorities/admin_authority_types.php",
        admin_authorities.authority_types,
        Access.ADMINISTER_GROUP,
        Shape.JSON,
        force_api=True,
    ),
    Route(
        "/admin/authorities/admin_authorities_export.php",
        admin_authorities.authorities_export,
        Access.ADMINISTER_GROUP,
        Shape.BROWSER,
        page=AUTHORITIES,
        denied="Vous devez être administrateur de groupe ou super admin",
    ),
    Route(
        "/admin/authorities/admin_authority_download_convention.php",
        admin_authorities.download_convention,
        Access.ADMINISTER,
        Shape.BROWSER,
        page=AUTHORITIES,
    ),
    Route(
        "/admin/authorities/admin_authorities_siren.php",
        admin_groups.siren_list,
        Access.ADMINISTER_GROUP,
        Shape.JSON,
        force_api=True,
    ),
    Route(
        "/admin/authorities/admin_authorities_add_siren.php",
        admin_groups.siren_add,
        Access.ADMINISTER_GROUP,
        Shape.JSON,
        force_api=True,
        denied="Acces refuse",
        inactive="Echec de l'authentification",
    ),
    Route(
        "/admin/authorities/admin_authority_siret.php",
        admin_sirets.siret_list,
        Access.ADMINISTER,
        Shape.JSON,
        page=AUTHORITIES,
    ),
    Route(
        "/admin/authorities/admin_authority_siret_add.php",
        admin_sirets.siret_add,
        Access.ADMINISTER_ALL,
        Shape.JSON,
        page=AUTHORITY_EDIT,
    ),
    Route(
        "/admin/authorities/admin_authority_siret_del.php",
        admin_sirets.siret_del,
        Access.ADMINISTER_ALL,
        Shape.JSON,
        page=AUTHORITY_EDIT,
    ),
    Route(
        "/admin/authorities/admin_authority_siret_block.php",
        admin_sirets.siret_block,
        Access.ADMINISTER_ALL,
        Shape.JSON,
        page=AUTHORITY_EDIT,
    ),
    Route(
        "/admin/authorities/admin_authority_siret_unblock.php",
        admin_sirets.siret_unblock,
        Access.ADMINISTER_ALL,
        Shape.JSON,
        page=AUTHORITY_EDIT,
    ),
    Route("/admin/groups/admin_groups.php", admin_groups.group_list, Access.ADMINISTER_ALL, Shape.BROWSER),
    Route(
        "/admin/groups/admin_group_edit_handler.php",
        admin_groups.group_edit,
        Access.ADMINISTER_ALL,
        Shape.JSON,
        page=GROUPS,
        takes_body=True,
    ),
    Route(
        "/admin/groups/admin_group_delete.php",
        admin_groups.group_delete,
        Access.ADMINISTER_ALL,
        Shape.JSON,
        page=GROUPS,
    ),
)
