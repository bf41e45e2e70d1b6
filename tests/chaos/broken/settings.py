from postpurchase.settings import *  # noqa: F403
from postpurchase.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.chaos.broken.apps.Broken"]
