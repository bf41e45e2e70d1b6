"""All settings, read from the environment or a `.env` beside manage.py. `docs/running.md` lists them."""

import contextlib
import os
import secrets
from pathlib import Path

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = Path(os.environ.get("VAR_DIR", BASE_DIR / "var"))

env = environ.Env()
if (BASE_DIR / ".env").exists():
    env.read_env(BASE_DIR / ".env")


def env_bool(name: str, default: bool) -> bool:
    """Read a switch; an odd value is an error and not silently off."""
    value = os.environ.get(name, "").strip().lower()
    if value in ("", None):
        return default
    if value in ("1", "true", "yes", "on"):
        return True
    if value in ("0", "false", "no", "off"):
        return False
    raise ImproperlyConfigured(f"{name}={value!r}: use on or off")


def kept_secret(path: Path) -> str:
    """A random key made on first use, for machines where nobody sets SECRET_KEY."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        # Written whole under a name of its own: of several processes that start at once one wins, none reads half a key.
        new = path.with_name(f"{path.name}-{os.getpid()}")
        with open(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
        with contextlib.suppress(FileExistsError):
            os.link(new, path)
        new.unlink()
    return path.read_text()


DEBUG = env_bool("DEBUG", False)
SECRET_KEY = env("SECRET_KEY", default="") or kept_secret(VAR_DIR / "secret_key")
# Older keys still open what was signed or encrypted with them.
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
SITE_URL = env("SITE_URL", default="http://localhost:8000").rstrip("/")
SECURE = SITE_URL.startswith("https://")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[environ.urlparse(SITE_URL).hostname, "localhost", "127.0.0.1"])
CSRF_TRUSTED_ORIGINS = [SITE_URL]

INSTALLED_APPS = [
    "postpurchase",  # before unfold: its admin/index.html is the dashboard
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "crm.stores.apps.StaffAdminConfig",
    "django_q",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "drf_standardized_errors",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "anymail",
    "crm.work",
    "crm.stores",
    "crm.rest",
    "crm.events",
    "crm.orders",
    "crm.woocommerce",
    "crm.portal",
    "crm.shipping",
    "crm.messaging",
    "crm.reviews",
    "support",
    "loyalty",
]

MIDDLEWARE = [
    "postpurchase.middleware.DirectPaths",
    "postpurchase.middleware.NoNul",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "postpurchase.middleware.StaffClock",
]

ROOT_URLCONF = "postpurchase.urls"
WSGI_APPLICATION = "postpurchase.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# --- database ---
if os.environ.get("DATABASE_URL"):
    DATABASES = {"default": env.db_url("DATABASE_URL")}
else:
    from postpurchase.database import embedded_url

    DATABASES = {"default": environ.Env.db_url_config(embedded_url(VAR_DIR / "postgres"))}
DATABASES["default"] |= {
    # Measured: 0 makes every enqueue reconnect; the psycopg pool breaks after qcluster's fork.
    "CONN_MAX_AGE": 60,
    "CONN_HEALTH_CHECKS": True,
    # Measured: JIT costs 6 to 8 times on jsonb statements.
    "OPTIONS": DATABASES["default"].get("OPTIONS", {}) | {"options": "-c jit=off"},
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "django_cache",
        # Limits of tries stand here. With Django's 300 entries they forget themselves as soon as many people try; each writing
        # counts the entries, which takes some milliseconds with this many and ten with 50,000.
        "OPTIONS": {"MAX_ENTRIES": 10_000},
    },
    # django-q2 would write its state here twice a second; the heartbeat says what need be known.
    "queue": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"},
}

# --- shops ---
# Requests that one sync may have under way at once, where more of them bring more.
SYNC_READERS = env.int("SYNC_READERS", default=4)

# --- background ---
# Values as measured in docs/dependencies.md; tasks are few and short, what is owed stands in tables.
Q_CLUSTER = {
    "name": "postpurchase",
    "orm": "default",
    "workers": env.int("Q_WORKERS", default=2),
    "queue_limit": env.int("Q_WORKERS", default=2),
    "bulk": 1,
    "timeout": 120,
    "retry": 600,
    "max_attempts": 1,
    "ack_failures": True,
    "save_limit": -1,
    "catch_up": False,
    # A change that a webhook tells of is to show within a second, and most of that is spent here.
    "poll": 0.25,
    "max_rss": 300_000,
    "cache": "queue",
    "broker_class": "crm.work.pulse.Broker",
    "label": "Queue",
}
# How long webhooks, handlings and failed tasks are kept after they are done.
KEEP_DONE_DAYS = env.int("KEEP_DONE_DAYS", default=30)

# --- people ---
AUTH_USER_MODEL = "stores.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
# Nobody signs up, but without a password here allauth takes it from the staff's form, too.
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_ADAPTER = "crm.portal.adapter.Adapter"
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_AUTHENTICATED_LOGIN_REDIRECTS = False
ACCOUNT_SESSION_REMEMBER = True
# The portal's own pages start the log-in by code (crm/portal/signin.py); staff are not offered it.
# Digits: a phone in Hindi types them as easily as one in English. Mail may be slow.
ACCOUNT_LOGIN_BY_CODE_FORMAT = {"numeric": True, "length": 8, "dashed": True}
ACCOUNT_LOGIN_BY_CODE_TIMEOUT = 15 * 60
ACCOUNT_RATE_LIMITS = {
    "request_login_code": "20/m/ip,3/m/key,12/h/key",
    # Order numbers can be counted through and postcodes guessed.
    "track_order": "20/10m/ip,8/h/key",
    # Somebody who enters strangers' addresses.
    "accept_invitation": "20/h/ip,3/h/key",
    # It reads all that there is of somebody.
    "download_data": "6/h/key",
    # Of one mailbox: whoever gets these mails may not have asked for any.
    "join_by_mail": "5/m/ip,30/h/ip,2/m/key,4/h/key,6/d/key",
}
# Behind a proxy everyone would else share its address, and so the limits.
ALLAUTH_TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXIES", default=1 if env_bool("BEHIND_PROXY", False) else 0)
# Staff read all of a shop's customers: a password alone does not open admin, unless this is switched off.
STAFF_SECOND_FACTOR = env_bool("STAFF_SECOND_FACTOR", True)
MFA_ADAPTER = "crm.stores.second_factor.Adapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
# A superuser makes staff's accounts; nobody signs up for one.
MFA_ALLOW_UNVERIFIED_EMAIL = True
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "admin:index"

# --- words, money, time ---
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("hi", _("Hindi")), ("mr", _("Marathi"))]
LOCALE_PATHS = [BASE_DIR / "postpurchase" / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# --- files ---
STATIC_URL = "/static/"
STATIC_ROOT = Path(os.environ.get("STATIC_ROOT", VAR_DIR / "static"))
MEDIA_ROOT = Path(os.environ.get("MEDIA_ROOT", VAR_DIR / "media"))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        # Compressing takes a minute, which is well spent once for each release and not on a first look.
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if env_bool("COMPRESS_STATIC", True)
        else "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
    },
}
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = ["jpg", "jpeg", "png", "gif", "webp", "gz", "br", "woff", "woff2", "map"]

# --- mail ---
DEFAULT_FROM_EMAIL = env("DEFAULT_FROM_EMAIL", default="Postpurchase <postpurchase@localhost>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
if os.environ.get("EMAIL_BACKEND"):
    EMAIL_BACKEND = os.environ["EMAIL_BACKEND"]
else:
    vars().update(env.email_url("EMAIL_URL", default="consolemail://"))
EMAIL_TIMEOUT = 10
# Every ANYMAIL_… variable of the environment is one of django-anymail's settings.
ANYMAIL = {name.removeprefix("ANYMAIL_"): value for name, value in os.environ.items() if name.startswith("ANYMAIL_")}

# --- headers ---
SILENCED_SYSTEM_CHECKS = ["security.W008"]  # asks for the redirect that the next line leaves to the proxy
SECURE_SSL_REDIRECT = False  # the proxy's work; WooCommerce does not follow a redirected webhook
SECURE_HSTS_SECONDS = 31536000 if SECURE else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SECURE
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env_bool("BEHIND_PROXY", False) else None
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE
SESSION_COOKIE_AGE = 90 * 24 * 3600
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    # unfold's Alpine and the API docs evaluate scripts
    "EXCLUDE_URL_PREFIXES": ("/admin/", "/accounts/", "/api/v1/docs/"),
    "DIRECTIVES": {
        "default-src": [NONE],
        "base-uri": [NONE],
        "connect-src": [SELF],
        "font-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        # Product pictures come from the shops themselves.
        "img-src": [SELF, "data:", "https:", "http:"],
        "script-src": [SELF],
        "style-src": [SELF],
    },
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024

# --- REST API ---
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["crm.rest.keys.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["crm.rest.keys.HasScope"],
    "DEFAULT_PAGINATION_CLASS": "crm.rest.pages.CursorPages",
    "DEFAULT_FILTER_BACKENDS": ["crm.rest.filters.StrictFilterBackend"],
    "DEFAULT_RENDERER_CLASSES": ["crm.rest.renderers.OrjsonRenderer"],
    "DEFAULT_PARSER_CLASSES": ["crm.rest.parsers.ShallowJSONParser"],
    "DEFAULT_THROTTLE_CLASSES": ["crm.rest.keys.KeyThrottle"],
    "DEFAULT_THROTTLE_RATES": {"key": env("API_RATE", default="600/min")},
    "DEFAULT_SCHEMA_CLASS": "drf_standardized_errors.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "drf_standardized_errors.handler.exception_handler",
    "COERCE_DECIMAL_TO_STRING": True,
    "UNAUTHENTICATED_USER": None,
    "UNAUTHENTICATED_TOKEN": None,
}
DRF_STANDARDIZED_ERRORS = {"EXCEPTION_HANDLER_CLASS": "crm.rest.failing.Failing"}
SPECTACULAR_SETTINGS = {
    "TITLE": "Postpurchase API",
    "VERSION": "1",
    "DESCRIPTION": "Read a shop's customers, orders, points, tickets and events; open tickets and answer them.",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    # The error shapes share the names of their fields; without these each gets an enum with a number for a name.
    "ENUM_NAME_OVERRIDES": {
        "TicketTypeEnum": "support.models.Ticket.Type",
        "WorkStateEnum": "crm.work.models.DueWork.State",
        "MembershipWayEnum": "loyalty.models.Member.Way",
        "ReferralStateEnum": "loyalty.models.Referral.State",
        "EntryKindEnum": "loyalty.models.LedgerEntry.Kind",
    }
    | {
        name: f"drf_standardized_errors.openapi_serializers.{name}.choices"
        for name in [
            "ValidationErrorEnum",
            "ClientErrorEnum",
            "ServerErrorEnum",
            *(f"ErrorCode{status}Enum" for status in (401, 403, 404, 405, 406, 415, 429, 500)),
        ]
    }
    | {
        "TicketStatusEnum": "support.models.Ticket.Status",
        "TicketTypeEnum": "support.models.Ticket.Type",
        "WorkStateEnum": "crm.work.models.DueWork.State",
        "MembershipWayEnum": "loyalty.models.Member.Way",
        "ReferralStateEnum": "loyalty.models.Referral.State",
        "RewardKindEnum": "loyalty.models.Reward.Kind",
        "RedemptionStateEnum": "loyalty.models.Redemption.State",
        "AdjustmentStateEnum": "loyalty.models.Adjustment.State",
        "ShipmentStatusEnum": "crm.shipping.models.Status",
    },
    "POSTPROCESSING_HOOKS": ["drf_standardized_errors.openapi_hooks.postprocess_schema_enums"],
}

UNFOLD = {
    "SITE_TITLE": "Postpurchase",
    "SITE_HEADER": "Postpurchase",
    "SITE_URL": None,
    "SITE_SYMBOL": "favorite",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("favicon.svg")}],
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "postpurchase.dashboard.context",
    "ACCOUNT": {
        "navigation": [
            {"title": _("Change password"), "link": reverse_lazy("admin:password_change")},
            {"title": _("Second factor"), "link": reverse_lazy("mfa_index")},
        ]
    },
    "SIDEBAR": {"navigation": "postpurchase.navigation.sidebar", "show_search": True},
    # Teal, as the mails and the portal are before a store chooses its own.
    "COLORS": {
        "primary": {
            "50": "#f0fdfa",
            "100": "#ccfbf1",
            "200": "#99f6e4",
            "300": "#5eead4",
            "400": "#2dd4bf",
            "500": "#14b8a6",
            "600": "#0f766e",
            "700": "#115e59",
            "800": "#134e4a",
            "900": "#113f3c",
            "950": "#042f2e",
        }
    },  # fmt: skip
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env("LOG_LEVEL", default="INFO")},
    "loggers": {
        "django-q": {"level": "WARNING"},  # at INFO it tells of every pulse
        "urllib3": {"level": "INFO"},  # at DEBUG it writes down signed addresses
    },
}
