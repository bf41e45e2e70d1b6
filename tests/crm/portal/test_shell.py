import pytest

from crm.portal import brand
from crm.stores import colours
from tests import factories

pytestmark = pytest.mark.django_db
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40


def test_every_page_names_the_store_and_how_to_reach_it(client):
    store = factories.make_store(
        name="Masala & Sons",
        contact_phone="+91 20 12345",
        contact_email="help@masala.example",
        contact_hours="Mon to Sat, 9:00 to 18:00",
        contact_address="12 MG Road, Pune",
    )

    page = client.get(f"/s/{store.slug}/").content.decode()

    assert "Masala &amp; Sons" in page
    assert 'href="tel:+912012345"' in page
    assert 'href="mailto:help@masala.example"' in page
    assert "Mon to Sat" in page and "12 MG Road" in page


def test_an_unknown_store_is_not_found(client):
    assert client.get("/s/nowhere/").status_code == 404
    assert client.get("/s/nowhere/brand.css").status_code == 404


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("hi-IN,hi;q=0.9,en;q=0.8", "hi"), ("mr", "mr"), ("fr,de;q=0.5", "mr"), ("", "mr"), ("en-GB,hi;q=0.5", "en")],
)
def test_a_page_speaks_a_language_of_the_browser_or_the_stores_own(client, accepted, language):
    store = factories.make_store(language="mr")

    page = client.get(f"/s/{store.slug}/", headers={"Accept-Language": accepted}).content.decode()

    assert f'<html lang="{language}">' in page


def test_a_language_that_the_store_does_not_offer_is_not_shown(client):
    store = factories.make_store(language="en", languages=["en", "hi"])

    page = client.get(f"/s/{store.slug}/", headers={"Accept-Language": "mr"}).content.decode()

    assert '<html lang="en">' in page and "मराठी" not in page and "हिंदी" in page


def test_a_visitor_chooses_the_language_by_a_form(client):
    store = factories.make_store()

    response = client.post("/i18n/setlang/", {"language": "hi", "next": f"/s/{store.slug}/"})

    assert response.url == f"/s/{store.slug}/"
    assert '<html lang="hi">' in client.get(response.url).content.decode()


def test_the_style_sheet_carries_the_stores_colours(client):
    store = factories.make_store(brand_color="#b45309", brand_ink="#fffbeb")

    response = client.get(f"/s/{store.slug}/brand.css")

    assert response["Content-Type"] == "text/css"
    assert "--brand:#b45309;--brand-ink:#fffbeb;" in response.content.decode()
    assert response["Cache-Control"] == "max-age=300"


@pytest.mark.parametrize("colour", ["#ffff00", "#ffffff", "#000000", "#0f766e", "#808080", "#fde68a"])
@pytest.mark.parametrize("ground", [brand.GROUND, brand.DARK_PAPER])
def test_links_can_be_read_whatever_colour_the_store_chose(colour, ground):
    assert colours.contrast(colours.readable(colour, ground), ground) >= 4.5


def test_the_logo_is_served_as_the_picture_it_is(client):
    store = factories.make_store(logo=PNG)

    response = client.get(f"/s/{store.slug}/logo")

    assert response.content == PNG
    assert response["Content-Type"] == "image/png"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert client.get(f"/s/{store.slug}/logo", headers={"If-None-Match": response["ETag"]}).status_code == 304
    assert 'alt="' + store.name in client.get(f"/s/{store.slug}/").content.decode()


def test_without_a_logo_there_is_the_name(client):
    store = factories.make_store()

    assert client.get(f"/s/{store.slug}/logo").status_code == 404
    assert "<img" not in client.get(f"/s/{store.slug}/").content.decode()


def test_a_page_needs_nothing_from_elsewhere_and_is_light(client, settings):
    store = factories.make_store()

    response = client.get(f"/s/{store.slug}/")

    page = response.content.decode()
    outside = [part for part in page.split('"') if part.startswith(("http:", "https:", "//"))]
    assert outside == [store.url]
    assert "style=" not in page and "<style" not in page and "<script" not in page
    assert "default-src 'none'" in response["Content-Security-Policy"]
    sheet = (settings.BASE_DIR / "postpurchase" / "static" / "portal.css").stat().st_size
    assert len(response.content) + sheet < 100_000


def test_the_icon_is_the_stores_letter_in_its_colours(client):
    store = factories.make_store(name="“& Sons”", brand_color="#9a3412", brand_ink="#ffffff")

    response = client.get(f"/s/{store.slug}/icon.svg")

    assert response["Content-Type"] == "image/svg+xml"
    assert "#9a3412" in response.content.decode() and ">S</text>" in response.content.decode()
    assert f'href="/s/{store.slug}/icon.svg"' in client.get(f"/s/{store.slug}/").content.decode()
