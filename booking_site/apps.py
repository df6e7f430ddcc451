from django.apps import AppConfig
from django.urls import register_converter

from booking_site.converters import BigIntConverter


class BookingSiteConfig(AppConfig):
    name = "booking_site"
    verbose_name = "Booking site"

    def ready(self) -> None:
        register_converter(BigIntConverter, "bigint")
