"""The page of the limits: shown to whoever may look, changed by whoever may change them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import inf
from urllib.parse import parse_qsl, quote

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from headgate.errors import Conflict, InvalidInput, PayloadTooLarge
from queue_broker.core.steering import Steering
from queue_broker.core.submit import Caller
from queue_broker.dashboard import access, forms, limits_page, render
from queue_broker.dashboard.answers import HEADERS, as_json, home, html, safe
from queue_broker.dashboard.board import Board
from queue_broker.dashboard.forms import Filled
from queue_broker.dashboard.limits_page import Asked, LimitsPage

#: A form of a hundred tiers is far smaller.
MOST_BYTES = 64 * 1024
#: Beside a form's own fields: which form it is, and the last change that its page told of.
KIND = re.compile(r"tenant|tiers|window:.+")
HIDDEN = ("form", "seen", "chosen")


class LimitsPages:
    """The handlers. Each checks the token first."""

    def __init__(self, board: Board, steering: Steering, tokens: Mapping[str, str]) -> None:
        self._board = board
        self._steering = steering
        self._tokens = tokens

    def page(self, request: Request, tenant: str = "", saved: bool = False) -> Response:
        caller = access.check(request, self._tokens)
        return self._show(request, Asked(caller, tenant, saved=saved))

    def live(self, request: Request) -> Response:
        """The parts that hold no form."""
        page = self._read(Asked(access.check(request, self._tokens)))
        return as_json(request, {"parts": self._parts(request, page)})

    async def change(self, request: Request) -> Response:
        """A form that somebody sent: done and shown anew, or shown with what is wrong."""
        caller = access.check(request, self._tokens)
        access.check_own_page(request)
        given = await read_form(request)
        return await run_in_threadpool(self._change, request, caller, given)

    def _change(self, request: Request, caller: Caller, given: Mapping[str, str]) -> Response:
        values = {name: text for name, text in given.items() if name not in HIDDEN}
        form, chosen = Filled(given.get("form", ""), values), given.get("chosen", "")
        places = forms.rows(form)
        if not KIND.fullmatch(form.kind):
            raise InvalidInput.of("form", form.kind, "tenant, tiers or window:LANE")
        try:
            self._overtaken(form, given.get("seen", ""))
            self._carry_out(form, places, caller)
        except InvalidInput as error:
            return self._show(request, Asked(caller, chosen, form.refused(error, places)), 422)
        except Conflict as error:
            said = Filled(form.kind, form.values, {"": str(error)})
            return self._show(request, Asked(caller, chosen, said), 409)
        anchor = "tiers" if form.kind == "tiers" else form.kind.partition(":")[0]
        tenant = f"&tenant={quote(chosen, safe='')}" if chosen else ""
        where = f"{home(request)}/limits?saved=true{tenant}#{anchor}"
        return RedirectResponse(where, 303, HEADERS)

    def _carry_out(self, form: Filled, places: list[int], caller: Caller) -> None:
        kind, _, lane = form.kind.partition(":")
        match kind:
            case "tenant":
                self._steering.set_tenant(forms.to_tenant(form), caller)
            case "tiers":
                self._steering.set_tiers(forms.to_tiers(form, places), caller)
            case _:
                self._steering.set_window(lane, forms.to_bound(form, lane), caller)

    def _overtaken(self, form: Filled, seen: str) -> None:
        """`Conflict` where the same was changed since the page was made, so that nobody's change
        is undone unseen. A window is one number, which its field shows."""
        what = {"tenant": f"tenant {form.value('name')}", "tiers": "tiers"}.get(form.kind)
        last = int(seen) if seen.isdecimal() else inf
        for one in self._steering.limits.changes(limits_page.MOST_CHANGES):
            if one.number > last and one.what == what:
                raise Conflict(
                    f"{one.who} changed this after you opened the page: see below what, and save "
                    "again to have it your way"
                )

    def _show(self, request: Request, asked: Asked, status: int = 200) -> Response:
        page = self._read(asked)
        body = render.page(
            "limits",
            home(request),
            live_url=f"{home(request)}/limits/live",
            page=page,
            parts=safe(self._parts(request, page)),
        )
        return html(request, body, status)

    def _read(self, asked: Asked) -> LimitsPage:
        return limits_page.read(self._board, self._steering, asked)

    def _parts(self, request: Request, page: LimitsPage) -> dict[str, str]:
        return render.parts(render.LIMITS_PARTS, page=page, home=home(request))


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form, without the blanks around them."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BYTES:
            raise PayloadTooLarge.of("form", "more", f"at most {MOST_BYTES:,} bytes")
    pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    return {name: text.strip() for name, text in pairs}
