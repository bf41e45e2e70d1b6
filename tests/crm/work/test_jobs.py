"""The jobs page tells superusers how the work stands and lets them try again what was given up."""

from datetime import timedelta

import pytest
from django.contrib import admin
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django_q.models import OrmQ

from crm.events.models import Event, Handling
from crm.stores.models import Membership
from crm.woocommerce.models import Push, Reread, WebhookDelivery
from crm.work.models import Heartbeat, ScheduleRun, Wake
from tests.factories import make_delivery, make_staff, make_store

pytestmark = pytest.mark.django_db
PAGE, RETRY = "/admin/work/job/", "/admin/work/job/retry/"


@pytest.fixture
def boss(client):
    client.force_login(make_staff(is_superuser=True))
    return client


def park(row, error="TypeError: odd\n  File …", **fields):
    type(row).objects.filter(pk=row.pk).update(
        state="parked", attempts=6, error=error, settled_at=timezone.now(), **fields
    )
    return row


def cells(page, name):
    """The figures of one table's line on the page."""
    line = page.split(f'<th scope="row">{name}</th>')[1].split("</tr>")[0]
    return [part.split("</td>")[0].split(">", 1)[1].strip() for part in line.split("<td")[1:]]


def test_it_tells_of_each_table_what_is_due_later_running_and_parked(boss):
    store, now = make_store(), timezone.now()
    for n, fields in enumerate(
        [
            {"due_at": now - timedelta(minutes=9)},
            {"due_at": now},
            {"due_at": now + timedelta(hours=1), "attempts": 1},
            {"state": "running", "attempts": 1},
            {"state": "done"},
        ]
    ):
        make_delivery(store, {"id": n}, **fields)
    park(make_delivery(store, {"id": 9}), "The body is no JSON")

    page = boss.get(PAGE).text

    due, oldest, later, running, parked = cells(page, "Webhook deliveries")
    assert (due, later, running) == ("2", "1", "1")
    assert "minutes ago" in oldest
    assert parked.startswith('<a class="jobs-bad"')
    assert "The body is no JSON" in page
    assert cells(page, "Handlings")[0] == "0"


def test_it_tells_whether_a_worker_lives(boss):
    assert "No worker has ever run" in boss.get(PAGE).text

    now = timezone.now()
    Heartbeat.objects.create(name="queue", beat_at=now - timedelta(minutes=5))
    assert "No sign of life" in boss.get(PAGE).text

    Heartbeat.objects.update(beat_at=now - timedelta(seconds=4))
    Heartbeat.objects.create(name="worker web-1 42", beat_at=now - timedelta(seconds=4))
    page = boss.get(PAGE).text
    assert "Alive: last sign 4" in page.replace("\xa0", " ")
    assert "worker web-1 42" in page


def test_it_tells_how_each_schedule_went(boss):
    now = timezone.now()
    ScheduleRun.objects.create(
        name="tidy", started_at=now - timedelta(hours=2), finished_at=now - timedelta(hours=2) + timedelta(seconds=1.5)
    )
    ScheduleRun.objects.create(name="drain leftovers", started_at=now, finished_at=now, error="OSError: full\n  File")

    page = boss.get(PAGE).text

    assert cells(page, "tidy")[2:] == ["1.5 s", "Done"]
    assert "OSError: full" in cells(page, "drain leftovers")[3]


def test_it_costs_a_constant_number_of_statements(boss, django_assert_max_num_queries):
    store = make_store()
    for n in range(30):
        park(make_delivery(store, {"id": n}))

    with django_assert_max_num_queries(30):
        boss.get(PAGE, {"table": "woocommerce.WebhookDelivery"})


def test_chosen_rows_are_tried_again_and_others_are_not(boss, django_capture_on_commit_callbacks):
    store = make_store()
    one, other = (park(make_delivery(store, {"id": n})) for n in (1, 2))

    with django_capture_on_commit_callbacks(execute=True):
        response = boss.post(RETRY, {"table": "woocommerce.WebhookDelivery", "row": [one.pk, "7;drop", "9" * 30]})

    assert response.headers["Location"] == f"{PAGE}?table=woocommerce.WebhookDelivery"
    one.refresh_from_db()
    other.refresh_from_db()
    assert (one.state, one.attempts, other.state) == ("due", 0, "parked")
    assert Wake.objects.get().label == "woocommerce.WebhookDelivery"
    assert OrmQ.objects.count() == 1


def test_all_rows_are_tried_again_though_twins_wait(boss):
    store = make_store()
    park(make_delivery(store, {"id": 1}))
    park(make_delivery(store, {"id": 1}))
    make_delivery(store, {"id": 1})

    boss.post(RETRY, {"table": "woocommerce.WebhookDelivery", "all": "1"})

    assert set(WebhookDelivery.objects.values_list("state", flat=True)) == {"due"}


def test_nothing_chosen_changes_nothing(boss):
    park(make_delivery(make_store(), {"id": 1}))

    response = boss.post(RETRY, {"table": "woocommerce.WebhookDelivery"}, follow=True)

    assert "Nothing to try again" in response.text
    assert WebhookDelivery.objects.get().state == "parked"


@pytest.mark.parametrize("label", ["stores.User", "", "x", "work.Wake"])
def test_only_tables_of_due_work_are_named(boss, label):
    assert boss.post(RETRY, {"table": label, "all": "1"}).status_code == 404
    assert boss.get(PAGE, {"table": label}).status_code == 404


def test_a_get_tries_nothing_again(boss):
    assert boss.get(RETRY).status_code == 405


@pytest.mark.parametrize("role", Membership.Role.values)
def test_staff_of_a_store_do_not_see_the_jobs_of_all(client, role):
    client.force_login(make_staff(make_store(), role))

    assert client.get(PAGE).status_code == 403
    assert client.post(RETRY, {"table": "events.Handling", "all": "1"}).status_code == 403


def test_hostile_errors_and_names_are_shown_as_text(boss):
    store = make_store()
    park(make_delivery(store, {"id": 1}, topic="<script>1</script>"), "<img src=x onerror=1>\nmore")

    page = boss.get(PAGE).text

    assert "<script>1" not in page
    assert "<img src=x" not in page


def test_the_queues_own_tables_have_no_pages():
    with pytest.raises(NoReverseMatch):
        reverse("admin:django_q_schedule_changelist")


# --- pages of single tables ---


def rows_of(store):
    event = Event.objects.create(store=store, type="test.happened", key="1", occurred_at=timezone.now())
    return [
        make_delivery(store, {"id": 1, "name": "Meera"}),
        make_delivery(store, body=b"\xff{", topic="order.created"),
        Push.objects.create(store=store, kind="product_review", key="1", payload={"review": "x"}),
        Reread.objects.create(store=store, resource="orders", woo_id=1),
        Handling.objects.create(event=event, handler="loyalty.earn"),
    ]


def url(row, page="change"):
    name = f"admin:{row._meta.app_label}_{row._meta.model_name}_{page}"
    return reverse(name, args=[row.pk] if page == "change" else [])


def test_owners_see_and_retry_the_exchange_of_their_store_only(client):
    mine, other = rows_of(make_store()), rows_of(make_store())
    owner = make_staff(mine[0].store)
    # An agent there: what came from that shop is its owner's business.
    Membership.objects.create(user=owner, store=other[0].store, role=Membership.Role.AGENT)
    client.force_login(owner)

    for row, strange in zip(mine, other, strict=True):
        park(row)
        park(strange)
        assert client.get(url(row)).status_code == 200
        assert client.get(url(strange)).status_code == 302
        listed = client.get(url(row, "changelist")).text
        assert url(row) in listed
        assert url(strange) not in listed
        client.post(
            url(row, "changelist"), {"action": "retry_selected", "_selected_action": [row.pk, strange.pk], "index": 0}
        )
        row.refresh_from_db()
        strange.refresh_from_db()
        assert (row.state, strange.state) == ("due", "parked")
        assert not admin.site._registry[type(row)].has_change_permission(client.get(PAGE).wsgi_request, row)


@pytest.mark.parametrize("role", [Membership.Role.AGENT, Membership.Role.VIEWER])
def test_agents_and_viewers_do_not_see_the_exchange(client, role):
    store = make_store()
    client.force_login(make_staff(store, role))

    for row in rows_of(store):
        assert client.get(url(row)).status_code == 403
        assert client.get(url(row, "changelist")).status_code == 403
