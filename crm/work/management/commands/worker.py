from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connections

from crm.work import schedules
from crm.work.worker import Supervisor


class Command(BaseCommand):
    help = "Does what is due: keeps a task queue running and puts the schedules in place. Any number may run at once."

    def add_arguments(self, parser):
        parser.add_argument(
            "--patience",
            type=float,
            default=90,
            metavar="SECONDS",
            help="when stopped, how long to let tasks finish before they are killed; killed work is done again later",
        )

    def handle(self, *args, patience, **options):
        try:
            schedules.install()
        except DatabaseError as error:
            raise CommandError(f"The database is not ready ({error}). Run `manage.py migrate` first.") from error
        # From here on only the cluster speaks with the database.
        connections.close_all()
        Supervisor(patience).run()
