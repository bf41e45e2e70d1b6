"""The table of doors: who goes for the first shop's object is answered so. A new route and a new ModelAdmin need a row here.

`tests/test_permissions.py` tries every row; `tests/two_stores.py` makes the objects and the people.
"""

from dataclasses import dataclass, field

from tests.two_stores import MARKS

STAFF = ("viewer", "agent", "owner", "other_owner", "superuser")
CUSTOMERS = ("customer", "other_customer", "customer_elsewhere")
PROGRAMS = ("key", "other_key", "key_without_scope", "wrong_key")
PEOPLE = ("anonymous", *CUSTOMERS, *PROGRAMS, *STAFF)
# Whose words each of them may read, wherever they go.
MAY_READ = {
    "customer": {"ownedbya"},
    "other_customer": {"ownedbyc"},
    "customer_elsewhere": {"ownedbyb"},
    "key": {"ownedbya", "ownedbyc"},
    "other_key": {"ownedbyb"},
    "other_owner": {"ownedbyb"},
    "viewer": {"ownedbya", "ownedbyc"},
    "agent": {"ownedbya", "ownedbyc"},
    "owner": {"ownedbya", "ownedbyc"},
    "superuser": set(MARKS),
}


def answers(default, **of):
    """Status by person: `answers(404, staff=200, owner=302)`. `staff`, `customers` and `programs` stand for all of them."""
    groups = {"staff": STAFF, "customers": CUSTOMERS, "programs": PROGRAMS}
    expected = dict.fromkeys(PEOPLE, default)
    for group in groups.keys() & of.keys():
        expected |= dict.fromkeys(groups[group], of[group])
    return expected | {person: status for person, status in of.items() if person not in groups}


@dataclass(frozen=True)
class Kind:
    get: dict
    post: dict
    # What the person whose it is finds there; without it an empty page would pass for a safe one.
    shows: dict = field(default_factory=dict)
    # Words of the first shop that everybody may read: its name on its own pages, or all that a mailed link opens.
    shown_to_all: frozenset = frozenset()
    tried: tuple = PEOPLE


PUBLIC = {"ownedbya shop", "shop-of-ownedbya", "help@ownedbya.example", "://ownedbya.example", "ownedbya.example"}
# What stands on the shop's shelves is for everybody.
PUBLIC |= {"ownedbya shelf", "ownedbyc shelf"}
# And so is what its programme calls its tiers.
PUBLIC |= {"ownedbya gold"}
A_ROW = dict.fromkeys(("viewer", "agent", "owner", "superuser"), "ownedbya")

public = Kind(answers(200), answers(405))
# Somebody who is signed in already is sent on.
sign_in = Kind(answers(200, customers=302), answers(200, customers=302))
portal_home = Kind(answers(200, customer_elsewhere=403), answers(200, customer_elsewhere=403), {"customer": "ownedbya"})
portal = Kind(answers(302, customers=200, customer_elsewhere=403), answers(405), {"customer": "ownedbya"})
portal_form = Kind(
    answers(302, customers=200, customer_elsewhere=403), answers(302, customers=400, customer_elsewhere=403)
)
portal_own = Kind(
    answers(302, customer=200, other_customer=404, customer_elsewhere=403), answers(405), {"customer": "ownedbya"}
)
portal_own_form = Kind(
    portal_own.get,
    answers(302, customer=400, other_customer=404, customer_elsewhere=403),
    portal_own.shows,
)
# A button; to look at it is nothing.
portal_act = Kind(answers(405), answers(302, customer_elsewhere=403))
# The link is the proof, whoever follows it; it opens one row, and to write takes a form that is complete.
link = Kind(answers(200), answers(405), {"anonymous": "ownedbya"}, frozenset({"ownedbya"}))
link_form = Kind(answers(200), answers(200), {"anonymous": "ownedbya"}, frozenset({"ownedbya"}))
api = Kind(
    answers(401, key=200, other_key=200, key_without_scope=403),
    answers(401, key=405, other_key=405, key_without_scope=405),
    {"key": "ownedbya", "other_key": "ownedbyb"},
)
api_row = Kind(
    answers(401, key=200, other_key=404, key_without_scope=403),
    answers(401, key=405, other_key=405, key_without_scope=405),
    {"key": "ownedbya"},
)
# For each person the same question as the first shop's own program asks: the second shop's names rows it does not have.
api_create = Kind(api.get, answers(401, key=201, other_key=400, key_without_scope=403), api.shows)
# A change that is asked for by its name: nothing is there to be looked at.
api_row_act = Kind(
    answers(401, key=405, other_key=405, key_without_scope=405),
    answers(401, key=200, other_key=404, key_without_scope=403),
)
api_row_create = Kind(
    answers(401, key=200, other_key=404, key_without_scope=403),
    answers(401, key=201, other_key=404, key_without_scope=403),
    {"key": "ownedbya"},
)
machine = Kind(answers(405), answers(401))
hidden = Kind(answers(404), answers(405))
staff = Kind(answers(302, staff=200), answers(302, staff=200))
written_by_agents = Kind(
    answers(302, staff=200, viewer=403, other_owner=404), answers(302, staff=200, viewer=403, other_owner=404)
)
nobody = Kind(answers(302, staff=403), answers(302, staff=403))

# --- one line for each route that is no ModelAdmin's ---
ROUTES = {
    # health, shops' webhooks
    "": Kind(answers(302), answers(405)),
    "favicon.ico": Kind(answers(302), answers(405)),
    "healthz": public,
    "readyz": Kind(answers(503), answers(405)),
    "woocommerce-webhook": machine,
    # API
    # It takes long to draw and asks nobody who they are.
    "api-schema": Kind(answers(200), answers(405), tried=("anonymous", "wrong_key")),
    "api-docs": public,
    "api-nothing": Kind(answers(404), answers(404)),
    "customer-list": api,
    "customer-detail": api_row,
    "order-list": api,
    "order-detail": api_row,
    "product-list": api,
    "product-detail": api_row,
    "refund-list": api,
    "refund-detail": api_row,
    "coupon-list": api,
    "coupon-detail": api_row,
    "ordernote-list": api,
    "ordernote-detail": api_row,
    "productreview-list": api,
    "productreview-detail": api_row,
    "shipment-list": api,
    "shipment-detail": api_row,
    "event-list": api,
    "event-detail": api_row,
    "connection-list": api,
    "connection-detail": api_row,
    "connection-check": Kind(api_row_act.get, answers(401, key=202, other_key=404, key_without_scope=403)),
    "sync": api,
    "sync-webhooks-repair": Kind(
        answers(401, key=405, other_key=405, key_without_scope=405),
        answers(401, key=202, other_key=202, key_without_scope=403),
    ),
    "sync-run-list": Kind(api.get, answers(401, key=202, other_key=202, key_without_scope=403), api.shows),
    "sync-run-detail": api_row,
    "webhook-delivery-list": api,
    "webhook-delivery-detail": api_row,
    "webhook-delivery-replay": Kind(
        api_row_act.get, answers(401, key=202, other_key=404, key_without_scope=403)
    ),
    "kept-aside-list": api,
    "kept-aside-detail": api_row,
    "kept-aside-retry": api_row_act,
    "kept-aside-dismiss": api_row_act,
    "ticket-list": api_create,
    "ticket-detail": api_row,
    "message-list": api_row_create,
    "message-detail": api_row,
    "loyalty-account-list": Kind(api.get, api.post),
    "loyalty-account-detail": Kind(api_row.get, api_row.post),
    "loyalty-account-adjust": Kind(
        answers(401, key=405, other_key=405, key_without_scope=405),
        answers(401, key=201, other_key=404, key_without_scope=403),
    ),
    "loyalty-credit-list": api_create,
    "loyalty-credit-detail": api_row,
    "loyalty-credit-refund": Kind(api_row_act.get, answers(401, key=201, other_key=400, key_without_scope=403)),
    "loyalty-credit-code-list": Kind(api.get, answers(401, key=201, other_key=400, key_without_scope=403)),
    # Theirs was bought with points.
    "loyalty-credit-code-detail": Kind(api_row.get | {"key": 404}, api_row.post),
    "loyalty-credit-code-hand-back": Kind(api_row_act.get, api_row_act.post | {"key": 404}),
    "loyalty-credit-entry-list": Kind(api.get, api.post),
    "loyalty-credit-adjustment-list": Kind(api.get, api.post),
    # Theirs is of points, which are none of this.
    "loyalty-credit-adjustment-detail": Kind(api_row.get | {"key": 404}, api_row.post),
    "loyalty-lot-list": Kind(api.get, api.post),
    "loyalty-lot-detail": Kind(api_row.get, api_row.post),
    "loyalty-adjustment-list": api,
    "loyalty-adjustment-detail": api_row,
    "loyalty-entry-list": Kind(api.get, api.post),
    "loyalty-entry-detail": Kind(api_row.get, api_row.post),
    "loyalty-liability": Kind(api.get, api.post),
    "loyalty-reward-list": Kind(api.get, answers(401, key=201, other_key=201, key_without_scope=403), api.shows),
    "loyalty-reward-detail": api_row,
    "loyalty-redemption-list": api_create,
    "loyalty-redemption-detail": api_row,
    "loyalty-redemption-hand-back": api_row_act,
    # Theirs is no gift card.
    "loyalty-redemption-end": Kind(api_row_act.get, api_row_act.post | {"key": 400}),
    "loyalty-member-list": api_create,
    "loyalty-member-detail": api_row,
    "loyalty-member-leave": api_row_act,
    "loyalty-rule-list": api_create,
    "loyalty-rule-detail": api_row,
    "loyalty-rule-try-out": Kind(api_row_act.get, api_row_act.post | {"key": 201}),
    "loyalty-campaign-list": Kind(api.get, answers(401, key=201, other_key=201, key_without_scope=403), api.shows),
    "loyalty-campaign-detail": api_row,
    "loyalty-campaign-try-out": Kind(api_row_act.get, api_row_act.post | {"key": 201}),
    "loyalty-trial-list": api,
    "loyalty-trial-detail": api_row,
    "push-list": api_create,
    "push-detail": api_row,
    "push-retry": api_row_act,
    "push-withdraw": api_row_act,
    "loyalty-tier-list": api,
    "loyalty-tier-detail": api_row,
    "loyalty-referral-list": api,
    "loyalty-referral-detail": api_row,
    "loyalty-referral-approve": api_row_act,
    "loyalty-referral-decline": api_row_act,
    "loyalty-referral-reopen": Kind(api_row_act.get, api_row_act.post | {"key": 400}),
    # sign-in
    "account_login": Kind(answers(200), answers(200)),
    # the second factor: each one's own; these people have neither one nor a password
    "mfa_authenticate": Kind(answers(302), answers(302)),
    "mfa_index": Kind(answers(302, staff=200), answers(302, staff=405)),
    "mfa_activate_totp": staff,
    "mfa_deactivate_totp": Kind(answers(302, staff=404), answers(302, staff=404)),
    "mfa_view_recovery_codes": Kind(answers(302, staff=404), answers(302, staff=405)),
    "mfa_generate_recovery_codes": staff,
    "account_reauthenticate": nobody,
    "mfa_reauthenticate": nobody,
    "set_language": Kind(answers(302), answers(302)),
    # portal
    "portal-home": portal_home,
    "portal-orders": portal,
    "portal-order": portal_own,
    "portal-sign-in": sign_in,
    "portal-code": Kind(answers(302), answers(302)),
    "portal-sign-out": Kind(answers(405), answers(302)),
    "portal-data": portal,
    "portal-data-file": Kind(answers(405), answers(302, customers=200, customer_elsewhere=403)),
    "portal-erase": portal_form,
    "portal-brand": public,
    "portal-icon": public,
    "portal-logo": public,
    "loyalty-points": portal,
    # The shop's pages ask it for anybody; for a customer only by the shop's token.
    "loyalty-display": Kind(answers(200), answers(403)),
    "loyalty-display-script": public,
    "loyalty-credit": Kind(portal.get, answers(302, customers=400, customer_elsewhere=403), portal.shows),
    "loyalty-rewards": portal,
    "loyalty-codes": portal,
    "loyalty-code": Kind(
        portal_own.get, answers(302, other_customer=404, customer_elsewhere=403), portal_own.shows
    ),
    # A form without its token is nobody's.
    "loyalty-reward": Kind(portal.get, answers(302, customers=400, customer_elsewhere=403), portal.shows),
    "loyalty-statement": portal,
    "loyalty-statement-csv": Kind(portal.get, portal.post),
    "loyalty-about": public,
    # An address is asked for; a form without one is shown again.
    "loyalty-join-by-mail": Kind(answers(200), answers(400)),
    "loyalty-join-sent": public,
    "loyalty-arrive": Kind(answers(200), answers(302)),
    "loyalty-membership": Kind(portal.get, portal.post),
    "loyalty-join": portal_act,
    "loyalty-link": portal_act,
    "loyalty-share": portal_act,
    "loyalty-invited": Kind(answers(200), answers(400), {"anonymous": "ownedbya"}, frozenset({"ownedbya"})),
    "loyalty-leave": portal_act,
    "loyalty-birthday": Kind(portal_act.get, answers(302, customers=400, customer_elsewhere=403)),
    "portal-tickets": portal,
    "portal-ticket-new": portal_form,
    "portal-ticket": portal_own_form,
    # links in mails
    "tracking": link,
    "loyalty-gift": link,
    "track": Kind(answers(200), answers(200)),
    "review": link_form,
    "review-thanks": link,
    "preferences": Kind(answers(200), answers(302)),
    # the local mailbox, which is there only where mail is kept in it
    "mailbox": hidden,
    "mailbox-mail": hidden,
    "mailbox-html": hidden,
    # admin's own pages
    "admin:index": staff,
    "admin:search": staff,
    "admin:login": Kind(answers(302), answers(302)),
    "admin:logout": Kind(answers(302, staff=405), answers(302, staff=200)),
    "admin:password_change": staff,
    "admin:password_change_done": Kind(answers(302, staff=200), answers(302, staff=405)),
    "admin:autocomplete": Kind(answers(302, staff=403), answers(302, staff=405)),
    "admin:jsi18n": Kind(answers(302, staff=200), answers(302, staff=405)),
    "admin:view_on_site": Kind(answers(302, staff=404), answers(302, staff=404)),
    "admin:app_list": Kind(answers(302, staff=200), answers(302, staff=200)),
    "admin/(?P<url>.*)$": Kind(answers(302, staff=404), answers(302, staff=404)),
    # admin's pages beside the usual five of a model
    "admin:messaging_message_body": Kind(answers(302, staff=200, other_owner=404), answers(302, staff=200, other_owner=404), A_ROW),
    "admin:support_ticket_change": Kind(answers(302, staff=200, other_owner=404), answers(302, staff=200, other_owner=404), A_ROW),
    "admin:stores_store_delete": nobody,
    "admin:loyalty_balanceimport_delete": nobody,
    "admin:shipping_shipment_add": nobody,
    "admin:shipping_shipment_delete": nobody,
    "admin:reviews_answer_add": nobody,
    "admin:auth_user_password_change": Kind(answers(302, staff=403, superuser=200), answers(302, staff=403, superuser=200)),
    "admin:work_job_changelist": Kind(answers(302, staff=403, superuser=200), answers(302, staff=403, superuser=200)),
    "admin:woocommerce_connection_do": Kind(
        answers(302, staff=405), answers(302, staff=404, viewer=404, agent=404)
    ),
    "admin:work_job_retry": Kind(answers(302, staff=405), answers(302, staff=403, superuser=404)),
    "admin:loyalty_program_example": Kind(answers(302, staff=403), answers(302, staff=403)),
    "admin:loyalty_program_switch": Kind(
        answers(302, staff=403, owner=200, superuser=200, other_owner=404),
        answers(302, staff=403, owner=302, superuser=302, other_owner=404),
    ),
    "admin:loyalty_earningrule_which": staff,
    **dict.fromkeys(
        ["admin:loyalty_ledgerentry_download", "admin:loyalty_adjustment_download", "admin:loyalty_redemption_download"],
        Kind(answers(302, staff=403, owner=200, superuser=200, other_owner=200), answers(302, staff=405)),
    ),
    "admin:loyalty_trial_adopt": Kind(
        answers(302, staff=405), answers(302, staff=403, owner=302, superuser=302, other_owner=404)
    ),
    "admin:orders_customer_erase": Kind(
        answers(302, staff=403, owner=200, superuser=200, other_owner=403),
        answers(302, staff=403, owner=200, superuser=200, other_owner=403),
    ),
    "admin:loyalty_account_adjust": Kind(
        answers(302, staff=200, viewer=403, other_owner=404), answers(302, staff=200, viewer=403, other_owner=404)
    ),
    # To ask is for owners; what is not frozen can't be unfrozen.
    **dict.fromkeys(
        ["admin:loyalty_account_freeze", "admin:loyalty_creditaccount_freeze"],
        Kind(
            answers(302, staff=403, owner=200, superuser=200, other_owner=404),
            answers(302, staff=403, owner=200, superuser=200, other_owner=404),
        ),
    ),
    **dict.fromkeys(
        ["admin:loyalty_account_unfreeze", "admin:loyalty_creditaccount_unfreeze"],
        Kind(answers(302, staff=403, other_owner=404), answers(302, staff=403, owner=302, superuser=302, other_owner=404)),
    ),
    "admin:loyalty_creditaccount_adjust": Kind(
        answers(302, staff=403, owner=200, superuser=200, other_owner=404),
        answers(302, staff=403, owner=200, superuser=200, other_owner=404),
    ),
    "admin:loyalty_creditaccount_refund": Kind(
        answers(302, staff=200, viewer=403, other_owner=404), answers(302, staff=200, viewer=403, other_owner=404)
    ),
    "admin:loyalty_membershipterms_preview": Kind(
        answers(302, staff=200, other_owner=404), answers(302, staff=200, other_owner=404), A_ROW
    ),
    "admin:loyalty_referral_approve": Kind(
        answers(302, staff=403, owner=200, superuser=200, other_owner=404),
        answers(302, staff=403, owner=200, superuser=200, other_owner=404),
    ),
    "admin:loyalty_redemption_end": Kind(
        answers(302, staff=403, owner=200, superuser=200, other_owner=404),
        answers(302, staff=403, owner=200, superuser=200, other_owner=404),
    ),
    "admin:loyalty_referral_decline": Kind(
        answers(302, staff=403, owner=200, superuser=200, other_owner=404),
        answers(302, staff=403, owner=200, superuser=200, other_owner=404),
    ),
    "admin:loyalty_referral_reopen": Kind(
        answers(302, staff=403, owner=200, superuser=200, other_owner=404),
        answers(302, staff=403, owner=200, superuser=200, other_owner=404),
    ),
    "admin:loyalty_adjustment_decide": Kind(
        answers(302, staff=403, owner=200, superuser=200, other_owner=404),
        answers(302, staff=403, owner=200, superuser=200, other_owner=404),
    ),
    "admin:orders_order_add_note": written_by_agents,
    "admin:orders_order_change_status": written_by_agents,
    "admin:orders_order_refund": Kind(
        answers(302, staff=403, owner=200, superuser=200, other_owner=404),
        answers(302, staff=403, owner=200, superuser=200, other_owner=404),
    ),
    "admin:support_ticket_answer": Kind(answers(302, staff=405), answers(302, staff=400, viewer=403, other_owner=404)),
    "admin:support_ticket_set": Kind(answers(302, staff=405), answers(302, staff=302, viewer=403, other_owner=404)),
}  # fmt: skip


@dataclass(frozen=True)
class Rows:
    """A ModelAdmin: the roles of a store that may view, change, add and delete its rows."""

    view: str = ""
    change: str = ""
    add: str = ""
    delete: str = ""
    # What came from elsewhere: not even a superuser changes it. Of anything else superusers may do all.
    read_only: bool = False

    def kind(self, page: str) -> Kind:
        """The answers of one of a model's pages: `changelist`, `add`, `history`, `delete`, `change`, or `row`, which leads to the last."""
        if page == "row":
            return Kind(answers(302), answers(302), tried=FEW)
        fixed = self.read_only and (page in ("delete", "change") or page == "add" and not self.add)
        root = {"superuser": 403 if fixed else DONE}
        acts = self._of(self.view if page in ("changelist", "history") else getattr(self, page)) | root
        looks = self._of(self.view) | {"superuser": 200}
        default = answers(302, staff=403 if page in ("changelist", "add") else NOT_THERE)
        get = default | (looks if page in ("changelist", "change", "history") else acts)
        post = default | acts
        if page in ("changelist", "history"):
            # To send them nothing is to look at them once more.
            post |= dict.fromkeys(looks, NOT_TRIED)
        if page not in ("changelist", "add"):
            get["other_owner"] = post["other_owner"] = NOT_THERE
        shows = dict.fromkeys(self.view.split(), "ownedbya") if page == "change" else {}
        return Kind(get, post, shows, tried=FEW if page in ("changelist", "history") else (*FEW, "agent", "superuser"))

    def _of(self, roles):
        roles = roles.split()
        # The owner of the other shop has such pages, too, with rows of their own.
        return dict.fromkeys([*roles, *(["other_owner"] if "owner" in roles else [])], DONE)


# A form that is sent and saved, or shown again with its errors.
DONE = (200, 302)
# A row of another shop does not exist: one is sent to the first page and told so, or may not ask at all.
NOT_THERE = (302, 403)
NOT_TRIED = None
# Enough for pages of which there are very many.
FEW = ("anonymous", "customer", "key", "viewer", "owner", "other_owner")
mirror = Rows("viewer agent owner", read_only=True)
owners_mirror = Rows("owner", read_only=True)
settings_of_store = Rows("viewer agent owner", "owner", "owner")
superuser_only = Rows()

# --- one line for each ModelAdmin ---
ADMIN = {
    "stores.Store": Rows("viewer agent owner", "owner"),
    "stores.ApiKey": Rows("owner", "owner", "owner"),
    "stores.User": superuser_only,
    "events.Event": mirror,
    "events.Handling": owners_mirror,
    "orders.Order": mirror,
    "orders.Customer": mirror,
    "orders.Product": mirror,
    "orders.Category": mirror,
    "orders.Refund": mirror,
    "orders.Coupon": mirror,
    "orders.ProductReview": mirror,
    "orders.Erasure": owners_mirror,
    "woocommerce.WebhookDelivery": owners_mirror,
    "woocommerce.Push": owners_mirror,
    "woocommerce.Reread": owners_mirror,
    "woocommerce.Connection": owners_mirror,
    "woocommerce.SyncState": owners_mirror,
    "woocommerce.KeptAside": owners_mirror,
    "shipping.Shipment": Rows("viewer agent owner", "agent owner"),
    "shipping.ShippingSettings": settings_of_store,
    "messaging.Message": mirror,
    "messaging.Consent": mirror,
    "messaging.Suppression": Rows("viewer agent owner", "", "agent owner", "agent owner"),
    "messaging.Hold": mirror,
    "messaging.MailSettings": settings_of_store,
    "reviews.Answer": Rows("viewer agent owner", "agent owner"),
    "reviews.Invitation": mirror,
    "reviews.ReviewSettings": settings_of_store,
    "support.Ticket": Rows("viewer agent owner", "agent owner", "agent owner"),
    "loyalty.Program": settings_of_store,
    "loyalty.ProgramLiability": owners_mirror,
    "loyalty.BalanceImport": Rows("owner", "owner", "owner"),
    "loyalty.EarningRule": Rows("viewer agent owner", "owner", "owner", "owner"),
    "loyalty.Campaign": Rows("viewer agent owner", "owner", "owner", "owner"),
    "loyalty.Occasion": Rows("viewer agent owner", "owner", "owner", "owner"),
    "loyalty.RuleVersion": mirror,
    "loyalty.Trial": mirror,
    "loyalty.Account": mirror,
    "loyalty.CreditAccount": Rows("viewer agent owner", add="agent owner", read_only=True),
    "loyalty.LedgerEntry": mirror,
    "loyalty.Reward": Rows("viewer agent owner", "owner", "owner"),
    "loyalty.Redemption": mirror,
    "loyalty.Member": Rows("viewer agent owner", "", "agent owner"),
    "loyalty.Referral": mirror,
    "loyalty.MembershipTerms": Rows("viewer agent owner", "owner"),
    "loyalty.Adjustment": mirror,
    "loyalty.ShopDisplay": Rows("owner", "owner", "owner", "owner"),
}
