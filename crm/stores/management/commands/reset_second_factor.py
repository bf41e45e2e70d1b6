from allauth.mfa.models import Authenticator
from django.core.management.base import BaseCommand, CommandError

from crm.stores.models import User


class Command(BaseCommand):
    help = "Forgets a person's authenticator app and recovery codes: at the next log-in they set up new ones."

    def add_arguments(self, parser):
        parser.add_argument("email", help="the address they log in with")

    def handle(self, *args, email, **options):
        user = User.objects.filter(email__iexact=email).first()
        if user is None:
            raise CommandError(f"Nobody logs in as {email}.")
        Authenticator.objects.filter(user=user).delete()
        self.stdout.write(f"{user.email} sets up a new second factor at the next log-in.")
