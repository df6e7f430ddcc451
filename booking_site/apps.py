from importlib import import_module

from django.apps import AppConfig
from django.conf import settings
from django.core.cache import close_caches
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, reset_queries
from django.urls import register_converter

from booking_site.api.converters import BigIntConverter


class BookingSiteConfig(AppConfig):
    name = "booking_site"
    verbose_name = "Booking site"

    def ready(self) -> None:
        register_converter(BigIntConverter, "bigint")
        import_module("booking_site.checks")
        # They run on every request and have no effect: connections to Redis stay open, those to
        # PostgreSQL were returned at the end of the last request, and Django records statements
        # with DEBUG only.
        request_started.disconnect(reset_queries)
        request_started.disconnect(close_old_connections)
        request_finished.disconnect(close_caches)
        if "replica" in settings.DATABASES:
            import_module("booking_site.postgres.replica").monitor.start()
        if settings.SENTRY_DSN:  # otherwise its package may not be installed
            import_module("booking_site.observability.sentry").start(dsn=settings.SENTRY_DSN)
