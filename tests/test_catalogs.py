"""Every sentence that customers read is in the Hindi and Marathi catalogs, whole."""

import io
import re
from pathlib import Path

import pytest
from babel import Locale
from babel.messages.extract import extract_python
from babel.messages.pofile import read_po
from django.utils.translation.template import templatize

from crm.portal.orders import STATUSES
from crm.shipping.models import Status
from support.models import Ticket

ROOT = Path(__file__).resolve().parent.parent
LANGUAGES = ["hi", "mr"]
FORMS = {"hi": "nplurals=2; plural=(n > 1);", "mr": "nplurals=2; plural=(n != 1);"}

# What customers and the shops' programs read. The rest of these rooms is staff's.
TEMPLATES = [
    "crm/messaging/templates/messaging",
    "crm/portal/templates",
    "crm/reviews/templates",
    "crm/shipping/templates",
    "loyalty/templates/loyalty",
    "support/templates/support",
    "postpurchase/templates",
]
STAFFS = {
    "shop_trouble.html",
    "shop_trouble.txt",
    "shop_trouble.subject.txt",
    "mailbox.html",
    "panel.html",
    "credit_panel.html",
    "ticket.html",
    "context.html",
    "tabs.html",
    "index.html",
}
MODULES = [
    "crm/messaging/templatetags/mail.py",
    "crm/messaging/views.py",
    "crm/orders/totals.py",
    "crm/portal",
    "crm/rest/filters.py",
    "crm/rest/idempotency.py",
    "crm/rest/keys.py",
    "crm/reviews/views.py",
    "crm/shipping/answers.py",
    "crm/shipping/pages.py",
    "crm/shipping/views.py",
    "loyalty/display.py",
    "loyalty/explaining.py",
    "loyalty/code_groups.py",
    "loyalty/coupon_limits.py",
    "loyalty/faq.py",
    "loyalty/forms.py",
    "loyalty/freezes.py",
    "loyalty/friends.py",
    "loyalty/own_ways.py",
    "loyalty/picking.py",
    "loyalty/views",
    "loyalty/redeeming.py",
    "loyalty/redemptions.py",
    "loyalty/rewards.py",
    "loyalty/statements.py",
    "loyalty/ways.py",
    "postpurchase/borrowed_words.py",
    "support/erasure.py",
    "support/views.py",
]
KEYWORDS = dict.fromkeys(["_", "gettext", "gettext_lazy", "gettext_noop"]) | {
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
}
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd]|\{\w*\}|</?\w+[^>]*>")


def catalog(language):
    with open(ROOT / f"postpurchase/locale/{language}/LC_MESSAGES/django.po", "rb") as file:
        return read_po(file)


def sentences():
    """`(file, sentence)` of everything that customers can be shown."""
    files = [path for folder in TEMPLATES for path in sorted((ROOT / folder).rglob("*.*")) if "admin" not in path.parts]
    for path in (path for path in files if path.name not in STAFFS):
        yield from found_in(path, templatize(path.read_text()))
    for name in MODULES:
        for path in sorted((ROOT / name).rglob("*.py")) if (ROOT / name).is_dir() else [ROOT / name]:
            if path.name not in ("models.py", "apps.py"):
                yield from found_in(path, path.read_text())
    for label in [*Ticket.Type.labels, *Ticket.Status.labels, *Status.labels, *(s.label for s in STATUSES.values())]:
        yield ROOT / "labels", english(label)


def english(label):
    """The sentence that a lazy label was written as."""
    return label._args[0] if hasattr(label, "_args") else str(label)


def found_in(path, source):
    for _line, _keyword, found, _comments in extract_python(io.BytesIO(source.encode()), KEYWORDS, [], {}):
        yield path, found[0] if isinstance(found, tuple) else found


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_for_customers_is_translated(language):
    known = catalog(language)
    wanted = set(sentences())

    missing = {
        f"{path.relative_to(ROOT)}: {words}"
        for path, words in wanted
        if words
        and (
            words not in known
            or not all([known[words].string] if isinstance(known[words].string, str) else known[words].string)
        )
    }

    assert len(wanted) > 250
    assert not missing


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_keep_what_is_filled_in(language):
    for message in catalog(language):
        written = [message.id] if isinstance(message.id, str) else list(message.id)
        for said in [message.string] if isinstance(message.string, str) else message.string:
            if message.id and said:
                assert any(sorted(PLACEHOLDER.findall(said)) == sorted(PLACEHOLDER.findall(w)) for w in written), said


@pytest.mark.parametrize("language", LANGUAGES)
def test_catalogs_are_whole(language):
    known = catalog(language)
    text = (ROOT / f"postpurchase/locale/{language}/LC_MESSAGES/django.po").read_text()

    assert not [message.id for message in known if message.id and message.fuzzy]
    assert f'"Language: {language}\\n"' in text and f'"Plural-Forms: {FORMS[language]}\\n"' in text
    singular = [n for n in range(3) if Locale(language).plural_form(n) == "one"]
    assert singular == [n for n in range(3) if not eval(FORMS[language].split("plural=")[1].rstrip(";"), {"n": n})]
    assert "#: " not in text
