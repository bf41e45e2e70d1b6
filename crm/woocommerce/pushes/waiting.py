"""How long the shop may still be at work on a request that it never answered."""

from datetime import timedelta

# PHP is stopped after some minutes on nearly all hosts; a gateway or a mail server that hangs keeps it busy until then.
SLOW = timedelta(minutes=5)
# On hosts that stop it later, or never, what it hangs on gives up within this: the longest time-outs of databases, gateways and mail servers are shorter.
HANGS = timedelta(minutes=45)
