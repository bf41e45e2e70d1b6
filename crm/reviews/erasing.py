"""What a person said of what they bought, erased; the stars stay."""

from crm.orders.erasing import Counts, Person
from crm.work.models import DueWork

from .models import Answer, Invitation


def answers(person: Person) -> Counts:
    rows = Answer.objects.for_store(person.store).filter(invitation__order__in=person.orders)
    said = rows.exclude(text="", shown_name="").update(text="", shown_name="")
    planned = Invitation.objects.filter(order__in=person.orders, state=DueWork.State.DUE, answers=None)
    return {"Reviews": said, "Review invitations": planned.delete()[0]}
