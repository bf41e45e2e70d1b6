from datetime import timedelta

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils.translation import gettext_lazy as _

from crm.stores.models import Store
from crm.work import drain
from crm.work.models import DueWork, DueWorkQuerySet

from ..exact import ExactDecoder
from .rules import RuleVersion


class TrialQuerySet(DueWorkQuerySet):
    def for_store(self, store):
        return self.filter(store=store)


class Trial(DueWork):
    """A rule, campaign or programme that is to be tried on the orders of the last weeks; then, what it found."""

    class Days(models.IntegerChoices):
        MONTH = 30, _("the last 30 days")
        QUARTER = 90, _("the last 90 days")

    store = models.ForeignKey(Store, models.CASCADE, related_name="+", verbose_name=_("store"))
    of = models.CharField(_("of"), max_length=10, choices=RuleVersion.Of)
    # None: of something that was never saved.
    object_id = models.BigIntegerField(null=True)
    name = models.CharField(_("what was tried"), max_length=200)
    content = models.JSONField(_("as it was tried"), encoder=DjangoJSONEncoder, decoder=ExactDecoder)
    days = models.PositiveSmallIntegerField(_("orders of"), choices=Days, default=Days.MONTH)
    checked = models.PositiveIntegerField(_("orders looked at"), default=0, editable=False)
    total = models.PositiveIntegerField(_("orders"), default=0, editable=False)
    result = models.JSONField(_("result"), null=True, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("asked by")
    )

    objects = TrialQuerySet.as_manager()

    # A year of a big shop's orders takes minutes, and every batch of it shows in `checked`.
    BATCH = 1
    LEASE = timedelta(minutes=30)
    MAX_ATTEMPTS = 3
    TRANSACTIONAL = False
    FORGET_WHEN_DONE = True

    class Meta(DueWork.Meta):
        verbose_name = _("trial of a rule")
        verbose_name_plural = _("trials of rules")

    def __str__(self):
        return self.name

    @classmethod
    def perform(cls, rows, at):
        from .. import trials

        for trial in rows:
            trials.perform(trial, at)
            drain.settle([trial], at)
