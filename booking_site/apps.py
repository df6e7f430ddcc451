from importlib import import_module

from django.apps import AppConfig
from django.conf import settings
from django.urls import register_converter

from booking_site.converters import BigIntConverter


class BookingSiteConfig(AppConfig):
    name = "booking_site"
    verbose_name = "Booking site"

    def ready(self) -> None:
        register_converter(BigIntConverter, "bigint")
        if settings.SENTRY_DSN:  # only then has its library to be installed
            import_module("booking_site.crash_reports").start(dsn=settings.SENTRY_DSN)
