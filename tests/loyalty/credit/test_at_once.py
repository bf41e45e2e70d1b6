"""The same request for credit many times at once, over HTTP."""

import pytest
from django.test import Client

from crm.woocommerce.models import Push
from loyalty import proof
from loyalty.models import Account, LedgerEntry, Redemption
from tests.factories import make_api_key, make_credit, make_customer, make_store
from tests.loyalty.rewards.taking import at_once

pytestmark = pytest.mark.django_db(transaction=True)
AT_ONCE = 64


@pytest.mark.parametrize("door", ["credit", "credit-codes"])
def test_one_idempotency_key_is_one_effect_and_one_answer(door):
    account = make_credit(make_customer(make_store()), 1000)
    secret = make_api_key(account.store)[1]

    def ask():
        answer = Client(raise_request_exception=False).post(
            f"/api/v1/loyalty/{door}/",
            {"customer": account.customer_id, "amount": "4.00", "reason": "Sorry"},
            content_type="application/json",
            headers={"Authorization": f"Bearer {secret}", "Idempotency-Key": "basket-7"},
        )
        return answer.status_code, answer.json()

    answers = at_once(AT_ONCE, ask)

    assert len(answers) == AT_ONCE
    assert {status for status, _body in answers} == {201}
    assert all(body == answers[0][1] for _status, body in answers)
    codes = 1 if door == "credit-codes" else 0
    assert (Redemption.objects.count(), Push.objects.count(), LedgerEntry.objects.count()) == (codes, codes, 2)
    assert Account.objects.get().balance == (600 if codes else 1400)
    assert not list(proof.differences())
