FROM python:3.13.12-slim AS build
WORKDIR /app
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /venv
# To use SENTRY_DSN: docker build --build-arg EXTRA=sentry
ARG EXTRA=
COPY requirements/base.txt requirements/sentry.txt requirements/
RUN /venv/bin/pip install --require-hashes --requirement requirements/base.txt \
    ${EXTRA:+--requirement requirements/$EXTRA.txt}
COPY . .
# DEVELOPMENT=1 would produce different static file names. These values do not reach the image.
RUN TRIAL=1 SECRET_KEY=only-for-collecting-the-static-files-0 \
    JWT_SIGNING_KEY=only-for-collecting-the-static-files-1 \
    ALLOWED_HOSTS=localhost CLIENT_URL=http://localhost \
    DATABASE_URL=postgres://build/build REDIS_URL=redis://build \
    /venv/bin/python manage.py collectstatic --noinput

FROM python:3.13.12-slim
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin site
WORKDIR /app
COPY --from=build /venv /venv
COPY --from=build /app /app
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 GRANIAN_HOST=0.0.0.0 PORT=8000
USER site
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/livez', timeout=2)"]
CMD ["deploy/serve"]
