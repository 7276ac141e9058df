"""Who am I: the endpoints that tell a client about its own connection."""

from aiohttp import web

from tdt.db.accounts import list_logins
from tdt.domain.authorities import ROLE_LABELS, Authority, Principal
from tdt.domain.text import to_latin1
from tdt.flows.logins import give_nonce
from tdt.web.call import Call
from tdt.web.credentials import read_basic
from tdt.web.s2low import json_answer, text, unauthorized


async def test_connexion(_call: Call) -> web.StreamResponse:
    """Two bytes: the account is found and active."""
    return text(b"OK")


async def test_rgs(call: Call) -> web.StreamResponse:
    """Two bytes: may this certificate télétransmettre?"""
    return text(b"OK" if call.identity.transmit else b"KO")


async def info_connexion(call: Call) -> web.StreamResponse:
    """What is known of the account and of its collectivité."""
    async with call.deps.transaction("system") as connection:
        sharing = len(await list_logins(connection, call.identity.certificate_hash))
    authority = call.who.authority
    answer = {
        "user_info": _user_info(call.who, sharing),
        "authority_info": _authority_info(authority) if authority is not None else {},
    }
    return json_answer(answer, pretty=True)


async def get_nounce(call: Call) -> web.StreamResponse:
    """A nonce by which a browser comes in for a while, without a password (S2LOW's spelling)."""
    basic = read_basic(call.request.headers.get("Authorization", ""))
    if basic is None:
        return unauthorized()
    return json_answer({"nounce": await give_nonce(call.deps, call.who, basic.secret)})


async def api_list_login(call: Call) -> web.StreamResponse:
    """One line per account of the certificate: its login, nothing for an account without."""
    async with call.deps.transaction("system") as connection:
        logins = await list_logins(connection, call.identity.certificate_hash)
    return text(to_latin1("".join(f"{login}\n" for login in logins)))


def _user_info(who: Principal, sharing: int) -> dict[str, object]:
    """What clients read of an account; S2LOW also gives away the columns of its certificates."""
    user = who.user
    return {
        "id": user.id,
        "name": user.name,
        "givenname": user.givenname,
        "email": user.email,
        "role": str(user.role),
        "authority_id": user.authority_id,
        "login": user.login,
        "status": user.status,
        "pretty_name": user.pretty_name,
        "role_str": ROLE_LABELS[user.role],
        "nb_user_with_my_certificate": sharing,
    }


def _authority_info(authority: Authority) -> dict[str, object]:
    return {
        "id": authority.id,
        "authority_type_id": authority.nature,
        "status": authority.status,
        "name": authority.name,
        "email": authority.email,
        "address": authority.address,
        "postal_code": authority.postal_code,
        "city": authority.city,
        "telephone": authority.telephone,
        "department": authority.department,
        "district": authority.district,
        "authority_group_id": authority.group_id,
    }
