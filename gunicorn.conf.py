"""How the web is served, everywhere: `gunicorn postpurchase.wsgi` finds this file beside manage.py."""

import os

bind = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT') or '8000'}"
workers = int(os.environ.get("WEB_WORKERS") or 2)
# Threads, not async: pages wait for PostgreSQL alone, and each thread keeps one connection.
worker_class = "gthread"
threads = int(os.environ.get("WEB_THREADS") or 8)
timeout = 60
graceful_timeout = 30
keepalive = 75  # longer than a proxy keeps an idle connection, so that it never picks one just being closed
# Old processes are replaced, a few at a time, so that no leak grows for ever.
max_requests = 20_000
max_requests_jitter = 2_000
# Requests are logged by the proxy, if anywhere: addresses of mailed links are secrets.
accesslog = None
