"""Every route of the URL conf × every person × reading and writing, against the table in `tests/doors.py`."""

import copy
import re
from dataclasses import dataclass
from urllib.parse import unquote

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection, transaction
from django.test import RequestFactory
from django.urls import get_resolver, reverse

from crm.messaging import compose
from crm.reviews import invitations
from crm.shipping import pages
from crm.stores import links
from crm.stores.models import User
from loyalty import gifts, join_links
from tests.doors import ADMIN, CUSTOMERS, MAY_READ, NOT_THERE, NOT_TRIED, PROGRAMS, PUBLIC, ROUTES, STAFF, Kind, answers
from tests.two_stores import MARKS, NOTE, SECRETS

# Who looks, how often, and what a session remembers: the only tables that a look may change.
MAY_CHANGE = {"django_session", "django_cache", "rest_keywindow", "loyalty_askedcount"}
REFUSED = {400, 401, 403, 404, 405, NOT_THERE}
OF_A_MODEL = re.compile(r"^admin/(\w+)/(\w+)/(|add/|<path:object_id>/(?:history/|delete/|change/|))$")
pytestmark = pytest.mark.django_db

BESIDE_PEOPLE = ("anonymous", *CUSTOMERS, *PROGRAMS)


@dataclass(frozen=True)
class Route:
    name: str
    pattern: str
    params: tuple
    callback: object

    def __str__(self):
        return self.pattern if self.name in ("", "admin:") else self.name


def routes(resolver=None, pattern="", namespace="", params=()):
    for entry in (resolver or get_resolver()).url_patterns:
        path, more = f"{pattern}{entry.pattern}", (*params, *entry.pattern.regex.groupindex)
        if hasattr(entry, "url_patterns"):
            yield from routes(entry, path, entry.namespace or namespace, more)
        else:
            name = f"{namespace}:{entry.name or ''}" if namespace else entry.name or ""
            yield Route(name, path, more, entry.callback)


ALL = list(routes())


def kind_of(route) -> Kind:
    if kind := ROUTES.get(str(route)) or ROUTES.get(route.pattern):
        return kind
    of_model = OF_A_MODEL.match(route.pattern)
    assert of_model, f"{route} ({route.pattern}) has no row: say in ROUTES of tests/doors.py who may go there"
    label = apps.get_model(of_model[1], of_model[2])._meta.label
    assert label in ADMIN, f"{label} is in admin without a row: say in ADMIN of tests/doors.py who may do what"
    page = route.pattern.removesuffix("/").rpartition("/")[2]
    if page not in ("add", "history", "delete", "change"):
        page = "changelist" if of_model[3] == "" else "row"
    return ADMIN[label].kind(page)


def url_of(world, route) -> str:
    """The route's address for the first shop's object."""
    side = world.a
    if route.pattern == "admin/(?P<url>.*)$":
        return "/admin/no/such/page/"
    if str(route) not in ROUTES and (of_model := OF_A_MODEL.match(route.pattern)):
        row = side.rows.get(apps.get_model(of_model[1], of_model[2]))
        assert row, f"tests/two_stores.py makes no {of_model[2]}"
        return "/" + route.pattern.replace("<path:object_id>", str(row.pk))
    order, ticket = side["orders.Order"], side["support.Ticket"]
    values = {
        "slug": side.store.slug,
        "public_id": side.store.public_id,
        "app_label": "orders",
        "content_type_id": 1,
        "id": world.superuser.pk,
        "object_id": 1,
        "code": side["loyalty.ReferralCode"].code,
        "ticket": ticket.pk,
        "reward": side["loyalty.Reward"].pk,
        "redemption": side["loyalty.Redemption"].pk,
        "order": order.pk,
        "number": ticket.number if "ticket" in route.name else order.number,
        "token": {
            "loyalty-arrive": links.make(join_links.PURPOSE, side.store.pk, side["loyalty.JoinLink"].pk),
            "loyalty-gift": links.make(gifts.PURPOSE, side.store.pk, side["loyalty.Gift"].pk),
            "tracking": links.make(pages.PURPOSE, side.store.pk, order.pk),
            "preferences": links.make(compose.PREFERENCES, side.store.pk, side["messaging.Message"].pk),
        }.get(route.name)
        or links.make(invitations.PURPOSE, side.store.pk, side["reviews.Invitation"].pk),
    }
    if row := side.rows.get(model_of(route)):
        values["pk"] = values["object_id"] = row.pk
    return reverse(route.name or route.callback, kwargs={name: values[name] for name in route.params})


def model_of(route):
    """The model whose row the address names, where it names one by primary key."""
    queryset = getattr(getattr(route.callback, "cls", None), "queryset", None)
    if queryset is not None:
        return queryset.model
    if named := re.match(r"admin/(\w+)/(\w+)/", route.pattern):
        return apps.all_models.get(named[1], {}).get(named[2])
    return apps.get_model("messaging.MailboxMessage") if "mailbox" in route.name else None


def body_of(world, route) -> dict:
    """A complete request where an empty one would be refused before anybody asks whose row it is."""
    return {
        "ticket-list": {"subject": "Hi", "text": "Hi", "customer": world.a["orders.Customer"].pk},
        "message-list": {"text": "Hi"},
        "loyalty-referral-approve": {"reason": "Neighbours"},
        "loyalty-referral-decline": {"reason": "The same person"},
        "loyalty-redemption-list": {
            "customer": world.a["orders.Customer"].pk,
            "reward": world.a["loyalty.Reward"].pk,
        },  # fmt: skip
        "loyalty-member-list": {"customer": world.a["orders.Customer"].pk},
        "push-list": {
            "kind": "order_note",
            "payload": {"order": world.a["orders.Order"].woo_id, "note": "Hi", "customer_note": False},
        },
        "loyalty-rule-list": {"category": world.a["orders.Category"].pk, "rate": "2"},
        "loyalty-reward-list": {"kind": "money", "amount": "50", "points": 100},
        "loyalty-redemption-end": {"reason": "Stolen"},
        "loyalty-campaign-list": {"name": "Diwali", "multiplier": "2"},
        "loyalty-credit-code-list": {"customer": world.a["orders.Customer"].pk, "amount": "1"},
        "loyalty-credit-list": {"customer": world.a["orders.Customer"].pk, "amount": "5", "reason": "Sorry"},
        "loyalty-account-adjust": {"points": 5, "reason": "Sorry"},
        "loyalty-credit-refund": {"order": world.a["orders.Order"].pk, "amount": "1", "reason": "Sorry"},
        "preferences": {"news": "on"},
    }.get(route.name, {})


def ask(world, person, method, url, data=None):
    """The answer; what the browser was told to remember is forgotten."""
    client = world.clients[person]
    kept = copy.deepcopy(client.cookies)
    more = {"content_type": "application/json"} if url.startswith("/api/") and method == "post" else {}
    try:
        return getattr(client, method)(url, data, **more)
    finally:
        client.cookies = kept


def words(response) -> str:
    body = b"".join(response.streaming_content) if response.streaming else response.content
    return f"{response.headers.get('Location', '')} {body.decode(errors='replace')}".lower()


def leaks(world, person, url, response, kind) -> list[str]:
    """Whose words stand in an answer that this person must not read."""
    said = words(response)
    found = [text for text in chain_of_secrets(world) if text.lower() in said]
    if NOTE.lower() in said and person not in ("key", "other_key", *STAFF):
        found.append(NOTE)
    if url.startswith(("/s/", "/t/", "/r/", "/u/", "/g/")):
        # The shop's name stands in links to elsewhere, too.
        said = unquote(said)
        for text in sorted(PUBLIC | kind.shown_to_all, key=len, reverse=True):
            said = said.replace(text, "")
    return found + [mark for mark in MARKS if mark in said and mark not in MAY_READ.get(person, ())]


def chain_of_secrets(world):
    yield from SECRETS.values()
    for side in (world.a, world.b):
        yield from side.keys.values()


def digest() -> dict:
    """What stands in each table, as a number."""
    tables = sorted(set(connection.introspection.table_names()) - MAY_CHANGE)
    parts = (
        f"SELECT '{name}', count(*), sum(hashtextextended(t::text, 0)::numeric) FROM \"{name}\" t" for name in tables
    )
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts))
        return {name: rest for name, *rest in cursor.fetchall()}


def changed(before) -> list[str]:
    after = digest()
    return [name for name in after if after[name] != before[name]]


@pytest.mark.parametrize("route", ALL, ids=str)
def test_a_door_lets_through_whom_the_table_names_and_shows_them_no_more_than_theirs(world, route):
    kind, url, wrong = kind_of(route), url_of(world, route), []

    def check(person, method, expected):
        response = ask(world, person, method, url, body_of(world, route) if method == "post" else None)
        if response.status_code not in (expected if isinstance(expected, tuple) else (expected,)):
            wrong.append(f"{method} as {person}: {response.status_code}, expected {expected}")
        wrong.extend(f"{method} as {person} shows {mark}" for mark in leaks(world, person, url, response, kind))
        return response

    before = digest()
    for person in kind.tried:
        response = check(person, "get", kind.get[person])
        if kind.shows.get(person, "") not in words(response):
            wrong.append(f"get as {person} does not show {kind.shows[person]}")
    wrong += [f"a look changed {table}" for table in changed(before)]
    refused = [p for p in kind.tried if kind.post[p] in REFUSED or (url.startswith("/admin/") and p in BESIDE_PEOPLE)]
    for person in refused:
        check(person, "post", kind.post[person])
    wrong += [f"somebody who was refused changed {table}" for table in changed(before)]
    for person in set(kind.tried) - set(refused):
        if kind.post[person] is NOT_TRIED:
            continue
        with transaction.atomic():
            check(person, "post", kind.post[person])
            transaction.set_rollback(True)

    assert not wrong, "\n".join([url, *wrong])


def test_the_table_has_no_row_too_many():
    names = {str(route) for route in ALL} | {route.pattern for route in ALL}

    assert set(ROUTES) <= names
    assert set(ADMIN) <= {model._meta.label for model in admin.site._registry}


def test_only_programs_are_let_through_without_a_csrf_token():
    free = {str(route) for route in ALL if getattr(route.callback, "csrf_exempt", False)}

    assert {name for name in free if not name.startswith("api/")} - {
        str(route)
        for route in ALL
        if route.pattern.startswith("api/")
        # The display changes nothing: a POST keeps the customer's token out of addresses. The form to join stands on a page that caches
        # keep, and sends a mail that may be ignored.
    } <= {"woocommerce-webhook", "preferences", "loyalty-display", "loyalty-join-by-mail"}


@pytest.mark.parametrize("model", admin.site._registry, ids=lambda model: model._meta.label)
def test_no_action_of_a_list_touches_rows_of_a_store_where_one_may_only_look(world, model):
    model_admin = admin.site._registry[model]
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    row, before = world.a.rows.get(model, world.a.store), digest()

    for person in ("customer", "viewer", "other_owner", "owner_and_viewer"):
        for name in ["delete_selected", *(getattr(action, "__name__", action) for action in model_admin.actions or ())]:
            ask(world, person, "post", url, {"action": name, "_selected_action": [row.pk], "post": "yes"})

    assert changed(before) == []


@pytest.mark.parametrize("model", admin.site._registry, ids=lambda model: model._meta.label)
def test_forms_of_admin_offer_rows_only_of_stores_where_one_may_change_them(world, model):
    """Somebody who owns one shop and looks on in another adds nothing there."""
    request = RequestFactory().get("/")
    model_admin = admin.site._registry[model]

    offered = []
    for person in ("other_owner", "owner_and_viewer"):
        user = User.objects.get(pk=world.clients[person].session["_auth_user_id"])
        request.user = user
        if model_admin.has_add_permission(request):
            form = model_admin.get_form(request)()
            choices = {name: field.queryset for name, field in form.fields.items() if hasattr(field, "queryset")}
            offered += [f"{name} to {user}" for name, rows in choices.items() for row in rows if of_first(world, row)]

    assert offered == []


def of_first(world, row) -> bool:
    return world.a.store in (row, getattr(row, "store", None))


def test_lists_searched_filtered_and_completed_stay_within_the_store(world):
    wrong, term = [], "ownedby"
    for model in admin.site._registry:
        url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        ids = "&".join(f"{name}={world.a.store.pk}" for name in ("store__id__exact", "store"))
        for query in (f"q={term}", ids):
            response = ask(world, "other_owner", "get", f"{url}?{query}")
            wrong += [f"{url}?{query}" for _ in leaks(world, "other_owner", url, response, answers_to_nobody)]
    for url in (f"/admin/search/?s={term}", f"/admin/search/?s={term}&extended=1", "/admin/?store=shop-of-ownedbya"):
        response = ask(world, "other_owner", "get", url)
        wrong += [url for _ in leaks(world, "other_owner", url, response, answers_to_nobody)]

    assert wrong == []


answers_to_nobody = Kind(answers(200), answers(200))
