"""The collectivités of the campaign, and who deposits for them."""

from dataclasses import dataclass, replace

from tdt.domain.authorities import Role
from tdt.sandbox.client import Client
from tdt.sandbox.layout import Layout
from tdt.sandbox.provision import ACCOUNTS, COLLECTIVITIES, EVERYTHING, Collectivity, Person, Population
from tdt.sandbox.samples import Payer
from tdt.sandbox.settings import Settings


def _collectivity(key: str, name: str, siren: str, siret: str) -> Collectivity:
    model = COLLECTIVITIES[1]
    new = replace(model.new, name=name, siren=siren, email=f"mairie-{key.lower()}@chaos.example")
    return Collectivity(key, new, (siret,))


MORE = (
    _collectivity("C", "Commune de Brèche-les-Eaux", "200000008", "20000000800017"),
    _collectivity("D", "Commune de Tourneroche", "211111117", "21111111700019"),
)


@dataclass(frozen=True, slots=True)
class Tenant:
    """A collectivité and the account of its software."""

    collectivity: Collectivity
    account: Person

    @property
    def key(self) -> str:
        return self.collectivity.key

    @property
    def siren(self) -> str:
        return self.collectivity.new.siren

    @property
    def payer(self) -> Payer:
        return Payer(self.collectivity.new.name, self.collectivity.sirets[0])

    def client(self, layout: Layout, settings: Settings, port: int) -> Client:
        """Its software, talking to one of the servers."""
        pair = layout.pki.client(self.account.certificate or self.account.name)
        password = settings.password(self.account.name) if self.account.login else None
        return Client(port, layout.pki.root, pair.cert, pair.key, self.account.login, password)


def _software(key: str) -> Person:
    """Its certificate is that of others too: the login tells whose it is."""
    name = f"logiciel-{key.lower()}"
    return Person(name, Role.USER, "Logiciel", "", key, permissions=EVERYTHING, login=name, certificate="system")


TENANTS = (
    Tenant(COLLECTIVITIES[0], next(one for one in ACCOUNTS if one.name == "certonly")),
    Tenant(COLLECTIVITIES[1], next(one for one in ACCOUNTS if one.name == "other")),
    *(Tenant(collectivity, _software(collectivity.key)) for collectivity in MORE),
)
POPULATION = Population(
    (*COLLECTIVITIES, *MORE), (*ACCOUNTS, *(tenant.account for tenant in TENANTS if tenant.account not in ACCOUNTS))
)
