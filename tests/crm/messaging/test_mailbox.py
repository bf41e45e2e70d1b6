import pytest
from django.core.mail import EmailMultiAlternatives, send_mail

from crm.messaging.models import MailboxMessage


@pytest.fixture
def kept(db, settings):
    settings.EMAIL_BACKEND = "crm.messaging.mailbox.EmailBackend"


def write(
    to="asha@mail.example", subject="Your code", html="<html><head></head><body>नमस्ते <script>1</script></body></html>"
):
    mail = EmailMultiAlternatives(subject, "नमस्ते & hello https://shop.example/t/x/", "Shop <shop@mail.example>", [to])
    mail.attach_alternative(html, "text/html")
    mail.send()
    return MailboxMessage.objects.latest("pk")


def test_there_is_no_mailbox_where_mail_is_really_sent(client, db):
    assert client.get("/mailbox/").status_code == 404


def test_kept_mails_are_listed_newest_first_and_found_by_recipient(client, kept):
    write(subject="First")
    write("ben@mail.example", subject="Second")

    page = client.get("/mailbox/").content.decode()
    assert page.index("Second") < page.index("First")
    page = client.get("/mailbox/?to=ASHA").content.decode()
    assert "First" in page and "Second" not in page


def test_a_mail_shows_its_text_headers_and_html_in_a_frame_that_runs_nothing(client, kept):
    mail = write()

    page = client.get(f"/mailbox/{mail.pk}/")
    assert "नमस्ते &amp; hello" in page.content.decode() and "Message-ID" in page.content.decode()
    assert "frame-src 'self'" in page["Content-Security-Policy"]
    frame = client.get(f"/mailbox/{mail.pk}/html/")
    assert "नमस्ते" in frame.content.decode()
    assert "default-src 'none'" in frame["Content-Security-Policy"] and "sandbox" in frame["Content-Security-Policy"]
    assert frame["X-Frame-Options"] == "SAMEORIGIN"


def test_a_plain_mail_is_shown_without_a_frame(client, kept):
    send_mail("Code", "123 456", None, ["asha@mail.example"])
    mail = MailboxMessage.objects.get()

    page = client.get(f"/mailbox/{mail.pk}/").content.decode()
    assert "123 456" in page and "<iframe" not in page
    assert client.get(f"/mailbox/{mail.pk}/html/").status_code == 404


def test_pages_go_back_in_time_at_constant_cost(client, kept, django_assert_num_queries):
    for n in range(60):
        write(subject=f"Mail {n:02}")

    with django_assert_num_queries(1):
        page = client.get("/mailbox/").content.decode()
    assert "Mail 59" in page and "Mail 09" not in page
    oldest = MailboxMessage.objects.get(subject="Mail 10")
    assert f"before={oldest.pk}" in page
    assert "Mail 09" in client.get(f"/mailbox/?before={oldest.pk}").content.decode()
