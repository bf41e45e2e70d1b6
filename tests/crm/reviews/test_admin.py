import json

import pytest
import responses
from django.urls import reverse

from crm.events.models import Event
from crm.reviews.models import Answer, ReviewSettings
from crm.stores.models import Membership
from crm.woocommerce.models import Push
from crm.work import drain
from tests import factories

pytestmark = pytest.mark.django_db
Role = Membership.Role


@pytest.fixture
def store():
    return factories.make_store(name="Masala House")


@pytest.fixture
def answer(store):
    customer = factories.make_customer(store, email="asha@mail.example")
    product = factories.make_product(store, name="Brass diya", woo_id=101)
    order = factories.make_order(store, customer, lines=[{"product": product}])
    return factories.make_answer(order.line_items.get(), score=2, text="Bent.")


@pytest.fixture
def agent(client, store):
    client.force_login(factories.make_staff(store, Role.AGENT))
    return client


@pytest.fixture
def shop(store):
    """The shop's REST API at the socket; what was posted to it is in `shop.calls`."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.add_callback(
            responses.POST,
            f"{store.url}/wp-json/wc/v3/products/reviews",
            lambda request: (201, {}, json.dumps(json.loads(request.body) | {"id": 77, "verified": True})),
            content_type="application/json",
        )
        yield mock


def page(answer):
    return reverse("admin:reviews_answer_change", args=[answer.pk])


def posted(shop):
    """What was written into the shop, without what is read of it besides."""
    return [call.request for call in shop.calls if call.request.method == "POST"]


def decide(client, answer, decision):
    response = client.post(page(answer), {"decision": decision}, follow=True)
    answer.refresh_from_db()
    return " ".join(str(message) for message in response.context["messages"])


def test_a_review_is_published_in_the_shop_whatever_its_score(agent, answer, shop):
    assert "on its way" in decide(agent, answer, "publish")
    assert answer.state == "approved"

    drain.drain_all()

    sent = json.loads(posted(shop)[-1].body)
    assert sent == {
        "product_id": 101,
        "review": "Bent.",
        "reviewer": "Asha K.",
        "reviewer_email": "asha@mail.example",
        "rating": 2,
        "status": "approved",
    }
    answer.refresh_from_db()
    assert (answer.state, answer.woo_id) == ("posted", 77)
    event = Event.objects.get(type="review.posted")
    assert (event.key, event.data, event.customer) == (str(answer.pk), {"woo_id": 77}, answer.invitation.customer)


def test_the_shop_is_given_words_and_no_markup(agent, answer, shop):
    Answer.objects.update(text="Tom & I <b>love</b> it <script>pwned()</script>")

    decide(agent, answer, "publish")
    drain.drain_all()

    sent = json.loads(posted(shop)[0].body)["review"]
    assert sent == "Tom &amp; I &lt;b&gt;love&lt;/b&gt; it &lt;script&gt;pwned()&lt;/script&gt;"
    answer.refresh_from_db()
    assert answer.state == Answer.State.POSTED


def test_publishing_twice_posts_once(agent, answer, shop):
    list_url = reverse("admin:reviews_answer_changelist")
    for _ in range(2):
        agent.post(list_url, {"action": "approve", "_selected_action": [answer.pk]})
        drain.drain_all()

    assert Push.objects.count() == 1 and len(posted(shop)) == 1


@pytest.mark.parametrize("reason", Answer.DeclineReason.values)
def test_a_review_is_held_back_for_a_reason_alone(agent, answer, reason):
    assert "Held back" in decide(agent, answer, reason)

    assert (answer.state, answer.decline_reason) == ("declined", reason)
    assert answer.decided_by and answer.decided_at
    assert not Push.objects.exists()


def test_its_score_is_no_reason(agent, answer):
    decide(agent, answer, "low_score")

    assert answer.state == "waiting"
    assert not {"score", "negative", "low"} & set(Answer.DeclineReason.values)


def disallow(answer):
    answer.product.reviews_allowed = False
    answer.product.save(update_fields=["reviews_allowed"])


def delete_product(answer):
    answer.product.deleted_at = factories.NOW
    answer.product.save(update_fields=["deleted_at"])


def say_nothing(answer):
    answer.text = ""
    answer.save(update_fields=["text"])


def never_came(answer):
    answer.score, answer.not_received = None, True
    answer.save(update_fields=["score", "not_received"])


def review_twice(answer):
    order = factories.make_order(answer.store, answer.invitation.customer, lines=[{"product": answer.product}])
    factories.make_answer(order.line_items.get(), state="posted", woo_id=5)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (disallow, "switched off for this product"),
        (delete_product, "no longer in the shop"),
        (say_nothing, "no review without words"),
        (never_came, "not received"),
        (review_twice, "already has a review"),
    ],
)
def test_what_the_shop_can_not_show_is_not_sent_and_staff_are_told(agent, answer, change, said):
    change(answer)
    assert said in agent.get(page(answer)).content.decode()

    assert said in decide(agent, answer, "publish")

    assert answer.state == "waiting"
    assert not Push.objects.exists()


def test_nobody_rewrites_what_a_customer_said(agent, answer):
    agent.post(page(answer), {"decision": "", "score": 5, "text": "Lovely!", "state": "posted"})

    answer.refresh_from_db()
    assert (answer.score, answer.text, answer.state) == (2, "Bent.", "waiting")


def test_viewers_and_strangers_decide_nothing(client, store, answer):
    client.force_login(factories.make_staff(store, Role.VIEWER))
    assert client.get(page(answer)).status_code == 200
    client.post(page(answer), {"decision": "publish"})

    stranger = factories.make_staff(factories.make_store(), Role.OWNER)
    Membership.objects.create(user=stranger, store=store, role=Role.VIEWER)
    client.force_login(stranger)
    client.post(reverse("admin:reviews_answer_changelist"), {"action": "approve", "_selected_action": [answer.pk]})

    answer.refresh_from_db()
    assert answer.state == "waiting"


def test_staff_find_what_waits(agent, answer):
    other = factories.make_store()
    theirs = factories.make_order(other, factories.make_customer(other), lines=[{"name": "Not mine"}])
    factories.make_answer(theirs.line_items.get())

    listed = agent.get(
        reverse("admin:reviews_answer_changelist"), {"state__exact": "waiting", "stars": "low", "q": "diya"}
    )

    assert "Brass diya" in listed.content.decode() and "Not mine" not in listed.content.decode()


def test_the_lists_cost_the_same_for_many(agent, store, answer, django_assert_max_num_queries):
    for _ in range(15):
        order = factories.make_order(store, factories.make_customer(store), lines=[{}])
        factories.make_answer(order.line_items.get())

    for name in ("answer", "invitation"):
        with django_assert_max_num_queries(14):
            assert agent.get(reverse(f"admin:reviews_{name}_changelist")).status_code == 200


def test_owners_say_how_their_store_asks(client, store):
    client.force_login(factories.make_staff(store, Role.OWNER))

    client.post(reverse("admin:reviews_reviewsettings_add"), {"store": store.pk, "enabled": "on", "days_after": 3})

    assert ReviewSettings.objects.get().days_after == 3
    assert client.post(
        reverse("admin:reviews_reviewsettings_add"), {"store": factories.make_store().pk, "days_after": 3}
    ).context["adminform"].form.errors  # fmt: skip
