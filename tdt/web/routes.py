"""The one table of the endpoints: path, handler, right, answer shape. Any method, as S2LOW."""

from tdt.domain.authorities import Module
from tdt.web import (
    account,
    api_actes,
    api_balances,
    api_helios_verdict,
    api_notifications,
    api_onboarding,
    api_resend,
    connection_pages,
)
from tdt.web.auth import LOGIN_PAGE, STATUS_PAGE
from tdt.web.call import Access, Route
from tdt.web.routes_actes import ACTES_ROUTES
from tdt.web.routes_admin import ADMIN_ROUTES
from tdt.web.routes_helios import HELIOS_ROUTES
from tdt.web.s2low import Shape

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
    *ACTES_ROUTES,
    *HELIOS_ROUTES,
    *ADMIN_ROUTES,
    Route(
        "/api/v1/actes/{acte}",
        api_actes.acte_life,
        Access.VIEW,
        Shape.JSON,
        Module.ACTES,
        admins=True,
        force_api=True,
    ),
    Route(
        "/api/v1/actes/{acte}/resend",
        api_resend.acte_resend,
        Access.TRANSMIT,
        Shape.JSON,
        Module.ACTES,
        force_api=True,
        changes=True,
    ),
    Route(
        "/api/v1/helios/{pes}/verdict",
        api_helios_verdict.verdict,
        Access.VIEW,
        Shape.JSON,
        Module.HELIOS,
        admins=True,
        force_api=True,
    ),
    Route(
        "/api/v1/helios/retours/{retour}",
        api_helios_verdict.retour,
        Access.VIEW,
        Shape.JSON,
        Module.HELIOS,
        admins=True,
        force_api=True,
    ),
    Route(
        "/api/v1/authorities/{authority}/onboarding",
        api_onboarding.authority_onboarding,
        Access.ADMINISTER,
        Shape.JSON,
        force_api=True,
    ),
    Route("/api/v1/balances", api_balances.balance_list, Access.ACCOUNT, Shape.JSON, admins=True, force_api=True),
    Route("/api/v1/balances/{balance}", api_balances.balance, Access.ACCOUNT, Shape.JSON, admins=True, force_api=True),
    Route(
        "/api/v1/me/notifications",
        api_notifications.my_notifications,
        Access.ACCOUNT,
        Shape.JSON,
        admins=True,
        force_api=True,
    ),
)
