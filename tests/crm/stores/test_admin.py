import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from crm.stores.models import ApiKey, Membership, Store, StoreLogo, User
from tests import factories

pytestmark = pytest.mark.django_db
Role = Membership.Role
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\0" * 40


@pytest.fixture
def store():
    return factories.make_store(name="Masala House", consumer_key="ck_secret_one", consumer_secret="cs_secret_two")


@pytest.fixture
def owner(client, store):
    client.force_login(factories.make_staff(store, Role.OWNER))
    return client


@pytest.fixture
def root(client):
    client.force_login(factories.make_staff(is_superuser=True))
    return client


def store_page(store):
    return reverse("admin:stores_store_change", args=[store.pk])


def save_store(client, store, **changed):
    data = {
        "name": store.name, "slug": store.slug, "url": store.url, "brand_color": "#0f766e", "brand_ink": "#ffffff",
        "currency": "INR", "timezone": "Asia/Kolkata", "language": "en", "languages": ["en", "hi"], "signing": "basic",
        "paid_statuses": "processing, completed", "memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0,
    }  # fmt: skip
    response = client.post(store_page(store), data | changed)
    store.refresh_from_db()
    return response


def errors(response):
    return " ".join(message for messages in response.context["adminform"].form.errors.values() for message in messages)


def test_an_owner_sets_brand_and_contact(owner, store):
    response = save_store(owner, store, name="Masala & Sons", brand_color="#b45309", contact_phone="020 12345")

    assert response.status_code == 302
    assert (store.name, store.brand_color, store.contact_phone) == ("Masala & Sons", "#b45309", "020 12345")
    assert (store.languages, store.paid_statuses) == (["en", "hi"], ["processing", "completed"])


def test_secrets_are_never_shown_and_stay_when_left_empty(owner, store):
    page = owner.get(store_page(store)).content.decode()
    assert "ck_secret" not in page and "cs_secret" not in page and "webhook-secret" not in page

    save_store(owner, store)
    assert (store.consumer_key, store.consumer_secret) == ("ck_secret_one", "cs_secret_two")

    save_store(owner, store, new_consumer_key="ck_new", new_consumer_secret=" cs_new ")
    assert (store.consumer_key, store.consumer_secret) == ("ck_new", "cs_new")


def test_an_owner_can_not_lead_the_keys_elsewhere(owner, store):
    was = store.url

    save_store(owner, store, url="https://evil.example", slug="evil", insecure="on")

    assert (store.url, store.insecure) == (was, False) and store.slug != "evil"


@pytest.mark.parametrize(
    ("data", "media_type"),
    [(PNG, "image/png"), (b"\xff\xd8\xff\xe0" + b"\0" * 20, "image/jpeg"), (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp")],
)
def test_a_logo_is_known_by_its_content(owner, store, data, media_type):
    save_store(owner, store, logo_file=SimpleUploadedFile("logo.bin", data, "text/html"))

    assert (bytes(StoreLogo.objects.get(store=store).body), store.logo_type) == (data, media_type)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "no PNG"),
        (b"<html>", "no PNG"),
        (b"GIF89a", "no PNG"),
        (PNG + b"\0" * 200_000, "200 kB"),
    ],
)
def test_other_files_are_no_logo(owner, store, data, error):
    response = save_store(owner, store, logo_file=SimpleUploadedFile("logo.png", data, "image/png"))

    assert error in errors(response)
    assert not StoreLogo.objects.exists()


def test_a_logo_stays_until_it_is_removed(owner, store):
    save_store(owner, store, logo_file=SimpleUploadedFile("logo.png", PNG))
    save_store(owner, store)
    assert store.logo_type == "image/png"

    save_store(owner, store, remove_logo="on")

    assert store.logo_type == ""
    assert not StoreLogo.objects.exists()


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"brand_color": "#ffff00", "brand_ink": "#ffffff"}, "can't be read"),
        ({"brand_color": "red"}, "six digits"),
        ({"language": "mr", "languages": ["en"]}, "one of those"),
        ({"timezone": "Mars"}, "no time zone"),
    ],
)
def test_what_would_break_the_pages_is_refused(owner, store, fields, error):
    assert error in errors(save_store(owner, store, **fields))


def test_staff_see_and_change_their_own_stores_alone(owner, store):
    other = factories.make_store(name="Other House")

    assert "Other House" not in owner.get(reverse("admin:stores_store_changelist")).content.decode()
    assert owner.get(store_page(other)).status_code == 302
    save_store(owner, other, name="Taken over")
    assert other.name == "Other House"


def test_agents_look_and_do_not_touch(client, store):
    client.force_login(factories.make_staff(store, Role.AGENT))

    assert client.get(store_page(store)).status_code == 200
    assert save_store(client, store, name="Mine").status_code == 403
    assert client.get(reverse("admin:stores_apikey_add")).status_code == 403


def test_only_superusers_make_staff_and_see_users(owner, store):
    user = factories.make_staff()

    save_store(
        owner, store, **{"memberships-TOTAL_FORMS": 1, "memberships-0-user": user.pk, "memberships-0-role": "owner"}
    )

    assert not user.memberships.exists()
    assert owner.get(reverse("admin:stores_user_changelist")).status_code == 403


def make_key(client, store, **fields):
    data = {"store": store.pk, "name": "Shop app", "scopes": ["orders:read", "events:read"]}
    return client.post(reverse("admin:stores_apikey_add"), data | fields)


def test_a_new_key_is_shown_once(owner, store):
    page = make_key(owner, store).content.decode()

    key = re.search(r"pp_[\w-]{40,}", page)[0]
    row = ApiKey.objects.get()
    assert row.digest == ApiKey.digest_of(key)
    assert (row.store, row.scopes) == (store, ["orders:read", "events:read"])
    assert row.issued_to.pk == int(owner.session["_auth_user_id"])
    for url in (reverse("admin:stores_apikey_changelist"), reverse("admin:stores_apikey_change", args=[row.pk])):
        assert key not in owner.get(url).content.decode()
    assert key not in str(owner.session.items())


def test_the_key_that_is_shown_opens_the_api(owner, store, client):
    key = re.search(r"pp_[\w-]{40,}", make_key(owner, store).content.decode())[0]

    assert client.get("/api/v1/orders/", headers={"Authorization": f"Bearer {key}"}).status_code == 200


def test_nobody_makes_a_key_for_a_store_they_only_look_into(client, store):
    other = factories.make_store()
    staff = factories.make_staff(store, Role.OWNER)
    Membership.objects.create(user=staff, store=other, role=Role.AGENT)
    client.force_login(staff)

    make_key(client, other)

    assert not ApiKey.objects.exists()


def test_a_key_keeps_its_store_and_scopes(owner, store):
    make_key(owner, store)
    row = ApiKey.objects.get()
    url = reverse("admin:stores_apikey_change", args=[row.pk])

    owner.post(url, {"name": "Renamed", "store": factories.make_store().pk, "scopes": ["loyalty:write"]})

    row.refresh_from_db()
    assert (row.name, row.store, row.scopes) == ("Renamed", store, ["orders:read", "events:read"])


def test_keys_are_revoked(owner, store):
    make_key(owner, store)
    row = ApiKey.objects.get()

    owner.post(reverse("admin:stores_apikey_changelist"), {"action": "revoke", "_selected_action": [row.pk]})

    row.refresh_from_db()
    assert row.revoked_at
    assert owner.get(reverse("admin:stores_apikey_delete", args=[row.pk])).status_code == 403


def test_superusers_connect_people_and_stores(root):
    data = {"email": "New@Shop.example", "is_staff": "on", "password1": "a long passphrase", "password2": "a long passphrase"}  # fmt: skip
    assert root.post(reverse("admin:stores_user_add"), data).status_code == 302
    user = User.objects.get(email="new@shop.example")
    assert user.is_staff and user.check_password("a long passphrase")
    for url in (reverse("admin:stores_user_changelist"), reverse("admin:stores_user_change", args=[user.pk])):
        assert root.get(url).status_code == 200

    store = factories.make_store()
    save_store(
        root, store, slug="new-slug",
        **{"memberships-TOTAL_FORMS": 1, "memberships-0-user": user.pk, "memberships-0-role": "agent"},
    )  # fmt: skip

    assert Store.objects.get().slug == "new-slug"
    assert user.memberships.get().role == "agent"
