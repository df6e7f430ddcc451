"""What gunicorn serves: `booking_site.wsgi:application`."""

import os

from django.core.wsgi import get_wsgi_application

from booking_site.memory import return_large_blocks

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "booking_site.settings")
os.environ.setdefault("PROCESS_ROLE", "web")

return_large_blocks()
application = get_wsgi_application()
