"""The same request many times at once, over HTTP."""

import pytest
from django.test import Client

from crm.woocommerce.models import Push
from loyalty import proof
from loyalty.models import Redemption
from tests.factories import make_api_key

from .taking import at_once, balance

pytestmark = pytest.mark.django_db(transaction=True)
AT_ONCE = 64


def test_one_idempotency_key_is_one_redemption_and_one_answer(account, reward):
    secret = make_api_key(account.store)[1]

    def ask():
        answer = Client(raise_request_exception=False).post(
            "/api/v1/loyalty/redemptions/",
            {"customer": account.customer_id, "reward": reward.pk},
            content_type="application/json",
            headers={"Authorization": f"Bearer {secret}", "Idempotency-Key": "basket-7"},
        )
        return answer.status_code, answer.json()

    answers = at_once(AT_ONCE, ask)

    assert len(answers) == AT_ONCE
    assert {status for status, _body in answers} == {201}
    assert all(body == answers[0][1] for _status, body in answers)
    assert (balance(account), Redemption.objects.count(), Push.objects.count()) == (150, 1, 1)
    assert not list(proof.differences())
