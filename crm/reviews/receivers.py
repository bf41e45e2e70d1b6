from crm.events.subscribing import on

from . import invitations


@on("order.completed", "shipment.delivered")
def invite(events):
    invitations.plan(events)
