"""Links without a log-in: one that is not exactly as it was made opens nothing, and all of them are answered alike."""

from datetime import timedelta
from urllib.parse import quote

import pytest
import time_machine
from django.core import signing
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from crm.messaging import compose
from crm.reviews import invitations
from crm.shipping import pages
from crm.stores import links

PURPOSES = {"t": pages.PURPOSE, "r": invitations.PURPOSE, "u": compose.PREFERENCES}
ROWS = {"t": "orders.Order", "r": "reviews.Invitation", "u": "messaging.Message"}


def wrong_tokens(world, door):
    """`name: token`, each nearly right for a row of the first shop."""
    store, pk = world.a.store.pk, world.a[ROWS[door]].pk
    right = links.make(PURPOSES[door], store, pk)
    other = next(purpose for purpose in PURPOSES.values() if purpose != PURPOSES[door])
    payload, stamp, signature = right.split(":")
    return {
        "forged": f"{payload}:{stamp}:{'A' * len(signature)}",
        "of another row": f"{links.make(PURPOSES[door], store, 2**40).split(':')[0]}:{stamp}:{signature}",
        "for another purpose": links.make(other, store, pk),
        "with the wrong key": signing.dumps([store, pk], key="x", salt=f"postpurchase.link.{PURPOSES[door]}"),
        "cut off": right[:-1],
        "without a signature": f"{payload}:{stamp}",
        "the payload alone": payload,
        "in capitals": right.upper(),
        "in small letters": right.lower(),
        "with a word behind": right + "x",
        "with a space": right + " ",
        "of no row": links.make(PURPOSES[door], store, 2**40),
        "of the other shop's store": links.make(PURPOSES[door], world.b.store.pk, pk),
        "of no store": links.make(PURPOSES[door], 2**40, pk),
        "of words": signing.dumps(["a", "b"], salt=f"postpurchase.link.{PURPOSES[door]}"),
        "of nothing": signing.dumps([], salt=f"postpurchase.link.{PURPOSES[door]}"),
        "of a number": signing.dumps(1, salt=f"postpurchase.link.{PURPOSES[door]}"),
        "unicode": "ñ☃𝒳",
        "arabic digits": right.replace("1", "١"),
        "colons": ":::",
        "very long": "a" * 5000,
    }


@pytest.mark.parametrize("door", PURPOSES)
def test_a_link_that_is_not_as_it_was_made_shows_nothing_of_anybody(world, door):
    wrong = []
    for name, token in wrong_tokens(world, door).items():
        for method in ("get", "post"):
            response = getattr(world.clients["anonymous"], method)(f"/{door}/{quote(token, safe='')}/")
            said = response.content.decode().lower().replace("ownedbya shop", "").replace("ownedbyb shop", "")
            told = [mark for mark in ("ownedbya@", "ownedbya chai", "ownedbya loves", "ownedbyb chai") if mark in said]
            if response.status_code not in (404, 405, 410) or told:
                wrong.append(f"{method} {name}: {response.status_code} {told}")

    assert wrong == []


@pytest.mark.parametrize("door", PURPOSES)
def test_a_link_ends(world, door):
    with time_machine.travel(timezone.now() - timedelta(days=800), tick=False):
        token = links.make(PURPOSES[door], world.a.store.pk, world.a[ROWS[door]].pk)

    response = world.clients["anonymous"].get(f"/{door}/{token}/")

    assert response.status_code in (404, 410)
    assert "ownedbya chai" not in response.content.decode().lower()


words = st.text(max_size=30)


@given(made=words, read=words, pk=st.integers(0, 2**62), extra=st.dictionaries(words, words, max_size=2))
def test_a_token_is_read_for_its_own_purpose_alone(made, read, pk, extra):
    token = links.make(made, 1, pk, **{f"x{name}": value for name, value in extra.items()})

    assert links.read(made, token, timedelta(days=1))[:2] == (1, pk)
    if made != read:
        with pytest.raises(links.BadLink):
            links.read(read, token, timedelta(days=1))


@given(token=words)
def test_no_word_is_a_token(token):
    links.claimed_store(token)
    with pytest.raises(links.BadLink):
        links.read("track", token, timedelta(days=1))
