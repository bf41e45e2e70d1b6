from crm.events.subscribing import on

from . import tickets

# Stars; who gives so few should hear from a person.
LOW_SCORE = 3


@on("survey.answered")
def follow_up_low_scores(events):
    for event in events:
        if event.data["score"] <= LOW_SCORE:
            tickets.follow_up_rating(
                event.store, cause=f"survey:{event.key}", score=event.data["score"], **_about(event)
            )


@on("survey.not_received")
def follow_up_what_never_came(events):
    for event in events:
        tickets.follow_up_missing(event.store, cause=f"survey:{event.key}:missing", **_about(event))


@on("customer.joined")
def take_tickets_along(events):
    for event in events:
        tickets.move_tickets(event.store, event.data["guest_id"], event.data["customer_id"])


def _about(event):
    return {
        "text": event.data.get("text") or "",
        "product": event.data.get("product") or "",
        "customer": event.customer,
        "order": event.order,
    }
