from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class WorkConfig(AppConfig):
    name = "crm.work"
    verbose_name = _("Jobs")

    def ready(self):
        from . import pulse

        pulse.install()
