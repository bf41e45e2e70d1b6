from datetime import timedelta

from django.db import models
from django.utils.translation import gettext_lazy as _

from crm.stores.encryption import EncryptedTextField
from crm.stores.models import Store
from crm.work import drain
from crm.work.models import DueWork


class SignInCode(DueWork):
    """A code that is to be mailed to somebody who wants to sign in. It is encrypted, and gone once it was sent."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="+", verbose_name=_("store"))
    email = models.EmailField(_("e-mail"), max_length=320)
    language = models.CharField(_("language"), max_length=10)
    code = EncryptedTextField(blank=True, editable=False)

    BATCH = 10  # each may take as long as the mail server lets it
    TRANSACTIONAL = False
    # The same as ACCOUNT_LOGIN_BY_CODE_TIMEOUT: a code that is mailed later opens nothing.
    LIFETIME = timedelta(minutes=15)

    class Meta(DueWork.Meta):
        verbose_name = _("sign-in code")
        verbose_name_plural = _("sign-in codes")

    def __str__(self):
        return f"{self.email} {self.created_at:%Y-%m-%d %H:%M}"

    @classmethod
    def perform(cls, rows, at):
        from . import mail

        stores = Store.objects.in_bulk([row.store_id for row in rows])
        for row in rows:
            try:
                if at - row.created_at < cls.LIFETIME:
                    mail.send_code(row, stores[row.store_id])
            except Exception as error:
                drain.fail(row, error, at)
            else:
                cls.objects.filter(pk=row.pk).update(code="")
                drain.settle([row], at)
