"""Write into a shop, once for each reason, and compare what it made of it with what was asked.

A write is a row first (`queue`). It is sent outside any transaction. A request that was sent and never answered may have worked: the
next attempt looks for what it would have made before it sends anything again.
"""

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.stores.models import Store
from crm.work import drain
from crm.work.wake import wake

from .client import Client
from .errors import WooCommerceError
from .models import Push


class Differs(Exception):
    """The shop made something else of it than was asked for; the text says what."""


class Kind:
    """One kind of write. Methods speak with the shop through the client and raise WooCommerceError."""

    def look(self, client: Client, push: Push) -> dict | None:
        """What an earlier attempt has made in the shop, if it has."""
        raise NotImplementedError

    def send(self, client: Client, push: Push) -> dict:
        """Make it; returns the shop's answer."""
        raise NotImplementedError

    def confirm(self, push: Push, answer: dict) -> None:
        """Compare the answer with what was asked. Raises Differs."""
        raise NotImplementedError


KINDS: dict[str, Kind] = {}
_CONFIRMED: dict[str, list[Callable[[Push], None]]] = defaultdict(list)


def register(name: str, kind: Kind) -> None:
    KINDS[name] = kind


def on_confirmed(kind: str, function: Callable[[Push], None]) -> None:
    """Have `function(push)` called once a push of this kind is confirmed, in one transaction with that."""
    if function not in _CONFIRMED[kind]:
        _CONFIRMED[kind].append(function)


@transaction.atomic
def queue(store: Store, kind: str, key: str, payload: dict, *, at: datetime | None = None) -> Push:
    """Owe the shop a write, in the caller's transaction. `key` names its reason: the same once more gives the row there is."""
    if kind not in KINDS:
        raise LookupError(f"No kind of push is named {kind}.")
    at = at or timezone.now()
    push, created = Push.objects.get_or_create(
        store=store, kind=kind, key=key, defaults={"payload": payload, "due_at": at, "created_at": at}
    )
    if created:
        wake(Push)
    return push


def perform(pushes: list[Push], at: datetime) -> None:
    for push in pushes:
        try:
            answer = _send(push)
        except WooCommerceError as error:
            if error.permanent and error.status:
                # The shop itself has said no: nothing was made there.
                Push.objects.filter(pk=push.pk).update(outcome=Push.Outcome.REFUSED)
            drain.fail(push, str(error), at, permanent=error.permanent)
            continue
        push.answer, push.woo_id = answer, _number(answer)
        try:
            KINDS[push.kind].confirm(push, answer)
        except Differs as error:
            Push.objects.filter(pk=push.pk).update(answer=push.answer, woo_id=push.woo_id)
            drain.fail(push, str(error), at, permanent=True)
            continue
        with transaction.atomic():
            push.outcome = Push.Outcome.CONFIRMED
            push.save(update_fields=["outcome", "answer", "woo_id"])
            drain.settle([push], at)
            for function in _CONFIRMED[push.kind]:
                function(push)


def _send(push: Push) -> dict:
    kind = KINDS[push.kind]
    with Client(push.store) as client:
        if push.outcome == Push.Outcome.SENT and (found := kind.look(client, push)) is not None:
            return found
        # Before the request leaves: from now on nobody knows whether it has worked until an answer is held.
        Push.objects.filter(pk=push.pk).update(outcome=Push.Outcome.SENT)
        answer = kind.send(client, push)
    if not isinstance(answer, dict):
        raise WooCommerceError(_("The shop answered something that is no object."), permanent=False)
    return answer


def _number(answer: dict) -> int | None:
    number = answer.get("id")
    return number if isinstance(number, int) and not isinstance(number, bool) else None
