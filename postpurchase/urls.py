from django.contrib import admin
from django.urls import include, path

from . import entrance, health

handler500 = "postpurchase.failing.server_error"
urlpatterns = [
    path("", entrance.entrance),
    path("favicon.ico", entrance.favicon),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("admin/", admin.site.urls),
    path("api/v1/", include("postpurchase.api")),
    path("", include("crm.woocommerce.urls")),
    path("i18n/", include("django.conf.urls.i18n")),
    path("", include("crm.stores.urls")),
    path("", include("crm.portal.urls")),
    path("", include("crm.reviews.urls")),
    path("", include("loyalty.urls")),
    path("", include("crm.messaging.urls")),
    path("", include("crm.shipping.urls")),
    path("", include("support.urls")),
]
