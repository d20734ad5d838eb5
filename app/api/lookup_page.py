"""The page that the QR code of a print leads to (trang tra cứu): look-up for people, in plain HTML.

The same look-up as ``/api/v1/lookup``, with its allowances and its log. The date of birth is sent in a form's
body, so that no address, history or log holds it. No script, nothing from elsewhere: the page works in any
browser and under the narrowest content policy.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Coroutine, Mapping
from datetime import date, datetime
from functools import cache
from pathlib import Path as FilePath
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from app.api.deps import PUBLIC, Public, Service
from app.api.lookup import LookupOut, look_up_in_public
from app.api.problems import problem
from app.api.rate_limits import Calls
from app.api.wording import LOOK_UP_PATH, STATUSES, alarm_of, moment_in_words
from app.errors import DomainError
from app.ids import hex32, parse_uuid

_HERE: Final = FilePath(__file__).parent
_STYLE: Final = (_HERE / "lookup_page.css").read_text("utf-8")
_STYLE_DIGEST: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")
_HEADERS: Final = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_DIGEST}'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Content-Language": "vi",
}


class PageRoute(APIRoute):
    """Tells a person on the page what a program is told as a problem document, with the same status."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the route's own handler."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except DomainError as error:
                refusal = error
            except RequestValidationError:
                refusal = DomainError("DD-915")
            return await _refused(request, refusal)

        return answer


router = APIRouter(prefix=LOOK_UP_PATH, route_class=PageRoute, include_in_schema=False)


@router.get("", dependencies=[PUBLIC], summary="Trang tra cứu / The look-up page")
async def empty_form() -> HTMLResponse:
    """Ask for the code and the date of birth."""
    return _page()


@router.get(
    "/{record_id}", dependencies=[PUBLIC], summary="Trang tra cứu, từ mã QR / The same, from a QR code"
)
async def form_for_a_code(record_id: Annotated[str, Path(max_length=40)]) -> HTMLResponse:
    """Ask for the date of birth: the code is the print's; whether there is such a record is not told."""
    return _page(code=_shown_code(record_id))


@router.post("", dependencies=[Depends(Public(Calls.LOOKUP))], summary="Kết quả tra cứu / What is shown")
async def look_up(
    request: Request,
    service: Service,
    code: Annotated[str, Form(max_length=40)],
    dob: Annotated[str, Form(max_length=10)],
) -> HTMLResponse:
    """Show status, content and signatures; DD-915 for what is no date, QH-100 as elsewhere."""
    born_on = read_date(dob)
    if born_on is None:
        raise DomainError("DD-915")
    found = await look_up_in_public(request, service, code.strip(), born_on)
    return await service.offload.run(_page, code=found.record_id, found=found)


def read_date(written: str) -> date | None:
    """Read a date as families write it, dd/mm/yyyy, or as ISO 8601 has it; None for any other text."""
    for form in ("%d/%m/%Y", "%Y-%m-%d"):
        try:
            return datetime.strptime(written.strip(), form).date()  # noqa: DTZ007 - a birthday has no zone
        except ValueError:
            continue
    return None


async def _refused(request: Request, refusal: DomainError) -> HTMLResponse:
    """Say on the page what a problem document says, with its headers; the code stays in the form."""
    document = problem(refusal.code, facts=refusal.facts, reference=request.state.request_id)
    code = request.path_params.get("record_id") or (await request.form()).get("code")
    page = _page(document.status_code, code=_shown_code(code), refusal=json.loads(bytes(document.body)))
    if "retry-after" in document.headers:
        page.headers["retry-after"] = document.headers["retry-after"]
    return page


def _shown_code(written: object) -> str:
    """Give a look-up code as it is written back; nothing else that was sent is."""
    value = parse_uuid(written) if isinstance(written, str) else None
    return "" if value is None else hex32(value)


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["moment"] = moment_in_words
    return environment.get_template("lookup_page.html")


def _page(
    status: int = 200,
    *,
    code: str = "",
    found: LookupOut | None = None,
    refusal: Mapping[str, object] | None = None,
) -> HTMLResponse:
    alarm = found and alarm_of(found.status, found.recalled_at, found.replaced_by)
    written = _template().render(
        action=LOOK_UP_PATH,
        style=Markup(_STYLE),  # noqa: S704 - our own file, which the content policy names by its digest
        statuses=STATUSES,
        code=code,
        found=found,
        alarm=alarm,
        refusal=refusal,
    )
    return HTMLResponse(written, status, _HEADERS)
