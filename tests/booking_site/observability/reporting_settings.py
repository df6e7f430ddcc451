"""The settings with every report that Django can make of a failed request switched on."""

import os

from booking_site.settings import *  # noqa: F403
from booking_site.settings import LOGGING

DEBUG = os.environ["ERROR_PAGES"] == "1"
ROOT_URLCONF = "tests.booking_site.urls"
ADMINS = [("Ada", "ada@cinema.example")]
LOGGING["handlers"]["mail"] = {
    "class": "django.utils.log.AdminEmailHandler",
    "level": "ERROR",
    "include_html": True,
}
LOGGING["loggers"]["django.request"]["handlers"] = ["mail"]
