"""What the endpoints of administration share: S2LOW's JSON answers, its paging, who acts."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from aiohttp import web

from tdt.domain.audit import Actor, Source
from tdt.domain.errors import Refused
from tdt.domain.fields import break_lines
from tdt.web.call import ROUTE, Call, php_int, refused
from tdt.web.forms import Fields
from tdt.web.s2low import json_answer, redirect

PLAIN = "text/plain"
COUNT = 10
"""Rows of a page when the client does not say."""


def actor(call: Call) -> Actor:
    """Who acts: the account of the request."""
    return Actor(Source.API, call.who)


def done(call: Call, message: str, number: int | None = None) -> web.Response:
    """A change was made: a JSON object with `api`, the id of its object if given; a browser is sent to its page."""
    if not (call.form.fields.is_true("api") or call.query.is_true("api")):
        return redirect(call.page(call.request[ROUTE].page))
    answer: dict[str, object] = {"status": "ok", "message": message}
    if number is not None:
        answer["id"] = number
    return plain(answer)


def plain(value: object, content_type: str = PLAIN) -> web.Response:
    """A bare list or object: every null becomes an empty text, an empty map prints as an empty list, as PHP does."""
    return json_answer(_as_php(value), content_type)


def _as_php(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return {str(key): _as_php(item) for key, item in value.items()} or []
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_as_php(item) for item in value]
    return value


@contextmanager
def told_in_html(page: str) -> Iterator[None]:
    """A refusal inside is told with HTML line breaks, as the handlers of S2LOW's forms do; a browser goes to `page`."""
    try:
        yield
    except Refused as error:
        raise refused(break_lines(error.message), page) from error


@dataclass(frozen=True, slots=True)
class Page:
    """The part of a list that is asked for."""

    limit: int
    offset: int


def page_of(query: Fields, total: int) -> Page:
    """`count` and `page` of the URL, for a list of `total` rows; beyond the last page, the last page."""
    count = php_int(query.text("count"))
    if count < 1:
        count = COUNT
    last = max(-(-total // count), 1)
    number = min(max(php_int(query.text("page")), 1), last)
    return Page(count, (number - 1) * count)
