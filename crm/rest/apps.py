from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class RestConfig(AppConfig):
    name = "crm.rest"
    verbose_name = _("Rest")

    def ready(self):
        from crm.work import schedules

        schedules.every(60, "forget idempotent requests", "crm.rest.tasks.forget_requests")
