"""The endpoints of administration."""

from tdt.web import admin_authorities, admin_groups, admin_services, admin_sirets, admin_users
from tdt.web.call import Access, Route
from tdt.web.s2low import Shape

USER_LIST = "/admin/users/admin_users.php"
USER_EDIT = "/admin/users/admin_user_edit.php"
SERVICES = "/admin/services/admin_services.php"
AUTHORITIES = "/admin/authorities/admin_authorities.php"
AUTHORITY_EDIT = "/admin/authorities/admin_authority_edit.php"
GROUPS = "/admin/groups/admin_groups.php"

ADMIN_ROUTES = (
    Route(
        "/admin/users/admin_user_edit_handler.php",
        admin_users.user_edit,
        Access.ADMINISTER,
        Shape.JSON,
        page=USER_LIST,
        takes_body=True,
        changes=True,
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
        changes=True,
    ),
    Route(
        "/admin/users/add-user-to-service.php",
        admin_users.add_user_to_service,
        Access.ADMINISTER,
        Shape.JSON,
        page=USER_EDIT,
        changes=True,
    ),
    Route(
        "/admin/services/add-service-user.php",
        admin_services.add_service,
        Access.ADMINISTER,
        Shape.JSON,
        page=SERVICES,
        changes=True,
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
        changes=True,
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
        changes=True,
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
        changes=True,
    ),
    Route(
        "/admin/authorities/admin_authority_siret_del.php",
        admin_sirets.siret_del,
        Access.ADMINISTER_ALL,
        Shape.JSON,
        page=AUTHORITY_EDIT,
        changes=True,
    ),
    Route(
        "/admin/authorities/admin_authority_siret_block.php",
        admin_sirets.siret_block,
        Access.ADMINISTER_ALL,
        Shape.JSON,
        page=AUTHORITY_EDIT,
        changes=True,
    ),
    Route(
        "/admin/authorities/admin_authority_siret_unblock.php",
        admin_sirets.siret_unblock,
        Access.ADMINISTER_ALL,
        Shape.JSON,
        page=AUTHORITY_EDIT,
        changes=True,
    ),
    Route("/admin/groups/admin_groups.php", admin_groups.group_list, Access.ADMINISTER_ALL, Shape.BROWSER),
    Route(
        "/admin/groups/admin_group_edit_handler.php",
        admin_groups.group_edit,
        Access.ADMINISTER_ALL,
        Shape.JSON,
        page=GROUPS,
        takes_body=True,
        changes=True,
    ),
    Route(
        "/admin/groups/admin_group_delete.php",
        admin_groups.group_delete,
        Access.ADMINISTER_ALL,
        Shape.JSON,
        page=GROUPS,
        changes=True,
    ),
)
