from django.urls import path

from .views import about, codes, credit, display, gifts, joining, members, points, rewards

urlpatterns = [
    path("s/<slug:slug>/points/", points.points, name="loyalty-points"),
    path("s/<slug:slug>/points/statement/", points.statement, name="loyalty-statement"),
    path("s/<slug:slug>/points/statement.csv", points.download, name="loyalty-statement-csv"),
    path("s/<slug:slug>/credit/", credit.balance, name="loyalty-credit"),
    path("s/<slug:slug>/rewards/about/", about.about, name="loyalty-about"),
    path("s/<slug:slug>/rewards/join/", joining.by_mail, name="loyalty-join-by-mail"),
    path("s/<slug:slug>/rewards/join/sent/", joining.sent, name="loyalty-join-sent"),
    path("s/<slug:slug>/rewards/join/<str:token>/", joining.arrive, name="loyalty-arrive"),
    path("s/<slug:slug>/points.json", display.points, name="loyalty-display"),
    path("s/<slug:slug>/points.js", display.script, name="loyalty-display-script"),
    path("s/<slug:slug>/membership/", members.membership, name="loyalty-membership"),
    path("s/<slug:slug>/membership/join/", members.join, name="loyalty-join"),
    path("s/<slug:slug>/membership/leave/", members.leave, name="loyalty-leave"),
    path("s/<slug:slug>/membership/birthday/", members.birthday, name="loyalty-birthday"),
    path("s/<slug:slug>/membership/share/", members.share, name="loyalty-share"),
    path("s/<slug:slug>/membership/link/", members.link, name="loyalty-link"),
    path("s/<slug:slug>/invite/<str:code>/", members.invited, name="loyalty-invited"),
    path("s/<slug:slug>/rewards/", rewards.shelf, name="loyalty-rewards"),
    path("s/<slug:slug>/rewards/<int:reward>/", rewards.reward, name="loyalty-reward"),
    path("s/<slug:slug>/rewards/codes/", codes.codes, name="loyalty-codes"),
    path("s/<slug:slug>/rewards/codes/<int:redemption>/", rewards.code, name="loyalty-code"),
    path("g/<str:token>/", gifts.gift, name="loyalty-gift"),
]
