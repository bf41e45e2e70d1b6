"""Staff and programs give credit and take it, within limits; customers are told and see it in the portal."""

import re
import uuid

import pytest

from crm.messaging.models import Message
from loyalty import ledger
from loyalty.models import Account, Adjustment, CreditAccount
from tests.factories import make_account, make_credit, make_customer, make_program, make_staff, make_store, sign_in

pytestmark = pytest.mark.django_db
PAGE = "/admin/loyalty/creditaccount/"


@pytest.fixture
def store():
    return make_store(slug="masala", name="Masala House")


@pytest.fixture
def customer(store):
    return make_customer(store, email="asha@mail.example")


@pytest.fixture
def owner(client, store):
    client.force_login(make_staff(store))
    return client


def give(client, store, amount="250.00", reason="A broken cup", key=None, email="asha@mail.example"):
    form = {"store": store.pk, "email": email, "amount": amount, "reason": reason, "key": key or uuid.uuid4()}
    return client.post(f"{PAGE}add/", form)


def adjust(client, account, amount, reason="Booked twice"):
    form = {"points": amount, "reason": reason, "cause": uuid.uuid4()}
    return client.post(f"{PAGE}{account.pk}/adjust/", form, follow=True)


def words(response):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def balances():
    return list(CreditAccount.objects.credit().order_by("pk").values_list("balance", flat=True))


def test_an_owner_gives_credit_once_for_each_form_and_the_customer_is_told(owner, store, customer):
    key = uuid.uuid4()
    for _click in range(2):
        assert give(owner, store, key=key).status_code == 302

    again = give(owner, store, amount="900.00", key=key)

    assert "This form was sent already" in owner.get(again.url).content.decode()
    assert balances() == [25_000]
    message = Message.objects.get(kind="credit-given")
    assert (message.recipient, message.context["amount"], message.context["reason"]) == (
        "asha@mail.example", "₹250.00", "A broken cup",
    )  # fmt: skip
    page = words(owner.get(f"{PAGE}{CreditAccount.objects.get().pk}/change/"))
    assert "₹250.00" in page
    assert "A broken cup" in page


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"amount": "0"}, "Nothing would change"),
        ({"amount": "-5"}, "greater than or equal to 0"),
        ({"amount": "0.001"}, "So little of it"),
        ({"amount": "1e309"}, "12 digits"),
        ({"reason": ""}, "required"),
        ({"email": "nobody@mail.example"}, "no customer with this address"),
    ],
)
def test_what_can_not_be_given_is_told_at_the_form(owner, store, customer, form, said):
    assert said in words(give(owner, store, **form))
    assert not Account.objects.exists()


def test_an_owner_takes_credit_and_never_more_than_there_is(owner, store, customer):
    account = make_credit(customer, 1000)

    assert "Done: there is credit of ₹7.50 now." in words(adjust(owner, account, "-2.50"))
    assert "₹7.50, ₹8.00 were asked" in words(adjust(owner, account, "-8"))
    assert (balances(), Message.objects.count()) == ([750], 0)


def test_beyond_the_limit_another_owner_decides(owner, store, customer, client):
    make_program(store, credit_limit=300, adjust_limit=1)
    assert give(owner, store).status_code == 302
    # Points are another limit.
    ledger.adjust(make_account(customer), 1, "Sorry", make_staff(store))
    waiting = give(owner, store, amount="50.01")

    assert (waiting.status_code, balances(), Message.objects.count()) == (302, [25_000], 1)
    adjustment = Adjustment.objects.get(state="waiting")
    page = f"/admin/loyalty/adjustment/{adjustment.pk}/"
    client.force_login(make_staff(store))
    assert "Store credit, +₹50.01 , for" in words(client.get(f"{page}decide/"))
    done = client.post(f"{page}decide/", {"decision": "approve"}, follow=True)
    assert "Done: there is credit of ₹300.01 now." in words(done)
    assert "+₹50.01" in words(client.get("/admin/loyalty/adjustment/"))
    assert Message.objects.count() == 2


def test_agents_ask_and_viewers_look_and_other_owners_see_nothing(client, store, customer):
    account = make_credit(customer, 1000)
    client.force_login(make_staff(store, "viewer"))
    assert "₹10.00" in words(client.get(PAGE))
    assert give(client, store).status_code == 403
    client.force_login(make_staff(store, "agent"))
    assert adjust(client, account, "5").status_code == 403
    assert give(client, store, amount="1").status_code == 302
    assert "waits until an owner approves" in words(client.get(PAGE))
    assert Adjustment.objects.get().state == "waiting"

    client.force_login(make_staff(make_store()))
    assert "₹10.00" not in words(client.get(PAGE))
    assert "Select a valid choice" in words(give(client, store))
    assert balances() == [1000]


def test_a_program_gives_and_takes_once_for_its_key(api_client, store, customer):
    make_program(store, credit_limit=100)
    api, root = api_client(store), "/api/v1/loyalty/credit"
    asked = {"customer": customer.pk, "amount": "60.50", "reason": "Late"}
    first, again = (api.post(f"{root}/", asked, headers={"Idempotency-Key": "k"}) for _time in range(2))
    taken = api.post(f"{root}/", asked | {"amount": "-10"})
    waits = api.post(f"{root}/", asked | {"amount": "30"})

    assert (first.status_code, again.json(), taken.status_code) == (201, first.json(), 201)
    assert (first.json()["amount"], taken.json()["balance_after"], taken.json()["currency"]) == (
        "60.50",
        "50.50",
        "INR",
    )
    assert (waits.status_code, waits.json()["amount"], waits.json()["state"]) == (202, "30.00", "waiting")
    assert api.get(f"{root}-adjustments/{waits.json()['id']}/").json() == waits.json()
    listed = api.get(f"{root}/?email=asha@mail.example").json()["results"]
    assert [(row["balance"], row["currency"]) for row in listed] == [("50.50", "INR")]
    entries = api.get(f"{root}-entries/?account={listed[0]['id']}").json()["results"]
    assert sorted(entry["amount"] for entry in entries) == ["-10.00", "60.50"]


def test_a_key_for_points_gives_nobody_money(api_client, store, customer):
    make_program(store)
    api = api_client(store, scopes=["loyalty:read", "loyalty:write"])
    asked = {"customer": customer.pk, "amount": "5", "reason": "Late"}

    assert api.post("/api/v1/loyalty/credit/", asked).status_code == 403
    assert api.post("/api/v1/loyalty/credit-codes/", asked).status_code == 403
    assert {
        api.get(f"/api/v1/loyalty/credit{kind}/").status_code for kind in ("", "-codes", "-entries", "-adjustments")
    } == {403}


@pytest.mark.parametrize(
    "amount", ["0", "0.001", "-0.01", "NaN", "1e309", "twelve", "20000000000.00", "10000000000000"]
)
def test_a_program_is_told_what_is_no_amount(api_client, store, customer, amount):
    asked = {"customer": customer.pk, "amount": amount, "reason": "Late"}
    answer = api_client(store).post("/api/v1/loyalty/credit/", asked)

    assert (answer.status_code, [error["attr"] for error in answer.json()["errors"]]) == (400, ["amount"])
    assert not Adjustment.objects.exists()


def test_the_portal_shows_the_credit_and_what_moved_it(client, store, customer, django_assert_max_num_queries):
    sign_in(client, customer.email)
    page = "/s/masala/credit/"
    assert "No store credit yet" in words(client.get(page))
    assert "Store credit" not in words(client.get("/s/masala/"))
    account = make_credit(customer, 123_456)
    make_credit(customer, 700, "EUR")
    for count in range(30):
        ledger.adjust(account, -100, f"Reason {count}", make_staff(store))

    with django_assert_max_num_queries(12):
        shown = words(client.get(page))
    assert "₹1,204.56 €7.00 " in shown
    assert "Taken by the shop" in shown
    assert "-₹1.00" in shown
    assert "Reason 29" in shown
    assert "Reason 9 " not in shown
    older = re.search(r"before=(\d+)", client.get(page).content.decode())[1]
    assert "Reason 9 " in words(client.get(page, {"before": older}))
    assert "₹1,204.56" in words(client.get("/s/masala/"))
