"""The endpoints of software that makes its envelopes by itself."""

from aiohttp import web

from tdt.domain.text import to_latin1
from tdt.flows import actes_envelopes
from tdt.web.call import Call
from tdt.web.s2low import text

NO_SERIAL = "KO\nErreur récupération numéro de série\n"


async def get_env_serial(call: Call) -> web.StreamResponse:
    """Take the next number of an envelope of today."""
    serial = await actes_envelopes.take_serial(call.deps, call.who)
    # of all that this page prints, this refusal alone ends its line
    return text(to_latin1(NO_SERIAL) if serial is None else b"OK\n%d\n" % serial)
