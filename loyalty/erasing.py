"""What the programme keeps of a person, erased. The ledger stays: its entries name orders, rewards and sums, and nobody any more."""

from crm.orders.erasing import Counts, Person

from .models import BalanceImport, Birthday, ImportRow, Redemption


def members(person: Person) -> Counts:
    return {"Birthdays": Birthday.objects.filter(customer__in=person.customers).delete()[0]}


def redemptions(person: Person) -> Counts:
    """What the shop said of a coupon may name whom it was for. The code stays: it is the reason of an entry."""
    rows = Redemption.objects.for_store(person.store).filter(account__customer__in=person.customers).exclude(error="")
    return {"Redemptions": rows.update(error="")}


def imports(person: Person) -> Counts:
    """Rows keep their numbers and points, so that the same file gives nothing a second time. Uploads that wait go as a whole."""
    uploads = 0
    files = BalanceImport.objects.for_store(person.store)
    for email in sorted(person.emails):
        rows, _by_table = files.exclude(text="").filter(text__icontains=email).delete()
        uploads += bool(rows)
    rows = ImportRow.objects.filter(of__store=person.store, email__in=person.emails)
    rows.filter(state=ImportRow.State.WAITING).update(state=ImportRow.State.LEFT_OUT)
    blank = rows.update(email="", note="", value="")
    return {"Uploads of points": uploads, "Imported rows": blank}
