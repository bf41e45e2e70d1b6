"""The merchant's door: open tickets and answer them from a program. Notes are in it, marked `internal`: it is staff's side."""

import django_filters as filters
import orjson
from django.http import Http404
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.response import Response

from crm.orders.models import Customer, Order
from crm.rest.fields import OfStore
from crm.rest.idempotency import idempotent
from crm.rest.views import StoreScopedReadOnlyViewSet

from . import tickets
from .models import Message, Ticket


class TicketSerializer(serializers.ModelSerializer):
    assignee = serializers.EmailField(source="assignee.email", allow_null=True, read_only=True)

    class Meta:
        model = Ticket
        fields = [
            "id", "number", "subject", "status", "priority", "type", "channel", "customer", "order", "email", "language",
            "assignee", "created_at", "first_response_due_at", "first_responded_at", "waiting_since", "resolved_at",
            "last_message_at", "last_customer_message_at",
        ]  # fmt: skip


class NewTicketSerializer(serializers.Serializer):
    """What the customer asks. One of `customer`, `order` and `email` says who it is."""

    subject = serializers.CharField(max_length=200)
    text = serializers.CharField(max_length=tickets.LONGEST_TEXT)
    customer = OfStore(queryset=Customer.objects.all(), required=False, allow_null=True, default=None)
    order = OfStore(queryset=Order.objects.all(), required=False, allow_null=True, default=None)
    email = serializers.EmailField(
        required=False, default="", allow_blank=True, help_text=_("Where answers go; by default the customer's address")
    )
    type = serializers.ChoiceField(Ticket.Type.choices, default=Ticket.Type.QUESTION)
    priority = serializers.ChoiceField(Ticket.Priority.choices, default=Ticket.Priority.NORMAL)
    channel = serializers.ChoiceField(Ticket.Channel.choices, default=Ticket.Channel.API)
    language = serializers.CharField(max_length=10, required=False, default="", allow_blank=True)

    def validate(self, values):
        customer, order, email = values["customer"], values["order"], values["email"]
        if customer is None and order is None and not email:
            raise serializers.ValidationError({"customer": _("Name the customer, the order or an e-mail address.")})
        if customer and order and order.customer_id not in (None, customer.pk):
            raise serializers.ValidationError({"order": _("This is another customer's order.")})
        if customer is None and order is None:
            values["customer"] = tickets.customer_of(self.context["request"].auth.store, email)
        return values


class MessageSerializer(serializers.ModelSerializer):
    author = serializers.EmailField(source="author.email", allow_null=True, read_only=True)
    text = serializers.CharField(source="body", read_only=True)

    class Meta:
        model = Message
        fields = ["id", "ticket", "author_kind", "author", "text", "internal", "created_at"]


class NewMessageSerializer(serializers.Serializer):
    text = serializers.CharField(max_length=tickets.LONGEST_TEXT)
    internal = serializers.BooleanField(default=False, help_text=_("A note among staff: the customer never sees it"))
    author_kind = serializers.ChoiceField(
        [Message.Author.STAFF, Message.Author.CUSTOMER],
        default=Message.Author.STAFF,
        help_text=_("`staff` answers the customer, by mail too; `customer` adds what the customer said elsewhere"),
    )

    def validate(self, values):
        if values["internal"] and values["author_kind"] == Message.Author.CUSTOMER:
            raise serializers.ValidationError({"internal": _("What a customer wrote is no internal note.")})
        return values


class TicketFilter(filters.FilterSet):
    status = filters.BaseInFilter(help_text=_("One status, or several with commas between"))
    type = filters.BaseInFilter(help_text=_("One type, or several with commas between"))
    customer = filters.NumberFilter("customer_id")
    order = filters.NumberFilter("order_id")
    number = filters.NumberFilter()
    created_after = filters.IsoDateTimeFilter("created_at", "gte")
    created_before = filters.IsoDateTimeFilter("created_at", "lt")

    class Meta:
        model = Ticket
        fields = ["status", "type", "customer", "order", "number"]


class TicketViewSet(StoreScopedReadOnlyViewSet):
    """Requests for help, newest first."""

    scope = "tickets"
    queryset = Ticket.objects.all()
    serializer_class = TicketSerializer
    filterset_class = TicketFilter

    @extend_schema(request=NewTicketSerializer, responses={201: TicketSerializer})
    @idempotent
    def create(self, request, *args, **kwargs):
        """Open a ticket with the customer's first message."""
        serializer = NewTicketSerializer(data=request.data, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        ticket = tickets.open(request.auth.store, **serializer.validated_data)
        row = self._as_json(self.get_queryset().filter(pk=ticket.pk)).get()
        return Response(orjson.Fragment(row["json"]), status.HTTP_201_CREATED)


class MessageFilter(filters.FilterSet):
    internal = filters.BooleanFilter()

    class Meta:
        model = Message
        fields = ["internal"]


class MessageViewSet(StoreScopedReadOnlyViewSet):
    """A ticket's conversation, newest first. Whoever shows it to a customer asks for `?internal=false`."""

    scope = "tickets"
    queryset = Message.objects.all()
    serializer_class = MessageSerializer
    filterset_class = MessageFilter

    def get_queryset(self):
        queryset = super().get_queryset()
        return queryset if self.swagger_fake_view else queryset.filter(ticket=self.ticket())

    def ticket(self) -> Ticket:
        ticket = Ticket.objects.for_store(self.request.auth.store).filter(pk=self.kwargs["ticket"]).first()
        if ticket is None:
            raise Http404
        return ticket

    @extend_schema(request=NewMessageSerializer, responses={201: MessageSerializer})
    @idempotent
    def create(self, request, *args, **kwargs):
        """Answer the customer, or keep a note."""
        serializer = NewMessageSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        text, ticket = serializer.validated_data["text"], self.ticket()
        if serializer.validated_data["internal"]:
            message = tickets.note(ticket, None, text)
        elif serializer.validated_data["author_kind"] == Message.Author.CUSTOMER:
            message = tickets.reply_from_customer(ticket, text)
        else:
            message = tickets.reply_from_staff(ticket, None, text)
        row = self._as_json(self.get_queryset().filter(pk=message.pk)).get()
        return Response(orjson.Fragment(row["json"]), status.HTTP_201_CREATED)
