"""The examples of the API's schema work with the demo data.

`WRITE_EXAMPLES=1 make test ARGS=tests/demo/test_examples.py` records the responses whose members
have changed.
"""

import json
import os
from collections import defaultdict
from collections.abc import Iterator
from io import StringIO
from typing import Any, NamedTuple

import pytest
from django.core.management import call_command
from django.http import HttpResponse
from rest_framework.test import APIClient

from accounts.links import claim_link, confirmation_link, reset_link
from accounts.models import User
from booking_site.api.openapi.examples import RESPONSES_FILE, SHOW, TOKEN
from demo.management.commands import seed_demo as command
from demo.sales import sell_demo_seats

# Not sent by every response.
OCCASIONAL = {"Idempotency-Replayed", "Retry-After"}
LONGEST_LIST = 2


class Operation(NamedTuple):
    method: str
    path: str
    described: dict[str, Any]

    def parameters(self, kind: str) -> dict[str, Any]:
        return {
            each["name"]: each["example"]
            for each in self.described.get("parameters", ())
            if each["in"] == kind and "example" in each
        }

    @property
    def body(self) -> dict[str, Any] | None:
        content = self.described.get("requestBody", {}).get("content", {})
        example: dict[str, Any] | None = content.get("application/json", {}).get("example")
        return example


class Visitor:
    """Sends the examples, with what earlier responses returned in place of placeholders."""

    def __init__(self, operations: dict[str, Operation]) -> None:
        self.operations = operations
        self.client = APIClient()
        self.responses: dict[tuple[str, str], HttpResponse] = {}  # by operation and status

    def send(self, name: str, **known: Any) -> Any:
        """Send the example of an operation, and return what its response contains."""
        method, path, _ = operation = self.operations[name]
        addressed = operation.parameters("path") | known
        body = operation.body and {
            field: known.get(field, value) for field, value in operation.body.items()
        }
        response = self.client.generic(
            method.upper(),
            path.format(**addressed),
            "" if body is None else json.dumps(body),
            content_type="application/json",
            headers=operation.parameters("header"),
        )
        assert 200 <= response.status_code < 300, (name, response.content)
        self.responses[name, str(response.status_code)] = response
        return response.json() if is_json(response) else None

    def log_in(self, tokens: dict[str, str]) -> None:
        self.client.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens['token']}")


@pytest.fixture
def operations() -> dict[str, Operation]:
    document = APIClient().get("/api/schema", HTTP_ACCEPT="application/json").json()
    return {
        described["operationId"]: Operation(method, path, described)
        for path, methods in document["paths"].items()
        for method, described in methods.items()
    }


@pytest.fixture
def demo(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new demo, in which only the show of the examples and the customer's have sales."""

    def sell(show: Any, *, first: User | None, **people: Any) -> int:
        if show.pk != SHOW and first is None:
            return 0
        return sell_demo_seats(show, first=first, **people)

    monkeypatch.setattr(command, "sell_demo_seats", sell)
    call_command("seed_demo", verbosity=0, stdout=StringIO())


def is_json(response: HttpResponse) -> bool:
    return response.headers.get("Content-Type") == "application/json"


def link_of(link: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in link.partition("?")[2].split("&"))


@pytest.mark.django_db(transaction=True, reset_sequences=True)
def test_every_example_works(demo: None, operations: dict[str, Operation]) -> None:
    visitor = Visitor(operations)
    send = visitor.send
    for name in operations:
        if name.startswith(("movie", "theatre", "show")):
            send(name)
    visitor.log_in(tokens := send("auth_login"))
    for name in ("auth_me", "auth_me_update", "auth_me_export", "auth_email_resend"):
        send(name)
    hold = send("holds_create")["id"]
    assert send("holds_create")["id"] == hold  # with status 200
    for name in ("holds_list", "holds_read", "holds_extend", "holds_release"):
        send(name, id=hold)
    booked = send("bookings_create")
    for name in ("bookings_list", "bookings_read", "bookings_cancel"):
        send(name, id=booked["booking"]["id"])
    for name in ("orders_list", "orders_read", "orders_cancel"):
        send(name, reference=booked["order"]["reference"])
    tokens = send("auth_refresh", refresh=tokens["refresh"])
    send("auth_logout", refresh=tokens["refresh"])
    visitor.log_in(send("auth_login"))
    send("auth_password_change")
    visitor.client.credentials()
    send("auth_password_reset")
    customer = User.objects.get(email="customer@example.com")
    link = link_of(reset_link(customer))
    send("auth_password_reset_confirm", uid=link["uid"], reset_token=link["token"])
    visitor.log_in(send("auth_register"))
    newcomer = User.objects.latest("pk")
    send("auth_email_confirm", **link_of(confirmation_link(newcomer)))
    send("auth_guest")
    send("auth_guest_claim", **link_of(claim_link(User.objects.latest("pk"))))
    send("auth_me_delete")

    assert {name for name, _ in visitor.responses} == set(operations)
    recorded: dict[str, Any] = defaultdict(dict)
    for (name, status), response in sorted(visitor.responses.items()):
        described = operations[name].described["responses"][status]
        assert set(described["headers"]) - OCCASIONAL <= set(response.headers), name
        if is_json(response):
            recorded[name][status] = shortened(response.json())
    examples = json.loads(RESPONSES_FILE.read_text())
    changed = {
        name: recorded.get(name)
        for name in examples.keys() | recorded.keys()
        if set(members(examples.get(name))) != set(members(recorded.get(name)))
    }
    if os.environ.get("WRITE_EXAMPLES"):
        write({name: example for name, example in (examples | changed).items() if example})
    else:
        assert not changed


def write(examples: dict[str, Any]) -> None:
    lines = [f'"{name}": {json.dumps(examples[name])}' for name in sorted(examples)]
    RESPONSES_FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def shortened(value: Any) -> Any:
    """Return the value with the first items of each list, and without tokens."""
    if isinstance(value, list):
        return [shortened(item) for item in value[:LONGEST_LIST]]
    if isinstance(value, dict):
        return {
            name: TOKEN if name in ("token", "refresh") else shortened(member)
            for name, member in value.items()
        }
    return value


def members(value: Any, path: str = "") -> Iterator[str]:
    """Yield the path of every member of an object, and of the items of lists."""
    if isinstance(value, list):
        for item in value:
            yield from members(item, path)
    elif isinstance(value, dict):
        for name, member in value.items():
            yield f"{path}.{name}"
            yield from members(member, f"{path}.{name}")
