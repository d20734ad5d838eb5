# Two stages: the first has pip and writes the environment, the second has neither pip's cache nor root.
FROM python:3.12-slim AS environment

RUN python -m venv /opt/hocba
COPY requirements.lock /tmp/requirements.lock
RUN /opt/hocba/bin/pip install --no-cache-dir --disable-pip-version-check \
    --require-hashes --only-binary :all: --requirement /tmp/requirements.lock


FROM python:3.12-slim

RUN useradd --system --user-group --home-dir /var/lib/hocba --create-home --shell /usr/sbin/nologin hocba

COPY --from=environment /opt/hocba /opt/hocba
WORKDIR /srv/hocba
COPY pyproject.toml alembic.ini LICENSE ./
COPY migrations migrations
COPY app app

ENV PATH=/opt/hocba/bin:$PATH \
    PYTHONPATH=/srv/hocba \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOCBA_DATA_DIR=/var/lib/hocba

USER hocba
VOLUME /var/lib/hocba
EXPOSE 8000

HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=3)"]

# docker run hocba admin …: any command of hocba; without one, the whole service.
ENTRYPOINT ["python", "-m", "app"]
CMD ["serve", "--host", "0.0.0.0"]
