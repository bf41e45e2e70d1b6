"""Give the demo's store a brand and a points programme, its customers the points of their past year, and the help desk something to answer."""

from datetime import timedelta

from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.utils import timezone

from crm.events.models import Handling
from crm.orders.models import Order
from crm.stores.models import Store
from crm.work import drain
from loyalty.models import ShopDisplay
from support import tickets
from support.models import Ticket

from .. import demo_programme

BRAND = {
    "brand_color": "#9a3412",
    "contact_email": "help@masala-house.example",
    "contact_phone": "+91 20 5550 0142",
    "contact_hours": "Mon to Sat, 9:00 to 18:00",
    "contact_address": "12 MG Road, Pune 411001, India",
}
# Minutes since it was asked, type, subject, question, answer (and after how many minutes).
QUESTIONS = [
    (3, Ticket.Type.DELIVERY, "Where is my parcel?", "It should have come on Thursday, and it is a birthday present. Can you tell me where it is?", None),
    (16, Ticket.Type.RETURN, "Wrong size", "The kurta is too small. Can I change it for a larger one?", None),
    (44, Ticket.Type.WARRANTY, "The lid does not close", "The tiffin's lid has come loose after two weeks. What can be done?", ("We are sorry. Please send us a picture, and a new lid goes out today.", 4)),
    (190, Ticket.Type.QUESTION, "कौन सी चाय कम तीखी है?", "मेरी माँ के लिए हल्की मसाला चाय चाहिए। कौन सी लूँ?", ("कश्मीरी कहवा सबसे हल्की है।", 2)),
    (1500, Ticket.Type.DELIVERY, "Change the address", "I am moving next week. Can it go to the new address?", ("Done: it goes to the new address.", 37)),
]  # fmt: skip


class Command(BaseCommand):
    help = (
        "For make demo: brand, points programme, points for past orders, a few tickets. Does nothing the second time."
    )

    def add_arguments(self, parser):
        parser.add_argument("slug")
        parser.add_argument("--points-secret", help="by which the shop's pages say who is signed in there")

    def handle(self, *, slug, points_secret=None, **options):
        store = Store.objects.get(slug=slug)
        if points_secret:
            ShopDisplay.objects.update_or_create(store=store, defaults={"secret": points_secret})
        if Ticket.objects.for_store(store).exists():
            return
        Store.objects.filter(pk=store.pk).update(**BRAND)
        # The programme is made by a handler of the shop's connection, and no worker runs yet.
        drain.drain(Handling)
        demo_programme.open_for(store)
        call_command("award_history", slug, apply=True, verbosity=0)
        demo_programme.place_members(store)
        demo_programme.give_credit(store)
        orders = (
            Order.objects.for_store(store)
            .existing()
            .filter(is_paid=True)
            .exclude(customer=None)
            .exclude(customer__woo_id=None)
        )
        now = timezone.now()
        newest = orders.newest_first().select_related("customer", "store")[: len(QUESTIONS)]
        for order, (minutes, type, subject, text, answer) in zip(newest, QUESTIONS, strict=False):
            at = now - timedelta(minutes=minutes)
            ticket = tickets.open(
                store, subject=subject, text=text, channel=Ticket.Channel.PORTAL, type=type, order=order, at=at
            )
            if answer:
                words, after = answer
                tickets.reply_from_staff(ticket, None, words, at=at + timedelta(minutes=after))
                tickets.resolve(ticket, at=at + timedelta(minutes=after))
