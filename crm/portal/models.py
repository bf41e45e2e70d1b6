from datetime import timedelta

from django.db import models
from django.utils.translation import gettext_lazy as _

from crm.stores.encryption import EncryptedTextField
from crm.stores.models import Store
from crm.work import drain
from crm.work.models import DueWork


class LettingIn(DueWork):
    """A mail with something in it that lets its reader in, and that is kept by nobody."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="+", verbose_name=_("store"))
    email = models.EmailField(_("e-mail"), max_length=320)
    language = models.CharField(_("language"), max_length=10)

    BATCH = 10  # each may take as long as the mail server lets it
    TRANSACTIONAL = False

    class Meta(DueWork.Meta):
        abstract = True

    def __str__(self):
        return f"{self.email} {self.created_at:%Y-%m-%d %H:%M}"

    def send(self, at) -> None:
        """Mail it, unless that comes too late. Raises what the mail server raises."""
        raise NotImplementedError

    @classmethod
    def perform(cls, rows, at):
        stores = Store.objects.in_bulk([row.store_id for row in rows])
        for row in rows:
            row.store = stores[row.store_id]
            try:
                row.send(at)
            except Exception as error:
                drain.fail(row, error, at)
            else:
                drain.settle([row], at)


class SignInCode(LettingIn):
    """A code that is to be mailed to somebody who wants to sign in. It is encrypted, and gone once it was sent."""

    code = EncryptedTextField(blank=True, editable=False)

    # The same as ACCOUNT_LOGIN_BY_CODE_TIMEOUT: a code that is mailed later opens nothing.
    LIFETIME = timedelta(minutes=15)

    class Meta(LettingIn.Meta):
        verbose_name = _("sign-in code")
        verbose_name_plural = _("sign-in codes")

    def send(self, at):
        from . import mail

        if at - self.created_at < self.LIFETIME:
            mail.send_code(self)
        type(self).objects.filter(pk=self.pk).update(code="")
